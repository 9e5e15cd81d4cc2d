"""The ASGI front door: one address for the AWS API, the image registry, git, and Neargate's own pages.

/_neargate/…   Neargate's own: health, adoption of ids, sources, progress
/v2/…          the OCI registry behind ECR
/git/…         git over HTTP
/v1/data-channel/…   Session Manager's websockets (`websockets`, which comes with the engine)
anything else  the AWS API
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

import structlog

from neargate import wire
from neargate.gateway.api import Api
from neargate.gateway.web_pages import foreign_page
from neargate.model.errors import AwsError
from neargate.model.records import Blob
from neargate.store.blobs import BlobDirectory

log = structlog.get_logger()

AsgiScope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AsgiApp = Callable[[AsgiScope, Receive, Send], Awaitable[None]]

DATA_CHANNEL = "/v1/data-channel/"

SPOOL_ABOVE = 256 * 1024  # bytes; larger object uploads go to disk as they arrive
LONGEST_BODY = 64 * 1024 * 1024  # bytes of an API request that is not an object upload
_CHUNK = 256 * 1024


class Disconnected(Exception):
    """The client went away in the middle of its request."""


class TooLong(Exception):
    """The request's body is longer than LONGEST_BODY."""


class Front:
    """The ASGI application. `mounts` maps a path's beginning to the app that serves it."""

    def __init__(self, api: Api, blobs: BlobDirectory, mounts: dict[str, AsgiApp]) -> None:
        self._api = api
        self._blobs = blobs
        self._mounts = mounts
        self.websockets: AsgiApp | None = None
        """Answers every websocket; without it there is none here."""

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        if scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        headers = _headers(scope)
        page = foreign_page(headers)
        if page is not None:
            said = f"Neargate does not answer {page}: only pages of this machine may ask it."
            await self._refuse(AwsError("AccessDenied", said, status=403), scope, send)
            return
        path: str = scope["path"]
        for prefix, app in self._mounts.items():
            if path.startswith(prefix):
                await app(scope, receive, send)
                return
        try:
            await self._aws(scope, headers, receive, send)
        except TooLong:
            said = (
                f"The request is longer than {LONGEST_BODY >> 20} MiB. Upload a large object in parts, or without the "
                "aws-chunked encoding."
            )
            await self._refuse(AwsError("RequestEntityTooLarge", said, status=413), scope, send)
        except Disconnected:
            log.debug("client.left", path=path)
        except asyncio.CancelledError:
            log.debug("request.cancelled", path=path)  # the server stops while a client waits

    async def _websocket(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        wanted = str(scope["path"]).startswith(DATA_CHANNEL) and foreign_page(_headers(scope)) is None
        if self.websockets is None or not wanted:
            await receive()
            await send({"type": "websocket.close"})  # before it was accepted: 403
            return
        await self.websockets(scope, receive, send)

    async def _refuse(self, error: AwsError, scope: AsgiScope, send: Send) -> None:
        """Answer without having looked at what the request is about."""
        await self._send(wire.encode_error(None, error, ""), scope["method"], send)

    async def _aws(self, scope: AsgiScope, headers: dict[str, str], receive: Receive, send: Send) -> None:
        body: bytes | Blob = b""
        if _is_object_upload(scope["method"], headers):
            body = await self._spooled(receive)
        else:
            body = b"".join([chunk async for chunk in _chunks(receive, LONGEST_BODY)])
        request = wire.HttpRequest(
            method=scope["method"],
            path=(scope.get("raw_path") or scope["path"].encode()).decode("latin-1"),
            query=scope["query_string"].decode("latin-1"),
            headers=headers,
            body=body,
        )
        answer = await self._api.answer(request)
        if isinstance(answer.response.body, AsyncGenerator):
            await _stream(answer.response, receive, send)
        else:
            await self._send(answer.response, scope["method"], send)

    async def _spooled(self, receive: Receive) -> Blob:
        """Take an upload to the blob store as it arrives."""
        with self._blobs.spool() as spool:
            async for chunk in _chunks(receive):
                spool.write(chunk)
            return await asyncio.to_thread(spool.finish)

    async def _send(self, response: wire.HttpResponse, method: str, send: Send) -> None:
        body = response.body
        headers = dict(response.headers)
        size = body.size if isinstance(body, Blob) else len(body)
        if method != "HEAD" or "content-length" not in {name.lower() for name in headers}:
            headers = {name: value for name, value in headers.items() if name.lower() != "content-length"}
            headers["content-length"] = str(size)
        await send(
            {
                "type": "http.response.start",
                "status": response.status,
                "headers": [
                    (name.lower().encode("latin-1"), value.encode("utf-8")) for name, value in headers.items()
                ],
            }
        )
        if method == "HEAD":
            await send({"type": "http.response.body", "body": b""})
        elif isinstance(body, Blob):
            for start in range(0, max(body.size, 1), _CHUNK):
                end = min(start + _CHUNK, body.size)
                chunk = self._blobs.read(body, start, end)
                await send({"type": "http.response.body", "body": chunk, "more_body": end < body.size})
        else:
            await send({"type": "http.response.body", "body": body})


async def _stream(response: wire.HttpResponse, receive: Receive, send: Send) -> None:
    """Send a body as it comes, until it ends or the client leaves."""
    pieces: AsyncGenerator[bytes, None] = response.body
    headers = [(name.lower().encode("latin-1"), text.encode()) for name, text in response.headers.items()]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    left = asyncio.create_task(_left(receive))
    following = asyncio.create_task(_following(pieces))
    try:
        while True:
            await asyncio.wait({following, left}, return_when=asyncio.FIRST_COMPLETED)
            if left.done():
                return
            piece = following.result()
            await send({"type": "http.response.body", "body": piece or b"", "more_body": piece is not None})
            if piece is None:
                return
            following = asyncio.create_task(_following(pieces))
    finally:
        left.cancel()
        following.cancel()
        await asyncio.gather(left, following, return_exceptions=True)
        await pieces.aclose()


async def _following(pieces: AsyncGenerator[bytes, None]) -> bytes | None:
    return await anext(pieces, None)


async def _left(receive: Receive) -> None:
    """Returns when the client has gone away."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _headers(scope: AsgiScope) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def _is_object_upload(method: str, headers: dict[str, str]) -> bool:
    """A PUT of a large body that nothing but the bytes' count says anything about: S3."""
    if method != "PUT" or "/s3/aws4_request" not in headers.get("authorization", ""):
        return False
    if "aws-chunked" in headers.get("content-encoding", "") or headers.get(
        "x-amz-content-sha256", ""
    ).startswith("STREAMING-"):
        return False
    length = headers.get("content-length", "0")
    return length.isdigit() and int(length) > SPOOL_ABOVE


async def _chunks(receive: Receive, longest: int | None = None) -> AsyncIterator[bytes]:
    """The body as it arrives. Raises Disconnected, TooLong."""
    total = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        chunk: bytes = message.get("body", b"")
        total += len(chunk)
        if longest is not None and total > longest:
            raise TooLong
        if chunk:
            yield chunk
        if not message.get("more_body", False):
            return


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await send({"type": "lifespan.shutdown.complete"})
            return
