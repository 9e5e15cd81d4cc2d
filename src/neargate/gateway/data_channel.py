"""Session Manager's end of the data channel: `/v1/data-channel/SESSION` as a websocket.

The client opens it with a JSON message that holds the session's token; from there on both sides stream messages
(`neargate.data_channel`). As AWS's agent does for ECS Exec, the shell begins without a handshake.

Neargate's own command line says more in its opening message: `"Neargate": {"terminal": false}`. It gets the exit code,
and without a terminal what AWS's agent does for non-interactive commands: a handshake, and standard error apart.

A session with a port instead of a command streams the bytes of one TCP connection after the other.

A lost connection leaves the command running for a while: the client comes back with a new token (ResumeSession), and
hears what it has not acknowledged.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

import attrs
import structlog

from neargate.data_channel import message as wire
from neargate.data_channel.message import Flag, Malformed, Message, PayloadType
from neargate.data_channel.sequence import Incoming, Outgoing
from neargate.drivers.ecs.exec_sessions import ExecSessions, Refused, engine_refusal, start_error
from neargate.gateway.front import DATA_CHANNEL, AsgiScope, Receive, Send
from neargate.model.ports import Clock, Ids, Store
from neargate.model.runtime import EngineUnavailable, Terminal
from neargate.model.ssm_sessions import Session

log = structlog.get_logger()

AGENT_VERSION = "3.0.161.0"
"""What the handshake says: an agent that knows how to end a session, and forwards one connection at a time."""

OPENS_WITHIN = 30.0
"""Seconds for the opening message."""
COMES_BACK_WITHIN = 60.0
"""Seconds that a command runs on without a client. On AWS it is 20 minutes."""
_LAST_WORDS = 2.0  # seconds for the acknowledgements of what was said last
_MOST_UNHEARD = 512  # messages on their way to the client; more wait for their acknowledgement
_MOST_UNREAD = (
    1024  # messages that the command has not read yet; more are not acknowledged, so they come again
)
_LONGEST_TRANSCRIPT = 16 << 20
_POLICY_VIOLATION = 1008


@attrs.frozen
class _Opening:
    """A client's first message."""

    token: str
    terminal: bool = True
    own: bool = False
    """Neargate's own client, which understands exit codes. AWS's plugin would print them."""


class DataChannels:
    """The ASGI app, for websockets only."""

    def __init__(self, sessions: ExecSessions, store: Store, clock: Clock, ids: Ids) -> None:
        self._sessions = sessions
        self._clock = clock
        self._ids = ids
        self._channels: dict[str, Channel] = {}
        store.subscribe(frozenset({Session.KIND}), self._session_changed)

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        session_id = scope["path"].removeprefix(DATA_CHANNEL)
        await receive()  # websocket.connect
        await send({"type": "websocket.accept"})
        opening = await _opening(receive)
        if opening is None:
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
            return
        try:
            channel = await self._channel(session_id, opening)
        except Refused as refused:
            await self._refuse(session_id, str(refused), send)
            return
        await channel.connect(send)
        try:
            while (event := await receive())["type"] == "websocket.receive":
                channel.heard(event.get("bytes") or b"")
        finally:
            channel.disconnect(send)

    async def _channel(self, session_id: str, opening: _Opening) -> Channel:
        """The channel of this session: the one there is, or a new one. Raises Refused."""
        session = self._sessions.check(session_id, opening.token)
        known = self._channels.get(session_id)
        if known is not None:
            return known
        if session.port:
            opening = attrs.evolve(opening, terminal=False, own=False)
        terminal = await self._sessions.begin(session, tty=opening.terminal)
        if session_id in self._channels:  # somebody else with the same token was quicker
            await terminal.close()
            raise Refused("Session is already connected")
        channel = Channel(session, terminal, opening, self._sessions, self._clock, self._ids)
        self._channels[session_id] = channel
        channel.ended.add_done_callback(lambda ended: self._gone(session_id, ended))
        return channel

    def _gone(self, session_id: str, ended: asyncio.Future[None]) -> None:
        self._channels.pop(session_id, None)
        if not ended.cancelled() and (bug := ended.exception()) is not None:
            log.error("exec.failed", session=session_id, exc_info=bug)

    async def close(self) -> None:
        """End all sessions: their terminals end with the server."""
        channels = list(self._channels.values())
        for channel in channels:
            channel.terminate()
        await asyncio.gather(*(channel.ended for channel in channels), return_exceptions=True)

    async def _refuse(self, session_id: str, text: str, send: Send) -> None:
        now = round(self._clock.now() * 1000)
        closed = wire.channel_closed(session_id, _identity(self._ids), now, text)
        await send({"type": "websocket.send", "bytes": closed.encode()})
        await send({"type": "websocket.close", "code": 1000})

    def _session_changed(self, kind: str, key: str) -> None:
        """TerminateSession ends the record; the channel follows."""
        channel = self._channels.get(key)
        if channel is not None and self._sessions.ended(key):
            channel.terminate()


async def _opening(receive: Receive) -> _Opening | None:
    """None where the client says nothing, or something else."""
    try:
        async with asyncio.timeout(OPENS_WITHIN):
            event = await receive()
        said = json.loads(event.get("text") or event.get("bytes") or b"")
        own = said.get("Neargate")
        if isinstance(own, dict):
            return _Opening(str(said["TokenValue"]), terminal=bool(own.get("terminal")), own=True)
        return _Opening(str(said["TokenValue"]))
    except (TimeoutError, ValueError, KeyError, TypeError, AttributeError):
        return None


class Channel:
    """One session's stream in both directions, over one connection after the other."""

    def __init__(
        self,
        session: Session,
        terminal: Terminal,
        opening: _Opening,
        sessions: ExecSessions,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._session = session
        self._terminal = terminal
        self._tty = opening.terminal
        self._tells_exit_code = opening.own
        self._sessions = sessions
        self._clock = clock
        self._ids = ids
        self._outgoing = Outgoing(wire.OUTPUT)
        self._incoming = Incoming()
        self._inputs: asyncio.Queue[Message] = asyncio.Queue()
        self._frames: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._send: Send | None = None
        self._changed = asyncio.Event()
        self._ready = asyncio.Event()
        self._alone: asyncio.TimerHandle | None = None
        self._transcript = bytearray()
        self._first = b""
        self._stopping = asyncio.Event()
        self.ended = asyncio.ensure_future(self._run())

    # -- what the connection tells -------------------------------------------------------------------------

    async def connect(self, send: Send) -> None:
        """Speak over this connection from now on; a former one is dropped."""
        if self._alone is not None:
            self._alone.cancel()
            self._alone = None
        self._send = send
        for message in self._outgoing.unacknowledged():
            self._frames.put_nowait(message.encode())
        if self._tty:
            self._ready.set()
        elif not self._ready.is_set() and not len(self._outgoing):
            self._stream(PayloadType.HANDSHAKE_REQUEST, json.dumps(_handshake(self._session)).encode())

    def disconnect(self, send: Send) -> None:
        """The connection is gone. The command runs on for a while."""
        if self._send is not send or self.ended.done():
            return
        self._send = None
        self._alone = asyncio.get_running_loop().call_later(COMES_BACK_WITHIN, self.terminate)

    def terminate(self) -> None:
        self._stopping.set()

    def heard(self, data: bytes) -> None:
        """One frame. What is no message is left out, as AWS's agent does."""
        try:
            message = wire.decode(data)
            if message.type == wire.ACKNOWLEDGE:
                number = message.document()["AcknowledgedMessageSequenceNumber"]
                self._outgoing.acknowledged(int(number), self._clock.now())
                self._changed.set()
            elif message.type == wire.INPUT and self._inputs.qsize() < _MOST_UNREAD:
                self._take(message)
        except (Malformed, KeyError, TypeError, ValueError) as error:
            log.info("exec.malformed-message", session=self._session.id, reason=str(error))

    def _take(self, message: Message) -> None:
        ready = self._incoming.take(message)
        if ready is None:
            return
        now = round(self._clock.now() * 1000)
        self._frames.put_nowait(wire.acknowledgement(message, _identity(self._ids), now).encode())
        for each in ready:
            self._inputs.put_nowait(each)

    # -- the session ---------------------------------------------------------------------------------------

    async def _run(self) -> None:
        helpers = [
            asyncio.ensure_future(work)
            for work in (self._write_frames(), self._resend(), self._take_inputs())
        ]
        output = asyncio.ensure_future(self._output())
        stopping = asyncio.ensure_future(self._stopping.wait())
        error = ""
        try:
            await asyncio.wait({output, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if output.done():
                error = await self._outcome(output)
        finally:
            for each in (output, stopping):
                each.cancel()
            await self._terminal.close()
            await self._sessions.finish(self._session, bytes(self._transcript))
            await self._close(error)
            for each in helpers:
                each.cancel()
            await asyncio.gather(output, stopping, *helpers, return_exceptions=True)
            if self._alone is not None:
                self._alone.cancel()

    async def _outcome(self, output: asyncio.Future[None]) -> str:
        """Say how the command ended; answers what the end of the channel is to say."""
        try:
            output.result()
            code = await self._terminal.exit_code()
        except EngineUnavailable as away:
            return str(away)
        if self._tells_exit_code:
            self._stream(PayloadType.EXIT_CODE, str(code).encode())
        return start_error(self._first, code)

    async def _output(self) -> None:
        """The command's output into the stream, no faster than the client acknowledges it."""
        await self._ready.wait()
        while True:
            stream, data = await self._terminal.read()
            if not data:
                return
            if not self._first:
                self._first = data
                if engine_refusal(data):
                    continue  # told at the end, in AWS's words
            if len(self._transcript) < _LONGEST_TRANSCRIPT:
                self._transcript += data
            kind = PayloadType.STDERR if stream == "stderr" else PayloadType.OUTPUT
            for start in range(0, len(data), wire.LONGEST_PAYLOAD):
                await self._room()
                self._stream(kind, data[start : start + wire.LONGEST_PAYLOAD])

    async def _room(self) -> None:
        while len(self._outgoing) >= _MOST_UNHEARD:
            self._changed.clear()
            await self._changed.wait()

    def _stream(self, kind: PayloadType, payload: bytes) -> None:
        message = self._outgoing.number(kind, payload, _identity(self._ids), self._clock.now())
        self._changed.set()
        self._frames.put_nowait(message.encode())

    async def _take_inputs(self) -> None:
        while True:
            message = await self._inputs.get()
            try:
                await self._take_input(message)
            except (Malformed, EngineUnavailable) as error:
                log.info("exec.input-lost", session=self._session.id, reason=str(error))

    async def _take_input(self, message: Message) -> None:
        match message.payload_type:
            case PayloadType.OUTPUT:
                await self._terminal.write(message.payload)
            case PayloadType.SIZE:
                await self._terminal.resize(*wire.size_of(message))
            case PayloadType.HANDSHAKE_RESPONSE:
                complete = {"HandshakeTimeToComplete": 0, "CustomerMessage": ""}
                self._stream(PayloadType.HANDSHAKE_COMPLETE, json.dumps(complete).encode())
                self._ready.set()
            case PayloadType.FLAG:
                flag = wire.flag_of(message)
                if flag == Flag.TERMINATE_SESSION:
                    self.terminate()
                elif flag == Flag.DISCONNECT_TO_PORT:
                    await self._terminal.end_input()

    async def _resend(self) -> None:
        while True:
            due = self._outgoing.due_at()
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if due is None else max(0.0, due - self._clock.now())):
                    await self._changed.wait()
            overdue = self._outgoing.overdue(self._clock.now())
            if overdue is not None and self._send is not None:
                self._frames.put_nowait(overdue.encode())

    async def _write_frames(self) -> None:
        """One writer, so that frames leave in order; what cannot be sent stays unacknowledged."""
        while (frame := await self._frames.get()) is not None:
            send = self._send
            if send is None:
                continue
            try:
                await send({"type": "websocket.send", "bytes": frame})
            except (OSError, RuntimeError):
                self.disconnect(send)

    async def _close(self, error: str) -> None:
        """Let the last words be heard, then close the channel."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS):
                while len(self._outgoing) and self._send is not None:
                    self._changed.clear()
                    await self._changed.wait()
        send, self._send = self._send, None
        if send is None:
            return
        now = round(self._clock.now() * 1000)
        closed = wire.channel_closed(self._session.id, _identity(self._ids), now, error)
        with contextlib.suppress(OSError, RuntimeError):
            await send({"type": "websocket.send", "bytes": closed.encode()})
            await send({"type": "websocket.close", "code": 1000})


def _handshake(session: Session) -> dict[str, Any]:
    kind = "Port" if session.port else "NonInteractiveCommands"
    parameters = {"SessionType": kind, "Properties": session.properties}
    return {
        "AgentVersion": AGENT_VERSION,
        "RequestedClientActions": [{"ActionType": "SessionType", "ActionParameters": parameters}],
    }


def _identity(ids: Ids) -> bytes:
    """16 bytes for a message's id."""
    return bytes.fromhex(ids.hex(32))
