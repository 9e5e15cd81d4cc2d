"""Physical names as CloudFormation forms them (facts 1.12), derived so that the same change gives the same name."""

from __future__ import annotations

import hashlib

_UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_MIXED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_LOWER = "abcdefghijklmnopqrstuvwxyz0123456789"
_TAIL = 12


def physical_name(style: str, max_length: int, stack_name: str, logical_id: str, seed: str) -> str:
    """`<stack>-<logical id>-<12 characters>`, cut so that the tail stays whole within `max_length`.

    `style` is one of `resources.declaration.Naming`'s; `seed` decides the tail.
    """
    alphabet = {"legacy": _UPPER, "short": _UPPER, "lower": _LOWER}.get(style, _MIXED)
    tail = _letters(seed, alphabet)
    room = max_length - _TAIL - 1
    if style == "stackless":
        return f"{logical_id[:room]}-{tail}"
    if style == "parameter":
        return f"CFN-{logical_id[: room - 4]}-{tail}"
    if style == "short":
        return f"{stack_name[:5].rstrip('-')}-{logical_id[:5]}-{tail}"
    stack, logical = stack_name, logical_id
    if len(stack) + 1 + len(logical) > room:
        half = (room - 1) // 2
        logical = logical[: max(half, room - 1 - len(stack))]
        stack = stack[: room - 1 - len(logical)]
    name = f"{stack}-{logical}-{tail}"
    return name.lower() if style == "lower" else name


def _letters(seed: str, alphabet: str) -> str:
    number = int.from_bytes(hashlib.sha256(seed.encode()).digest(), "big")
    letters = []
    for _ in range(_TAIL):
        number, index = divmod(number, len(alphabet))
        letters.append(alphabet[index])
    return "".join(letters)
