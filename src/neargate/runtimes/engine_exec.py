"""Commands inside a container through the Engine API, also those that somebody talks with.

The engine turns the connection of `exec/ID/start` into the command's own standard streams ("hijacking"): after an
upgrade there is no HTTP on it any more. aiohttp has no name for that, so it is a connection of its own here.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal as signals
import struct
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from neargate.model.runtime import EngineUnavailable, NoSuchContainer, StartFailed, Stream
from neargate.runtimes.engine_connection import EngineConnection, Refused

_FRAME = struct.Struct(">BxxxL")
_PODMANS_OWN = re.compile(rb"Error: read unixpacket [^\n]*: connection reset by peer\r?\n\Z")
"""What Podman 4.3 sometimes adds to a command's output when the command ends while its input is still open."""

_READ = 32 * 1024
_LONGEST_HEAD = 16 * 1024
_SETTLED = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
"""Seconds between looks at a command that has just begun or ended: engines note it a little later."""


async def create_exec(
    connection: EngineConnection,
    container_id: str,
    argv: tuple[str, ...],
    *,
    tty: bool,
    stdin: bool,
    environment: Mapping[str, str] | None,
    user: str,
) -> str:
    """The id of a command that has not begun yet. Raises `NoSuchContainer`, `StartFailed`."""
    body: dict[str, Any] = {
        "AttachStdin": stdin,
        "AttachStdout": True,
        "AttachStderr": True,
        "Tty": tty,
        "Cmd": list(argv),
        "Env": [f"{name}={value}" for name, value in (environment or {}).items()],
    }
    if user:
        body["User"] = user
    try:
        created = await connection.json("POST", f"containers/{container_id}/exec", body=body)
    except Refused as error:
        if error.status == 404:
            raise NoSuchContainer(container_id) from error
        raise StartFailed(error.message) from error
    return str(created["Id"])


async def kill_exec(connection: EngineConnection, session: str) -> None:
    """Neither engine's API can; the command and its process group are processes of this machine."""
    shown = await connection.json("GET", f"exec/{session}/json")
    if not shown["Running"] or not shown["Pid"]:
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if os.getpgid(shown["Pid"]) == shown["Pid"]:
            os.killpg(shown["Pid"], signals.SIGKILL)
        else:
            os.kill(shown["Pid"], signals.SIGKILL)


async def attach(connection: EngineConnection, session: str, *, tty: bool) -> EngineTerminal:
    """Begin the command and talk with it. Raises `StartFailed` with the engine's words, `EngineUnavailable`."""
    reader, writer = await _connected((await connection.address()).url)
    try:
        body = json.dumps({"Detach": False, "Tty": tty}).encode()
        writer.write(
            f"POST /exec/{session}/start HTTP/1.1\r\nHost: engine\r\nContent-Type: application/json\r\n"
            f"Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        )
        writer.write(body)
        await writer.drain()
        await _accepted(reader)
    except BaseException:
        writer.close()
        raise
    return EngineTerminal(connection, session, reader, writer, tty=tty)


async def _connected(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    parts = urlsplit(url)
    try:
        if parts.scheme == "unix":
            return await asyncio.open_unix_connection(parts.path)
        if parts.scheme in ("tcp", "http") and not os.environ.get("DOCKER_TLS_VERIFY"):
            return await asyncio.open_connection(parts.hostname, parts.port or 2375)
    except OSError as error:
        raise EngineUnavailable(f"The engine at {url} does not answer: {error}.", "Start it.") from error
    raise StartFailed(
        f"A terminal needs an engine on a socket of this machine or on plain TCP; this one is at {url}."
    )


async def _accepted(reader: asyncio.StreamReader) -> None:
    """Read the answer's head. Raises `StartFailed` for a refusal."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError) as error:
        raise EngineUnavailable("The engine broke off the start of a command.", "Try again.") from error
    lines = head.decode("latin-1").split("\r\n")
    status = int(lines[0].split(" ")[1])
    if status < 300:
        return
    headers = {
        name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
    }
    size = int(headers.get("content-length") or 0)
    text = (
        (await reader.readexactly(min(size, _LONGEST_HEAD))).decode("utf-8", "replace") if size else lines[0]
    )
    with contextlib.suppress(ValueError, KeyError, TypeError):
        text = str(json.loads(text)["message"])
    raise StartFailed(text.strip())


class EngineTerminal:
    """`Terminal` over a hijacked connection."""

    def __init__(
        self,
        connection: EngineConnection,
        session: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        tty: bool,
    ) -> None:
        self._connection = connection
        self._session = session
        self._reader = reader
        self._writer = writer
        self._tty = tty
        self._over = False

    async def read(self) -> tuple[Stream, bytes]:
        while not self._over:
            stream, data = await self._next()
            self._over = not data
            if said := _PODMANS_OWN.sub(b"", data):
                return stream, said
        return "stdout", b""

    async def _next(self) -> tuple[Stream, bytes]:
        """The next piece as the engine sends it; empty at the end."""
        try:
            if self._tty:
                return "stdout", await self._reader.read(_READ)
            kind, size = _FRAME.unpack(await self._reader.readexactly(_FRAME.size))
            return ("stderr" if kind == 2 else "stdout"), await self._reader.readexactly(size)
        except (asyncio.IncompleteReadError, ConnectionError):
            return "stdout", b""

    async def write(self, data: bytes) -> None:
        if self._over:
            return
        with contextlib.suppress(ConnectionError, RuntimeError):
            self._writer.write(data)
            await self._writer.drain()

    async def end_input(self) -> None:
        if not self._tty and not self._over and self._writer.can_write_eof():
            with contextlib.suppress(OSError):
                self._writer.write_eof()

    async def resize(self, columns: int, rows: int) -> None:
        if not self._tty or self._over:
            return
        for pause in _SETTLED:
            await asyncio.sleep(pause)
            try:
                await self._connection.json(
                    "POST", f"exec/{self._session}/resize", params={"h": rows, "w": columns}
                )
                return
            except Refused:
                if self._over:
                    return

    async def exit_code(self) -> int:
        shown: dict[str, Any] = {}
        for pause in _SETTLED:
            await asyncio.sleep(pause)
            shown = await self._connection.json("GET", f"exec/{self._session}/json")
            if not shown["Running"]:
                return int(shown["ExitCode"])
        raise EngineUnavailable("The engine does not say how a command ended.", "Try again.")

    async def close(self) -> None:
        if self._writer.is_closing():
            return
        if not self._over:
            with contextlib.suppress(Refused):
                await kill_exec(self._connection, self._session)
        self._over = True
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()
