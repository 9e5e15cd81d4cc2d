"""The composition root: the only place where objects are built and wired, and the server's life."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import importlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import attrs
import structlog
import uvicorn

from neargate import __version__
from neargate.data_directory import DataDirectory
from neargate.gateway.api import DEFAULT_ACCOUNT, DEFAULT_REGION, Api, root
from neargate.gateway.front import AsgiApp, Front
from neargate.gateway.later import Later
from neargate.gateway.one_write import OneWriteProtocol, websocket_protocol
from neargate.gateway.own_api import OwnApi
from neargate.model.operations import Settings
from neargate.model.records import Json
from neargate.runtimes.git import GitRepositories
from neargate.runtimes.moto_services import MotoServices
from neargate.services.dispatch import Dispatcher
from neargate.store.blobs import BlobDirectory
from neargate.store.sqlite import SqliteStore
from neargate.system import SystemClock, SystemIds

if TYPE_CHECKING:
    from neargate.gateway.git_http import GitHttp

log = structlog.get_logger()

_THREADS = 64  # for what is slow or waits, as SQS's long polls do; a thread is made when it is first needed

OWNER_LABEL = "dev.neargate.owner"


class PortInUse(Exception):
    """Something else listens where the server should."""


@attrs.frozen
class Options:
    """How to start. `port` 0 takes any free one."""

    data: Path
    host: str = "127.0.0.1"
    port: int = 4566
    on_stop: Literal["keep", "stop"] = "keep"
    pace: str = "local"
    engine_directory: Path | None = None
    emulate: bool = attrs.field(factory=lambda: os.environ.get("NEARGATE_EMULATE") == "1")


class Server:
    """One cloud: a data directory, an address, and the loops that make its records true."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._data = DataDirectory(options.data)
        self._socket: socket.socket | None = None
        self._plant: Any = None
        self._loops: list[asyncio.Task[None]] = []

    def run(self, *, announce: bool = True) -> None:
        """Serve until SIGTERM or SIGINT. Raises PortInUse, DataDirectoryInUse, StoreCorrupt before it answers."""
        self._data.claim()
        try:
            self._socket = _listen(self._options.host, self._options.port)
            with asyncio.Runner(loop_factory=_loop_factory()) as runner:
                runner.run(self._serve(announce))
        finally:
            self._data.release()

    # -- building ------------------------------------------------------------------------------------------

    async def _serve(self, announce: bool) -> None:
        assert self._socket is not None
        host, port = self._socket.getsockname()[:2]
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_THREADS, "neargate-heavy"))
        moto = MotoServices()
        settings = Settings(
            host=host,
            port=port,
            pace=self._options.pace,
            moto=moto.installed,
            emulate=self._options.emulate,
        )
        clock, ids = SystemClock(), SystemIds()
        store = SqliteStore.open(self._data.database, clock)
        blobs = BlobDirectory(self._data.blobs)
        dispatcher = Dispatcher(store, clock, ids, blobs, settings, moto)
        repositories = GitRepositories(self._data.repositories)
        git = Later(lambda: _git(repositories, dispatcher))
        mounts: dict[str, AsgiApp] = {
            "/_neargate/": OwnApi(dispatcher, self._health, self._prune),
            "/v2/": Later(lambda: _registry(dispatcher, blobs)),
            "/git/": git,
        }
        front = Front(Api(dispatcher), blobs, mounts)
        server = _uvicorn(front)
        try:
            async with _background(self._loops):
                self._start(
                    self._plant_loops(store, dispatcher, clock, ids, blobs, repositories, front), server
                )
                self._start(self._take_missed_pushes(git), server)
                self._start(asyncio.to_thread(moto.warm, store), server)
                await self._answer(server, settings, announce)
        finally:
            store.close()

    async def _plant_loops(
        self,
        store: SqliteStore,
        dispatcher: Dispatcher,
        clock: SystemClock,
        ids: SystemIds,
        blobs: BlobDirectory,
        repositories: GitRepositories,
        front: Front,
    ) -> None:
        """Start the loops. Imported here, and on a thread: the first requests are answered meanwhile."""
        await asyncio.to_thread(importlib.import_module, "neargate.plant")
        from neargate.plant import Plant

        plant = Plant(
            store=store,
            dispatcher=dispatcher,
            clock=clock,
            ids=ids,
            blobs=blobs,
            repositories=repositories,
            front=front,
            data=self._data,
            engine_directory=self._options.engine_directory,
        )
        self._plant = plant
        await plant.run()

    async def _take_missed_pushes(self, git: Later[GitHttp]) -> None:
        await asyncio.to_thread(importlib.import_module, "neargate.gateway.git_http")
        await git.app().catch_up()

    async def _answer(self, server: uvicorn.Server, settings: Settings, announce: bool) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, _ask_to_stop, server)
        self._data.announce(settings.endpoint)
        if announce:
            # The socket listens already: whoever reads this line and connects is answered.
            line = f"Neargate {__version__} answers at {settings.endpoint} (data in {self._data.root})"
            print(line, flush=True)
        assert self._socket is not None
        await server.serve(sockets=[self._socket])
        if self._plant is not None and self._options.on_stop == "stop":
            await self._plant.stop_tasks()

    def _start(self, loop: Coroutine[Any, Any, None], server: uvicorn.Server) -> None:
        """Run a loop beside the server. One that dies is a bug: the server says so and ends, rather than pretend."""

        def ended(task: asyncio.Task[None]) -> None:
            if task.cancelled() or task.exception() is None:
                return
            log.error("loop.died", exc_info=task.exception())
            server.should_exit = True

        task = asyncio.create_task(loop)
        task.add_done_callback(ended)
        self._loops.append(task)

    # -- what /_neargate asks ------------------------------------------------------------------------------

    def _health(self) -> Json:
        engine = self._plant.engine_state() if self._plant is not None else {"state": "starting"}
        return {
            "version": __version__,
            "ready": engine["state"] == "ready",
            "engine": engine,
            "data": str(self._data.root),
            "pid": os.getpid(),
        }

    async def _prune(self) -> Json:
        if self._plant is None:
            return {"removed": False}
        return dict(await self._plant.prune())


def _git(repositories: GitRepositories, dispatcher: Dispatcher) -> GitHttp:
    from neargate.gateway.git_http import GitHttp

    return GitHttp(repositories, dispatcher, root(DEFAULT_ACCOUNT, DEFAULT_REGION))


def _registry(dispatcher: Dispatcher, blobs: BlobDirectory) -> AsgiApp:
    from neargate.gateway.registry import registry_app

    return registry_app(dispatcher, blobs)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where there is one."""
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


def _ask_to_stop(server: uvicorn.Server) -> None:
    server.should_exit = True


@contextlib.asynccontextmanager
async def _background(tasks: list[asyncio.Task[None]]) -> Any:
    """Cancel the tasks at the end and wait for them."""
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _uvicorn(app: Any) -> uvicorn.Server:
    config = uvicorn.Config(
        app,
        http=OneWriteProtocol,
        ws=websocket_protocol,  # type: ignore[arg-type]
        ws_per_message_deflate=False,
        lifespan="off",
        interface="asgi3",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=3,
        timeout_keep_alive=75,
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    return server


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
            advice = "Give --host an address of this machine."
        else:
            advice = "Stop what listens there, or start with --port 0 for any free one."
        raise PortInUse(f"Port {port} on {host} cannot be used: {error.strerror}. {advice}") from error
    listener.setblocking(False)
    return listener


def configure_logging(path: Path | None) -> None:
    """Structured lines to a file, or to standard error."""
    stream = sys.stderr if path is None else path.open("a", buffering=1)
    # Podman tries TLS first on a registry; uvicorn's warning about such a greeting would tell nobody anything.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(20),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
