"""Parent cgroups for sandboxes with limits of their own, and what the kernel says about memory kills."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from pathlib import Path

import attrs

_PERIOD_US = 100_000
_KILLED = re.compile(rb"oom-kill:.*task_memcg=[^,]*?([0-9a-f]{64})")


@attrs.frozen
class CgroupTree:
    """The cgroups below `/neargate`, in every hierarchy of a v1 (or hybrid) machine or in the one of v2."""

    mount: Path = Path("/sys/fs/cgroup")
    group: str = "neargate"

    @property
    def unified(self) -> bool:
        return (self.mount / "cgroup.controllers").exists()

    def path(self, name: str) -> str:
        """As an engine takes it in `CgroupParent`."""
        return f"/{self.group}/{name}"

    def create(self, name: str, *, cpus: float | None, memory_mib: int | None) -> None:
        """Make the cgroup and set its limits; setting them again is fine. Raises `OSError`."""
        if self.unified:
            self._create_unified(name, cpus, memory_mib)
            return
        if cpus is not None:
            directory = self._make("cpu", name)
            (directory / "cpu.cfs_period_us").write_text(str(_PERIOD_US))
            (directory / "cpu.cfs_quota_us").write_text(str(_quota(cpus)))
        if memory_mib is not None:
            directory = self._make("memory", name)
            (directory / "memory.limit_in_bytes").write_text(str(memory_mib << 20))
            swap = directory / "memory.memsw.limit_in_bytes"
            if swap.exists():
                swap.write_text(str(memory_mib << 20))

    def remove(self, name: str, *, within: float = 0.03) -> None:
        """Remove the cgroup and its children everywhere; one that is missing is fine.

        Its containers must be gone. What is left in it are monitors of theirs (Podman keeps that of an exec
        for a while): they get `within` s, then SIGKILL.
        """
        roots = [self.mount] if self.unified else [each for each in self.mount.iterdir() if each.is_dir()]
        start = time.monotonic()
        left = [root / self.group / name for root in roots]
        while left := [top for top in left if top.is_dir() and not _removed(top)]:
            waited = time.monotonic() - start
            if waited > 2 * within:
                return
            if waited > within:
                for top in left:
                    _kill_all(top)
            time.sleep(0.005)

    def _make(self, controller: str, name: str) -> Path:
        directory = self.mount / controller / self.group / name
        directory.mkdir(parents=True, exist_ok=True)
        return directory

    def _create_unified(self, name: str, cpus: float | None, memory_mib: int | None) -> None:
        directory = self.mount / self.group / name
        directory.mkdir(parents=True, exist_ok=True)
        for above in (self.mount, self.mount / self.group):
            (above / "cgroup.subtree_control").write_text("+cpu +memory +pids")
        if cpus is not None:
            (directory / "cpu.max").write_text(f"{_quota(cpus)} {_PERIOD_US}")
        if memory_mib is not None:
            (directory / "memory.max").write_text(str(memory_mib << 20))
            swap = directory / "memory.swap.max"
            if swap.exists():
                swap.write_text("0")


def _quota(cpus: float) -> int:
    return max(1000, round(cpus * _PERIOD_US))


def _removed(top: Path) -> bool:
    for directory, _, _ in os.walk(top, topdown=False):
        with contextlib.suppress(OSError):
            os.rmdir(directory)
    return not top.is_dir()


def _kill_all(top: Path) -> None:
    """SIGKILL to every process of this cgroup and its children."""
    for directory, _, _ in os.walk(top):
        with contextlib.suppress(FileNotFoundError):
            for pid in Path(directory, "cgroup.procs").read_text().split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)


class MemoryKills:
    """Which containers the kernel took a process from because a memory limit was reached.

    Podman 4.3 never says it, and a container's cgroup vanishes within milliseconds of its death. The kernel's
    own log names the cgroup of every victim, whichever cgroup version, and keeps it across restarts of
    Neargate. (It leaves the line out after ten such kills within five seconds.) Where the log cannot be
    read, nobody was killed as far as this knows.
    """

    def __init__(self, log: str = "/dev/kmsg") -> None:
        self._log = log
        self._descriptor: int | None = None
        self._victims: set[str] = set()

    def __contains__(self, container_id: str) -> bool:
        self._read_on()
        return container_id in self._victims

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _read_on(self) -> None:
        """Take in what was logged since the last look."""
        if self._descriptor is None:
            try:
                self._descriptor = os.open(self._log, os.O_RDONLY | os.O_NONBLOCK)
            except OSError:
                return
        while True:
            try:
                record = os.read(self._descriptor, 8192)
            except BlockingIOError:
                return
            except BrokenPipeError:
                continue  # the ring overtook this reader; it goes on at the oldest record left
            if not record:
                return
            if match := _KILLED.search(record):
                self._victims.add(match[1].decode())
