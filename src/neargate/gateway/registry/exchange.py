"""One HTTP request and its answer, over ASGI."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qsl

from neargate.gateway.registry.errors import RegistryError

AsgiScope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_LARGEST_MANIFEST = 4 << 20


class ClientLeft(Exception):
    """The client went away in the middle of its request."""


class Exchange:
    """A request to read, and the means to answer it. Header names are lower case."""

    def __init__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        self.query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        self._receive = receive
        self._send = send

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives."""
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientLeft
            if chunk := message.get("body", b""):
                yield chunk
            if not message.get("more_body", False):
                return

    async def manifest(self) -> str:
        """The body as text. Raises MANIFEST_INVALID, SIZE_INVALID."""
        body = bytearray()
        async for chunk in self.chunks():
            body += chunk
            if len(body) > _LARGEST_MANIFEST:
                raise RegistryError(413, "SIZE_INVALID", "A manifest may have 4 MiB.")
        try:
            return body.decode()
        except UnicodeDecodeError:
            raise RegistryError(400, "MANIFEST_INVALID", "The manifest is not UTF-8.") from None

    def range(self, size: int) -> tuple[int, int] | None:
        """The asked range of a content of `size` bytes as (start, end), end exclusive; None for all of it."""
        match = _RANGE.fullmatch(self.headers.get("range", ""))
        if match is None or not (match[1] or match[2]):
            return None
        if not match[1]:
            start, end = max(0, size - int(match[2])), size
        else:
            start, end = int(match[1]), min(int(match[2]) + 1 if match[2] else size, size)
        if start >= end:
            raise RegistryError(
                416, "RANGE_INVALID", "The range is not satisfiable.", (("Content-Range", f"bytes */{size}"),)
            )
        return start, end

    async def answer(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        """A whole answer; the body is left out for HEAD, its length is not."""
        await self.begin(status, {"Content-Length": str(len(body)), **headers})
        await self.write(body if self.method != "HEAD" else b"", more=False)

    async def begin(self, status: int, headers: dict[str, str]) -> None:
        pairs = [("docker-distribution-api-version", "registry/2.0"), *headers.items()]
        await self._send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in pairs],
            }
        )

    async def write(self, body: bytes, *, more: bool) -> None:
        await self._send({"type": "http.response.body", "body": body, "more_body": more})
