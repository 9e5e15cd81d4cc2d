"""A task that can be talked with, and the data channel in process: no socket, no engine."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import attrs

from neargate.cli.session import Lost, Outcome, SessionClient
from neargate.data_channel import message as wire
from neargate.data_channel.message import Message
from neargate.drivers.ecs.exec_sessions import ExecSessions
from neargate.gateway.data_channel import DataChannels
from neargate.runtimes.memory import MemoryRuntime
from neargate.runtimes.memory_terminal import Screen
from neargate.system import SystemIds
from tests.unit.drivers.ecs_world import ACCOUNT, TRUST, EcsWorld, container, ecs_world

ROLE = f"arn:aws:iam::{ACCOUNT}:role/task"
CHANNELS = {"Effect": "Allow", "Action": "ssmmessages:*", "Resource": "*"}
LOGS = {"Effect": "Allow", "Action": ["logs:*", "s3:*"], "Resource": "*"}


async def cat(screen: Screen) -> int:
    """Echoes its input; a `q` or the input's end ends it."""
    screen.write(b"ready\n")
    while (data := await screen.read()) and b"q" not in data:
        screen.write(data)
    screen.write(b"bye\n", "stderr")
    return 3


async def size(screen: Screen) -> int:
    screen.write(b"?")
    await screen.resized.wait()
    screen.write(f"{screen.columns}x{screen.rows}".encode())
    return 0


async def much(screen: Screen) -> int:
    for number in range(2000):
        screen.write(f"{number:07d}\n".encode())
    return 0


class Websocket:
    """Both ends of a websocket: ASGI's for the app, `Connection` for the client."""

    def __init__(self, channels: DataChannels, session_id: str) -> None:
        self._to_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._to_client: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._to_app.put_nowait({"type": "websocket.connect"})
        self.deaf = False
        scope = {"type": "websocket", "path": f"/v1/data-channel/{session_id}", "headers": []}
        self.serving = asyncio.ensure_future(channels(scope, self._to_app.get, self._said))

    async def _said(self, event: Any) -> None:
        if event["type"] == "websocket.send":
            self._to_client.put_nowait(event["bytes"])
        elif event["type"] == "websocket.close":
            self._to_client.put_nowait(None)
            self._to_app.put_nowait({"type": "websocket.disconnect"})

    async def send(self, data: str | bytes) -> None:
        member = "text" if isinstance(data, str) else "bytes"
        self._to_app.put_nowait({"type": "websocket.receive", member: data})

    async def recv(self) -> str | bytes:
        data = await self._to_client.get()
        if data is None:
            raise Lost
        return data

    async def message(self) -> Message:
        data = await self.recv()
        assert isinstance(data, bytes)
        return wire.decode(data)

    async def break_off(self) -> None:
        """The connection is lost, for both sides."""
        self._to_app.put_nowait({"type": "websocket.disconnect"})
        self._to_client.put_nowait(None)
        await self.serving


@attrs.define
class ExecWorld:
    """`arn` is a running task with a container `app`; commands are `cat`, `size` and `much`."""

    ecs: EcsWorld
    channels: DataChannels
    sessions: ExecSessions
    arn: str

    async def begin(self, command: str = "cat", **members: Any) -> dict[str, Any]:
        answer = await self.ecs.call(
            "ExecuteCommand", cluster="c", task=self.arn, command=command, interactive=True, **members
        )
        return dict(answer["session"])

    def connect(self, session: dict[str, Any]) -> Websocket:
        return Websocket(self.channels, session["sessionId"])

    async def opened(self, session: dict[str, Any]) -> Websocket:
        """A connection that has said what AWS's plugin says first."""
        socket = self.connect(session)
        opening = {"MessageSchemaVersion": "1.0", "RequestId": "1", "TokenValue": session["tokenValue"]}
        await socket.send(json.dumps(opening))
        return socket


@attrs.define
class Talk:
    """Neargate's own client on a session, and what it heard."""

    client: SessionClient
    out: bytes = b""
    err: bytes = b""
    heard: asyncio.Event = attrs.field(factory=asyncio.Event)

    @classmethod
    def new(cls, *, terminal: bool) -> Talk:
        made: Talk

        def write(data: bytes, is_stderr: bool) -> None:
            if is_stderr:
                made.err += data
            else:
                made.out += data
            made.heard.set()

        made = cls(SessionClient(terminal=terminal, write=write))
        return made

    async def until(self, text: bytes) -> None:
        async with asyncio.timeout(5):
            while text not in self.out + self.err:
                self.heard.clear()
                await self.heard.wait()

    async def run(self, world: ExecWorld, session: dict[str, Any]) -> Outcome:
        async with asyncio.timeout(8):
            return await self.client.run(world.connect(session), session["tokenValue"])


@asynccontextmanager
async def exec_world(*statements: dict[str, Any], **definition: Any) -> AsyncIterator[ExecWorld]:
    """With a task whose role has these statements; `definition` are members of its only container."""
    async with ecs_world() as ecs:
        document = json.dumps({"Version": "2012-10-17", "Statement": list(statements) or [CHANNELS]})
        await ecs.call("CreateRole", "iam", RoleName="task", AssumeRolePolicyDocument=TRUST)
        await ecs.call("PutRolePolicy", "iam", RoleName="task", PolicyName="p", PolicyDocument=document)
        ecs.containers.conversations |= {"cat": cat, "size": size, "much": much}
        wanted = await ecs.register(container(**definition), taskRoleArn=ROLE)
        arn = await ecs.run_task(wanted, enableExecuteCommand=True)
        await ecs.until_status(arn, "RUNNING")
        sessions = ExecSessions(
            ecs.store, ecs.dispatcher, ecs.clock, MemoryRuntime(ecs.containers), ecs.fabric
        )
        channels = DataChannels(sessions, ecs.store, ecs.clock, SystemIds())
        try:
            yield ExecWorld(ecs, channels, sessions, arn)
        finally:
            await channels.close()
