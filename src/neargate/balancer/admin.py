"""Envoy's admin interface on a unix socket: questions, and who answers them."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from neargate.model.balancer import BalancerFailure

SOCKET = "admin.sock"
_ANSWER_SECONDS = 10.0
_PEER = struct.Struct("iII")  # pid, uid, gid


class NotAnswering(BalancerFailure):
    """No Envoy answers, or it ended while it was asked."""

    def __init__(self) -> None:
        super().__init__("Envoy does not answer.")


class Admin:
    """Asks the Envoy that works in a directory. Raises `NotAnswering`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def process(self) -> int | None:
        """The id of the process that listens; None where none does."""
        with self._address() as address, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            try:
                probe.connect(address)
                peer = probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
            except OSError:
                return None
        pid: int = _PEER.unpack(peer)[0]
        return pid

    async def get(self, path: str) -> bytes:
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                return await self._get(path)
        except (OSError, EOFError, TimeoutError) as error:
            raise NotAnswering from error

    async def document(self, path: str) -> Any:
        return json.loads(await self.get(path))

    async def statistics(self, pattern: str) -> Mapping[str, str]:
        """The values by name of all that match (RE2, anywhere in the name) and were ever touched."""
        text = (await self.get(f"/stats?usedonly&filter={quote(pattern, safe='')}")).decode()
        pairs = (line.partition(": ") for line in text.splitlines())
        return {name: value.strip('"') for name, _, value in pairs}

    async def _get(self, path: str) -> bytes:
        with self._address() as address:
            reader, writer = await asyncio.open_unix_connection(address)
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: envoy\r\nConnection: close\r\n\r\n".encode())
            answer = await reader.read()
        finally:
            writer.close()
        head, found, content = answer.partition(b"\r\n\r\n")
        if not found or b" 200 " not in head.partition(b"\r\n")[0] + b" ":
            raise EOFError
        return _unchunked(content) if b"chunked" in head.lower() else content

    @contextmanager
    def _address(self) -> Iterator[str]:
        """The socket's path, short however long the directory's is: a socket's may have 107 characters."""
        try:
            directory = os.open(self._directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            yield str(self._directory / SOCKET)
            return
        try:
            yield f"/proc/self/fd/{directory}/{SOCKET}"
        finally:
            os.close(directory)


def _unchunked(content: bytes) -> bytes:
    parts = []
    while content:
        size, _, content = content.partition(b"\r\n")
        length = int(size, 16)
        if length == 0:
            break
        parts.append(content[:length])
        content = content[length + 2 :]
    return b"".join(parts)
