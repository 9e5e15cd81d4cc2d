"""The same as the live view, for a log: one line for each thing that happened, none twice."""

from __future__ import annotations

from neargate.cli.delivery import Action, Delivery, Stage
from neargate.cli.rendering import duration
from neargate.cli.stacks import StackView


class Narrator:
    """Tells a story that it is shown piece by piece. It holds what was said, and asks nobody anything."""

    def __init__(self) -> None:
        self._statuses: dict[str, str] = {}
        self._lines: dict[str, int] = {}
        self._waits: dict[str, str] = {}

    def delivery(self, delivery: Delivery) -> list[str]:
        """What is new since the last time."""
        width = max((len(stage.name) for stage in delivery.stages), default=0)
        told: list[str] = []
        for stage in delivery.stages:
            for action in stage.actions:
                told += [f"{stage.name:{width}}  {line}" for line in self._action(stage, action)]
        if delivery.waiting and not delivery.over and self._new_wait("", delivery.waiting):
            told.append(delivery.waiting)
        return told

    def _action(self, stage: Stage, action: Action) -> list[str]:
        if not action.status:
            return []
        key = f"{stage.name}/{action.name}"
        told: list[str] = []
        before = self._statuses.get(key)
        if before is None:
            told.append(f"started ({action.provider})")
        told += [f"| {line}" for line in action.log[self._lines.get(key, 0) :]]
        self._lines[key] = len(action.log)
        if action.stack is not None and "InProgress" in (before, action.status):
            told += self.stack(action.stack)
        if action.status not in (before, "InProgress"):
            told.append(self._end(action))
        self._statuses[key] = action.status
        return told

    def _end(self, action: Action) -> str:
        seconds = action.seconds(0)
        took = f" in {duration(seconds)}" if seconds is not None else ""
        said = action.error if action.status == "Failed" else action.summary.split("\n", 1)[0]
        return f"{action.status.lower()}{took}{f': {said}' if said else ''}"

    def stack(self, stack: StackView) -> list[str]:
        """What is new in a stack: statuses, reasons, and what is waited for."""
        told: list[str] = []
        first = stack.name not in self._statuses
        settled = first and not stack.status.startswith("CREATE")  # what a change has not reached is no news
        for r in stack.resources:
            key = f"{stack.name}/{r.logical_id}"
            known = self._statuses.get(key)
            self._statuses[key] = r.status
            if known != r.status and not (settled and r.status.endswith("_COMPLETE")):
                reason = f": {r.reason}" if r.reason and r.status.endswith("_FAILED") else ""
                told.append(f"{r.logical_id} {r.status}{reason}")
            if r.waiting and self._new_wait(key, r.waiting):
                told.append(f"{r.logical_id}: {r.waiting}")
            if r.trouble and self._new_wait(f"{key} trouble", r.trouble):
                told.append(f"{r.logical_id}: {r.trouble}")
        if self._statuses.get(stack.name) != stack.status:
            self._statuses[stack.name] = stack.status
            told.append(f"{stack.name} {stack.status}")
        return told

    def _new_wait(self, key: str, sentence: str) -> bool:
        if self._waits.get(key) == sentence:
            return False
        self._waits[key] = sentence
        return True
