"""A runtime whose containers are coroutines: the in-memory twin of the engine, for tests and simulations.

It keeps the same contract (`tests/contract/test_runtime.py` runs against both). What a container does is a
`Program`; time comes from the clock and the sleep that the `World` is given, so a virtual clock drives it.
"""

from __future__ import annotations

import asyncio
import signal as signals
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping

import attrs

from neargate.model.ports import Clock
from neargate.model.records import Json
from neargate.model.runtime import (
    ContainerEvent,
    ContainerSpec,
    ContainerState,
    ContainerStats,
    Credentials,
    EngineInfo,
    EventAction,
    ExecResult,
    ImageInfo,
    ImageUnavailable,
    LogBatch,
    LogLine,
    NameInUse,
    NoSuchContainer,
    Sandbox,
    SandboxSpec,
    StartFailed,
    Stream,
    Terminal,
)
from neargate.runtimes.container_logs import Position, Stamps
from neargate.runtimes.detailed_usage import no_cpu, shaped
from neargate.runtimes.labelled import Labelled
from neargate.runtimes.memory_terminal import Conversation, MemoryTerminal, Screen
from neargate.runtimes.payloads import with_tag

Sleep = Callable[[float], Awaitable[None]]


class WallClock:
    """Real time."""

    def now(self) -> float:
        return time.time()


class Killed(Exception):
    """Ends a program from outside: its exit code."""

    def __init__(self, code: int, *, out_of_memory: bool = False) -> None:
        super().__init__(code)
        self.code = code
        self.out_of_memory = out_of_memory


Program = Callable[["Process"], Awaitable[int]]
"""What a container runs; returns its exit code."""

Command = Callable[["Process", tuple[str, ...]], Awaitable[tuple[int, str]]]
"""What an exec runs; returns exit code and output."""


@attrs.define
class World:
    """Everything that outlives a server: images, sandboxes, containers.

    `programs` tells what an argument vector (entrypoint and command together) does; where none is given for
    it, `default` runs. `commands` does the same for exec by its first word, `conversations` for what somebody
    talks with. `registry` holds what can be pulled.
    """

    clock: Clock = attrs.field(factory=WallClock)
    sleep: Sleep = asyncio.sleep
    programs: dict[tuple[str, ...], Program] = attrs.field(factory=dict)
    commands: dict[str, Command] = attrs.field(factory=dict)
    conversations: dict[str, Conversation] = attrs.field(factory=dict)
    default: Program = attrs.field(factory=lambda: serves())
    images: dict[str, ImageInfo] = attrs.field(factory=dict)
    registry: dict[str, ImageInfo] = attrs.field(factory=dict)
    logins: dict[str, Credentials] = attrs.field(factory=dict)
    """What the registry asks for, by image; others are anybody's."""
    emulates: tuple[str, ...] = ()
    sandboxes: dict[str, tuple[SandboxSpec, Sandbox]] = attrs.field(factory=dict)
    containers: dict[str, Process] = attrs.field(factory=dict)
    parameters: dict[tuple[str, str], str] = attrs.field(factory=dict)
    """Network parameters by sandbox and name."""
    listeners: set[asyncio.Queue[ContainerEvent]] = attrs.field(factory=set)
    numbers: int = 0
    names: dict[str, Process] = attrs.field(factory=dict)
    labelled: Labelled[Process] = attrs.field(factory=lambda: Labelled())
    labelled_sandboxes: Labelled[Sandbox] = attrs.field(factory=lambda: Labelled())
    inside: dict[str, dict[str, Process]] = attrs.field(factory=dict)
    """The containers by the sandbox that they are in, then by id."""

    def number(self) -> int:
        self.numbers += 1
        return self.numbers

    def keep(self, process: Process) -> None:
        self.containers[process.id] = self.names[process.spec.name] = process
        self.labelled.add(process.id, process.state.labels, process)
        self.inside.setdefault(process.spec.sandbox.id, {})[process.id] = process

    def drop(self, process: Process) -> None:
        del self.containers[process.id], self.names[process.spec.name]
        self.labelled.drop(process.id, process.state.labels)
        neighbours = self.inside[process.spec.sandbox.id]
        del neighbours[process.id]
        if not neighbours:
            del self.inside[process.spec.sandbox.id]

    def add_image(
        self, reference: str, *, local: bool = True, command: tuple[str, ...] = ("serve",)
    ) -> ImageInfo:
        """Make an image exist: here, or only in the registry."""
        image = ImageInfo(
            id=f"sha256:{self.number():064x}",
            reference=reference,
            digest=None,
            environment={},
            entrypoint=(),
            command=command,
            exposed_ports=(),
            user="",
            working_dir="",
            stop_signal=None,
            architecture="amd64",
            labels={},
        )
        (self.images if local else self.registry)[with_tag(reference)] = image
        return image


class Process:
    """A container, and what its program can do."""

    def __init__(self, world: World, container_id: str, spec: ContainerSpec, argv: tuple[str, ...]) -> None:
        self.world = world
        self.id = container_id
        self.spec = spec
        self.argv = argv
        self.ports: set[int] = set()
        self.lines: list[LogLine] = []
        self.files: dict[str, str] = {}
        """What it wrote; it stays over its restarts."""
        self.over = asyncio.Event()
        self.state = ContainerState(
            id=container_id, name=spec.name, image=spec.image, status="created", labels=dict(spec.labels)
        )
        self._traps: dict[str, asyncio.Event] = {}
        self._allocated_mib = 0
        self._cpus = 0.0
        self._cpu_seconds = 0.0
        self._cpus_since = 0.0
        self._changed = asyncio.Condition()
        self._stamps = Stamps()
        self._fate: asyncio.Future[int] | None = None
        self._task: asyncio.Task[None] | None = None

    # For programs

    async def say(self, text: str, stream: Stream = "stdout") -> None:
        """Write a line."""
        stamp = self._stamps.next(round(self.world.clock.now() * 1e9))
        self.lines.append(LogLine(stream, stamp, text + "\r" if self.spec.tty else text))
        await self.notify()

    async def sleep(self, seconds: float) -> None:
        await self.world.sleep(seconds)

    def listen(self, port: int) -> None:
        """Listen on all addresses of the sandbox."""
        self.ports.add(port)

    def reaches(self, port: int) -> bool:
        """Whether something listens on this port of the sandbox's localhost."""
        return any(port in each.ports for each in self.neighbours())

    def trap(self, signal: str) -> asyncio.Event:
        """Handle a signal from now on. As process 1 it gets no other but SIGKILL; others end it."""
        return self._traps.setdefault(signal, asyncio.Event())

    def allocate(self, mib: int) -> None:
        """Use memory; the limit of the container or of its sandbox kills."""
        self._allocated_mib += mib
        limit = self.spec.memory_mib
        together = self.world.sandboxes[self.spec.sandbox.id][0].memory_mib
        used_together = sum(each._allocated_mib for each in self.neighbours())
        if (limit is not None and self._allocated_mib > limit) or (
            together is not None and used_together > together
        ):
            raise Killed(128 + signals.SIGKILL, out_of_memory=True)

    def burn(self, cpus: float) -> None:
        """Keep that many CPUs busy from now on."""
        now = self.world.clock.now()
        self._cpu_seconds += self._cpus * (now - self._cpus_since)
        self._cpus, self._cpus_since = cpus, now

    def usage(self) -> ContainerStats:
        now = self.world.clock.now()
        seconds = self._cpu_seconds + self._cpus * (now - self._cpus_since)
        return ContainerStats(now, round(seconds * 1e9), self._allocated_mib << 20, received=0, sent=0)

    def may(self, capability: str) -> bool:
        """Whether it has a Linux capability (`CHOWN`): those of the engine's default set, more and fewer as told."""
        dropped = {"ALL", capability} & set(self.spec.drop_capabilities)
        if self.spec.privileged or capability in self.spec.add_capabilities:
            return True
        return capability in _CAPABILITIES and not dropped

    def parameter(self, name: str) -> str | None:
        """A kernel parameter that was set; network ones by whichever container of the sandbox started last."""
        if not name.startswith("net."):
            return self.spec.sysctls.get(name)
        return self.world.parameters.get((self.spec.sandbox.id, name))

    def room(self, path: str) -> int | None:
        """The size (MiB) of the tmpfs at a path; None where there is none."""
        return next((each.size_mib for each in self.spec.tmpfs if each.target == path), None)

    def sees(self) -> list[Process]:
        """The containers whose processes it can see: its own, or all where the sandbox shares them."""
        return self.neighbours() if self.spec.sandbox.pid_mode else [self]

    def neighbours(self) -> list[Process]:
        """The running containers of the sandbox, this one included."""
        mine = self.world.inside.get(self.spec.sandbox.id, {})
        return [each for each in mine.values() if each.state.status == "running"]

    # For the runtime

    def start(self, program: Program) -> None:
        now = self.world.clock.now()
        self.over.clear()
        self._traps.clear()
        for name, value in self.spec.sysctls.items():
            if name.startswith("net."):
                self.world.parameters[self.spec.sandbox.id, name] = value
        self.state = attrs.evolve(
            self.state,
            status="running",
            started_at=now,
            pid=1000 + self.world.number(),
            exit_code=None,
            oom_killed=False,
            finished_at=None,
            error="",
        )
        self._fate = asyncio.get_running_loop().create_future()
        self.tell("started")
        self._task = asyncio.create_task(self._live(program, self._fate), name=f"container {self.spec.name}")

    def signal(self, name: str) -> None:
        if self.state.status != "running" or self._fate is None:
            return
        if name == "SIGKILL":
            if not self._fate.done():
                self._fate.set_result(128 + signals.SIGKILL)
        elif name in self._traps:
            self._traps[name].set()
        elif (self.spec.init or self.spec.sandbox.pid_mode) and not self._fate.done():
            self._fate.set_result(128 + signals.Signals[name])

    def tell(self, action: EventAction) -> None:
        event = ContainerEvent(
            action=action,
            id=self.id,
            name=self.spec.name,
            labels=self.state.labels,
            exit_code=self.state.exit_code if action == "died" else None,
            timestamp=self.world.clock.now(),
        )
        for queue in self.world.listeners:
            queue.put_nowait(event)

    async def notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Returns once the condition holds; it is looked at after every line and every change of state."""
        async with self._changed:
            await self._changed.wait_for(condition)

    async def _live(self, program: Program, fate: asyncio.Future[int]) -> None:
        body = asyncio.ensure_future(self._outcome(program))
        await asyncio.wait((body, fate), return_when=asyncio.FIRST_COMPLETED)
        error = ""
        if fate.done():
            body.cancel()
            await asyncio.wait((body,))
            code, out_of_memory = fate.result(), False
        elif (failure := body.exception()) is not None:
            code, out_of_memory, error = 1, False, repr(failure)
        else:
            code, out_of_memory = body.result()
        self.ports.clear()
        self._allocated_mib = 0
        self.state = attrs.evolve(
            self.state,
            status="exited",
            exit_code=code,
            oom_killed=out_of_memory,
            error=error,
            finished_at=self.world.clock.now(),
            pid=None,
        )
        self.over.set()
        self.tell("died")
        await self.notify()

    async def _outcome(self, program: Program) -> tuple[int, bool]:
        try:
            return await program(self), False
        except Killed as killed:
            return killed.code, killed.out_of_memory


_CAPABILITIES = frozenset(
    "AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE NET_RAW SETFCAP SETGID SETPCAP SETUID "
    "SYS_CHROOT".split()
)
"""What Docker gives a container that asks for nothing."""


def serves(*ports: int, exit_code: int = 0) -> Program:
    """A well-behaved server: listens, and ends with `exit_code` at SIGTERM."""

    async def program(process: Process) -> int:
        stop = process.trap("SIGTERM")
        for port in ports:
            process.listen(port)
        await stop.wait()
        return exit_code

    return program


def exits(code: int, *lines: str, after: float = 0.0) -> Program:
    """Says its lines, waits, ends."""

    async def program(process: Process) -> int:
        for line in lines:
            await process.say(line)
        await process.sleep(after)
        return code

    return program


def never_ends() -> Program:
    """Deaf to every signal but SIGKILL."""

    async def program(process: Process) -> int:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    return program


def cannot_start(reason: str) -> Program:
    """There is no such program in the image."""

    async def program(process: Process) -> int:
        raise StartFailed(reason)

    program.__dict__["start_error"] = reason
    return program


def _news(process: Process, seen: int) -> Callable[[], bool]:
    return lambda: process.over.is_set() or len(process.lines) > seen


class MemoryRuntime:
    """`Runtime` on a `World`. Two of them on one world are a server and its restart."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def close(self) -> None:
        """The world goes on without it."""

    async def info(self) -> EngineInfo:
        return EngineInfo("memory", "1", False, "", "", "", True, "amd64", 8, 16384, self.world.emulates)

    async def image(self, reference: str) -> ImageInfo | None:
        by_id = (each for each in self.world.images.values() if each.id == reference)
        return self.world.images.get(with_tag(reference)) or next(by_id, None)

    async def pull(
        self, reference: str, credentials: Credentials | None = None, architecture: str = ""
    ) -> ImageInfo:
        image = self.world.registry.get(with_tag(reference))
        if image is None:
            raise ImageUnavailable(reference, "manifest unknown")
        if self.world.logins.get(with_tag(reference), credentials) != credentials:
            raise ImageUnavailable(reference, "denied: requested access to the resource is denied")
        self.world.images[with_tag(reference)] = image
        return image

    async def create_sandbox(self, spec: SandboxSpec) -> Sandbox:
        if spec.name not in self.world.sandboxes:
            sandbox = Sandbox(
                id=spec.name,
                netns=f"/memory/{spec.name}",
                network_mode=f"memory:{spec.name}",
                labels=dict(spec.labels),
                hostname=spec.hostname,
                dns=spec.dns,
                dns_search=spec.dns_search,
                pid_mode=f"memory:{spec.name}" if spec.share_pids else "",
            )
            self.world.sandboxes[spec.name] = (spec, sandbox)
            self.world.labelled_sandboxes.add(sandbox.id, sandbox.labels, sandbox)
        return self.world.sandboxes[spec.name][1]

    async def remove_sandbox(self, sandbox_id: str) -> None:
        _, sandbox = self.world.sandboxes.pop(sandbox_id, (None, None))
        if sandbox is not None:
            self.world.labelled_sandboxes.drop(sandbox.id, sandbox.labels)

    async def list_sandboxes(self, labels: Mapping[str, str]) -> list[Sandbox]:
        return self.world.labelled_sandboxes.find(labels)

    async def create(self, spec: ContainerSpec) -> str:
        image = await self.image(spec.image)
        if image is None:
            raise ImageUnavailable(spec.image, "no such image")
        if spec.name in self.world.names:
            raise NameInUse(spec.name)
        if spec.sandbox.id not in self.world.sandboxes:
            raise StartFailed(f"There is no sandbox {spec.sandbox.id}.")
        argv = image.entrypoint + image.command
        if spec.entrypoint is not None:
            argv = spec.entrypoint + (spec.command or ())
        elif spec.command is not None:
            argv = image.entrypoint + spec.command
        process = Process(self.world, f"{self.world.number():064x}", spec, argv)
        self.world.keep(process)
        process.tell("created")
        return process.id

    async def start(self, container_id: str) -> None:
        process = self._process(container_id)
        if process.state.status == "running":
            return
        program = self.world.programs.get(process.argv, self.world.default)
        reason = getattr(program, "start_error", None)
        if reason is not None:
            raise StartFailed(reason)
        process.start(program)
        await process.notify()

    async def signal(self, container_id: str, signal: str) -> None:
        self._process(container_id).signal(signal)

    async def kill(self, container_id: str) -> None:
        await self.signal(container_id, "SIGKILL")

    async def wait(self, container_id: str) -> ContainerState:
        process = self._process(container_id)
        await process.over.wait()
        if container_id not in self.world.containers:
            raise NoSuchContainer(container_id)
        return process.state

    async def remove(self, container_id: str) -> None:
        process = self.world.containers.get(container_id)
        if process is None:
            return
        if process.state.status == "running":
            process.signal("SIGKILL")
            await process.over.wait()
        if container_id in self.world.containers:
            self.world.drop(process)
            process.over.set()
            process.tell("removed")
            await process.notify()

    async def exec(
        self,
        container_id: str,
        argv: tuple[str, ...],
        *,
        environment: Mapping[str, str] | None = None,
        user: str = "",
        timeout: float | None = None,  # noqa: ASYNC109 — the port's own word for it
    ) -> ExecResult:
        process = self._process(container_id)
        if process.state.status != "running":
            raise StartFailed(f"{process.spec.name} is not running.")
        command = self.world.commands.get(argv[0])
        if command is None:
            return ExecResult(127, f"{argv[0]}: executable file not found in $PATH")
        running = asyncio.ensure_future(command(process, argv))
        limit = asyncio.ensure_future(self.world.sleep(timeout)) if timeout is not None else None
        waited = {each for each in (running, limit) if each is not None}
        try:
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            return ExecResult(*running.result()) if running.done() else ExecResult(None, "")
        finally:
            for each in waited:
                each.cancel()

    async def attach(
        self,
        container_id: str,
        argv: tuple[str, ...],
        *,
        tty: bool = True,
        environment: Mapping[str, str] | None = None,
        user: str = "",
    ) -> Terminal:
        process = self._process(container_id)
        if process.state.status != "running":
            raise StartFailed(f"{process.spec.name} is not running.")
        conversation = self.world.conversations.get(argv[0])
        if conversation is None:
            raise StartFailed(f'exec: "{argv[0]}": executable file not found in $PATH')
        return MemoryTerminal(Screen(tty, user), conversation, process.over)

    async def list(self, labels: Mapping[str, str]) -> list[ContainerState]:
        return [process.state for process in self.world.labelled.find(labels)]

    async def inspect(self, container_id: str) -> ContainerState:
        return self._process(container_id).state

    async def logs(self, container_id: str, after: str = "") -> AsyncGenerator[LogBatch, None]:
        process = self._process(container_id)
        last, position = Position.read(after).last, 0
        while True:
            over = process.over.is_set()
            news = [line for line in process.lines[position:] if line.timestamp > last]
            position = len(process.lines)
            if news:
                yield LogBatch(news, str(news[-1].timestamp))
            if over:
                return
            await process.until(_news(process, position))

    async def watch(self, labels: Mapping[str, str]) -> AsyncGenerator[ContainerEvent, None]:
        queue: asyncio.Queue[ContainerEvent] = asyncio.Queue()
        self.world.listeners.add(queue)
        try:
            yield ContainerEvent(action="watching", timestamp=self.world.clock.now())
            while True:
                event = await queue.get()
                if labels.items() <= event.labels.items():
                    yield event
        finally:
            self.world.listeners.discard(queue)

    async def listening_ports(self, state: ContainerState) -> frozenset[int]:
        process = self.world.containers.get(state.id)
        if process is None or process.state.status != "running":
            return frozenset()
        return frozenset(port for each in process.neighbours() for port in each.ports)

    async def stats(self, state: ContainerState) -> ContainerStats | None:
        process = self.world.containers.get(state.id)
        return None if process is None or process.state.status != "running" else process.usage()

    async def detailed_stats(self, state: ContainerState) -> Json | None:
        used = await self.stats(state)
        if used is None:
            return None
        cpu = no_cpu()
        cpu["cpu_usage"]["total_usage"] = used.cpu_ns
        return shaped(
            state.id,
            state.name,
            used.at,
            cpu=cpu | {"system_cpu_usage": round(used.at * 1e9), "online_cpus": 1},
            memory={"usage": used.memory_bytes, "stats": {}, "limit": used.memory_bytes},
            block_io={},
            pids={},
            networks={"eth0": {"rx_bytes": used.received, "tx_bytes": used.sent}},
        )

    async def remove_owned(self, labels: Mapping[str, str]) -> None:
        for state in await self.list(labels):
            await self.remove(state.id)
        for sandbox in await self.list_sandboxes(labels):
            await self.remove_sandbox(sandbox.id)
        for reference, image in list(self.world.images.items()):
            if labels.items() <= image.labels.items():
                del self.world.images[reference]

    def _process(self, container_id: str) -> Process:
        process = self.world.containers.get(container_id)
        if process is None:
            raise NoSuchContainer(container_id)
        return process
