"""`ECS Task State Change` on the default bus of EventBridge, where somebody has made a rule.

The detail is DescribeTasks' document with times as text. Delivery is best effort: changes that follow each other at
once may be told as one, and those under way when the server is killed are not told again.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import structlog

from neargate.drivers.ecs import actors
from neargate.drivers.event_rules import has_event_rules
from neargate.model.ecs import Task
from neargate.model.errors import AwsError
from neargate.model.moto import MotoRequest
from neargate.model.ports import Store
from neargate.services.dispatch import Dispatcher
from neargate.services.ecs.task_rendering import described
from neargate.wire.timestamps import iso8601

log = structlog.get_logger()


class TaskEvents:
    """Watches `ecs.task`; does nothing while there is no rule."""

    def __init__(self, store: Store, dispatcher: Dispatcher) -> None:
        self._store = store
        self._dispatcher = dispatcher
        self._changed: asyncio.Queue[str] = asyncio.Queue()
        self._told: dict[str, int] = {}
        self._rules: bool | None = None

    async def run(self) -> None:
        """Work until cancelled."""
        unsubscribe = self._store.subscribe(frozenset({Task.KIND, MotoRequest.KIND}), self._notice)
        try:
            while True:
                await self._tell(await self._changed.get())
        finally:
            unsubscribe()

    def _notice(self, kind: str, key: str) -> None:
        if kind == MotoRequest.KIND:
            self._rules = None  # asked again at the next task's change
            return
        if self._rules is None:
            self._rules = self._store.read(has_event_rules)
        if self._rules:
            self._changed.put_nowait(key)

    async def _tell(self, key: str) -> None:
        task = self._store.read(lambda view: view.get(Task, key))
        if task is None:
            self._told.pop(key, None)
            return
        if self._told.get(key) == task.version:
            return
        self._told[key] = task.version
        entry = {
            "Source": "aws.ecs",
            "DetailType": "ECS Task State Change",
            "Resources": [task.arn],
            "Detail": json.dumps(_with_times(described(task) | {"updatedAt": self._dispatcher.clock.now()})),
        }
        caller = actors.scheduler(task.account, task.region)
        try:
            await self._dispatcher.call(caller, "events", "PutEvents", {"Entries": [entry]})
        except AwsError as error:
            log.warning("task.event-lost", task=task.arn, reason=error.message)


def _with_times(value: Any, name: str = "") -> Any:
    """The document with every `…At` as ISO 8601 text."""
    if isinstance(value, dict):
        return {member: _with_times(inner, member) for member, inner in value.items()}
    if isinstance(value, list):
        return [_with_times(inner, name) for inner in value]
    if name.endswith("At") and isinstance(value, int | float):
        return iso8601(value)
    return value
