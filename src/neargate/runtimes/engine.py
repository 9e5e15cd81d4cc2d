"""The runtime that runs containers on Docker or Podman, through the Engine API both speak."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import signal as signals
import time
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any, Literal

import attrs

from neargate.model.records import Json
from neargate.model.runtime import (
    ContainerEvent,
    ContainerSpec,
    ContainerState,
    ContainerStats,
    Credentials,
    EngineInfo,
    EngineUnavailable,
    ExecResult,
    ImageInfo,
    ImageUnavailable,
    LogBatch,
    NameInUse,
    NoSuchContainer,
    Sandbox,
    SandboxSpec,
    StartFailed,
    Terminal,
)
from neargate.runtimes.cgroups import CgroupTree, MemoryKills
from neargate.runtimes.container_logs import Position, follow_file, frames, lines_of_frames
from neargate.runtimes.detailed_usage import detailed_stats
from neargate.runtimes.engine_connection import EngineConnection, Locate, Refused, json_lines
from neargate.runtimes.engine_exec import attach, create_exec, kill_exec
from neargate.runtimes.event_hub import EventHub
from neargate.runtimes.file_watch import FileWatch
from neargate.runtimes.hard_limits import hard_limits
from neargate.runtimes.listening import listening_ports
from neargate.runtimes.namespaces import Namespaces
from neargate.runtimes.pause import PauseSandboxes
from neargate.runtimes.payloads import (
    SANDBOX_LABEL,
    Dialect,
    container_state,
    create_body,
    image_info,
    with_tag,
)
from neargate.runtimes.usage import container_stats

_EXEC_OUTPUT = 64 * 1024
_SIGKILLED = 128 + signals.SIGKILL


@attrs.frozen
class _Engine:
    """What is known of the engine once it has answered."""

    info: EngineInfo
    dialect: Dialect
    namespaces: Namespaces | None
    """Where Neargate makes the sandboxes itself."""
    pauses: PauseSandboxes
    cgroups: CgroupTree | None
    """Where sandboxes can have limits of their own."""


class EngineRuntime:
    """`Runtime` on an engine that `locate` finds. Nothing happens before the first call.

    To be used from one event loop.
    """

    def __init__(self, locate: Locate, *, own_namespaces: bool = True) -> None:
        self.connection = EngineConnection(locate)
        self._watch = FileWatch()
        self._kills = MemoryKills()
        self._hub = EventHub(self.connection, self.inspect, self._watch)
        self._own_namespaces = own_namespaces
        self._known: _Engine | None = None

    async def close(self) -> None:
        await self._hub.close()
        await self.connection.close()
        self._watch.close()
        self._kills.close()

    async def info(self) -> EngineInfo:
        return (await self._engine()).info

    # Images

    async def image(self, reference: str) -> ImageInfo | None:
        try:
            shown = await self.connection.json("GET", f"images/{reference}/json")
        except Refused as error:
            if error.status == 404:
                return None
            raise EngineUnavailable(f"The engine cannot say what {reference} is: {error}.", "") from error
        return image_info(shown, reference)

    async def pull(
        self, reference: str, credentials: Credentials | None = None, architecture: str = ""
    ) -> ImageInfo:
        login = {} if credentials is None else attrs.asdict(credentials)
        headers = {"X-Registry-Auth": base64.urlsafe_b64encode(json.dumps(login).encode()).decode()}
        params = {"fromImage": with_tag(reference)}
        if architecture:
            params["platform"] = f"linux/{architecture}"
        try:
            async with self.connection.stream(
                "POST", "images/create", params=params, headers=headers if login else None
            ) as response:
                async for progress in json_lines(response):
                    if "error" in progress:
                        raise ImageUnavailable(reference, progress["error"])
        except Refused as error:
            raise ImageUnavailable(reference, error.message) from error
        image = await self.image(reference)
        if image is None:
            raise ImageUnavailable(reference, "the engine says that it pulled it, but does not have it")
        return image

    # Sandboxes

    async def create_sandbox(self, spec: SandboxSpec) -> Sandbox:
        engine = await self._engine()
        if engine.namespaces is not None:
            made = await asyncio.to_thread(engine.namespaces.create, spec)
            if made.pid_mode:  # a process namespace ends with its process 1, so a pause container is that
                await engine.pauses.create(spec, made.cgroup_parent, made.network_mode)
            return made
        parent = None
        if engine.cgroups is not None and (spec.cpus is not None or spec.memory_mib is not None):
            parent = engine.cgroups.path(spec.name)
            await asyncio.to_thread(
                engine.cgroups.create, spec.name, cpus=spec.cpus, memory_mib=spec.memory_mib
            )
        return await engine.pauses.create(spec, parent)

    async def remove_sandbox(self, sandbox_id: str) -> None:
        engine = await self._engine()
        if engine.namespaces is not None:
            if await asyncio.to_thread(engine.namespaces.shares_pids, sandbox_id):
                await engine.pauses.remove(sandbox_id)
            await asyncio.to_thread(engine.namespaces.remove, sandbox_id)
            return
        await engine.pauses.remove(sandbox_id)
        if engine.cgroups is not None:
            await asyncio.to_thread(engine.cgroups.remove, sandbox_id)

    async def list_sandboxes(self, labels: Mapping[str, str]) -> list[Sandbox]:
        engine = await self._engine()
        if engine.namespaces is not None:
            return list(engine.namespaces.list(labels))
        return await engine.pauses.list(labels)

    # Containers

    async def create(self, spec: ContainerSpec) -> str:
        engine = await self._engine()
        body = create_body(spec, engine.dialect)
        try:
            created = await self.connection.json(
                "POST", "containers/create", params={"name": spec.name}, body=body
            )
        except Refused as error:
            if error.status == 409 or "already in use" in error.message:
                raise NameInUse(spec.name) from error
            if error.status == 404:
                raise ImageUnavailable(spec.image, error.message) from error
            raise StartFailed(error.message) from error
        return str(created["Id"])

    async def start(self, container_id: str) -> None:
        self._hub.started_anew(container_id)
        try:
            await self.connection.json("POST", f"containers/{container_id}/start")
        except Refused as error:
            if error.status == 404 and _not_there(error):
                raise NoSuchContainer(container_id) from error
            raise StartFailed(error.message) from error

    async def signal(self, container_id: str, signal: str) -> None:
        try:
            await self.connection.json("POST", f"containers/{container_id}/kill", params={"signal": signal})
        except Refused as error:
            if error.status == 404:
                raise NoSuchContainer(container_id) from error
            state = await self.inspect(container_id)
            if state.status == "running":
                raise StartFailed(f"{signal} could not be sent: {error.message}") from error

    async def kill(self, container_id: str) -> None:
        engine = await self._engine()
        if engine.namespaces is not None:  # Podman's API would look every 250 ms whether it is dead
            state = await self.inspect(container_id)
            if state.pid is None or send_signal(state.pid, container_id, signals.SIGKILL):
                return
        await self.signal(container_id, "SIGKILL")

    async def wait(self, container_id: str) -> ContainerState:
        async with self._hub.listening() as events:
            while True:
                event = await events.get()
                concerned = event.id == container_id and event.action in ("died", "removed")
                if concerned or event.action == "watching":
                    state = await self.inspect(container_id)
                    if state.status == "exited":
                        return state

    async def remove(self, container_id: str) -> None:
        with contextlib.suppress(NoSuchContainer):  # Podman would ask nicely first
            if (await self.inspect(container_id)).status == "running":
                await self.kill(container_id)
                await self.wait(container_id)
        for patience in (0.01, 0.03, 0.1, 0.3, 0.0):
            try:
                await self.connection.json(
                    "DELETE", f"containers/{container_id}", params={"force": "1", "v": "1"}
                )
                return
            except Refused as error:
                if error.status == 404:
                    return
                if not patience or "improper" not in error.message:
                    raise StartFailed(f"{container_id} could not be removed: {error.message}") from error
            await asyncio.sleep(patience)  # Podman is still tidying up after its death

    async def list(self, labels: Mapping[str, str]) -> list[ContainerState]:
        wanted = [f"{name}={value}" for name, value in labels.items()]
        params = {"all": "1", "filters": json.dumps({"label": wanted})}
        found = await self.connection.json("GET", "containers/json", params=params)
        ids = [each["Id"] for each in found if SANDBOX_LABEL not in (each.get("Labels") or {})]
        states = await asyncio.gather(*(self._inspect_or_none(each) for each in ids))
        return [state for state in states if state is not None]

    async def inspect(self, container_id: str) -> ContainerState:
        return self._state(await self._show(container_id))

    async def listening_ports(self, state: ContainerState) -> frozenset[int]:
        return frozenset() if state.pid is None else listening_ports(state.pid)

    async def stats(self, state: ContainerState) -> ContainerStats | None:
        return None if state.pid is None else container_stats(state.id, state.pid, time.time())

    async def detailed_stats(self, state: ContainerState) -> Json | None:
        return None if state.pid is None else detailed_stats(state.id, state.name, state.pid, time.time())

    async def remove_owned(self, labels: Mapping[str, str]) -> None:
        await asyncio.gather(*(self.remove(each.id) for each in await self.list(labels)))
        engine = await self._engine()
        if engine.namespaces is not None:
            sandboxes = [each.id for each in engine.namespaces.recorded(labels)]
        else:
            sandboxes = [each.id for each in await engine.pauses.list(labels)]
        for each in sandboxes:
            await self.remove_sandbox(each)
        wanted = [f"{name}={value}" for name, value in labels.items()]
        images = await self.connection.json(
            "GET", "images/json", params={"filters": json.dumps({"label": wanted})}
        )
        for image in images:
            with contextlib.suppress(Refused):  # a child image, or somebody's container, still needs it
                await self.connection.json("DELETE", f"images/{image['Id']}", params={"force": "1"})

    async def remove_build_cache(self) -> None:
        """Remove the images without a name that builds leave behind; for an engine that nobody else uses."""
        await self.connection.json(
            "POST", "images/prune", params={"filters": json.dumps({"dangling": ["true"]})}
        )

    # Inside a container

    async def exec(
        self,
        container_id: str,
        argv: tuple[str, ...],
        *,
        environment: Mapping[str, str] | None = None,
        user: str = "",
        timeout: float | None = None,  # noqa: ASYNC109 — more than a cancellation: the command is killed
    ) -> ExecResult:
        session = await create_exec(
            self.connection, container_id, argv, tty=False, stdin=False, environment=environment, user=user
        )
        output = bytearray()
        try:
            async with asyncio.timeout(timeout):
                await self._run(session, output)
        except TimeoutError:
            await kill_exec(self.connection, session)
            return ExecResult(None, output.decode(errors="replace"))
        except Refused as error:
            # Docker: 126 or 127 by its text; Podman says nothing but 127
            code = 126 if "permission denied" in error.message else 127
            return ExecResult(code, error.message)
        shown = await self.connection.json("GET", f"exec/{session}/json")
        return ExecResult(shown["ExitCode"], output.decode(errors="replace"))

    async def _run(self, session: str, output: bytearray) -> None:
        async with self.connection.stream(
            "POST", f"exec/{session}/start", body={"Detach": False, "Tty": False}
        ) as response:
            try:
                async for _, data in frames(response):
                    output += data
                    del output[:-_EXEC_OUTPUT]
            except ConnectionError as error:
                raise EngineUnavailable(f"The engine broke off an exec: {error}.", "Try again.") from error

    async def attach(
        self,
        container_id: str,
        argv: tuple[str, ...],
        *,
        tty: bool = True,
        environment: Mapping[str, str] | None = None,
        user: str = "",
    ) -> Terminal:
        session = await create_exec(
            self.connection, container_id, argv, tty=tty, stdin=True, environment=environment, user=user
        )
        return await attach(self.connection, session, tty=tty)

    # Following

    async def watch(self, labels: Mapping[str, str]) -> AsyncGenerator[ContainerEvent, None]:
        async with self._hub.listening() as events:
            while True:
                event = await events.get()
                if event.action == "watching" or labels.items() <= event.labels.items():
                    yield event

    async def logs(self, container_id: str, after: str = "") -> AsyncGenerator[LogBatch, None]:
        position = Position.read(after)
        shown = await self._started(container_id)
        path = Path(shown.get("LogPath") or "/nonexistent")
        engine = await self._engine()
        if engine.dialect.kind == "podman" and os.access(path, os.R_OK):
            batches = self._file_lines(container_id, path, position)
        else:
            batches = self._api_lines(container_id, position.last)
        async with contextlib.aclosing(batches):
            async for batch in batches:
                yield batch

    async def _file_lines(
        self, container_id: str, path: Path, after: Position
    ) -> AsyncGenerator[LogBatch, None]:
        ended = asyncio.Event()

        async def notice_end() -> None:
            while not ended.is_set():
                try:
                    await self.wait(container_id)
                    ended.set()
                except NoSuchContainer:
                    ended.set()
                except EngineUnavailable:
                    await asyncio.sleep(1)  # its lines go on all the same

        task = asyncio.create_task(notice_end())
        try:
            async with contextlib.aclosing(follow_file(path, ended, self._watch, after)) as batches:
                async for batch in batches:
                    yield batch
        except FileNotFoundError as error:
            raise NoSuchContainer(container_id) from error
        finally:
            task.cancel()

    async def _api_lines(self, container_id: str, after: int) -> AsyncGenerator[LogBatch, None]:
        """From a whole second before `after` on, again and again until the container has exited."""
        path = f"containers/{container_id}/logs"
        while True:
            since = max(0, after // 1_000_000_000 - 1)
            params = {"follow": "1", "stdout": "1", "stderr": "1", "timestamps": "1", "since": since}
            exited = (await self.inspect(container_id)).status == "exited"
            try:
                async with (
                    self.connection.stream("GET", path, params=params) as response,
                    contextlib.aclosing(lines_of_frames(response)) as bursts,
                ):
                    async for lines in bursts:
                        news = [line for line in lines if line.timestamp > after]
                        if news:
                            after = news[-1].timestamp
                            yield LogBatch(news, str(after))
            except Refused as error:
                raise NoSuchContainer(container_id) from error
            except ConnectionError:
                continue
            if exited:
                return
            await asyncio.sleep(0.05)

    async def _started(self, container_id: str) -> Mapping[str, Any]:
        """What the engine shows of the container once it is started or over."""
        shown = await self._show(container_id)
        if container_state(shown).status != "created":
            return shown
        async with self._hub.listening() as events:
            while True:
                event = await events.get()
                if event.action == "watching" or event.id == container_id:
                    shown = await self._show(container_id)
                    if container_state(shown).status != "created":
                        return shown

    # What the engine is

    async def _show(self, container_id: str) -> Mapping[str, Any]:
        try:
            shown: Mapping[str, Any] = await self.connection.json("GET", f"containers/{container_id}/json")
        except Refused as error:
            if error.status == 404 or _not_there(error):  # Podman: 500 for one that goes while it looks
                raise NoSuchContainer(container_id) from error
            raise EngineUnavailable(f"The engine cannot say how {container_id} is: {error}.", "") from error
        return shown

    async def _inspect_or_none(self, container_id: str) -> ContainerState | None:
        with contextlib.suppress(NoSuchContainer):
            return await self.inspect(container_id)
        return None

    def _state(self, shown: Mapping[str, Any]) -> ContainerState:
        killed = shown["State"].get("ExitCode") == _SIGKILLED and shown["Id"] in self._kills
        return container_state(shown, oom_killed=killed)

    async def _engine(self) -> _Engine:
        if self._known is None:
            address, shown, version = (
                await self.connection.address(),
                await self.connection.json("GET", "info"),
                await self.connection.json("GET", "version"),
            )
            info = engine_info(shown, version, address.url, private=address.private)
            info = attrs.evolve(info, emulates=emulated() if address.local else ())
            local = address.local and os.geteuid() == 0 and not info.rootless
            tree = CgroupTree() if local and info.cgroup_driver == "cgroupfs" else None
            own = self._own_namespaces and local and info.kind == "podman"
            limits = hard_limits(address.url, private=address.private)
            self._known = _Engine(
                info=info,
                dialect=Dialect("docker" if info.kind == "docker" else "podman", limits),
                namespaces=Namespaces(tree or CgroupTree()) if own else None,
                pauses=PauseSandboxes(self.connection, info.architecture),
                cgroups=tree,
            )
        return self._known


def engine_info(
    shown: Mapping[str, Any], version: Mapping[str, Any], socket: str, *, private: bool
) -> EngineInfo:
    """What `GET /info` and `GET /version` say."""
    podman = any("Podman" in (each.get("Name") or "") for each in version.get("Components") or [])
    kind: Literal["podman", "docker"] = "podman" if podman else "docker"
    cgroup = str(shown.get("CgroupVersion") or "1")
    return EngineInfo(
        kind=kind,
        version=version.get("Version") or "",
        rootless=any("rootless" in each for each in shown.get("SecurityOptions") or []),
        cgroup_version="2" if cgroup == "2" else "1",
        cgroup_driver=shown.get("CgroupDriver") or "",
        socket=socket,
        private=private,
        architecture=version.get("Arch") or shown.get("Architecture") or "",
        cpus=shown.get("NCPU") or 0,
        memory_mib=(shown.get("MemTotal") or 0) >> 20,
    )


_HANDLERS = Path("/proc/sys/fs/binfmt_misc")
_EMULATORS = {"qemu-aarch64": "arm64", "qemu-x86_64": "amd64"}


def emulated(handlers: Path = _HANDLERS) -> tuple[str, ...]:
    """The architectures for which the kernel has an enabled handler of qemu's."""
    return tuple(
        architecture
        for name, architecture in _EMULATORS.items()
        if (handlers / name).is_file() and (handlers / name).read_text().startswith("enabled")
    )


def send_signal(pid: int, container_id: str, number: int) -> bool:
    """Send a signal to a process if it is (still) one of this container, as its cgroup says."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        if container_id not in Path(f"/proc/{pid}/cgroup").read_text():
            return False
        signals.pidfd_send_signal(process, number)
    except (ProcessLookupError, FileNotFoundError):
        return False
    finally:
        os.close(process)
    return True


def _not_there(error: Refused) -> bool:
    text = error.message.lower()
    return "no such container" in text or "no container" in text
