"""`neargate exec`: a command inside a container that runs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import signal
import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import attrs
import click

from neargate.cli.cloud import Cloud, Json, Refused
from neargate.cli.place import Place, place_options
from neargate.cli.running import running_task

if TYPE_CHECKING:
    from neargate.cli.session import Outcome, SessionClient

_READ = 1024
_TRIES = 8  # to come back to a session whose connection was lost
_LONGEST_PAUSE = 2.0
_OPTIONS = ("-c", "--container")


@attrs.frozen
class Target:
    """A container to run a command in."""

    cluster: str
    task: str
    container: str


@click.command(context_settings={"allow_interspersed_args": False})
@click.option("-c", "--container", help="The container, where the task has several.")
@place_options
@click.argument("name", metavar="TASK|SERVICE")
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="[-c CONTAINER] [--] [COMMAND]...")
def exec(place: Place, name: str, container: str | None, command: tuple[str, ...]) -> None:
    """Run a command in a container of a task, or of a task of a service: /bin/sh where none is given.

    With a terminal it is interactive. In a pipe, input and output go through, and the exit code is the command's
    (AWS does not tell it: with --aws it is 0).
    """
    container, command = _options_behind(container, command)
    cloud = Cloud(place)
    target = _target(cloud, name, container)
    text = command[0] if len(command) == 1 else shlex.join(command)
    session = _begin(cloud, target, text or "/bin/sh")
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    outcome = asyncio.run(_talk(cloud, session, terminal))
    if outcome.error:
        click.echo(f"Error: {outcome.error}", err=True)
    sys.exit(outcome.exit_code if outcome.exit_code is not None else 1 if outcome.error else 0)


def _options_behind(container: str | None, words: tuple[str, ...]) -> tuple[str | None, tuple[str, ...]]:
    """`-c CONTAINER` and `--` may stand between the name and the command."""
    while words:
        if words[0] in _OPTIONS and len(words) > 1:
            container, words = words[1], words[2:]
        elif words[0].startswith("--container="):
            container, words = words[0].partition("=")[2], words[1:]
        elif words[0] == "--":
            return container, words[1:]
        else:
            break
    return container, words


# -- which container -------------------------------------------------------------------------------------------


def _target(cloud: Cloud, name: str, container: str | None) -> Target:
    """Raises ClickException where the name means nothing, or more than one thing."""
    task = running_task(cloud, name)
    names = [each["name"] for each in task["containers"]]
    if container is None and len(names) > 1:
        raise click.ClickException(f"The task has several containers: {', '.join(names)}. Name one with -c.")
    if container is not None and container not in names:
        raise click.ClickException(f"The task has no container {container}. It has: {', '.join(names)}.")
    return Target(task["clusterArn"], task["taskArn"], container or names[0])


def _begin(cloud: Cloud, target: Target, command: str) -> Json:
    """ExecuteCommand's session. Raises ClickException with the next step where AWS's own words have none."""
    try:
        answer = cloud.call(
            "ecs",
            "ExecuteCommand",
            cluster=target.cluster,
            task=target.task,
            container=target.container,
            command=command,
            interactive=True,
        )
    except Refused as refused:
        raise click.ClickException(
            f"{refused.message}\n{_next_step(cloud, target, refused)}".rstrip()
        ) from refused
    session: Json = answer["session"]
    return session


def _next_step(cloud: Cloud, target: Target, refused: Refused) -> str:
    task = cloud.call("ecs", "DescribeTasks", cluster=target.cluster, tasks=[target.task])["tasks"][0]
    cluster = target.cluster.rsplit("/", 1)[-1]
    if refused.code == "InvalidParameterException" and not task.get("enableExecuteCommand"):
        group = str(task.get("group", ""))
        if not group.startswith("service:"):
            return "Run the task again with --enable-execute-command, and with a task role."
        service = group.removeprefix("service:")
        return (
            f"aws ecs update-service --cluster {cluster} --service {service} --enable-execute-command "
            "--force-new-deployment\n(or EnableExecuteCommand: true in its template)"
        )
    if refused.code == "TargetNotConnectedException":
        return (
            "The task role must allow ssmmessages:CreateControlChannel, ssmmessages:CreateDataChannel, "
            "ssmmessages:OpenControlChannel and ssmmessages:OpenDataChannel, the container must not have "
            "readonlyRootFilesystem, and the task's subnet must lead out or to an endpoint of ssmmessages."
        )
    return ""


# -- the conversation ------------------------------------------------------------------------------------------


async def _talk(cloud: Cloud, session: Json, terminal: bool) -> Outcome:
    from neargate.cli.session import SessionClient

    client = SessionClient(terminal=terminal, write=_write)
    feeding = asyncio.ensure_future(_feed(client))
    try:
        with _raw() if terminal else contextlib.nullcontext():
            if terminal:
                _follow_size(client)
            return await _connected(cloud, client, session)
    finally:
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)


async def _connected(cloud: Cloud, client: SessionClient, session: Json) -> Outcome:
    """Run the session, over as many connections as it takes."""
    from neargate.cli.session import Lost, Outcome

    url, token = session["streamUrl"], session["tokenValue"]
    for attempt in range(_TRIES):
        try:
            async with _websocket(url, cloud.local) as connection:
                return await client.run(connection, token)
        except Lost:
            await asyncio.sleep(min(0.1 * 2**attempt, _LONGEST_PAUSE))
        try:
            again = await asyncio.to_thread(
                cloud.call, "ssm", "ResumeSession", SessionId=session["sessionId"]
            )
        except click.ClickException as error:
            return Outcome(error=f"The connection to the session was lost. {error.message}")
        if not again.get("TokenValue"):
            return Outcome(error="The connection to the session was lost, and the session has ended.")
        url, token = again["StreamUrl"], again["TokenValue"]
    return Outcome(error="The connection to the session was lost.")


@contextlib.asynccontextmanager
async def _websocket(url: str, local: bool) -> Any:
    from websockets.asyncio.client import connect
    from websockets.exceptions import WebSocketException

    from neargate.cli.session import Lost

    class Channel:
        """websockets' connection, whose end is `Lost`."""

        async def send(self, data: str | bytes) -> None:
            try:
                await connection.send(data)
            except WebSocketException as error:
                raise Lost from error

        async def recv(self) -> str | bytes:
            try:
                return await connection.recv()
            except WebSocketException as error:
                raise Lost from error

    try:
        connection = await connect(url, compression=None, max_size=None, proxy=None if local else True)
    except (OSError, WebSocketException) as error:
        raise Lost(str(error)) from error
    try:
        yield Channel()
    finally:
        await connection.close()


async def _feed(client: SessionClient) -> None:
    """Standard input to the command. A thread reads it: files, pipes and terminals are all the same to it."""
    loop = asyncio.get_running_loop()
    chunks: asyncio.Queue[bytes] = asyncio.Queue(maxsize=64)

    def read() -> None:
        while True:
            try:
                data = os.read(0, _READ)
            except OSError:
                data = b""
            try:
                asyncio.run_coroutine_threadsafe(chunks.put(data), loop).result()
            except (RuntimeError, asyncio.CancelledError):
                return  # the session has ended
            if not data:
                return

    threading.Thread(target=read, name="neargate-stdin", daemon=True).start()
    while data := await chunks.get():
        await client.send(data)
    await client.end_input()


def _write(data: bytes, is_stderr: bool) -> None:
    stream = sys.stderr.buffer if is_stderr else sys.stdout.buffer
    with contextlib.suppress(BrokenPipeError):
        stream.write(data)
        stream.flush()


def _follow_size(client: SessionClient) -> None:
    """The terminal's size, now and at each change."""
    sending: set[asyncio.Future[None]] = set()

    def tell() -> None:
        size = os.get_terminal_size(sys.stdout.fileno())  # not what COLUMNS says
        told = asyncio.ensure_future(client.resize(size.columns, size.lines))
        sending.add(told)
        told.add_done_callback(sending.discard)

    asyncio.get_running_loop().add_signal_handler(signal.SIGWINCH, tell)
    tell()


@contextlib.contextmanager
def _raw() -> Iterator[None]:
    """Every key goes to the command, Ctrl-C too."""
    import termios
    import tty

    before = termios.tcgetattr(0)
    tty.setraw(0)
    try:
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)
