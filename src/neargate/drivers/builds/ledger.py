"""A build's record and log, written together."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs

from neargate.drivers.builds.failure import Over
from neargate.model.codebuild import SERVICE, Build, LogCursor, PhaseContext
from neargate.model.errors import AwsError
from neargate.model.logs import LogGroup, LogStream
from neargate.model.operations import Caller
from neargate.model.ports import Clock, Store
from neargate.model.records import Tx
from neargate.planners.build_narration import complete_lines, container_line
from neargate.services.dispatch import Dispatcher

_MOST_EVENTS = 5_000  # in one PutLogEvents; AWS takes 10 000
_MOST_BYTES = 900_000  # AWS takes 1 MiB, counting 26 bytes for each event
_OVERHEAD = 26

Line = tuple[float, str]
"""A time (epoch s) and a line of the log."""


def role_caller(build: Build) -> Caller:
    """CodeBuild, acting under the project's role."""
    name = build.role.rpartition("/")[2]
    return Caller(
        account=build.account,
        region=build.region,
        principal=f"arn:aws:sts::{build.account}:assumed-role/{name}/AWSCodeBuild-{build.uuid}",
        role=build.role,
        via=SERVICE,
    )


class Ledger:
    """Changes one build's record while it is in progress, and adds to its log.

    Each call is one transaction. Raises `Over` where the build has ended meanwhile: nothing is written then.
    """

    def __init__(self, store: Store, dispatcher: Dispatcher, clock: Clock, key: str) -> None:
        self._store = store
        self._dispatcher = dispatcher
        self._clock = clock
        self.key = key

    @property
    def build(self) -> Build:
        found = self._store.read(lambda view: view.get(Build, self.key))
        if found is None:
            raise Over
        return found

    @property
    def cursor(self) -> LogCursor:
        """How far the log of the present attempt is."""
        attempt = self.build.attempt
        found = self._store.read(lambda view: view.get(LogCursor, self.key))
        return (
            found
            if found is not None and found.attempt == attempt
            else LogCursor(build=self.key, attempt=attempt)
        )

    async def open_log(self) -> None:
        """Make the log group and stream, where they are missing."""

        def write(tx: Tx) -> None:
            build = self._present(tx)
            if build.log_group is None:
                return
            cx = self._dispatcher.context(tx, role_caller(build))
            if tx.get(LogGroup, cx.caller.scope(build.log_group)) is None:
                cx.invoke("logs", "CreateLogGroup", {"logGroupName": build.log_group})
            where = {"logGroupName": build.log_group, "logStreamName": build.log_stream}
            group = tx.get(LogGroup, cx.caller.scope(build.log_group))
            if group is not None and tx.get(LogStream, group.stream_key(build.log_stream)) is None:
                cx.invoke("logs", "CreateLogStream", where)

        await self._store.write(write)

    async def change(
        self,
        work: Callable[[Build, float], Build] | None = None,
        lines: Sequence[Line] = (),
        cursor: LogCursor | None = None,
    ) -> Build:
        """Run `work(build, now)`, keep its result, write the lines to the log, move the cursor."""

        def write(tx: Tx) -> Build:
            build = self._present(tx)
            changed = build if work is None else work(build, self._clock.now())
            if changed is not build:
                tx.put(changed)
            if cursor is not None:
                tx.put(cursor)
            self._log(tx, changed, lines)
            return changed

        return await self._store.write(write)

    async def say(self, *texts: str) -> None:
        """Lines of the build environment: `[Container] TIME TEXT`."""
        now = self._clock.now()
        await self.change(None, [(now, container_line(now, text)) for text in texts])

    async def enter(self, phase: str) -> None:
        await self.change(lambda build, now: build.entered(phase, now))

    async def leave(self, status: str, code: str = "", message: str = "") -> None:
        """The current phase has ended; the log says so."""
        now = self._clock.now()
        phase = self.build.current_phase
        lines = [(now, line) for line in complete_lines(now, phase, status, code, message)]
        await self.change(lambda build, now: build.left(status, now, PhaseContext(code, message)), lines)

    def _present(self, tx: Tx) -> Build:
        build = tx.get(Build, self.key)
        if build is None or build.complete:
            raise Over
        return build

    def _log(self, tx: Tx, build: Build, lines: Sequence[Line]) -> None:
        """As on AWS: a log that somebody deleted meanwhile does not stop the build."""
        if not lines or build.log_group is None:
            return
        cx = self._dispatcher.context(tx, role_caller(build))
        for part in _parts(lines):
            request = {
                "logGroupName": build.log_group,
                "logStreamName": build.log_stream,
                "logEvents": [{"timestamp": int(at * 1000), "message": text + "\n"} for at, text in part],
            }
            try:
                cx.invoke("logs", "PutLogEvents", request)
            except AwsError as error:
                if error.code != "ResourceNotFoundException":
                    raise


def _parts(lines: Sequence[Line]) -> list[list[Line]]:
    """In the portions that PutLogEvents takes, in order of time."""
    parts: list[list[Line]] = [[]]
    size = 0
    for line in sorted(lines, key=lambda each: int(each[0] * 1000)):
        bytes_more = len(line[1].encode()) + _OVERHEAD + 1
        if parts[-1] and (len(parts[-1]) >= _MOST_EVENTS or size + bytes_more > _MOST_BYTES):
            parts.append([])
            size = 0
        parts[-1].append(line)
        size += bytes_more
    return parts


def moved(cursor: LogCursor, timestamp: int, ended: str = "") -> LogCursor:
    return attrs.evolve(cursor, timestamp=timestamp, ended=ended or cursor.ended)
