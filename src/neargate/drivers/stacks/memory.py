"""What the driver remembers of a stack under way, so that a look costs what has changed and not what there is.

All of it can be read again from the store: a driver that starts has none.
"""

from __future__ import annotations

from neargate.drivers.stacks.place import opened_for, place_of
from neargate.model.cloudformation import Stack, StackInput, StackOperation, StackResource
from neargate.model.ports import Store
from neargate.model.records import Reader
from neargate.resources import evaluation


class StackMemory:
    """The resources of one stack as they are in the store, and its wanted template opened.

    `notice` says that a resource's record has changed; the next `look` reads it again.
    """

    def __init__(self, store: Store, key: str) -> None:
        self._store = store
        self._key = key
        self._resources: dict[str, StackResource] = {}
        self._changed: set[str] | None = None  # None: nothing has been read yet
        self._opened: tuple[str, StackInput, evaluation.Place, evaluation.Opened] | None = None

    def notice(self, logical_id: str) -> None:
        if self._changed is not None:
            self._changed.add(logical_id)

    def look(self) -> dict[str, StackResource]:
        """The resources by logical id. The mapping is the memory's own: it stays what it is until the next look."""
        changed, self._changed = self._changed, set()
        if changed is None or len(changed) > len(self._resources) // 2:
            found = self._store.read(lambda view: view.scan(StackResource, self._key + "/"))
            self._resources.clear()
            self._resources.update((r.logical_id, r) for r in found)
        elif changed:
            names = sorted(changed)
            self._store.read(lambda view: self._read_again(view, names))
        return self._resources

    def _read_again(self, view: Reader, names: list[str]) -> None:
        for name in names:
            resource = view.get(StackResource, f"{self._key}/{name}")
            if resource is None:
                self._resources.pop(name, None)
            else:
                self._resources[name] = resource

    def place(self, stack: Stack) -> evaluation.Place:
        return place_of(stack, self._store.read)

    def opened(self, stack: Stack, operation: StackOperation) -> tuple[evaluation.Place, evaluation.Opened]:
        """The operation's wanted template, opened once; its references see the resources of the last look.

        Raises AwsError.
        """
        known, wanted = self._opened, operation.wanted
        assert wanted is not None
        if known is None or known[0] != operation.id or known[1] != wanted:
            place = self.place(stack)
            known = operation.id, wanted, place, opened_for(operation, place, self._resources)
            self._opened = known
        return known[2], known[3]
