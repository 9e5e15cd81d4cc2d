"""The engine socket of one build: a Docker Engine API that knows ECR's names and only this build's things."""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path
from typing import Any

import structlog

from neargate.gateway.engine_socket import builds, containers, images
from neargate.gateway.engine_socket.names import BuildNames, slug_of
from neargate.gateway.engine_socket.session import Session, complain
from neargate.gateway.engine_socket.wire import Exchange, Refusal, serve_connection
from neargate.model.operations import Caller
from neargate.model.runtime import EngineUnavailable
from neargate.runtimes.engine_connection import EngineConnection, Locate, Refused
from neargate.services.dispatch import Dispatcher

log = structlog.get_logger()

_VERBS = frozenset({"start", "stop", "kill", "restart", "pause", "unpause", "resize"})


class EngineSocket:
    """Serves one build.

    `locate` finds the engine (again, where it went away). `caller` is who its pulls and pushes act for, `owner` the
    label that says whose containers and images these are, `registry_port` where this server's registry listens on
    127.0.0.1.
    """

    def __init__(
        self,
        locate: Locate,
        dispatcher: Dispatcher,
        caller: Caller,
        owner: str,
        build_id: str,
        registry_port: int,
    ) -> None:
        names = BuildNames(registry_port, slug_of(build_id))
        self._session = Session(names, EngineConnection(locate), dispatcher, caller, owner, build_id)
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._path = Path()

    async def start(self, path: str | Path) -> None:
        """Listen on a unix socket there; whoever can open the socket is the build."""
        self._path = Path(path)
        self._path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._connected, path)
        os.chmod(path, 0o660)

    async def stop(self) -> None:
        """Stop listening; remove the build's containers and its names for images. What was pushed stays."""
        if self._server is not None:
            self._server.close()
        for connection in tuple(self._connections):
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        self._path.unlink(missing_ok=True)
        with contextlib.suppress(Refused, EngineUnavailable):
            await containers.remove_all(self._session)
            for name in await self._session.own_names():
                with contextlib.suppress(Refused):
                    await self._session.engine.json("DELETE", f"images/{name}?noprune=1")
        await self._session.engine.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await serve_connection(reader, writer, self._serve)
        finally:
            self._connections.discard(task)

    async def _serve(self, exchange: Exchange) -> None:
        import aiohttp  # late: whoever serves a build has long talked to the engine, and loaded it

        names = self._session.names
        try:
            try:
                await self._route(exchange)
            except Refused as error:
                raise Refusal(error.status or 500, names.for_user(error.message)) from error
            except EngineUnavailable as error:
                raise Refusal(503, str(error)) from error
            except aiohttp.ClientError as error:
                raise Refusal(502, f"the engine broke its answer off: {error}") from error
        except Refusal as refusal:
            if exchange.taken_over:
                return
            if exchange.begun:
                await complain(exchange, refusal.message)
            else:
                await exchange.answer(refusal.status, {"message": refusal.message})
        if not exchange.taken_over and exchange.unfinished:
            await exchange.end()

    async def _route(self, exchange: Exchange) -> None:
        session, method, path = self._session, exchange.method, exchange.path
        match method, path.split("/"):
            case "GET" | "HEAD", ["_ping"]:
                await self._ping(exchange)
            case "GET", ["version"]:
                await exchange.answer(200, await session.engine.json("GET", "version"))
            case "GET", ["info"]:
                await exchange.answer(200, await self._info())
            case "POST", ["auth"]:
                await images.auth(session, exchange)
            case "POST", ["build"]:
                await builds.build(session, exchange)
            case _, ["images", *_]:
                await self._images(exchange, method, path.removeprefix("images/"))
            case _, ["containers", *rest]:
                await self._containers(exchange, method, rest)
            case "GET", ["exec", id, "json"]:
                await containers.exec_show(session, exchange, id)
            case "POST", ["exec", id, "start"]:
                await containers.exec_start(session, exchange, id)
            case "POST", ["exec", _, "resize"]:
                await exchange.answer(200)
            case _:
                raise _unsupported(exchange)

    async def _images(self, exchange: Exchange, method: str, rest: str) -> None:
        """An image's name may hold slashes: the verb is what stands last."""
        session = self._session
        name, _, verb = rest.rpartition("/")
        match method, verb:
            case "GET", "json" if not name:
                await images.list_all(session, exchange)
            case "POST", "create" if not name:
                await images.pull(session, exchange)
            case "GET", "json":
                await images.show(session, exchange, name)
            case "GET", "history":
                await images.history(session, exchange, name)
            case "POST", "tag":
                await images.tag(session, exchange, name)
            case "POST", "push":
                await images.push(session, exchange, name)
            case "DELETE", _:
                await images.remove(session, exchange, rest)
            case _:
                raise _unsupported(exchange)

    async def _containers(self, exchange: Exchange, method: str, rest: list[str]) -> None:
        session = self._session
        match method, rest:
            case "GET", ["json"]:
                await containers.list_all(session, exchange)
            case "POST", ["create"]:
                await containers.create(session, exchange)
            case "GET", [name, "json"]:
                await containers.show(session, exchange, name)
            case "GET", [name, "logs"]:
                await containers.logs(session, exchange, name)
            case "POST", [name, "attach"]:
                await containers.attach(session, exchange, name)
            case "POST", [name, "wait"]:
                await containers.wait(session, exchange, name)
            case "POST", [name, "exec"]:
                await containers.exec_create(session, exchange, name)
            case "POST", [name, verb] if verb in _VERBS:
                await containers.act(session, exchange, name, verb)
            case "DELETE", [name]:
                await containers.remove(session, exchange, name)
            case _:
                raise _unsupported(exchange)

    async def _ping(self, exchange: Exchange) -> None:
        version = await self._session.engine.json("GET", "version")
        headers = {
            "Api-Version": str(version["ApiVersion"]),
            "Ostype": "linux",
            "Builder-Version": "1",
            "Docker-Experimental": "false",
            "Content-Type": "text/plain; charset=utf-8",
            "Content-Length": "2",
        }
        await exchange.begin(200, headers)
        if exchange.method == "GET":
            await exchange.write(b"OK")
        await exchange.end()

    async def _info(self) -> dict[str, Any]:
        """What a client needs of the engine, without what it runs for others."""
        shown = await self._session.engine.json("GET", "info")
        kept = ("ServerVersion", "OSType", "Architecture", "NCPU", "MemTotal", "Driver", "KernelVersion")
        about = {key: shown[key] for key in kept if key in shown}
        return {
            **about,
            "ID": self._session.build_id,
            "Name": "neargate",
            "IndexServerAddress": "https://index.docker.io/v1/",
            "RegistryConfig": {},
        }


def _unsupported(exchange: Exchange) -> Refusal:
    return Refusal(
        501, f"{exchange.method} /{exchange.path} is not supported by Neargate's engine socket for builds."
    )
