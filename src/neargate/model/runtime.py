"""The port to whatever runs containers: its nouns, its errors and the verbs of `Runtime`.

Times are float seconds since the epoch, except in `LogLine`, where they are integer nanoseconds.
Every noun is frozen. Errors that a user can meet say what happened and, where there is one, the next step.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Literal, NamedTuple, Protocol

import attrs

from neargate.model.records import Json

ContainerStatus = Literal["created", "running", "exited"]
Stream = Literal["stdout", "stderr"]
EventAction = Literal["watching", "created", "started", "died", "removed"]


class RuntimeFailure(Exception):
    """What a runtime could not do. The text is for a person."""


class EngineUnavailable(RuntimeFailure):
    """No container engine answers. `how_to_fix` is the next step, a command where there is one."""

    def __init__(self, reason: str, how_to_fix: str) -> None:
        super().__init__(f"{reason} {how_to_fix}".strip())
        self.reason = reason
        self.how_to_fix = how_to_fix


class ImageUnavailable(RuntimeFailure):
    """The image is not here and cannot be pulled; `reason` is the engine's own text."""

    def __init__(self, reference: str, reason: str) -> None:
        super().__init__(f"Image {reference} is not available: {reason}")
        self.reference = reference
        self.reason = reason


class StartFailed(RuntimeFailure):
    """A container could not be created or started; `reason` is the engine's own text."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NoSuchContainer(RuntimeFailure):
    """No container of this id (any more)."""

    def __init__(self, container_id: str) -> None:
        super().__init__(f"There is no container {container_id}.")
        self.container_id = container_id


class NameInUse(RuntimeFailure):
    """A container of this name exists already; whoever crashed before recording it finds it by its labels."""

    def __init__(self, name: str) -> None:
        super().__init__(f"A container named {name} exists already.")
        self.name = name


@attrs.frozen
class Ulimit:
    """A resource limit by its Docker name (`nofile`). The driver lowers it to its own hard limit."""

    name: str
    soft: int
    hard: int


@attrs.frozen
class Mount:
    """`source` is an absolute host path, or the name of an engine volume (made on demand)."""

    source: str
    target: str
    read_only: bool = False


@attrs.frozen
class Tmpfs:
    """Memory mounted at `target`, at most `size_mib`; `options` as mount takes them (`ro`, `noexec`, `mode=0700`)."""

    target: str
    size_mib: int
    options: tuple[str, ...] = ()


@attrs.frozen
class Credentials:
    """What a registry asks for at a pull."""

    username: str
    password: str


@attrs.frozen
class SandboxSpec:
    """What is wanted of a sandbox.

    `name` is unique per runtime: making the same one twice returns the first. `cpus` and `memory_mib`
    limit all containers of the sandbox together. `hostname`, `dns` (name servers) and `dns_search` (domains)
    hold for all of them. With `share_pids` its containers see and signal each other's processes; none of theirs
    is then process 1.
    """

    name: str
    labels: Mapping[str, str] = attrs.field(factory=dict)
    hostname: str | None = None
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    cpus: float | None = None
    memory_mib: int | None = None
    share_pids: bool = False


@attrs.frozen
class Sandbox:
    """One network namespace, shared by the containers of a task; `localhost` works between them.

    It holds no address until a fabric plumbs one into `netns` (a path that `setns` and `nsenter --net=`
    take); only `lo` is up. It outlives the server.
    """

    id: str
    netns: str
    network_mode: str
    """How a container joins it, in the engine's words: `ns:/path` or `container:ID`."""
    labels: Mapping[str, str] = attrs.field(factory=dict)
    hostname: str | None = None
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    cgroup_parent: str | None = None
    """Set where the sandbox has limits of its own."""
    pid_mode: str = ""
    """How a container joins its process namespace, in the engine's words; "" where each has its own."""


@attrs.frozen
class ContainerSpec:
    """What is wanted of a container.

    `entrypoint` and `command` replace the image's where they are not None, as in a task definition:
    an entrypoint alone drops the image's command. `user` and `working_dir` empty mean the image's.
    `cpus` is a quota in CPUs, `cpu_shares` a weight (1024 per CPU), `memory_mib` the hard limit in MiB
    without swap, `memory_reservation_mib` the soft one. `add_capabilities` and `drop_capabilities` change the
    engine's default set (`SYS_PTRACE`; `ALL` to drop). `sysctls` are kernel parameters by name; those that begin
    with `net.` are the sandbox's, so they hold for its other containers too. `open_stdin` keeps standard input open
    and silent, `tty` makes it and the output a terminal.
    """

    name: str
    image: str
    sandbox: Sandbox
    entrypoint: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    environment: Mapping[str, str] = attrs.field(factory=dict)
    labels: Mapping[str, str] = attrs.field(factory=dict)
    user: str = ""
    working_dir: str = ""
    cpus: float | None = None
    cpu_shares: int | None = None
    memory_mib: int | None = None
    memory_reservation_mib: int | None = None
    ulimits: tuple[Ulimit, ...] = ()
    stop_signal: str | None = None
    read_only_root: bool = False
    mounts: tuple[Mount, ...] = ()
    tmpfs: tuple[Tmpfs, ...] = ()
    init: bool = False
    privileged: bool = False
    add_capabilities: tuple[str, ...] = ()
    drop_capabilities: tuple[str, ...] = ()
    sysctls: Mapping[str, str] = attrs.field(factory=dict)
    open_stdin: bool = False
    tty: bool = False
    extra_hosts: tuple[tuple[str, str], ...] = ()
    """(name, address) pairs for the container's /etc/hosts."""


@attrs.frozen
class ContainerState:
    """What was seen of a container. It never moves backwards: created, running, exited; unless it is started again.

    `exit_code` is set exactly when exited (128 + signal for a death by signal). `oom_killed` is honest:
    the kernel killed a process of this container because its memory limit was reached. `pid` is the host's
    number of its first process while it runs. `error` is the engine's text where a start failed.
    """

    id: str
    name: str
    image: str
    status: ContainerStatus
    labels: Mapping[str, str] = attrs.field(factory=dict)
    exit_code: int | None = None
    oom_killed: bool = False
    started_at: float | None = None
    finished_at: float | None = None
    pid: int | None = None
    error: str = ""


@attrs.frozen
class ImageInfo:
    """A local image. `id` is its content id (`sha256:…`), `digest` the manifest's where a registry has it."""

    id: str
    reference: str
    digest: str | None
    environment: Mapping[str, str]
    entrypoint: tuple[str, ...]
    command: tuple[str, ...]
    exposed_ports: tuple[str, ...]
    """As the image says it: `3000/tcp`."""
    user: str
    working_dir: str
    stop_signal: str | None
    architecture: str
    labels: Mapping[str, str]


@attrs.frozen
class ExecResult:
    """How a command inside a container ended. `exit_code` is None where it was killed at its timeout.

    A program that does not exist gives 126 or 127 and the engine's words in `output`.
    """

    exit_code: int | None
    output: str


@attrs.frozen
class ContainerStats:
    """What a container has used by `at`: CPU time in nanoseconds and bytes of its network since it was started,
    and bytes of memory, without the page cache that the kernel would give back."""

    at: float
    cpu_ns: int
    memory_bytes: int
    received: int
    """By all containers of its sandbox together."""
    sent: int


class LogLine(NamedTuple):
    """One line without its line end. `timestamp` (ns) is unique and rising within a container.

    A tuple, because a container may write fifty thousand a second.
    """

    stream: Stream
    timestamp: int
    text: str


@attrs.frozen
class LogBatch:
    """Lines that were there together, one at least.

    `position` is where reading goes on behind them; `behind(timestamp)` the same for a line within. Both are
    opaque and hold across restarts.
    """

    lines: list[LogLine]
    position: str
    _origin: str = ""

    def behind(self, timestamp: int) -> str:
        """The position behind the line with this timestamp, or behind the one before the first."""
        return f"{timestamp}{self._origin}"


@attrs.frozen
class ContainerEvent:
    """Something happened to a container.

    `watching` comes first, again after every reconnection and now and then, with an empty `id`: whatever
    happened before it may have gone unreported, so list. From there on every event comes at least once.
    `exit_code` is set on `died`.
    """

    action: EventAction
    id: str = ""
    name: str = ""
    labels: Mapping[str, str] = attrs.field(factory=dict)
    exit_code: int | None = None
    timestamp: float = 0.0


@attrs.frozen
class EngineInfo:
    """What runs the containers. `socket` is its API's URL (`unix:///…`), empty for the in-memory twin."""

    kind: Literal["podman", "docker", "memory"]
    version: str
    rootless: bool
    cgroup_version: Literal["1", "2", ""]
    cgroup_driver: str
    socket: str
    private: bool
    """Started by Neargate for itself: nobody else's containers live there."""
    architecture: str
    cpus: int
    memory_mib: int
    emulates: tuple[str, ...] = ()
    """Architectures beside its own (`arm64`) whose programs this machine runs through an emulator."""


class Terminal(Protocol):
    """A command that runs inside a container while somebody reads and writes it. Used by one task at a time."""

    async def read(self) -> tuple[Stream, bytes]:
        """The next bytes that the command wrote; empty once it has ended and everything was read.

        With a TTY all of it is `stdout`. Raises `EngineUnavailable` where the engine goes away.
        """
        ...

    async def write(self, data: bytes) -> None:
        """Bytes for its standard input; what comes after its end is dropped."""
        ...

    async def end_input(self) -> None:
        """Its standard input ends. With a TTY only the terminal itself can say so (Ctrl-D): nothing happens."""
        ...

    async def resize(self, columns: int, rows: int) -> None:
        """The terminal's size from now on; nothing happens without a TTY, or after its end."""
        ...

    async def exit_code(self) -> int:
        """How it ended; to be asked after the last `read`. 128 + signal for a death by signal."""
        ...

    async def close(self) -> None:
        """Let go of it; where it still runs, it and its process group are killed. Closing twice is fine."""
        ...


class Runtime(Protocol):
    """Runs containers. Every verb may raise `EngineUnavailable`; what else it raises stands at the verb.

    Several calls may run at once. Cancelling a call leaves the engine consistent: the thing it was about
    to make either exists, with its labels, or does not.
    """

    async def info(self) -> EngineInfo:
        """The engine behind this runtime; starts it where it is Neargate's own and not running."""
        ...

    async def image(self, reference: str) -> ImageInfo | None:
        """The local image of this name, digest or id, or None. Never pulls."""
        ...

    async def pull(
        self, reference: str, credentials: Credentials | None = None, architecture: str = ""
    ) -> ImageInfo:
        """Fetch the image from its registry, for `architecture` (`arm64`) where that is not the engine's own.

        Raises `ImageUnavailable`."""
        ...

    async def create_sandbox(self, spec: SandboxSpec) -> Sandbox:
        """Make the namespace (and the cgroup where it has limits); the existing one if the name is taken.

        Raises `StartFailed`.
        """
        ...

    async def remove_sandbox(self, sandbox_id: str) -> None:
        """Remove the namespace and its cgroup. Its containers must be gone. Removing twice is fine."""
        ...

    async def list_sandboxes(self, labels: Mapping[str, str]) -> list[Sandbox]:
        """All sandboxes that carry every one of these labels, whichever server made them."""
        ...

    async def create(self, spec: ContainerSpec) -> str:
        """Create, without starting; answers the id. Raises `ImageUnavailable` (it never pulls),
        `NameInUse`, `StartFailed`."""
        ...

    async def start(self, container_id: str) -> None:
        """Start it; starting a running one is fine. Raises `StartFailed`, `NoSuchContainer`.

        One that has exited runs anew, with the files that it wrote and its earlier lines kept.
        Where the program cannot be run the state is left `created` or `exited`, never `running`.
        """
        ...

    async def signal(self, container_id: str, signal: str) -> None:
        """Send a signal by name (`SIGTERM`) to the first process. One that has exited is fine.

        Raises `NoSuchContainer`.
        """
        ...

    async def kill(self, container_id: str) -> None:
        """SIGKILL; returns when it is sent, not when the container is dead. Raises `NoSuchContainer`."""
        ...

    async def wait(self, container_id: str) -> ContainerState:
        """The state once it is exited; raises `NoSuchContainer` where it vanishes. Not to be used on one
        that nobody starts."""
        ...

    async def remove(self, container_id: str) -> None:
        """Remove it, killing it first where it runs. Removing twice is fine."""
        ...

    async def exec(
        self,
        container_id: str,
        argv: tuple[str, ...],
        *,
        environment: Mapping[str, str] | None = None,
        user: str = "",
        timeout: float | None = None,  # noqa: ASYNC109 — more than a cancellation: the command is killed
    ) -> ExecResult:
        """Run a command inside and wait for it; at the timeout (s) it is killed.

        Output is stdout and stderr as they came, at most 64 KiB from the end. Raises `NoSuchContainer`,
        `StartFailed` where the container does not run.
        """
        ...

    async def attach(
        self,
        container_id: str,
        argv: tuple[str, ...],
        *,
        tty: bool = True,
        environment: Mapping[str, str] | None = None,
        user: str = "",
    ) -> Terminal:
        """Start a command inside, for somebody to talk with; the caller closes it.

        Raises `NoSuchContainer`; `StartFailed` where the container does not run or the program does not exist
        (Podman tells that by an exit code of 126 or 127 instead).
        """
        ...

    async def list(self, labels: Mapping[str, str]) -> list[ContainerState]:
        """All containers that carry every one of these labels, in every status."""
        ...

    async def inspect(self, container_id: str) -> ContainerState:
        """One container. Raises `NoSuchContainer`."""
        ...

    def logs(self, container_id: str, after: str = "") -> AsyncGenerator[LogBatch, None]:
        """Its lines behind the position `after` ("": all), oldest first, following until it has exited.

        A position is a batch's, or a line's timestamp in digits, which takes longer to find. Resuming there loses
        and repeats nothing, across restarts of server and engine. Nothing is read ahead of whoever takes the
        batches, each some 256 KiB at most. Lines are decoded as UTF-8 with replacement; a line of more than
        256 KiB is cut into several. Raises `NoSuchContainer`. Whoever stops early closes it (`contextlib.aclosing`).
        """
        ...

    def watch(self, labels: Mapping[str, str]) -> AsyncGenerator[ContainerEvent, None]:
        """Events of containers with these labels, for ever; it reconnects by itself. Close it when done."""
        ...

    async def listening_ports(self, state: ContainerState) -> frozenset[int]:
        """TCP ports in LISTEN inside the container's sandbox, IPv4 or IPv6; empty where it does not run.

        Ports on the sandbox's loopback only are left out: nobody outside could reach them. Sends nothing.
        """
        ...

    async def stats(self, state: ContainerState) -> ContainerStats | None:
        """What the container has used; None where it does not run, or this machine cannot see it. Cheap: it asks
        the kernel, not the engine."""
        ...

    async def detailed_stats(self, state: ContainerState) -> Json | None:
        """The same at length: one reading in the shape of the Engine API's `GET containers/ID/stats`, without a
        reading before it (`precpu_stats` is zero). None as above."""
        ...

    async def remove_owned(self, labels: Mapping[str, str]) -> None:
        """Remove every container, sandbox and image that carries all of these labels."""
        ...

    async def close(self) -> None:
        """Let go of connections. Containers keep running."""
        ...
