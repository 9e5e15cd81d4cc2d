"""Network namespaces made and kept by Neargate itself, as root on this machine: the sandboxes of Podman.

A namespace is a bind mount under /run/netns (so `ip netns` shows it), its record a JSON file under
/run/neargate. Both outlive the server and end with the machine, as the containers do.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import re
import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import attrs

from neargate.model.runtime import Sandbox, SandboxSpec, StartFailed
from neargate.runtimes.cgroups import CgroupTree

_CLONE_NEWNET = 0x40000000
_MS_BIND = 4096
_MNT_DETACH = 2
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 1
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")


def pause_name(sandbox: str) -> str:
    """The name of the pause container that belongs to a sandbox."""
    return f"neargate-sandbox-{sandbox}"


@attrs.frozen
class Namespaces:
    """All methods block for at most a few milliseconds; call them in a thread."""

    cgroups: CgroupTree
    mounts: Path = Path("/run/netns")
    records: Path = Path("/run/neargate/sandboxes")

    def create(self, spec: SandboxSpec) -> Sandbox:
        """The sandbox of this name, made where it does not exist. Raises `StartFailed`."""
        if not _NAME.fullmatch(spec.name):
            raise StartFailed(
                f"{spec.name!r} is no name for a sandbox: letters, digits, '_', '.' and '-' are."
            )
        existing = self._read(spec.name)
        if existing is not None and self._mounted(existing):
            return existing
        limited = spec.cpus is not None or spec.memory_mib is not None
        sandbox = Sandbox(
            id=spec.name,
            netns=str(self.mounts / f"neargate-{spec.name}"),
            network_mode=f"ns:{self.mounts / f'neargate-{spec.name}'}",
            labels=dict(spec.labels),
            hostname=spec.hostname,
            dns=spec.dns,
            dns_search=spec.dns_search,
            cgroup_parent=self.cgroups.path(spec.name) if limited else None,
            pid_mode=f"container:{pause_name(spec.name)}" if spec.share_pids else "",
        )
        try:
            self._write(sandbox)
            if limited:
                self.cgroups.create(spec.name, cpus=spec.cpus, memory_mib=spec.memory_mib)
            _make_namespace(Path(sandbox.netns))
        except OSError as error:
            self.remove(spec.name)
            raise StartFailed(f"The network namespace of {spec.name} could not be made: {error}") from error
        return sandbox

    def shares_pids(self, name: str) -> bool:
        """Whether a pause container belongs to it."""
        found = self._read(name) if _NAME.fullmatch(name) else None
        return found is not None and bool(found.pid_mode)

    def remove(self, name: str) -> None:
        """Remove namespace, cgroup and record, in this order; any of them may be gone already."""
        if not _NAME.fullmatch(name):
            return
        path = self.mounts / f"neargate-{name}"
        if path.exists():
            _libc().umount2(str(path).encode(), _MNT_DETACH)
            path.unlink(missing_ok=True)
        self.cgroups.remove(name)
        (self.records / f"{name}.json").unlink(missing_ok=True)

    def list(self, labels: Mapping[str, str]) -> Iterator[Sandbox]:
        """The sandboxes with all of these labels, half-made ones left out."""
        return (each for each in self.recorded(labels) if self._mounted(each))

    def recorded(self, labels: Mapping[str, str]) -> Iterator[Sandbox]:
        """As `list`, with those whose making was interrupted."""
        for path in sorted(self.records.glob("*.json")):
            sandbox = self._read(path.stem)
            if sandbox is not None and labels.items() <= sandbox.labels.items():
                yield sandbox

    def _read(self, name: str) -> Sandbox | None:
        try:
            record = json.loads((self.records / f"{name}.json").read_text())
        except FileNotFoundError:
            return None
        names = {name: tuple(record.get(name, ())) for name in ("dns", "dns_search")}
        known = {field.name for field in attrs.fields(Sandbox)}  # a newer server on this machine may say more
        return Sandbox(**{name: value for name, value in {**record, **names}.items() if name in known})

    def _write(self, sandbox: Sandbox) -> None:
        """By rename: a crash leaves the whole record or none."""
        self.records.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = self.records / f"{sandbox.id}.new"
        fresh.write_text(json.dumps(attrs.asdict(sandbox)))
        fresh.rename(self.records / f"{sandbox.id}.json")

    def _mounted(self, sandbox: Sandbox) -> bool:
        try:
            return os.stat(sandbox.netns).st_dev == os.stat("/proc/self/ns/net").st_dev
        except FileNotFoundError:
            return False


def _make_namespace(path: Path) -> None:
    """Pin a fresh namespace with `lo` up at `path`. The thread that enters it ends there. Raises `OSError`."""
    failure: list[OSError] = []

    def enter_and_pin() -> None:
        libc = _libc()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o444)
            _checked(libc.unshare(_CLONE_NEWNET))
            _checked(libc.mount(b"/proc/thread-self/ns/net", bytes(path), None, _MS_BIND, None))
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
                fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", _IFF_UP))
        except OSError as error:
            failure.append(error)

    thread = threading.Thread(target=enter_and_pin, name="new-netns")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
