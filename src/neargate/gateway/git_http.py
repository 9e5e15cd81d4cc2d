"""git over HTTP: the git program's own http-backend behind `/git/NAME`, and what a push starts.

A repository comes into being with the first push to its name.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator

import structlog

from neargate.gateway.front import AsgiScope, Receive, Send
from neargate.model.operations import Caller
from neargate.runtimes.git import GitFailed, GitRepositories
from neargate.services.codepipeline.sources import pushed
from neargate.services.dispatch import Dispatcher

log = structlog.get_logger()

PREFIX = "/git/"
_SERVICE = re.compile(
    r"(?P<name>.+?)(?:\.git)?/(?P<tail>info/refs|git-upload-pack|git-receive-pack|HEAD|objects/.+)\Z"
)


class GitHttp:
    """The ASGI app. `caller` is who a push acts as: nobody signs a git request on loopback."""

    def __init__(self, repositories: GitRepositories, dispatcher: Dispatcher, caller: Caller) -> None:
        self._repositories = repositories
        self._dispatcher = dispatcher
        self._caller = caller

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        match = _SERVICE.match(scope["path"][len(PREFIX) :])
        if match is None:
            await _plain(send, 404, "Not a git request. Clone or push http://HOST:PORT/git/OWNER/NAME\n")
            return
        name, tail = match["name"], match["tail"]
        query = scope["query_string"].decode("latin-1")
        pushing = tail == "git-receive-pack" or "service=git-receive-pack" in query
        try:
            if pushing:
                await self._repositories.create(name)
            known = self._repositories.exists(name)
        except ValueError as error:
            await _plain(send, 400, f"{error}\n")
            return
        except GitFailed as error:
            await _plain(send, 500, f"{error}\n")
            return
        if not known:
            await _plain(send, 404, f"There is no repository {name} here; push to it and it is made.\n")
            return
        await self._backend(scope, receive, send, name, tail)
        if tail == "git-receive-pack":
            await self.take_notice(name)

    async def catch_up(self) -> None:
        """Take notice of the pushes that a server before this one took and then ended."""
        for name in self._repositories.names():
            try:
                await self.take_notice(name)
            except GitFailed as error:
                log.warning("repository.unreadable", repository=name, reason=str(error))

    async def take_notice(self, name: str) -> None:
        """Tell the pipelines where the branches stand now."""
        for ref, commit in (await self._repositories.refs(name)).items():

            def work(tx: object, ref: str = ref, commit: str = commit) -> list[str]:
                cx = self._dispatcher.context(tx, self._caller)  # type: ignore[arg-type]
                return pushed(cx, name, ref, commit)

            started = await self._dispatcher.store.write(work)
            for pipeline in started:
                log.info("push.started", repository=name, ref=ref, pipeline=pipeline)

    async def _backend(self, scope: AsgiScope, receive: Receive, send: Send, name: str, tail: str) -> None:
        headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "GIT_PROJECT_ROOT": str(self._repositories.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": f"/{name}.git/{tail}",
            "REQUEST_METHOD": scope["method"],
            "QUERY_STRING": scope["query_string"].decode("latin-1"),
            "CONTENT_TYPE": headers.get("content-type", ""),
            "REMOTE_ADDR": "127.0.0.1",
            "REMOTE_USER": "neargate",
        }
        for header, variable in (
            ("content-encoding", "HTTP_CONTENT_ENCODING"),
            ("git-protocol", "GIT_PROTOCOL"),
            ("content-length", "CONTENT_LENGTH"),
        ):
            if header in headers:
                environment[variable] = headers[header]
        process = await asyncio.create_subprocess_exec(
            "git",
            "http-backend",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=environment,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        feeding = asyncio.create_task(_feed(receive, process.stdin))
        try:
            await _relay(process.stdout, send)
        finally:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)
            if process.returncode is None:
                await process.wait()


async def _feed(receive: Receive, stdin: asyncio.StreamWriter) -> None:
    try:
        async for chunk in _body(receive):
            stdin.write(chunk)
            await stdin.drain()
    except (BrokenPipeError, ConnectionResetError):
        return  # the backend has read all it wants
    finally:
        stdin.close()


async def _body(receive: Receive) -> AsyncIterator[bytes]:
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return
        yield message.get("body", b"")
        if not message.get("more_body", False):
            return


async def _relay(stdout: asyncio.StreamReader, send: Send) -> None:
    """A CGI answer to an ASGI one."""
    status, headers = 200, []
    while line := (await stdout.readline()).strip():
        name, _, value = line.partition(b":")
        if name.lower() == b"status":
            status = int(value.split()[0])
        else:
            headers.append((name.strip().lower(), value.strip()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    while chunk := await stdout.read(65536):
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _plain(send: Send, status: int, text: str) -> None:
    body = text.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
