"""Sessions of Session Manager with the containers of tasks: who may open one, what it runs, where its transcript goes.

The command is no child of the server, but its terminal is: a session ends with the server that opened it.
"""

from __future__ import annotations

import hmac
import re
import shlex
from collections.abc import Callable

import attrs
import structlog

from neargate.drivers.ecs.forwarded_port import ForwardedPort
from neargate.drivers.ecs.live import TASK_LABEL
from neargate.drivers.ecs.task_rights import TaskRights
from neargate.model.ecs import Task, TaskContainer
from neargate.model.errors import AwsError
from neargate.model.fabric import Fabric, FabricFailure
from neargate.model.ports import Clock, Store
from neargate.model.records import Json, Tx
from neargate.model.runtime import NoSuchContainer, Runtime, RuntimeFailure, StartFailed, Terminal
from neargate.model.ssm_sessions import Session
from neargate.services.dispatch import Dispatcher

log = structlog.get_logger()

_ROOT = "0"
"""Whatever user a task definition names: commands of ECS Exec run as root."""

_LONGEST_EVENT = 200_000
_MISSING = re.compile(r'exec: "[^"]*": [^:\n]*')
_ENGINE_MISSING = re.compile(rb"\AError: .*exec failed.*OCI ", re.DOTALL)
_NOT_RUN = (126, 127)
"""The exit codes with which Podman says that a program could not be run."""


class Refused(Exception):
    """A session that cannot be opened; the text is for whoever wanted it."""


class ExecSessions:
    """Opens the terminals of recorded sessions."""

    def __init__(
        self, store: Store, dispatcher: Dispatcher, clock: Clock, runtime: Runtime, fabric: Fabric
    ) -> None:
        self._store = store
        self._dispatcher = dispatcher
        self._clock = clock
        self._runtime = runtime
        self._fabric = fabric
        self._rights = TaskRights(dispatcher)

    async def end_all(self) -> None:
        """At a start: what a former server had open is over. One that nobody has opened yet may still be."""
        now = self._clock.now()

        def write(tx: Tx) -> None:
            for session in tx.scan(Session):
                if _open(session):
                    tx.put(attrs.evolve(session, ended=now))

        if self._store.read(lambda view: any(map(_open, view.scan(Session)))):
            await self._store.write(write)

    def check(self, session_id: str, token: str) -> Session:
        """The session, where it is alive and the token is its. Raises Refused."""
        session = self._store.read(lambda view: view.get(Session, session_id))
        if session is None or not hmac.compare_digest(session.token.encode(), token.encode()):
            raise Refused("The token of this session is not valid.")
        if not session.alive(self._clock.now()):
            raise Refused("Session is already terminated")
        return session

    def ended(self, session_id: str) -> bool:
        session = self._store.read(lambda view: view.get(Session, session_id))
        return session is None or session.ended is not None

    async def begin(self, session: Session, *, tty: bool) -> Terminal:
        """Run the session's command in its container, or reach its port. Raises Refused; the session is over then."""
        try:
            terminal = await self._terminal(session, tty=tty)
        except Refused:
            await self._update(session.id, lambda now, known: attrs.evolve(known, ended=now))
            raise
        await self._update(session.id, lambda now, known: attrs.evolve(known, connected=now))
        return terminal

    async def _terminal(self, session: Session, *, tty: bool) -> Terminal:
        task = self._store.read(lambda view: view.get(Task, session.task_key))
        container = next((c for c in task.containers if c.name == session.container), None) if task else None
        if container is None or container.status != "RUNNING":
            raise Refused(f"The container {session.container} does not run any more.")
        if session.port:
            return await self._forwarded(session)
        return await self._command(session, container, tty=tty)

    async def _command(self, session: Session, container: TaskContainer, *, tty: bool) -> Terminal:
        try:
            argv = tuple(shlex.split(session.command))
        except ValueError as error:
            raise Refused(f"Unable to start command: Failed to parse commands input: {error}") from error
        try:
            return await self._runtime.attach(
                container.runtime_id,
                argv,
                tty=tty,
                environment={"TERM": "xterm-256color", "LANG": "C.UTF-8"} if tty else None,
                user=_ROOT,
            )
        except StartFailed as error:
            raise Refused(unable(str(error))) from error
        except NoSuchContainer as error:
            raise Refused(f"The container {session.container} does not run any more.") from error
        except RuntimeFailure as error:
            raise Refused(str(error)) from error

    async def _forwarded(self, session: Session) -> Terminal:
        """Connections to a port, out of the task's own network namespace, as AWS's agent makes them."""
        arn = f"arn:aws:ecs:{session.region}:{session.account}:task/{session.cluster}/{session.task}"
        sandboxes = await self._runtime.list_sandboxes({TASK_LABEL: arn})
        if not sandboxes:
            raise Refused(f"The task {session.task} has no network any more.")
        terminal = ForwardedPort(self._fabric, sandboxes[0].netns, session.host, session.port)
        try:
            await terminal.connect()
        except (OSError, FabricFailure) as error:
            raise Refused(f"Unable to connect to specified port: {error}") from error
        return terminal

    async def finish(self, session: Session, transcript: bytes) -> None:
        """Record the end, and put the transcript where it belongs."""
        await self._update(session.id, lambda now, known: attrs.evolve(known, ended=now))
        task = self._store.read(lambda view: view.get(Task, session.task_key))
        if task is None or not transcript:
            return
        try:
            if session.log_group:
                await self._to_logs(task, session, transcript)
            if session.bucket:
                key = "/".join(part for part in (session.prefix.strip("/"), f"{session.id}.log") if part)
                caller = await self._rights.require(
                    task, "s3:PutObject", f"arn:aws:s3:::{session.bucket}/{key}"
                )
                request: Json = {"Bucket": session.bucket, "Key": key, "Body": transcript}
                await self._dispatcher.call(caller, "s3", "PutObject", request)
        except AwsError as error:  # as on AWS, where the agent says so in a log of its own
            log.warning("exec.transcript-lost", session=session.id, reason=f"{error.code}: {error.message}")

    async def _to_logs(self, task: Task, session: Session, transcript: bytes) -> None:
        group = session.log_group
        arn = f"arn:aws:logs:{task.region}:{task.account}:log-group:{group}:log-stream:{session.id}"
        await self._rights.require(task, "logs:CreateLogStream", arn)
        caller = await self._rights.require(task, "logs:PutLogEvents", arn)
        stream = {"logGroupName": group, "logStreamName": session.id}
        await self._dispatcher.call(caller, "logs", "CreateLogStream", stream)
        text = transcript.decode("utf-8", "replace")
        now = round(self._clock.now() * 1000)
        for start in range(0, len(text), _LONGEST_EVENT):
            events = [{"timestamp": now, "message": text[start : start + _LONGEST_EVENT]}]
            await self._dispatcher.call(caller, "logs", "PutLogEvents", {**stream, "logEvents": events})

    async def _update(self, session_id: str, change: Callable[[float, Session], Session]) -> None:
        now = self._clock.now()

        def write(tx: Tx) -> None:
            session = tx.get(Session, session_id)
            if session is not None and session.ended is None:
                tx.put(change(now, session))

        await self._store.write(write)


def _open(session: Session) -> bool:
    return session.connected is not None and session.ended is None


def unable(text: str) -> str:
    """AWS's sentence for a program that cannot be run, around the engine's reason."""
    found = _MISSING.search(text)
    return f"Unable to start command: Failed to start pty: {found[0] if found else text}"


def engine_refusal(first_output: bytes) -> bool:
    """Podman tells that a program cannot be run as if the program had: by output, and an exit code of its own."""
    return _ENGINE_MISSING.match(first_output) is not None


def start_error(first_output: bytes, exit_code: int) -> str:
    """AWS's sentence for such a refusal; "" where the program did run."""
    if exit_code not in _NOT_RUN or not engine_refusal(first_output):
        return ""
    return unable(first_output.decode("utf-8", "replace").strip())
