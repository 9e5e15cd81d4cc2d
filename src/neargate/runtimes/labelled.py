"""Things found by their labels, at the cost of what is found instead of what is there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar

T = TypeVar("T")


class Labelled(Generic[T]):
    """An index of things that have an id and labels, neither of which changes."""

    def __init__(self) -> None:
        self._all: dict[str, tuple[Mapping[str, str], T]] = {}
        self._by_label: dict[tuple[str, str], dict[str, None]] = {}

    def add(self, identity: str, labels: Mapping[str, str], thing: T) -> None:
        self._all[identity] = (labels, thing)
        for label in labels.items():
            self._by_label.setdefault(label, {})[identity] = None

    def drop(self, identity: str, labels: Mapping[str, str]) -> None:
        del self._all[identity]
        for label in labels.items():
            identities = self._by_label[label]
            del identities[identity]
            if not identities:
                del self._by_label[label]

    def find(self, labels: Mapping[str, str]) -> list[T]:
        """All that have these labels, in the order in which they were added."""
        fewest = min((self._by_label.get(label, {}) for label in labels.items()), key=len, default=self._all)
        candidates = (self._all[identity] for identity in fewest)
        return [thing for its_labels, thing in candidates if labels.items() <= its_labels.items()]
