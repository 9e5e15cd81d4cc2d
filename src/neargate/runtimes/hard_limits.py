"""The resource limits that an engine on this machine cannot exceed, read from its process."""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

_CAP_SYS_RESOURCE = 1 << 24
_NAMES = {"Max open files": "nofile", "Max processes": "nproc"}


def listener(path: str | Path) -> int | None:
    """The process that listens on this Unix socket, as the kernel says; None where nobody does."""
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except OSError:
            return None
        raw = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", raw)[0])


def hard_limits(url: str, *, private: bool, proc: Path = Path("/proc")) -> Mapping[str, int]:
    """Hard limits by ulimit name of the engine at `url`; empty where it may set any, or is elsewhere.

    An engine with CAP_SYS_RESOURCE may. Neargate's own is held to its limits all the same: its containers
    then have the same ones on every machine.
    """
    pid = listener(urlsplit(url).path) if url.startswith("unix://") else None
    if pid is None:
        return {}
    try:
        if not private and _capable((proc / str(pid) / "status").read_text()):
            return {}
        return parse_limits((proc / str(pid) / "limits").read_text())
    except OSError:
        return {}


def parse_limits(text: str) -> Mapping[str, int]:
    """The hard limits in `/proc/PID/limits`, by ulimit name, unlimited ones left out."""
    rows = ((_NAMES.get(line[:26].strip()), line[47:68].strip()) for line in text.splitlines())
    return {name: int(hard) for name, hard in rows if name is not None and hard != "unlimited"}


def _capable(status: str) -> bool:
    effective = next(line.split()[1] for line in status.splitlines() if line.startswith("CapEff:"))
    return bool(int(effective, 16) & _CAP_SYS_RESOURCE)
