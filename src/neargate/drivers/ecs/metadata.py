"""The task metadata endpoint over the records: `TaskMetadata(store)(identity, path)`."""

from __future__ import annotations

from neargate.drivers.ecs.network import TaskIdentity
from neargate.model.ecs import Task, TaskDefinition, definition_key_of
from neargate.model.ports import Store
from neargate.model.records import Json, Reader
from neargate.planners import task_metadata


class TaskMetadata:
    """Answers a task about itself."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __call__(self, identity: object, path: str) -> Json | None:
        """The document at a path of 169.254.170.2; None where nothing is, or where no task asks."""
        if not isinstance(identity, TaskIdentity):
            return None
        key = identity.key

        def read(view: Reader) -> Json | None:
            task = view.get(Task, key)
            if task is None or not task.attachment.ip:
                return None
            definition = view.get(TaskDefinition, definition_key_of(task.task_definition))
            return None if definition is None else task_metadata.document(task, definition, path)

        return self._store.read(read)
