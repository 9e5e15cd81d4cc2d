"""The ports through which time, chance, storage and other services come in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from neargate.model.records import Json, Reader, Tx

T = TypeVar("T")


class Clock(Protocol):
    """Time. Epoch seconds as a float."""

    def now(self) -> float: ...


class Ids(Protocol):
    """Chance. Every identifier that is not derived comes from here."""

    def uuid(self) -> str: ...

    def hex(self, length: int) -> str: ...

    def digits(self, length: int) -> str: ...

    def letters(self, length: int, alphabet: str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") -> str: ...


class Store(Protocol):
    """The one place where state lives."""

    async def write(self, work: Callable[[Tx], T]) -> T:
        """Run `work` in a transaction on the writer thread; returns after it is on disk.

        An exception rolls back just this work and is raised here. `work` must not block on anything else.
        """

    def read(self, work: Callable[[Reader], T]) -> T:
        """Run `work` on a consistent snapshot, on the calling thread."""

    def subscribe(
        self, kinds: frozenset[str] | None, notify: Callable[[str, str], None]
    ) -> Callable[[], None]:
        """After each commit call `notify(kind, key)` on the event loop for every record written or deleted of
        the kinds (None: all), and `notify("journal:TOPIC", subject)` for journal entries. Returns how to
        unsubscribe."""


class Invoke(Protocol):
    """One service's way to another: the same path an HTTP caller takes, inside the same transaction."""

    def __call__(
        self,
        service: str,
        operation: str,
        request: Json,
        *,
        role: str | None = None,
        region: str | None = None,
        via: str | None = None,
    ) -> Json:
        """`role`, `region`: act as that role, in that region. `via`: act as that service (its principal, such as
        `elasticloadbalancing.amazonaws.com`), which may do to its own resources what its users may not."""
