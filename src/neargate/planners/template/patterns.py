"""Java's regular expressions, in which AllowedPattern and the registry's patterns are written, for Python.

What differs in practice: `[\\w-\\+]` (a hyphen after a class) and `\\p{L}` (a Unicode class).
"""

from __future__ import annotations

import re
from functools import lru_cache

# what a \\p{…} stands for inside brackets; letters are taken a little too widely, never too narrowly
_CLASSES = {
    "Alnum": "a-zA-Z0-9",
    "Alpha": "a-zA-Z",
    "Blank": r" \t",
    "C": r"\x00-\x1f\x7f-\x9f",
    "Cntrl": r"\x00-\x1f\x7f",
    "Digit": "0-9",
    "Graph": r"\x21-\x7e",
    "L": r"\w",
    "Ll": r"\w",
    "Lower": "a-z",
    "Lu": r"\w",
    "M": r"\u0300-\u036f",
    "N": r"\d",
    "Nd": r"\d",
    "P": r"!-/:-@\[-`{-~\u2000-\u206f",
    "Print": r"\x20-\x7e",
    "Punct": r"!-/:-@\[-`{-~",
    "S": r"$+<=>^`|~\u00a0-\u00bf\u2000-\u2bff",
    "Space": r"\s",
    "Upper": "A-Z",
    "Z": r"\s\u00a0\u2000-\u200a\u3000",
    "Zs": r" \u00a0\u2000-\u200a\u3000",
}
_NOT_CONTROL = r"\x20-\x7e\u00a0-\U0010ffff"
_TOKEN = re.compile(r"\\([pP])(?:\{(?:Is)?(\w+)\}|(\w))|\\.|[\[\]]|.", re.DOTALL)
_HYPHEN_AFTER_CLASS = re.compile(r"(\\[wdsWDS])-(?!\])")


@lru_cache(maxsize=512)
def compiled(pattern: str) -> re.Pattern[str] | None:
    """The pattern for Python, or None where it is no regular expression, or one that only Java knows."""
    try:
        return re.compile(_translated(pattern))
    except (re.error, OverflowError, RecursionError):
        return None


def _translated(pattern: str) -> str:
    inside = False
    parts = []
    for token in _TOKEN.finditer(pattern):
        text = token[0]
        if token[1]:
            text = _class(token[1] == "P", token[2] or token[3], inside) or text
        elif text == "[":
            text, inside = (r"\[", True) if inside else ("[", True)
        elif text == "]":
            inside = False
        elif inside and text in "&|~":  # doubled they are set operations to a Python to come
            text = "\\" + text
        parts.append(text)
    return _HYPHEN_AFTER_CLASS.sub(r"\1\\-", "".join(parts))


def _class(negated: bool, name: str, inside: bool) -> str | None:
    content = _CLASSES.get(name)
    if content is None:
        return None
    if negated:
        if inside:
            return _NOT_CONTROL if name == "C" else None
        return f"[^{content}]"
    return content if inside else f"[{content}]"
