"""Finds the container engine of this machine, or runs Podman privately for Neargate.

The private engine is `podman system service` with its images, containers and settings under one directory;
nothing under /etc is touched, and no other Podman on the machine sees it. It runs in a session of its own, so
that it outlives the server; the last one that leaves it ends it. (Podman's own idle timer does not do: 4.3.1 forgets
connections that were upgraded, and ends while a build still streams.)
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from neargate.model.runtime import EngineUnavailable
from neargate.runtimes.engine_connection import EngineAddress, answers
from neargate.runtimes.hard_limits import listener

DEBIAN_PACKAGES = ("podman", "runc", "netavark", "aardvark-dns", "catatonit")
"""What the private engine runs on."""

_START_SECONDS = 20.0
_STOP_SECONDS = 1.0
_SOCKETS = ("/var/run/docker.sock", "/run/podman/podman.sock")


def default_directory(environ: Mapping[str, str] | None = None) -> Path:
    """Where the private engine lives: NEARGATE_ENGINE_DIR, else `neargate/engine` in the user's data directory."""
    environ = os.environ if environ is None else environ
    if explicit := environ.get("NEARGATE_ENGINE_DIR"):
        return Path(explicit).expanduser().absolute()
    data = environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(data).expanduser().absolute() / "neargate" / "engine"


class EngineFinder:
    """Answers where an engine listens; the first of these that answers a ping within a second:

    1. NEARGATE_ENGINE, then DOCKER_HOST (a URL or a socket's path). Where one is set, it alone is tried.
       NEARGATE_ENGINE=private skips to the last.
    2. Docker's socket, then Podman's, of the machine and of the user.
    3. The private engine in `directory`, started where it does not run.
    """

    def __init__(self, directory: Path | None = None, environ: Mapping[str, str] | None = None) -> None:
        self._environ = os.environ if environ is None else environ
        self.private = PrivateEngine(directory or default_directory(self._environ))

    async def __call__(self) -> EngineAddress:
        """Raises `EngineUnavailable`."""
        explicit = self._environ.get("NEARGATE_ENGINE") or self._environ.get("DOCKER_HOST")
        if explicit and explicit != "private":
            return await self._explicit(explicit)
        if explicit != "private":
            for path in self._sockets():
                if path.is_socket() and await answers(f"unix://{path}"):
                    return EngineAddress(f"unix://{path}")
        return await self.private.ensure()

    async def _explicit(self, wanted: str) -> EngineAddress:
        url = f"unix://{wanted}" if wanted.startswith("/") else wanted
        if await answers(url):
            return EngineAddress(url)
        name = "NEARGATE_ENGINE" if self._environ.get("NEARGATE_ENGINE") else "DOCKER_HOST"
        raise EngineUnavailable(
            f"No container engine answers at {url}, which {name} names.",
            f"Start it, or unset {name} to let Neargate find or start one.",
        )

    def _sockets(self) -> list[Path]:
        runtime_dir = self._environ.get("XDG_RUNTIME_DIR")
        own = (
            [Path(runtime_dir, "docker.sock"), Path(runtime_dir, "podman/podman.sock")] if runtime_dir else []
        )
        home = self._environ.get("HOME")
        return [*map(Path, _SOCKETS), *own, *([Path(home, ".docker/run/docker.sock")] if home else [])]


class PrivateEngine:
    """Neargate's own `podman system service` under one directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.socket = directory / "podman.sock"
        self._users: int | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    async def ensure(self) -> EngineAddress:
        """The address of the running service, started first where it does not answer.

        Two servers that need it at once start it once. Raises `EngineUnavailable`.
        """
        address = EngineAddress(self.url, private=True, directory=str(self.directory))
        self._join()
        if await answers(self.url):
            return address
        runtime = self._requirements()
        async with self._only_starter():
            if not await answers(self.url):
                self._configure(runtime)
                await self._start(runtime)
        return address

    def _join(self) -> None:
        """Count as a user until `leave`, or until this process ends, however it ends."""
        if self._users is None:
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._users = os.open(self.directory / "users.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._users, fcntl.LOCK_SH)

    def alone(self) -> bool:
        """True where this process is the only user of the service just now."""
        if self._users is None:
            return False
        try:
            fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            fcntl.flock(self._users, fcntl.LOCK_SH)
        return True

    async def leave(self) -> None:
        """Stop using the service; the last user ends it. Containers go on. Leaving twice is fine."""
        users, self._users = self._users, None
        if users is None:
            return
        try:
            async with self._only_starter():
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    await self.stop()
        finally:
            os.close(users)

    def pid(self) -> int | None:
        """The service's process, asked of the socket it listens on; None where it does not run."""
        return listener(self.socket)

    async def stop(self) -> None:
        """End the service, if it runs; containers go on. The next `ensure` starts it again."""
        pid = self.pid()
        if pid is None:
            return
        process = os.pidfd_open(pid)
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(process, ended.set)
        try:
            signal.pidfd_send_signal(process, signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_STOP_SECONDS):
                    await ended.wait()
            if not ended.is_set():  # it waits for its connections, and somebody follows its events
                signal.pidfd_send_signal(process, signal.SIGKILL)
                await ended.wait()
        finally:
            loop.remove_reader(process)
            os.close(process)

    async def destroy(self) -> None:
        """End the service and remove all it has: images too. Its containers must be gone."""
        await self.stop()
        await asyncio.to_thread(_remove_tree, self.directory)

    def _requirements(self) -> str:
        """The OCI runtime to use. Raises `EngineUnavailable` where something is missing."""
        install = f"Run: apt-get install --yes --no-install-recommends {' '.join(DEBIAN_PACKAGES)}"
        if sys.platform != "linux":
            raise EngineUnavailable("No container engine answers.", "Start Docker or Podman.")
        if shutil.which("podman") is None:
            raise EngineUnavailable("No container engine answers, and Podman is not installed.", install)
        if os.geteuid() != 0:
            raise EngineUnavailable(
                "No container engine answers, and only root can run Neargate's own.",
                "Run as root, or start Docker or Podman and set DOCKER_HOST to its socket.",
            )
        for name in ("runc", "crun"):
            if shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin"):
                return name
        raise EngineUnavailable("Podman has no OCI runtime (runc).", install)

    @asynccontextmanager
    async def _only_starter(self) -> AsyncIterator[None]:
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(self.directory / "start.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _configure(self, runtime: str) -> None:
        """Write the engine's settings; they are Neargate's, so what stood there is replaced."""
        files = {
            "containers.conf": containers_conf(self.directory, runtime),
            "registries.conf": REGISTRIES_CONF,
        }
        (self.directory / "networks").mkdir(exist_ok=True)
        for name, text in files.items():
            (self.directory / name).write_text(text)

    async def _start(self, runtime: str) -> None:
        self.socket.unlink(missing_ok=True)
        log = self.directory / "podman.log"
        output = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            launcher = await asyncio.create_subprocess_exec(
                *("setsid", "--fork", "podman", *self.options(runtime)),
                *("system", "service", "--time=0", self.url),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self.environment(),
                cwd=self.directory,
            )
        finally:
            os.close(output)
        await launcher.wait()
        try:
            async with asyncio.timeout(_START_SECONDS):
                while not await answers(self.url):  # noqa: ASYNC110 — Podman tells nobody when it listens
                    await asyncio.sleep(0.02)
        except TimeoutError:
            last = log.read_text(errors="replace").strip().rpartition("\n")[2]
            raise EngineUnavailable(
                f"Neargate's own Podman does not answer after {_START_SECONDS:.0f} s: {last or 'it said nothing'}.",
                f"Its log is {log}.",
            ) from None

    def options(self, runtime: str) -> tuple[str, ...]:
        """Podman's global options. `--tmpdir` keeps the event log apart from that of other Podmans."""
        return (
            *("--runtime", runtime, "--cgroup-manager", "cgroupfs", "--events-backend", "file"),
            *("--root", f"{self.directory}/root", "--runroot", f"{self.directory}/run"),
            *("--tmpdir", f"{self.directory}/tmp"),
        )

    def environment(self) -> dict[str, str]:
        """The process environment in which any `podman` command means this engine's settings."""
        path = os.environ.get("PATH", "")
        return {
            **{
                name: value
                for name, value in os.environ.items()
                if name not in ("CONTAINER_HOST", "DOCKER_HOST")
            },
            "PATH": f"{path}:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin",
            "CONTAINERS_CONF": str(self.directory / "containers.conf"),
            "CONTAINERS_REGISTRIES_CONF": str(self.directory / "registries.conf"),
        }


def containers_conf(directory: Path, runtime: str) -> str:
    """Podman's settings for the private engine.

    File locks, because the default ones lie in one shared-memory segment that a new engine directory would
    empty for all others. A hosts file without the machine's own names, as on Fargate. Five seconds, not five
    minutes, for which the two monitor processes of every exec linger.
    """
    nofile = hard_limit("nofile")
    nproc = hard_limit("nproc")
    init = next((found for name in ("catatonit", "tini", "dumb-init") if (found := shutil.which(name))), None)
    return f"""[containers]
default_ulimits = ["nofile={min(nofile, 65535)}:{min(nofile, 65535)}", "nproc={nproc}:{nproc}"]
env = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
base_hosts_file = "none"
host_containers_internal_ip = "none"
log_driver = "k8s-file"
pids_limit = 0
{f'init_path = "{init}"' if init else ""}
[engine]
runtime = "{runtime}"
lock_type = "file"
exit_command_delay = 5
[network]
network_backend = "netavark"
network_config_dir = "{directory}/networks"
"""


REGISTRIES_CONF = """# Written by Neargate. A location without port holds for every port (containers/image 5.23).
unqualified-search-registries = ["docker.io"]
short-name-mode = "permissive"

[[registry]]
location = "127.0.0.1"
insecure = true

[[registry]]
location = "localhost"
insecure = true
"""


def hard_limit(name: str) -> int:
    """What a private engine started by this process can give: Podman lowers its own nproc to the highest pid."""
    number = {"nofile": resource.RLIMIT_NOFILE, "nproc": resource.RLIMIT_NPROC}[name]
    hard = resource.getrlimit(number)[1]
    if hard == resource.RLIM_INFINITY:
        hard = 1 << 20
    ceiling = int(Path("/proc/sys/kernel/pid_max").read_text()) if name == "nproc" else 1 << 20
    return min(hard, ceiling)


def _remove_tree(directory: Path) -> None:
    """Podman leaves its storage directory mounted on itself."""
    mounted = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for each in sorted((each for each in mounted if each.startswith(f"{directory}/")), reverse=True):
        subprocess.run(["umount", "--lazy", each], check=False)
    shutil.rmtree(directory, ignore_errors=True)
