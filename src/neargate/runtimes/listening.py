"""Which TCP ports a process's network namespace listens on, read from /proc without sending anything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

_LISTEN = "0A"


def listening_ports(pid: int, proc: Path = Path("/proc")) -> frozenset[int]:
    """TCP ports in LISTEN on any address but loopback; empty where the process is gone."""
    return frozenset(port for name in ("tcp", "tcp6") for port in _ports(proc / str(pid) / "net" / name))


def _ports(table: Path) -> Iterator[int]:
    try:
        rows = table.read_text().splitlines()[1:]
    except (FileNotFoundError, ProcessLookupError):
        return
    except OSError as error:
        if error.errno != 22:  # EINVAL: the process exits at this moment
            raise
        return
    for row in rows:
        _, local, _, state, *_ = row.split()
        address, _, port = local.partition(":")
        if state == _LISTEN and not _loopback(address):
            yield int(port, 16)


def _loopback(address: str) -> bool:
    """Words of four bytes, each in this machine's byte order (little-endian on all that Neargate runs on)."""
    if len(address) == 8:
        return address.endswith("7F")
    mapped = address.startswith("0000000000000000FFFF0000") and address.endswith("7F")
    return mapped or address == "00000000000000000000000001000000"
