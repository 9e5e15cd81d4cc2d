"""A container's lines into its CloudWatch Logs stream, none lost and none twice.

Events and the cursor (the engine's timestamp of the last line) are written in one transaction, so that after a
crash the pump goes on exactly behind the last stored line.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Sequence

import structlog

from neargate.drivers.ecs import actors
from neargate.drivers.ecs.live import BUSY, READY, LiveTask, failed
from neargate.drivers.ecs.reach import Reach
from neargate.drivers.ecs.rights import ExecutionRights
from neargate.model.ecs import LogCursor, Task, TaskDefinition
from neargate.model.errors import AwsError
from neargate.model.ports import Store
from neargate.model.records import Json, Tx
from neargate.model.runtime import LogLine, NoSuchContainer, Runtime
from neargate.services.dispatch import Dispatcher, find

log = structlog.get_logger()

_WAITING = 20_000  # lines in memory; a faster container waits in the engine's buffers
_MOST_EVENTS = 10_000
_MOST_BYTES = 1_000_000
_OVERHEAD = 26
_DAY_NS = 23 * 3600 * 10**9
_PAUSE = 0.05  # seconds between two writes of one stream; lines that come meanwhile go together


def stream_name(task: Task, container: Json) -> str | None:
    """`prefix/container/task-id`; None where it has no awslogs configuration."""
    options = _options(container)
    if options is None:
        return None
    return f"{options['awslogs-stream-prefix']}/{container['name']}/{task.id}"


def _options(container: Json) -> dict[str, str] | None:
    configuration = container.get("logConfiguration")
    if configuration is None or configuration["logDriver"] != "awslogs":
        return None
    return dict(configuration["options"])


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
        try:
            for container in definition.containers:
                await self._open_stream(task, container)
        except AwsError as error:
            live.logs = failed(
                "ResourceInitializationError: failed to validate logger args: create stream has been retried "
                f"1 times: failed to create Cloudwatch log stream: {error.code}: {error.message} : "
                "exit status 1"
            )
        else:
            live.logs = READY

    async def _open_stream(self, task: Task, container: Json) -> None:
        options, stream = _options(container), stream_name(task, container)
        if options is None or stream is None:
            return
        caller = actors.execution(task, options["awslogs-region"])
        if not self._reach.service(task, "logs"):
            raise AwsError(
                "RequestError",
                "send request failed caused by: "
                f'Post "https://logs.{caller.region}.amazonaws.com/": dial tcp: i/o timeout',
            )
        group = options["awslogs-group"]
        arn = f"arn:aws:logs:{caller.region}:{caller.account}:log-group:{group}"
        if options.get("awslogs-create-group") == "true":
            await self._rights.require(task, "logs:CreateLogGroup", arn)
            with _existing_is_fine():
                await self._dispatcher.call(caller, "logs", "CreateLogGroup", {"logGroupName": group})
        await self._rights.require(task, "logs:CreateLogStream", f"{arn}:log-stream:{stream}")
        request = {"logGroupName": group, "logStreamName": stream}
        with _existing_is_fine():
            await self._dispatcher.call(caller, "logs", "CreateLogStream", request)

    async def run(self, task: Task, container: Json, runtime_id: str) -> None:
        """Pump until the container has exited and all its lines are stored."""
        if _options(container) is None:
            return
        cursor = self._store.read(lambda view: view.get(LogCursor, _cursor(task, container, 0).key))
        lines = _Lines()
        reading = asyncio.create_task(self._read(runtime_id, cursor.at if cursor else None, lines))
        try:
            over = False
            while not over:
                batch, over = await lines.batch()
                for part in _parts(batch):
                    await self._write_part(task, container, part)
                if not over and lines.waiting < _MOST_EVENTS:
                    await asyncio.sleep(_PAUSE)
            await reading
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _read(self, runtime_id: str, since: int | None, lines: _Lines) -> None:
        try:
            async with contextlib.aclosing(self._runtime.logs(runtime_id, since)) as found:
                async for line in found:
                    await lines.put(line)
        except NoSuchContainer:
            log.warning("logs.container-vanished", container=runtime_id)
        finally:
            lines.end()

    async def _write_part(self, task: Task, container: Json, part: Sequence[LogLine]) -> None:
        options = _options(container) or {}
        caller = actors.execution(task, options["awslogs-region"])
        request: Json = {
            "logGroupName": options["awslogs-group"],
            "logStreamName": stream_name(task, container),
            "logEvents": [
                {"timestamp": line.timestamp // 1_000_000, "message": line.text} for line in part if line.text
            ],
        }
        put = find("logs", "PutLogEvents").handler

        def write(tx: Tx) -> AwsError | None:
            tx.put(_cursor(task, container, part[-1].timestamp))
            if not request["logEvents"]:
                return None
            try:
                put(self._dispatcher.context(tx, caller), request)
            except AwsError as error:
                return error
            return None

        refused = await self._store.write(write)
        if refused is not None:
            # As on AWS: whoever deletes the group or stream under a running container loses its lines.
            log.warning("logs.lost", task=task.arn, lines=len(part), reason=refused.message)


class _Lines:
    """Lines between their reader and their writer; the reader waits where too many are waiting."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[LogLine | None] = asyncio.Queue()
        self._room = asyncio.Semaphore(_WAITING)

    @property
    def waiting(self) -> int:
        return self._queue.qsize()

    async def put(self, line: LogLine) -> None:
        await self._room.acquire()
        self._queue.put_nowait(line)

    def end(self) -> None:
        """No line comes any more. Never waits."""
        self._queue.put_nowait(None)

    async def batch(self) -> tuple[list[LogLine], bool]:
        """What there is, at least one line unless it is over, and whether that was all there will ever be."""
        batch: list[LogLine] = []
        line = await self._queue.get()
        while line is not None:
            batch.append(line)
            self._room.release()
            if self._queue.empty():
                return batch, False
            line = self._queue.get_nowait()
        return batch, True


def _parts(batch: Sequence[LogLine]) -> list[list[LogLine]]:
    """A batch in the portions that PutLogEvents takes."""
    parts: list[list[LogLine]] = []
    size = 0
    for line in batch:
        bytes_more = len(line.text.encode()) + _OVERHEAD
        part = parts[-1] if parts else None
        if (
            part is None
            or len(part) >= _MOST_EVENTS
            or size + bytes_more > _MOST_BYTES
            or line.timestamp - part[0].timestamp > _DAY_NS
        ):
            part, size = [], 0
            parts.append(part)
        part.append(line)
        size += bytes_more
    return parts


def _cursor(task: Task, container: Json, at: int) -> LogCursor:
    return LogCursor(
        account=task.account,
        region=task.region,
        cluster=task.cluster,
        task=task.id,
        container=container["name"],
        at=at,
    )


@contextlib.contextmanager
def _existing_is_fine() -> Iterator[None]:
    try:
        yield
    except AwsError as error:
        if error.code != "ResourceAlreadyExistsException":
            raise
