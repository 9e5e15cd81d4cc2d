"""Pages of sorted items with an opaque token: where the last page ended, in base64."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


def page(
    items: Iterable[T], name: Callable[[T], str], token: str | None, most: int
) -> tuple[list[T], str | None]:
    """The next `most` items, which are sorted by `name`, and the token behind them. Raises ValueError for a token
    that `encoded` never made."""
    after = None if token is None else decoded(token)
    rest = [item for item in items if after is None or name(item) > after]
    if len(rest) <= most:
        return rest, None
    return rest[:most], encoded(name(rest[most - 1]))


def encoded(position: str) -> str:
    """An opaque token."""
    return base64.urlsafe_b64encode(position.encode()).decode()


def decoded(token: str) -> str:
    """What `encoded` was given. Raises ValueError for anything else."""
    return base64.b64decode(token.encode(), altchars=b"-_", validate=True).decode()
