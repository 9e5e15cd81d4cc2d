"""One connection to an Engine API (Docker's or Podman's), reopened when the engine comes back.

aiodocker, and aiohttp below it, are imported at the first call and in a thread: they take a third of a second
that the server's start does not have.
"""

from __future__ import annotations

import asyncio
import codecs
import importlib
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import attrs

from neargate.model.runtime import EngineUnavailable

if TYPE_CHECKING:
    import aiodocker
    import aiohttp

_UNREACHABLE = 900
"""aiodocker's own status where the engine did not answer at all."""

_PING_SECONDS = 1.0


@attrs.frozen
class EngineAddress:
    """Where an engine listens. `private` means that Neargate started it for itself in `directory`."""

    url: str
    private: bool = False
    directory: str | None = None

    @property
    def local(self) -> bool:
        """Whether its containers are processes of this machine."""
        return self.url.startswith("unix://")


Locate = Callable[[], Awaitable[EngineAddress]]
"""Finds a listening engine, starting one where it may; raises `EngineUnavailable`."""


class Refused(Exception):
    """The engine answered with an error: its HTTP status (0 inside a stream) and its own text."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class EngineConnection:
    """Sends requests. An engine that went away is located again, once per request."""

    def __init__(self, locate: Locate) -> None:
        self._locate = locate
        self._docker: aiodocker.Docker | None = None
        self._address: EngineAddress | None = None
        self._opening = asyncio.Lock()

    async def address(self) -> EngineAddress:
        """Where the engine listens; finds or starts it first."""
        await self._open()
        assert self._address is not None
        return self._address

    async def close(self) -> None:
        """Close all sockets. The next request opens new ones."""
        docker, self._docker = self._docker, None
        if docker is not None:
            await docker.close()

    async def json(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Send, and decode the whole answer (None where it is empty). Raises `Refused`, `EngineUnavailable`."""
        async with self.stream(method, path, params=params, body=body, headers=headers) as response:
            text = await _read(response)
        if not text:
            return None
        if "json" not in response.headers.get("content-type", ""):
            return text.decode(errors="replace")
        return json.loads(text)

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send, and read the answer as it comes; the connection is dropped at the end of the block.

        `body` is bytes, an async iterator of bytes, or anything JSON.
        """
        response = await self._send(method, path, params, body, headers)
        try:
            yield response
        finally:
            if response.content.at_eof():
                response.release()
            else:
                response.close()

    async def lines(
        self, method: str, path: str, *, params: Mapping[str, Any] | None = None
    ) -> AsyncIterator[dict[str, Any]]:
        """An answer of JSON lines. Ends when the engine ends it or goes away."""
        async with self.stream(method, path, params=params) as response:
            async for each in json_lines(response):
                yield each

    async def _send(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any] | None,
        body: Any,
        headers: Mapping[str, str] | None,
    ) -> aiohttp.ClientResponse:
        aiodocker = await _aiodocker()
        data, kind = _encoded(body)
        replayable = not isinstance(body, AsyncIterator)
        for attempt in (1, 2):
            docker = await self._open()
            try:
                return await docker._do_query(
                    path, method, params=dict(params or {}), data=data, headers={**kind, **(headers or {})}
                )
            except aiodocker.DockerError as error:
                if error.status != _UNREACHABLE:
                    raise Refused(error.status, _message(error.message)) from error
                if not await answers((await self.address()).url):
                    await self._reopen(docker)
                if attempt == 2 or not replayable:
                    raise EngineUnavailable(error.message, "Start the engine, then try again.") from error
        raise AssertionError("unreachable")

    async def _open(self) -> aiodocker.Docker:
        if self._docker is not None:
            return self._docker
        aiodocker = await _aiodocker()
        async with self._opening:
            if self._docker is None:
                self._address = await self._locate()
                self._docker = aiodocker.Docker(url=self._address.url)
            return self._docker

    async def _reopen(self, failed: aiodocker.Docker) -> None:
        """Forget a connection that failed, unless another request has replaced it already."""
        if self._docker is failed:
            self._docker = None
            await failed.close()


async def json_lines(response: aiohttp.ClientResponse) -> AsyncIterator[dict[str, Any]]:
    """The JSON objects of a streamed answer, until it ends or breaks."""
    import aiohttp

    decoder, text = json.JSONDecoder(), codecs.getincrementaldecoder("utf-8")("replace")
    pending = ""
    try:
        async for chunk in response.content.iter_any():
            pending += text.decode(chunk)
            while pending := pending.lstrip():
                try:
                    value, end = decoder.raw_decode(pending)
                except json.JSONDecodeError:
                    break
                pending = pending[end:]
                yield value
    except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError):
        return


async def _read(response: aiohttp.ClientResponse) -> bytes:
    import aiohttp

    try:
        return await response.read()
    except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError) as error:
        raise EngineUnavailable(f"The engine broke off its answer: {error}.", "Try again.") from error


def _encoded(body: Any) -> tuple[Any, dict[str, str]]:
    if body is None:
        return None, {}
    if isinstance(body, bytes | AsyncIterator):
        return body, {"Content-Type": "application/x-tar"}
    return json.dumps(body), {"Content-Type": "application/json"}


def _message(text: str) -> str:
    """The engine's own words, out of the JSON that may be around them."""
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text.strip()


async def _aiodocker() -> Any:
    loaded = sys.modules.get("aiodocker")
    if loaded is not None and not getattr(loaded.__spec__, "_initializing", False):
        return loaded
    return await asyncio.to_thread(importlib.import_module, "aiodocker")


async def answers(url: str) -> bool:
    """Whether an engine answers `GET /_ping` at this URL within a second. TLS and SSH are taken on trust."""
    parts = urlsplit(url)
    if parts.scheme == "ssh" or parts.scheme == "https" or os.environ.get("DOCKER_TLS_VERIFY"):
        return True
    try:
        async with asyncio.timeout(_PING_SECONDS):
            if parts.scheme == "unix":
                reader, writer = await asyncio.open_unix_connection(parts.path)
            else:
                reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 2375)
            try:
                writer.write(b"GET /_ping HTTP/1.1\r\nHost: engine\r\nConnection: close\r\n\r\n")
                return b" 200 " in await reader.readline()
            finally:
                writer.close()
                await writer.wait_closed()
    except (OSError, TimeoutError, ValueError):
        return False
