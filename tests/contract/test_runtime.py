"""What every container runtime does: one suite, run against the engine and its in-memory twin."""

from __future__ import annotations

import asyncio
import os
import platform
import signal
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from pathlib import Path

import attrs
import pytest

from neargate.model.runtime import (
    ContainerEvent,
    ContainerSpec,
    ExecResult,
    ImageUnavailable,
    LogLine,
    Mount,
    NameInUse,
    NoSuchContainer,
    Runtime,
    Sandbox,
    SandboxSpec,
    StartFailed,
    Tmpfs,
)
from neargate.runtimes.base_images import PYTHON, BaseImages
from neargate.runtimes.engine import EngineRuntime
from neargate.runtimes.engine_connection import Locate
from neargate.runtimes.memory import MemoryRuntime, Process, Program, World, cannot_start, exits, never_ends
from neargate.runtimes.pause import pause_program
from neargate.runtimes.private_engine import EngineFinder, PrivateEngine, default_directory

pytestmark = pytest.mark.anyio

DOCKER = os.environ.get("NEARGATE_TEST_DOCKER", "")
"""A Docker socket (unix:///…) to run the suite against as well."""

# What containers do: the command for a real one, the program for the twin.

_SERVER = """
import signal, socket, sys
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("0.0.0.0", 8080)); s.listen()
private = socket.socket(); private.bind(("127.0.0.1", 8081)); private.listen()
signal.signal(signal.SIGTERM, lambda *_: (print("bye", flush=True), sys.exit(7)))
print("ready", flush=True)
while True: s.accept()[0].close()
"""
_VISITOR = """
import socket, time
for _ in range(200):
    try: socket.create_connection(("localhost", 8080), 1).close(); print("reached"); break
    except OSError: time.sleep(0.02)
"""
_COUNTER = (
    "i=0; while [ $i -lt 400 ]; do echo line $i; i=$((i+1)); [ $((i % 100)) = 0 ] && sleep 0.1; done; :"
)
_LONG = "import sys; sys.stdout.write('x' * 40000 + '\\n' + 'no end')"


async def _greet(process: Process) -> int:
    await process.say("one")
    await process.say("two", "stderr")
    await process.say("three")
    return 3


async def _serve(process: Process) -> int:
    stop = process.trap("SIGTERM")
    process.listen(8080)
    await process.say("ready")
    await stop.wait()
    await process.say("bye")
    return 7


async def _visit(process: Process) -> int:
    while not process.reaches(8080):
        await process.sleep(0.01)
    await process.say("reached")
    return 0


async def _count(process: Process) -> int:
    for number in range(400):
        await process.say(f"line {number}")
        if number % 100 == 99:
            await process.sleep(0.01)
    return 0


async def _hog(process: Process) -> int:
    process.allocate(300)
    return 0


async def _burn(process: Process) -> int:
    process.allocate(64)
    process.burn(1.0)
    await process.trap("SIGTERM").wait()
    return 0


_CAPABILITIES = """
effective = next(line for line in open("/proc/self/status") if line.startswith("CapEff"))
for name, bit in (("CHOWN", 0), ("SYS_PTRACE", 19)): print(name, bool(int(effective.split()[1], 16) >> bit & 1))
"""
_SCRATCH = """
import os
size = os.statvfs("/scratch")
open("/scratch/file", "w").write("x")
print(size.f_blocks * size.f_frsize >> 20)
"""
_LOOK = """
import glob
def line(path):
    try:
        return open(path, "rb").read()
    except OSError:  # it has ended since
        return b""
deaf = [path for path in glob.glob("/proc/[0-9]*/cmdline") if b"trap '' TE" + b"RM" in line(path)]
print("sees", min(1, len(deaf)))  # its child is a second one until it has become `sleep`
"""
_PARAMETERS = "cat /proc/sys/net/core/somaxconn /proc/sys/kernel/msgmax"


async def _tell_capabilities(process: Process) -> int:
    for name in ("CHOWN", "SYS_PTRACE"):
        await process.say(f"{name} {process.may(name)}")
    return 0


async def _tell_scratch(process: Process) -> int:
    await process.say(str(process.room("/scratch")))
    return 0


async def _look(process: Process) -> int:
    deaf = [each for each in process.sees() if each.argv == PROGRAMS["deaf"][0]]
    await process.say(f"sees {len(deaf)}")
    return 0


async def _tell_parameters(process: Process) -> int:
    await process.say(process.parameter("net.core.somaxconn") or "4096")
    await process.say(process.parameter("kernel.msgmax") or "8192")
    return 0


async def _tell_terminal(process: Process) -> int:
    await process.say("terminal" if process.spec.tty else "no terminal")
    if process.spec.open_stdin:
        await asyncio.Event().wait()
    return 0


async def _write_diary(process: Process) -> int:
    process.files["/diary"] = process.files.get("/diary", "") + "x"
    await process.say(str(len(process.files["/diary"])))
    return 0


PROGRAMS: Mapping[str, tuple[tuple[str, ...], Program]] = {
    "greet": (("sh", "-c", "echo one; sleep 0.05; echo two >&2; sleep 0.05; echo three; exit 3"), _greet),
    "serve": (("python3", "-c", _SERVER), _serve),
    "visit": (("python3", "-c", _VISITOR), _visit),
    "count": (("sh", "-c", _COUNTER), _count),
    "long": (("python3", "-c", _LONG), exits(0, "x" * 40000, "no end")),
    "hog": (("python3", "-c", "held = bytearray(300 << 20)"), _hog),
    "deaf": (("sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"), never_ends()),
    "burn": (("python3", "-c", "held = bytearray(64 << 20)\nwhile True: pass"), _burn),
    "naps": (("sleep", "60"), never_ends()),
    "capabilities": (("python3", "-c", _CAPABILITIES), _tell_capabilities),
    "scratch": (("python3", "-c", _SCRATCH), _tell_scratch),
    "look": (("python3", "-c", _LOOK), _look),
    "parameters": (("sh", "-c", _PARAMETERS), _tell_parameters),
    "terminal": (("sh", "-c", "test -t 1 && echo terminal || echo no terminal; cat"), _tell_terminal),
    "diary": (("sh", "-c", "printf x >> /diary; wc -c < /diary"), _write_diary),
    "missing": (("/no/such/program",), cannot_start("exec: /no/such/program: no such file or directory")),
}


async def _echo(process: Process, argv: tuple[str, ...]) -> tuple[int, str]:
    return 0, f"{' '.join(argv[1:])}\n"


async def _fail(process: Process, argv: tuple[str, ...]) -> tuple[int, str]:
    return 1, ""


async def _rest(process: Process, argv: tuple[str, ...]) -> tuple[int, str]:
    await process.sleep(float(argv[1]))
    return 0, ""


@attrs.define
class Subject:
    """A runtime under test, and what a test needs around it."""

    runtime: Runtime
    reconnect: Callable[[], Runtime]
    labels: dict[str, str]
    sandbox: Sandbox = attrs.field(init=False)

    async def sandboxed(self, **limits: float) -> Sandbox:
        name = f"contract-{uuid.uuid4().hex[:12]}"
        spec = SandboxSpec(name=name, labels=self.labels, hostname="task-host", **limits)  # type: ignore[arg-type]
        return await self.runtime.create_sandbox(spec)

    def spec(self, program: str, **more: object) -> ContainerSpec:
        spec = ContainerSpec(
            name=f"contract-{program}-{uuid.uuid4().hex[:8]}",
            image=PYTHON,
            sandbox=self.sandbox,
            command=PROGRAMS[program][0],
            labels=self.labels,
        )
        return attrs.evolve(spec, **more)  # type: ignore[arg-type]

    async def run(self, program: str, **more: object) -> str:
        container = await self.runtime.create(self.spec(program, **more))
        await self.runtime.start(container)
        return container

    async def said(self, container: str, text: str) -> LogLine:
        """Wait for a line."""
        async with aclosing(self.runtime.logs(container)) as batches:
            async for batch in batches:
                for line in batch.lines:
                    if line.text == text:
                        return line
        raise AssertionError(f"{container} ended without saying {text!r}")


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateEngine]:
    """A private engine for this test run, with the Python image of the default one."""
    private = PrivateEngine(tmp_path_factory.mktemp("engine"))
    _apart(_copy_image(private.ensure))
    yield private
    _apart(private.destroy())


def _apart(work: Coroutine[object, object, None]) -> None:
    """Run in a loop of its own: the fixture outlives the loops of the tests."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()


async def _copy_image(target: Locate) -> None:
    source = EngineRuntime(EngineFinder(default_directory(), {"NEARGATE_ENGINE": "private"}))
    destination = EngineRuntime(target)
    try:
        if await destination.image(PYTHON) is not None:
            return
        await BaseImages(source, default_directory(), print).ensure(PYTHON)
        async with source.connection.stream("GET", f"images/{PYTHON}/get") as response:
            await destination.connection.json("POST", "images/load", body=response.content.iter_any())
    finally:
        await source.close()
        await destination.close()


@pytest.fixture(scope="session")
def docker() -> EngineFinder:
    """The Docker that the environment names, with the Python image of the default engine."""
    finder = EngineFinder(environ={"DOCKER_HOST": DOCKER})
    _apart(_copy_image(finder))
    return finder


def _locate(request: pytest.FixtureRequest) -> Locate:
    if request.param == "docker":
        finder: EngineFinder = request.getfixturevalue("docker")
        return finder
    private: PrivateEngine = request.getfixturevalue("engine")
    return private.ensure


_SUBJECTS = ["engine", "engine with pause containers", *(["docker"] if DOCKER else [])]


@pytest.fixture(params=["memory", *(pytest.param(each, marks=pytest.mark.engine) for each in _SUBJECTS)])
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    labels = {"dev.neargate.contract": uuid.uuid4().hex}
    if request.param == "memory":
        world = World(
            programs=dict(PROGRAMS.values()), commands={"echo": _echo, "false": _fail, "sleep": _rest}
        )
        world.add_image(PYTHON)
        subject = Subject(MemoryRuntime(world), lambda: MemoryRuntime(world), labels)
    else:
        locate, own = _locate(request), request.param == "engine"
        subject = Subject(
            EngineRuntime(locate, own_namespaces=own),
            lambda: EngineRuntime(locate, own_namespaces=own),
            labels,
        )
    subject.sandbox = await subject.sandboxed()
    yield subject
    await subject.runtime.remove_owned(labels)
    assert await subject.runtime.list(labels) == []
    assert await subject.runtime.list_sandboxes(labels) == []
    await subject.runtime.close()


async def test_a_container_is_created_then_runs_then_has_exited(subject: Subject) -> None:
    container = await subject.runtime.create(subject.spec("greet"))
    created = await subject.runtime.inspect(container)
    assert (created.status, created.exit_code, created.pid) == ("created", None, None)

    await subject.runtime.start(container)
    exited = await subject.runtime.wait(container)

    assert (exited.status, exited.exit_code, exited.oom_killed) == ("exited", 3, False)
    assert exited.started_at is not None
    assert exited.finished_at is not None
    assert exited.started_at <= exited.finished_at
    assert exited.labels["dev.neargate.contract"] == subject.labels["dev.neargate.contract"]


async def test_sigterm_is_the_programs_to_answer(subject: Subject) -> None:
    container = await subject.run("serve")
    await subject.said(container, "ready")

    await subject.runtime.signal(container, "SIGTERM")

    assert (await subject.runtime.wait(container)).exit_code == 7
    assert await _texts(subject.runtime, container) == ["ready", "bye"]
    await subject.runtime.signal(container, "SIGTERM")  # one that has exited is fine
    await subject.runtime.kill(container)


async def test_a_deaf_program_is_killed(subject: Subject) -> None:
    container = await subject.run("deaf")
    await subject.runtime.signal(container, "SIGTERM")
    assert (await subject.runtime.inspect(container)).status == "running"

    await subject.runtime.kill(container)

    state = await subject.runtime.wait(container)
    assert (state.exit_code, state.oom_killed) == (137, False)


async def test_lines_have_streams_and_rising_timestamps(subject: Subject) -> None:
    container = await subject.run("greet")
    lines = await _lines(subject.runtime, container)
    assert [(line.stream, line.text) for line in lines] == [
        ("stdout", "one"),
        ("stderr", "two"),
        ("stdout", "three"),
    ]
    assert lines == sorted(lines, key=lambda line: line.timestamp)
    assert (await subject.runtime.inspect(container)).status == "exited"


async def test_a_line_is_one_line_however_long_and_the_last_needs_no_end(subject: Subject) -> None:
    container = await subject.run("long")
    assert await _texts(subject.runtime, container) == ["x" * 40000, "no end"]


async def test_logs_resume_without_loss_or_repetition(subject: Subject) -> None:
    container = await subject.run("count")
    texts: list[str] = []
    position = ""
    for stop_after in (1, 7, 93, 150, 400):
        runtime = subject.reconnect()
        async with aclosing(runtime.logs(container, position)) as batches:
            async for batch in batches:
                taken = batch.lines[: stop_after - len(texts)]
                texts += [line.text for line in taken]
                whole = len(taken) == len(batch.lines)
                position = batch.position if whole else batch.behind(taken[-1].timestamp)
                if len(texts) >= stop_after:
                    break
        await runtime.close()
    assert texts == [f"line {number}" for number in range(400)]
    assert await _texts(subject.runtime, container, position) == []


async def test_a_lines_timestamp_is_a_position_too(subject: Subject) -> None:
    container = await subject.run("greet")
    one, two, three = await _lines(subject.runtime, container)
    assert await _lines(subject.runtime, container, str(one.timestamp)) == [two, three]
    assert await _lines(subject.runtime, container, str(three.timestamp)) == []


async def test_logs_asked_for_before_the_start_wait_for_it(subject: Subject) -> None:
    container = await subject.runtime.create(subject.spec("greet"))

    async def texts() -> list[str]:
        return await _texts(subject.runtime, container)

    reading = asyncio.create_task(texts())
    await asyncio.sleep(0)
    await subject.runtime.start(container)
    assert await reading == ["one", "two", "three"]


async def test_exec_gives_exit_code_and_output(subject: Subject) -> None:
    container = await subject.run("deaf")
    run = subject.runtime.exec
    assert await run(container, ("echo", "hello", "there")) == ExecResult(0, "hello there\n")
    assert await run(container, ("false",)) == ExecResult(1, "")
    missing = await run(container, ("no-such-program",))
    assert missing.exit_code in (126, 127)
    assert "no-such-program" in missing.output


async def test_exec_is_killed_at_its_timeout(subject: Subject) -> None:
    container = await subject.run("deaf")
    result = await subject.runtime.exec(container, ("sleep", "30"), timeout=0.3)
    assert result.exit_code is None


async def test_exec_needs_a_running_container(subject: Subject) -> None:
    container = await subject.run("greet")
    await subject.runtime.wait(container)
    with pytest.raises(StartFailed):
        await subject.runtime.exec(container, ("echo", "x"))
    with pytest.raises(NoSuchContainer):
        await subject.runtime.exec("0" * 64, ("echo", "x"))


async def test_watch_tells_the_story_in_order(subject: Subject) -> None:
    story: list[ContainerEvent] = []
    watching = asyncio.Event()

    async def watch() -> None:
        async with aclosing(subject.runtime.watch(subject.labels)) as events:
            async for event in events:
                if event.action == "watching":
                    watching.set()
                else:
                    story.append(event)
                if event.action == "removed":
                    return

    task = asyncio.create_task(watch())
    await watching.wait()
    container = await subject.run("serve")
    await subject.said(container, "ready")
    await asyncio.sleep(
        0.3
    )  # Podman tells a start up to 250 ms late, and leaves it out where the death is known
    await subject.runtime.signal(container, "SIGTERM")
    await subject.runtime.wait(container)
    await subject.runtime.remove(container)
    await task

    mine = [event for event in story if event.id == container]
    assert [event.action for event in mine] == ["created", "started", "died", "removed"]
    assert [event.exit_code for event in mine] == [None, None, 7, None]
    assert all(subject.labels.items() <= event.labels.items() for event in mine)


async def test_too_much_memory_is_told_apart_from_a_kill(subject: Subject) -> None:
    container = await subject.run("hog", memory_mib=64)
    state = await subject.runtime.wait(container)
    assert (state.exit_code, state.oom_killed) == (137, True)


async def test_containers_of_a_sandbox_share_its_memory_limit(subject: Subject) -> None:
    subject.sandbox = await subject.sandboxed(memory_mib=64, cpus=0.5)
    container = await subject.run("hog")
    state = await subject.runtime.wait(container)
    assert (state.exit_code, state.oom_killed) == (137, True)


async def test_containers_of_a_sandbox_meet_on_localhost(subject: Subject) -> None:
    server = await subject.run("serve")
    visitor = await subject.run("visit")
    assert await _texts(subject.runtime, visitor) == ["reached"]

    elsewhere = attrs.evolve(subject.spec("serve"), sandbox=await subject.sandboxed())
    other = await subject.runtime.create(elsewhere)
    await subject.runtime.start(other)  # the same port is free there
    await subject.said(other, "ready")
    assert (await subject.runtime.inspect(server)).status == "running"


async def test_listening_ports_are_those_that_others_can_reach(subject: Subject) -> None:
    container = await subject.run("serve")
    await subject.said(container, "ready")
    assert await subject.runtime.listening_ports(await subject.runtime.inspect(container)) == {8080}
    await subject.runtime.kill(container)
    assert await subject.runtime.listening_ports(await subject.runtime.wait(container)) == frozenset()


async def test_a_new_server_finds_everything_by_labels(subject: Subject) -> None:
    container = await subject.run("deaf")
    runtime = subject.reconnect()
    try:
        assert [state.id for state in await runtime.list(subject.labels)] == [container]
        assert await runtime.list_sandboxes(subject.labels) == [subject.sandbox]
        assert await runtime.list({**subject.labels, "more": "x"}) == []
        await runtime.kill(container)
        assert (await runtime.wait(container)).exit_code == 137
    finally:
        await runtime.close()


async def test_making_a_sandbox_again_gives_the_same(subject: Subject) -> None:
    spec = SandboxSpec(name=subject.sandbox.id, labels=subject.labels, hostname="task-host")
    assert await subject.runtime.create_sandbox(spec) == subject.sandbox
    await subject.runtime.remove_sandbox(subject.sandbox.id)
    await subject.runtime.remove_sandbox(subject.sandbox.id)
    assert await subject.runtime.list_sandboxes(subject.labels) == []


async def test_a_running_container_can_be_removed(subject: Subject) -> None:
    for _ in range(4):
        container = await subject.run("deaf")
        await subject.runtime.remove(container)
        assert await subject.runtime.list(subject.labels) == []
        await subject.runtime.remove(container)


async def test_a_missing_image_is_named(subject: Subject) -> None:
    missing = "127.0.0.1:1/no/such:image"
    assert await subject.runtime.image(missing) is None
    with pytest.raises(ImageUnavailable, match=r"127\.0\.0\.1:1/no/such:image is not available: "):
        await subject.runtime.create(subject.spec("greet", image=missing))
    with pytest.raises(ImageUnavailable, match=r"127\.0\.0\.1:1/no/such:image is not available: "):
        await subject.runtime.pull(missing)


async def test_a_name_is_given_once(subject: Subject) -> None:
    spec = subject.spec("deaf")
    await subject.runtime.create(spec)
    with pytest.raises(NameInUse, match=f"A container named {spec.name} exists already."):
        await subject.runtime.create(spec)


async def test_a_program_that_does_not_exist_never_runs(subject: Subject) -> None:
    container = await subject.runtime.create(subject.spec("missing"))
    with pytest.raises(StartFailed, match="/no/such/program"):
        await subject.runtime.start(container)
    assert (await subject.runtime.inspect(container)).status in ("created", "exited")


async def test_what_is_not_there(subject: Subject) -> None:
    nobody = "0" * 64
    await subject.runtime.remove(nobody)
    for call in (subject.runtime.inspect, subject.runtime.start, subject.runtime.kill, subject.runtime.wait):
        with pytest.raises(NoSuchContainer):
            await call(nobody)
    with pytest.raises(NoSuchContainer):
        await _lines(subject.runtime, nobody)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, ["CHOWN True", "SYS_PTRACE False"]),
        (
            {"add_capabilities": ("SYS_PTRACE",), "drop_capabilities": ("CHOWN",)},
            ["CHOWN False", "SYS_PTRACE True"],
        ),
        ({"drop_capabilities": ("ALL",)}, ["CHOWN False", "SYS_PTRACE False"]),
    ],
    ids=["default", "added and dropped", "none"],
)
async def test_capabilities_are_those_asked_for(
    subject: Subject, asked: dict[str, tuple[str, ...]], expected: list[str]
) -> None:
    container = await subject.run("capabilities", **asked)
    assert await _texts(subject.runtime, container) == expected


async def test_a_tmpfs_has_its_size(subject: Subject) -> None:
    scratch = Tmpfs("/scratch", 16, ("rw", "noexec", "relatime", "mode=0700"))
    container = await subject.run("scratch", tmpfs=(scratch,), read_only_root=True)
    assert await _texts(subject.runtime, container) == ["16"]


async def test_processes_are_shared_where_the_sandbox_says_so(subject: Subject) -> None:
    await subject.run("deaf")
    apart = await subject.run("look")
    assert await _texts(subject.runtime, apart) == ["sees 0"]

    spec = SandboxSpec(name=f"contract-{uuid.uuid4().hex[:12]}", labels=subject.labels, share_pids=True)
    subject.sandbox = await subject.runtime.create_sandbox(spec)
    assert await subject.runtime.create_sandbox(spec) == subject.sandbox
    assert subject.sandbox in await subject.runtime.list_sandboxes(subject.labels)
    await subject.run("deaf")
    together = await subject.run("look")
    assert await _texts(subject.runtime, together) == ["sees 1"]


async def test_a_program_without_handler_ends_at_sigterm_unless_it_is_process_1(subject: Subject) -> None:
    first = await subject.run("naps")
    await subject.runtime.signal(first, "SIGTERM")
    assert (await subject.runtime.inspect(first)).status == "running"

    spec = SandboxSpec(name=f"contract-{uuid.uuid4().hex[:12]}", labels=subject.labels, share_pids=True)
    subject.sandbox = await subject.runtime.create_sandbox(spec)
    other = await subject.run("naps")
    await subject.runtime.signal(other, "SIGTERM")
    assert (await subject.runtime.wait(other)).exit_code == 143


async def test_network_parameters_hold_for_the_sandbox_others_for_the_container(subject: Subject) -> None:
    sysctls = {"net.core.somaxconn": "777", "kernel.msgmax": "9000"}
    told = await subject.run("parameters", sysctls=sysctls)
    assert await _texts(subject.runtime, told) == ["777", "9000"]
    neighbour = await subject.run("parameters")
    assert await _texts(subject.runtime, neighbour) == ["777", "8192"]


async def test_a_terminal_and_an_open_input_are_there_where_asked_for(subject: Subject) -> None:
    plain = await subject.run("terminal")
    assert await _texts(subject.runtime, plain) == ["no terminal"]
    assert (await subject.runtime.wait(plain)).exit_code == 0

    container = await subject.run("terminal", tty=True, open_stdin=True)
    await subject.said(container, "terminal\r")
    assert (await subject.runtime.inspect(container)).status == "running"


async def test_a_container_that_has_exited_can_run_again(subject: Subject) -> None:
    container = await subject.run("diary")
    first = await subject.runtime.wait(container)
    batches = [batch async for batch in subject.runtime.logs(container)]
    assert [line.text for batch in batches for line in batch.lines] == ["1"]

    await subject.runtime.start(container)
    second = await subject.runtime.wait(container)

    assert second.exit_code == 0
    assert second.finished_at is not None
    assert first.finished_at is not None
    assert second.finished_at > first.finished_at
    assert await _texts(subject.runtime, container, batches[-1].position) == ["2"]


# What only a real engine can show


@pytest.fixture
def private_only(subject: Subject, request: pytest.FixtureRequest) -> PrivateEngine:
    if isinstance(subject.runtime, MemoryRuntime) or "docker" in request.node.callspec.id:
        pytest.skip("about Neargate's own engine")
    private: PrivateEngine = request.getfixturevalue("engine")
    return private


@pytest.fixture
def engine_only(subject: Subject) -> EngineRuntime:
    if not isinstance(subject.runtime, EngineRuntime):
        pytest.skip("about a real engine")
    return subject.runtime


async def test_limits_are_in_the_cgroup(subject: Subject, engine_only: EngineRuntime) -> None:
    container = await subject.run("deaf", cpus=0.25, cpu_shares=256, memory_mib=128)
    state = await engine_only.inspect(container)
    assert state.pid is not None
    assert _limits(state.pid) == (0.25, 128 << 20)


def _limits(pid: int) -> tuple[float, int]:
    """CPUs and bytes of memory, from whichever cgroup version this machine has."""
    groups = dict(line.split(":", 2)[1:] for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines())
    root = Path("/sys/fs/cgroup")
    if "cpu" in groups:
        cpu = root / "cpu" / groups["cpu"].lstrip("/")
        memory = root / "memory" / groups["memory"].lstrip("/")
        quota, period = ((cpu / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return int(quota) / int(period), int((memory / "memory.limit_in_bytes").read_text())
    group = root / groups[""].lstrip("/")
    quota, period = (group / "cpu.max").read_text().split()
    return int(quota) / int(period), int((group / "memory.max").read_text())


async def test_a_limited_sandbox_leaves_no_cgroup(subject: Subject, engine_only: EngineRuntime) -> None:
    subject.sandbox = await subject.sandboxed(memory_mib=64, cpus=0.5)
    container = await subject.run("deaf")
    await engine_only.exec(container, ("true",))
    assert _groups(subject.sandbox)
    await engine_only.remove(container)
    await engine_only.remove_sandbox(subject.sandbox.id)
    assert not _groups(subject.sandbox)


def _groups(sandbox: Sandbox) -> list[Path]:
    return list(Path("/sys/fs/cgroup").rglob(sandbox.id))


async def test_a_parameter_that_the_kernel_lacks_fails_the_start(
    subject: Subject, engine_only: EngineRuntime
) -> None:
    container = await engine_only.create(subject.spec("greet", sysctls={"net.nonsense": "1"}))
    with pytest.raises(StartFailed, match="/proc/sys/net/nonsense"):
        await engine_only.start(container)


async def test_a_program_of_another_machine_exits_as_on_fargate(
    subject: Subject, engine_only: EngineRuntime, tmp_path: Path
) -> None:
    foreign = tmp_path / "foreign"
    other = "aarch64" if platform.machine() == "x86_64" else "x86_64"
    foreign.write_bytes(pause_program(other))
    foreign.chmod(0o755)
    spec = subject.spec("greet", command=("/foreign",), mounts=(Mount(str(foreign), "/foreign", True),))
    container = await engine_only.create(spec)
    await engine_only.start(container)
    assert (await engine_only.wait(container)).exit_code == 1
    assert await _texts(engine_only, container) == ["exec /foreign: exec format error"]


async def test_hostname_and_hosts_are_the_sandboxes(subject: Subject, engine_only: EngineRuntime) -> None:
    container = await subject.run("deaf", extra_hosts=(("friend", "192.0.2.7"),))
    assert (await engine_only.exec(container, ("hostname",))).output == "task-host\n"
    if subject.sandbox.network_mode.startswith("ns:"):  # a pause container has its own hosts file
        hosts = (await engine_only.exec(container, ("cat", "/etc/hosts"))).output
        assert "192.0.2.7\tfriend" in hosts
        assert "127.0.0.1\tlocalhost" in hosts


async def test_an_engine_killed_dead_comes_back_and_finds_its_containers(
    subject: Subject, engine_only: EngineRuntime, private_only: PrivateEngine
) -> None:
    serving = await subject.run("serve")
    await subject.said(serving, "ready")
    waiting = asyncio.create_task(engine_only.wait(serving))
    reading = asyncio.create_task(_texts(engine_only, serving))
    reconnections = asyncio.Queue[str]()

    async def watch() -> None:
        async with aclosing(engine_only.watch(subject.labels)) as events:
            async for event in events:
                reconnections.put_nowait(event.action)

    watching = asyncio.create_task(watch())
    assert await reconnections.get() == "watching"

    pid = private_only.pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    while await reconnections.get() != "watching":
        pass

    assert private_only.pid() not in (None, pid)
    assert [state.status for state in await engine_only.list(subject.labels)] == ["running"]
    await engine_only.signal(serving, "SIGTERM")
    assert (await waiting).exit_code == 7
    assert await reading == ["ready", "bye"]
    watching.cancel()


async def _texts(runtime: Runtime, container: str, after: str = "") -> list[str]:
    return [line.text for line in await _lines(runtime, container, after)]


async def _lines(runtime: Runtime, container: str, after: str = "") -> list[LogLine]:
    return [line async for batch in runtime.logs(container, after) for line in batch.lines]


async def test_a_container_that_ends_while_no_engine_runs_is_known_afterwards(
    subject: Subject, engine_only: EngineRuntime, private_only: PrivateEngine
) -> None:
    container = await subject.run("serve")
    await subject.said(container, "ready")
    state = await engine_only.inspect(container)
    assert state.pid is not None
    await private_only.stop()
    os.kill(state.pid, signal.SIGTERM)
    assert (await engine_only.wait(container)).exit_code == 7


async def test_what_a_container_uses_is_measured(subject: Subject) -> None:
    container = await subject.run("burn")
    state = await subject.runtime.inspect(container)
    first = await subject.runtime.stats(state)
    assert first is not None
    async with asyncio.timeout(20):
        while (later := await subject.runtime.stats(state)) is not None:
            if later.cpu_ns >= first.cpu_ns + 20_000_000 and later.memory_bytes >= 64 << 20:
                break
            await asyncio.sleep(0.02)
    assert later is not None
    assert later.memory_bytes < 256 << 20
    assert later.cpu_ns - first.cpu_ns <= (later.at - first.at) * 2e9
    await subject.runtime.kill(container)
    await subject.runtime.wait(container)
    assert await subject.runtime.stats(await subject.runtime.inspect(container)) is None
