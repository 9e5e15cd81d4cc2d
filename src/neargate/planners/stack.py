"""What a stack operation does next: pure functions over who needs whom and how far each one is.

Resources without dependencies between them run side by side. Removal runs against the arrows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import attrs

Progress = Literal["todo", "busy", "done", "failed"]


@attrs.frozen
class Plan:
    """`start` may begin now; `failed` have failed; `busy` are under way; `finished`: nothing is left to do."""

    start: tuple[str, ...]
    busy: tuple[str, ...]
    failed: tuple[str, ...]
    finished: bool

    @property
    def halted(self) -> bool:
        """Something failed: nothing new starts, what is under way is cancelled."""
        return bool(self.failed)


def plan_apply(needs: Mapping[str, frozenset[str]], progress: Mapping[str, Progress]) -> Plan:
    """Create and update: one starts when all it needs are done. Nothing starts once something failed.

    `needs` holds every wanted logical id; a need that is not among them counts as done.
    """
    failed = tuple(name for name in needs if progress.get(name) == "failed")
    busy = tuple(name for name in needs if progress.get(name) == "busy")
    start: tuple[str, ...] = ()
    if not failed:
        start = tuple(
            name
            for name, needed in needs.items()
            if progress.get(name, "todo") == "todo"
            and all(other not in needs or progress.get(other) == "done" for other in needed)
        )
    finished = all(progress.get(name) == "done" for name in needs)
    return Plan(start, busy, failed, finished)


def plan_removal(needs: Mapping[str, frozenset[str]], progress: Mapping[str, Progress]) -> Plan:
    """Delete: one starts when all that need it are gone. A failure keeps only those back that it needs.

    `needs` holds the ones to remove, with what each was made to depend on.
    """
    dependants: dict[str, set[str]] = {name: set() for name in needs}
    for name, needed in needs.items():
        for other in needed:
            if other in dependants and other != name:
                dependants[other].add(name)
    start = tuple(
        name
        for name in needs
        if progress.get(name, "todo") == "todo"
        and all(progress.get(other) == "done" for other in dependants[name])
    )
    failed = tuple(name for name in needs if progress.get(name) == "failed")
    busy = tuple(name for name in needs if progress.get(name) == "busy")
    finished = not start and not busy
    return Plan(start, busy, failed, finished)
