"""The loop that carries stack operations out: look, plan, act on what may start, record, wait for the next change.

A phase is a method. Each acts on every resource that may start now, side by side, one transaction each, and says
whether anything moved; where nothing did, the stack sleeps until a watched record changes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping

from neargate.drivers.stacks import apply, finish, nested, parameters, protection, remove, revert
from neargate.drivers.stacks.handlers import HandlerFailed
from neargate.drivers.stacks.memory import StackMemory
from neargate.drivers.stacks.notifications import Notifier
from neargate.drivers.stacks.place import caller_of
from neargate.drivers.workqueue import WorkQueue
from neargate.model.cloudformation import NOTIFICATIONS, REVERTED, Stack, StackOperation, StackResource
from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.model.ports import Clock, Store
from neargate.model.records import Tx
from neargate.planners.stack import Progress, plan_apply, plan_removal
from neargate.resources import evaluation, registry
from neargate.services.dispatch import Dispatcher

LOOK_AGAIN = 5.0  # seconds; a safety net below the wake-ups


class StackDriver:
    """Carries out what CreateStack, UpdateStack, DeleteStack and ExecuteChangeSet recorded."""

    def __init__(self, store: Store, dispatcher: Dispatcher, clock: Clock) -> None:
        self._store = store
        self._dispatcher = dispatcher
        self._clock = clock
        self._queue = WorkQueue("stacks", self.reconcile, clock)
        self._active: set[str] = set()
        self._memories: dict[str, StackMemory] = {}
        self._notifier = Notifier(store, dispatcher)
        self._notifications = WorkQueue("stack-notifications", self._notifier.send, clock)

    async def run(self) -> None:
        """Work until cancelled."""
        unfinished = self._store.read(
            lambda view: [s.key for s in view.scan(Stack) if s.operation is not None]
        )
        self._active.update(unfinished)
        unsubscribe = self._store.subscribe(None, self._notice)
        try:
            self._queue.wake_all(unfinished)
            self._notifications.wake("all")
            await asyncio.get_running_loop().create_future()
        finally:
            unsubscribe()
            await self._queue.close()
            await self._notifications.close()

    def _notice(self, kind: str, key: str) -> None:
        if kind == Stack.KIND:
            self._queue.wake(key)
            parent = self._store.read(lambda view: nested.parent_key(view, key))
            if parent is not None:
                self._queue.wake(parent)
        elif kind == f"journal:{NOTIFICATIONS}":
            self._notifications.wake("all")
        elif kind == StackResource.KIND:
            stack, _, logical_id = key.rpartition("/")
            if stack in self._memories:
                self._memories[stack].notice(logical_id)
        elif kind in _watched():
            self._queue.wake_all(tuple(self._active))

    async def reconcile(self, key: str) -> float | None:
        while True:
            stack = self._store.read(lambda view: view.get(Stack, key))
            if stack is None or stack.operation is None:
                self._active.discard(key)
                self._memories.pop(key, None)
                return None
            self._active.add(key)
            moved = await self._phase(stack, stack.operation)
            if not moved:
                return self._clock.now() + LOOK_AGAIN

    async def _phase(self, stack: Stack, operation: StackOperation) -> bool:
        phases: dict[str, Callable[[Stack, StackOperation], Awaitable[bool]]] = {
            "validate": self._validate,
            "apply": self._apply,
            "revert": self._revert,
            "cleanup": self._cleanup,
            "revert-cleanup": self._cleanup,
            "rollback": self._remove,
            "delete": self._remove,
        }
        return await phases[operation.phase](stack, operation)

    # -- phases --------------------------------------------------------------------------------------------

    async def _validate(self, stack: Stack, operation: StackOperation) -> bool:
        """Typed parameters must name what exists; imports must have been exported."""
        return await self._write(stack, lambda cx, now: parameters.validate(cx, now, operation))

    async def _apply(self, stack: Stack, operation: StackOperation) -> bool:
        ended = _ended(stack, operation, self._clock.now())
        if ended is not None:
            return await self._write(stack, lambda cx, now: finish.apply_ended(cx, now, operation, ended))
        resources = self._memory(stack).look()
        try:
            place, opened = self._memory(stack).opened(stack, operation)
        except AwsError as error:
            text = error.message
            return await self._write(stack, lambda cx, now: finish.apply_impossible(cx, now, operation, text))
        denied = protection.protected_from_removal(operation, resources, opened.live)
        if denied:
            return await self._write(stack, lambda cx, now: _refuse_removal(cx, now, operation, denied))
        progress = _apply_progress(opened.needs, resources, operation)
        plan = plan_apply(opened.needs, progress)
        if plan.failed:
            return await self._write(stack, lambda cx, now: finish.apply_failed(cx, now, operation))
        if plan.finished:
            return await self._write(stack, lambda cx, now: finish.applied(cx, now, operation))
        started = [self._begin_one(stack, operation, opened, name, place) for name in plan.start]
        checked = [self._check_one(stack, operation, resources[name], place) for name in plan.busy]
        return any(await asyncio.gather(*started, *checked))

    async def _begin_one(
        self,
        stack: Stack,
        operation: StackOperation,
        opened: evaluation.Opened,
        name: str,
        place: evaluation.Place,
    ) -> bool:
        try:
            await self._write(stack, lambda cx, now: apply.begin(cx, now, operation, opened, name, place))
        except HandlerFailed as failed:
            await self._failed(stack, operation, name, opened.live[name].type, failed)
        except AwsError as error:
            refused = HandlerFailed(error.message, error.code)
            await self._failed(stack, operation, name, opened.live[name].type, refused)
        return True

    async def _check_one(
        self, stack: Stack, operation: StackOperation, resource: StackResource, place: evaluation.Place
    ) -> bool:
        try:
            return bool(await self._write(stack, lambda cx, now: apply.check(cx, now, resource, place)))
        except HandlerFailed as failed:
            await self._failed(stack, operation, resource.logical_id, resource.type, failed)
            return True

    async def _failed(
        self, stack: Stack, operation: StackOperation, name: str, type_name: str, failed: HandlerFailed
    ) -> None:
        await self._write(
            stack, lambda cx, now: apply.record_failure(cx, now, operation, name, type_name, failed)
        )

    async def _revert(self, stack: Stack, operation: StackOperation) -> bool:
        resources, place = self._memory(stack).look(), self._memory(stack).place(stack)
        mark = REVERTED + operation.id
        targets = {
            name: resource
            for name, resource in resources.items()
            if revert.must_revert(resource, operation) or resource.operation == mark
        }
        needs = {name: frozenset(r.before.needs if r.before else ()) for name, r in targets.items()}
        progress = {name: _revert_progress(resource, mark) for name, resource in targets.items()}
        plan = plan_apply(needs, progress)
        if plan.failed and not plan.busy:
            return await self._write(
                stack, lambda cx, now: finish.revert_failed(cx, now, operation, plan.failed)
            )
        if plan.finished:
            return await self._write(stack, lambda cx, now: finish.reverted(cx, now, operation))
        started = [self._revert_one(stack, operation, targets[name], place) for name in plan.start]
        checked = [self._check_reverted(stack, operation, targets[name], place) for name in plan.busy]
        return any(await asyncio.gather(*started, *checked))

    async def _revert_one(
        self, stack: Stack, operation: StackOperation, resource: StackResource, place: evaluation.Place
    ) -> bool:
        try:
            await self._write(stack, lambda cx, now: revert.begin(cx, now, resource, operation, place))
        except HandlerFailed as failed:
            why = failed.reason
            await self._write(stack, lambda cx, now: revert.fail(cx, now, resource, operation, why))
        return True

    async def _check_reverted(
        self, stack: Stack, operation: StackOperation, resource: StackResource, place: evaluation.Place
    ) -> bool:
        try:
            return bool(await self._write(stack, lambda cx, now: apply.check(cx, now, resource, place)))
        except HandlerFailed as failed:
            why = failed.reason
            await self._write(stack, lambda cx, now: revert.fail(cx, now, resource, operation, why))
            return True

    async def _cleanup(self, stack: Stack, operation: StackOperation) -> bool:
        """After an update: what was replaced or left the template goes. After a revert: what was made new goes.

        A nested stack's waits for its parent's; a parent's takes its nested stacks along.
        """
        if operation.led:
            return False
        memory = self._memory(stack)
        resources, place = memory.look(), memory.place(stack)
        left = {name: r for name, r in resources.items() if r.leftover is not None}
        live = memory.opened(stack, operation)[1].live if operation.phase == "cleanup" else ()
        extra = finish.superfluous(operation, live, resources)
        needs = {name: frozenset(r.leftover.needs) for name, r in left.items() if r.leftover} | {
            name: frozenset(r.made.needs) for name, r in extra.items() if r.made
        }
        progress: dict[str, Progress] = {
            name: "busy" if r.leftover_status else "todo" for name, r in left.items()
        } | {name: _removal_progress(r, operation) for name, r in extra.items()}
        plan = plan_removal(needs, progress)
        children = nested.following(resources, operation)
        if plan.finished and not children:
            return await self._write(stack, lambda cx, now: finish.cleaned(cx, now, operation))
        work = [self._follow_one(stack, operation, child) for child in children.values()]
        work += [
            self._clean_one(stack, left[name], place) for name in (*plan.start, *plan.busy) if name in left
        ]
        work += [
            self._remove_one(stack, operation, extra[name], place)
            for name in (*plan.start, *plan.busy)
            if name in extra
        ]
        return any(await asyncio.gather(*work))

    async def _follow_one(self, stack: Stack, operation: StackOperation, child: StackResource) -> bool:
        return await self._write(stack, lambda cx, now: nested.follow(cx, now, child, operation))

    async def _clean_one(self, stack: Stack, resource: StackResource, place: evaluation.Place) -> bool:
        try:
            return bool(await self._write(stack, lambda cx, now: remove.clean(cx, now, resource, place)))
        except HandlerFailed as failed:
            why = failed.reason
            await self._write(stack, lambda cx, now: remove.give_up_cleaning(cx, now, resource, why))
            return True

    async def _remove(self, stack: Stack, operation: StackOperation) -> bool:
        """Rollback of a create, or a delete: everything goes, against the arrows; last what a failed rollback left."""
        resources, place = self._memory(stack).look(), self._memory(stack).place(stack)
        targets = {
            name: r
            for name, r in resources.items()
            if r.made is not None or (r.operation == operation.id and r.status.startswith("DELETE"))
        }
        needs = {name: frozenset(r.made.needs if r.made else ()) for name, r in targets.items()}
        progress: dict[str, Progress] = {name: _removal_progress(r, operation) for name, r in targets.items()}
        plan = plan_removal(needs, progress)
        if plan.finished:
            left = [r for r in resources.values() if r.leftover is not None]
            if left:
                return any(await asyncio.gather(*(self._clean_one(stack, r, place) for r in left)))
            return await self._write(stack, lambda cx, now: finish.removed(cx, now, operation))
        work = [
            self._remove_one(stack, operation, targets[name], place) for name in (*plan.start, *plan.busy)
        ]
        return any(await asyncio.gather(*work))

    async def _remove_one(
        self, stack: Stack, operation: StackOperation, resource: StackResource, place: evaluation.Place
    ) -> bool:
        under_way = _removal_progress(resource, operation) == "busy"
        try:
            if under_way:
                return bool(await self._write(stack, lambda cx, now: remove.check(cx, now, resource, place)))
            await self._write(stack, lambda cx, now: remove.begin(cx, now, resource, operation, place))
        except HandlerFailed as failed:
            why, give_up = failed.reason, remove.abandon if operation.phase == "cleanup" else remove.fail
            await self._write(stack, lambda cx, now: give_up(cx, now, resource, operation, why))
        return True

    # -- reading and writing -------------------------------------------------------------------------------

    def _memory(self, stack: Stack) -> StackMemory:
        if stack.key not in self._memories:
            self._memories[stack.key] = StackMemory(self._store, stack.key)
        return self._memories[stack.key]

    async def _write(self, stack: Stack, work: Callable[[Context, Stack], object]) -> bool:
        """Run `work` on the stack as it stands then; a no-op where another operation has taken over."""
        caller = caller_of(stack)
        operation = stack.operation
        assert operation is not None

        def write(tx: Tx) -> bool:
            now = tx.get(Stack, stack.key)
            if now is None or now.operation is None or now.operation.id != operation.id:
                return True
            if now.operation.phase != operation.phase:
                return True
            result = work(self._dispatcher.context(tx, caller), now)
            return result is not False

        return await self._store.write(write)


def _refuse_removal(
    cx: Context,
    stack: Stack,
    operation: StackOperation,
    denied: Mapping[str, tuple[StackResource, HandlerFailed]],
) -> None:
    """The stack policy forbids to remove what the template no longer has: the update fails before it begins."""
    for name, (resource, failed) in denied.items():
        apply.record_failure(cx, stack, operation, name, resource.type, failed)
    finish.apply_failed(cx, stack, operation)


def _ended(stack: Stack, operation: StackOperation, now: float) -> str | None:
    """Why an operation must turn back although nothing failed, if it must. TimeoutInMinutes bounds creations only."""
    if operation.cancelled:
        return nested.BY_PARENT if operation.led else "Stack update cancelled"
    minutes = stack.timeout_minutes
    if operation.kind == "CREATE" and minutes is not None and now - operation.started > minutes * 60:
        return "Stack creation time exceeded the specified timeout. "
    return None


def _apply_progress(
    names: Iterable[str], resources: dict[str, StackResource], operation: StackOperation
) -> dict[str, Progress]:
    progress: dict[str, Progress] = {}
    for name in names:
        resource = resources.get(name)
        if resource is None or resource.operation != operation.id:
            progress[name] = "todo"
        elif resource.status.endswith("_COMPLETE"):
            progress[name] = "done"
        elif resource.status.endswith("_FAILED"):
            progress[name] = "failed"
        else:
            progress[name] = "busy"
    return progress


def _revert_progress(resource: StackResource, mark: str) -> Progress:
    if resource.operation != mark:
        return "todo"
    if resource.status.endswith("_COMPLETE"):
        return "done"
    return "failed" if resource.status.endswith("_FAILED") else "busy"


def _removal_progress(resource: StackResource, operation: StackOperation) -> Progress:
    if resource.made is None:
        return "done"
    if resource.operation != operation.id:
        return "todo"
    if resource.status == "DELETE_IN_PROGRESS":
        return "busy"
    return "failed" if resource.status == "DELETE_FAILED" else "todo"


_WATCHED: set[str] = set()


def _watched() -> set[str]:
    if not _WATCHED:
        _WATCHED.update(*(declared.watches for declared in registry.supported()))
    return _WATCHED
