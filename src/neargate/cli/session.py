"""The client's end of a session's data channel: ECS Exec without the session-manager-plugin.

The protocol is the plugin's (`neargate.data_channel`). To the local cloud the opening message says more than AWS knows:
whether there is a terminal, and that this client understands exit codes. AWS leaves that out of account: there every
command has a terminal, and its exit code stays unknown.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Callable
from typing import Any, Protocol

import attrs

from neargate import __version__
from neargate.data_channel import message as wire
from neargate.data_channel.message import Flag, Malformed, Message, PayloadType
from neargate.data_channel.sequence import Incoming, Outgoing

_MOST_UNHEARD = 256  # messages on their way; more input waits for their acknowledgement
_CTRL_D = b"\x04"


class Connection(Protocol):
    """A websocket. `recv` raises `Lost` when it is over."""

    async def send(self, data: str | bytes) -> None: ...

    async def recv(self) -> str | bytes: ...


class Lost(Exception):
    """The websocket ended before the session did."""


@attrs.frozen
class Outcome:
    """How a session ended. `exit_code` is None where the cloud does not tell; `error` is its sentence, or ""."""

    exit_code: int | None = None
    error: str = ""


class SessionClient:
    """One session, over one connection after the other. `write(data, is_stderr)` shows output."""

    def __init__(self, *, terminal: bool, write: Callable[[bytes, bool], None]) -> None:
        self._terminal = terminal
        self._write = write
        self._id = str(uuid.uuid4())
        self._outgoing = Outgoing(wire.INPUT)
        self._incoming = Incoming()
        self._connection: Connection | None = None
        self._changed = asyncio.Event()
        self._apart = False
        self._started = asyncio.Event()
        self._exit_code: int | None = None

    async def run(self, connection: Connection, token: str) -> Outcome:
        """Talk until the cloud closes the session. Raises `Lost`; then it may be run again on a new connection."""
        opening = {
            "MessageSchemaVersion": "1.0",
            "RequestId": str(uuid.uuid4()),
            "TokenValue": token,
            "ClientId": self._id,
            "ClientVersion": "1.2.0.0",
            "Neargate": {"version": __version__, "terminal": self._terminal},
        }
        await connection.send(json.dumps(opening))
        self._connection = connection
        for message in self._outgoing.unacknowledged():
            await connection.send(message.encode())
        resending = asyncio.ensure_future(self._resend())
        try:
            while True:
                data = await connection.recv()
                outcome = await self._heard(data if isinstance(data, bytes) else data.encode())
                if outcome is not None:
                    return outcome
        finally:
            self._connection = None
            resending.cancel()
            await asyncio.gather(resending, return_exceptions=True)

    async def send(self, data: bytes) -> None:
        """Input for the command; waits where much of it has not been heard yet."""
        await self._started.wait()
        for start in range(0, len(data), wire.LONGEST_PAYLOAD):
            while len(self._outgoing) >= _MOST_UNHEARD:
                self._changed.clear()
                await self._changed.wait()
            await self._stream(PayloadType.OUTPUT, data[start : start + wire.LONGEST_PAYLOAD])

    async def end_input(self) -> None:
        """There is no more input. Where AWS gave the command a terminal, that is Ctrl-D."""
        await self._started.wait()
        if self._apart:
            await self._stream(PayloadType.FLAG, wire.flag_payload(Flag.DISCONNECT_TO_PORT))
        else:
            await self._stream(PayloadType.OUTPUT, _CTRL_D)

    async def resize(self, columns: int, rows: int) -> None:
        await self._stream(PayloadType.SIZE, wire.size_payload(columns, rows))

    # -- below ---------------------------------------------------------------------------------------------

    async def _heard(self, data: bytes) -> Outcome | None:
        """Take in one frame; the outcome where it was the last."""
        try:
            message = wire.decode(data)
        except Malformed:
            return None
        if message.type == wire.CHANNEL_CLOSED:
            return Outcome(self._exit_code, str(message.document().get("Output") or ""))
        if message.type == wire.ACKNOWLEDGE:
            number = message.document().get("AcknowledgedMessageSequenceNumber", -1)
            self._outgoing.acknowledged(int(number), time.monotonic())
            self._changed.set()
        elif message.type == wire.OUTPUT:
            ready = self._incoming.take(message)
            if ready is not None:
                said = wire.acknowledgement(message, uuid.uuid4().bytes, round(time.time() * 1000))
                await self._put(said)
                for each in ready:
                    await self._show(each)
        return None

    async def _show(self, message: Message) -> None:
        match message.payload_type:
            case PayloadType.HANDSHAKE_REQUEST:
                await self._shake(message.document())
            case PayloadType.HANDSHAKE_COMPLETE:
                self._started.set()
                if greeting := message.document().get("CustomerMessage"):
                    self._write(f"{greeting}\n".encode(), True)
            case PayloadType.EXIT_CODE:
                self._exit_code = int(message.payload)
            case PayloadType.OUTPUT | PayloadType.STDERR | PayloadType.ERROR:
                self._started.set()
                apart = self._apart or self._terminal
                text = message.payload if apart else message.payload.replace(b"\r\n", b"\n")
                self._write(text, message.payload_type != PayloadType.OUTPUT)

    async def _shake(self, request: dict[str, Any]) -> None:
        """Answer what the agent wants of its client. Encryption with a KMS key is for the plugin only."""
        done: list[dict[str, Any]] = []
        errors = []
        for action in request.get("RequestedClientActions") or ():
            kind = action.get("ActionType")
            if kind == "SessionType":
                name = (action.get("ActionParameters") or {}).get("SessionType")
                self._apart = name == "NonInteractiveCommands"
                done.append({"ActionType": kind, "ActionStatus": 1, "ActionResult": None, "Error": ""})
            else:
                errors.append(f"neargate does not know the action {kind}")
                done.append(
                    {"ActionType": kind, "ActionStatus": 3, "ActionResult": None, "Error": errors[-1]}
                )
        response = {"ClientVersion": "1.2.0.0", "ProcessedClientActions": done, "Errors": errors}
        await self._stream(PayloadType.HANDSHAKE_RESPONSE, json.dumps(response).encode())

    async def _stream(self, kind: PayloadType, payload: bytes) -> None:
        now = time.monotonic()
        message = self._outgoing.number(kind, payload, uuid.uuid4().bytes, now)
        message = attrs.evolve(message, created=round(time.time() * 1000))
        self._changed.set()
        await self._put(message)

    async def _put(self, message: Message) -> None:
        """Send it where there is a connection; else it goes out with the next one, as all that is unacknowledged."""
        connection = self._connection
        if connection is not None:
            try:
                await connection.send(message.encode())
            except Lost:
                self._connection = None

    async def _resend(self) -> None:
        while True:
            due = self._outgoing.due_at()
            self._changed.clear()
            try:
                async with asyncio.timeout(None if due is None else max(0.0, due - time.monotonic())):
                    await self._changed.wait()
            except TimeoutError:
                overdue = self._outgoing.overdue(time.monotonic())
                if overdue is not None:
                    await self._put(overdue)
