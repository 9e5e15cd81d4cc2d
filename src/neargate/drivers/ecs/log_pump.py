"""A container's lines into its CloudWatch Logs stream, none lost and none twice.

Events and the position behind them in the engine's output are written in one transaction, so that after a crash the
pump goes on exactly behind the last stored event. Nothing is read ahead: what is not stored yet waits in the engine's
log file, so neither `blocking` nor `non-blocking` ever holds the container up or loses a line.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence

import structlog

from neargate.drivers.ecs import actors
from neargate.drivers.ecs.live import BUSY, READY, LiveTask, failed
from neargate.drivers.ecs.reach import Reach
from neargate.drivers.ecs.rights import ExecutionRights
from neargate.model.ecs import LogCursor, Task, TaskDefinition
from neargate.model.errors import AwsError
from neargate.model.logs import LogGroup, LogStream, stream_key
from neargate.model.ports import Store
from neargate.model.records import Json, Tx
from neargate.model.runtime import LogBatch, NoSuchContainer, Runtime
from neargate.planners.awslogs import PUBLISH_EVERY, Event, EventAssembler, InvalidOption, LogOptions
from neargate.services.dispatch import Dispatcher
from neargate.services.logs.events import ingest

log = structlog.get_logger()

_PAUSE = 0.05  # seconds between two writes of one stream; lines that come meanwhile go together
_FULL = 1_000  # lines in a batch behind which more are waiting


def stream_name(task: Task, container: Json) -> str | None:
    """`prefix/container/task-id`; None where it has no awslogs configuration."""
    options = _awslogs(container)
    return None if options is None else _stream(task, container, options["awslogs-stream-prefix"])


def _awslogs(container: Json) -> dict[str, str] | None:
    configuration = container.get("logConfiguration")
    if configuration is None or configuration["logDriver"] != "awslogs":
        return None
    return dict(configuration["options"])


def _options(container: Json) -> LogOptions | None:
    """None where it has no awslogs configuration. Raises InvalidOption."""
    options = _awslogs(container)
    return None if options is None else LogOptions.read(options)


def _stream(task: Task, container: Json, prefix: str) -> str:
    return f"{prefix}/{container['name']}/{task.id}"


class LogPump:
    """Opens streams and fills them, under each task's execution role."""

    def __init__(self, store: Store, dispatcher: Dispatcher, runtime: Runtime, reach: Reach) -> None:
        self._store = store
        self._dispatcher = dispatcher
        self._runtime = runtime
        self._rights = ExecutionRights(dispatcher)
        self._reach = reach

    async def open(self, task: Task, definition: TaskDefinition, live: LiveTask) -> None:
        """Make the streams; sets `live.logs`, failed with Fargate's text where a group does not exist."""
        live.logs = BUSY
        invalid = "ResourceInitializationError: failed to validate logger args: "
        try:
            for container in definition.containers:
                await self._open_stream(task, container)
        except InvalidOption as error:
            live.logs = failed(f"{invalid}{error} : exit status 1")
        except AwsError as error:
            live.logs = failed(
                f"{invalid}create stream has been retried 1 times: failed to create Cloudwatch log stream: "
                f"{error.code}: {error.message} : exit status 1"
            )
        else:
            live.logs = READY

    async def _open_stream(self, task: Task, container: Json) -> None:
        options = _options(container)
        if options is None:
            return
        caller = actors.execution(task, options.region)
        if not self._reach.service(task, "logs"):
            raise AwsError(
                "RequestError",
                "send request failed caused by: "
                f'Post "https://logs.{caller.region}.amazonaws.com/": dial tcp: i/o timeout',
            )
        stream = _stream(task, container, options.prefix)
        arn = f"arn:aws:logs:{caller.region}:{caller.account}:log-group:{options.group}"
        if options.create_group:
            await self._rights.require(task, "logs:CreateLogGroup", arn)
            with _existing_is_fine():
                await self._dispatcher.call(caller, "logs", "CreateLogGroup", {"logGroupName": options.group})
        await self._rights.require(task, "logs:CreateLogStream", f"{arn}:log-stream:{stream}")
        request = {"logGroupName": options.group, "logStreamName": stream}
        with _existing_is_fine():
            await self._dispatcher.call(caller, "logs", "CreateLogStream", request)

    async def run(self, task: Task, container: Json, runtime_id: str) -> None:
        """Pump until the container has exited and all its lines are stored."""
        options = _options(container)
        if options is None:
            return
        cursor = self._store.read(lambda view: view.get(LogCursor, _key(task, container)))
        seen = safe = "" if cursor is None else cursor.position or str(cursor.at)
        assembler = EventAssembler(options.starts)
        try:
            async with contextlib.aclosing(self._runtime.logs(runtime_id, seen)) as batches:
                async for batch in _with_pauses(batches, lambda: assembler.began is not None):
                    if batch is None:
                        events, safe = assembler.flush(), seen
                    else:
                        events, seen = assembler.add(batch.lines), batch.position
                        safe = _resume(assembler.began, batch, safe)
                    await self._keep(task, container, options, events, safe)
                    if batch is not None and len(batch.lines) < _FULL:
                        await asyncio.sleep(_PAUSE)
        except NoSuchContainer:
            log.warning("logs.container-vanished", container=runtime_id)
        if assembler.began is not None:
            await self._keep(task, container, options, assembler.flush(), seen)

    async def _keep(
        self, task: Task, container: Json, options: LogOptions, events: Sequence[Event], position: str
    ) -> None:
        """Store events, and from where to go on, together."""
        caller = actors.execution(task, options.region)
        stream = stream_key(
            caller.account, caller.region, options.group, _stream(task, container, options.prefix)
        )

        def write(tx: Tx) -> bool:
            tx.put(_cursor(task, container, position))
            into = tx.get(LogStream, stream)
            group = tx.get(LogGroup, caller.scope(options.group))
            if into is None or group is None:
                return not events
            ingest(self._dispatcher.context(tx, caller), group, into, events)
            return True

        if not await self._store.write(write):
            # As on AWS: whoever deletes the group or stream under a running container loses its lines.
            log.warning("logs.lost", task=task.arn, events=len(events), group=options.group)


def _resume(began: int | None, batch: LogBatch, before: str) -> str:
    """Where a restart has to go on, so that it meets an event again that has not ended with this batch."""
    if began is None:
        return batch.position
    return batch.behind(began - 1) if began >= batch.lines[0].timestamp else before


async def _with_pauses(
    batches: AsyncGenerator[LogBatch, None], waiting: Callable[[], bool]
) -> AsyncGenerator[LogBatch | None, None]:
    """The batches; None where `waiting` says that something waits for the next one, and it is long in coming."""
    following: asyncio.Task[LogBatch | None] | None = None
    try:
        while True:
            following = following or asyncio.create_task(_next(batches))
            await asyncio.wait({following}, timeout=PUBLISH_EVERY if waiting() else None)
            if not following.done():
                yield None
                continue
            batch, following = following.result(), None
            if batch is None:
                return
            yield batch
    finally:
        if following is not None:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)


async def _next(batches: AsyncGenerator[LogBatch, None]) -> LogBatch | None:
    return await anext(batches, None)


def _key(task: Task, container: Json) -> str:
    return _cursor(task, container, "").key


def _cursor(task: Task, container: Json, position: str) -> LogCursor:
    return LogCursor(
        account=task.account,
        region=task.region,
        cluster=task.cluster,
        task=task.id,
        container=container["name"],
        position=position,
    )


@contextlib.contextmanager
def _existing_is_fine() -> Iterator[None]:
    try:
        yield
    except AwsError as error:
        if error.code != "ResourceAlreadyExistsException":
            raise
