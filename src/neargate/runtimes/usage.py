"""What a container has used, read from its cgroup and its network namespace under /proc and /sys."""

from __future__ import annotations

from pathlib import Path

from neargate.model.runtime import ContainerStats

_PROC = Path("/proc")
_CGROUPS = Path("/sys/fs/cgroup")


def container_stats(
    container_id: str, pid: int, now: float, *, proc: Path = _PROC, cgroups: Path = _CGROUPS
) -> ContainerStats | None:
    """The usage of the container whose first process is `pid`; None where that process is gone, or is another's."""
    try:
        groups = (proc / str(pid) / "cgroup").read_text()
        if container_id not in groups:
            return None
        places = dict(line.split(":", 2)[1:] for line in groups.splitlines())
        cpu, memory = _unified(cgroups, places) if "cpuacct" not in groups else _split(cgroups, places)
        received, sent = _network(proc / str(pid) / "net" / "dev")
    except (FileNotFoundError, ProcessLookupError):
        return None
    except OSError as error:
        if error.errno in (19, 22):  # ENODEV, EINVAL: the cgroup or the process goes at this moment
            return None
        raise
    return ContainerStats(at=now, cpu_ns=cpu, memory_bytes=memory, received=received, sent=sent)


def _unified(cgroups: Path, places: dict[str, str]) -> tuple[int, int]:
    group = cgroups / _top(places[""])
    cpu = _table(group / "cpu.stat")["usage_usec"] * 1000
    used = int((group / "memory.current").read_text())
    return cpu, used - _table(group / "memory.stat").get("inactive_file", 0)


def _split(cgroups: Path, places: dict[str, str]) -> tuple[int, int]:
    """Of cgroup v1, where each controller has a hierarchy of its own (`cpu,cpuacct` may be one)."""
    names = {each: place for joined, place in places.items() for each in joined.split(",")}
    accounting = cgroups / "cpuacct" / _top(names["cpuacct"])
    memory = cgroups / "memory" / _top(names["memory"])
    used = int((memory / "memory.usage_in_bytes").read_text())
    cache = _table(memory / "memory.stat").get("total_inactive_file", 0)
    return int((accounting / "cpuacct.usage").read_text()), used - cache


def _top(place: str) -> str:
    """The container's own cgroup: some engines put its processes into one below (`…/container`)."""
    return place.lstrip("/").removesuffix("/container")


def _table(path: Path) -> dict[str, int]:
    return {name: int(value) for name, value in (line.split() for line in path.read_text().splitlines())}


def _network(path: Path) -> tuple[int, int]:
    """(received, sent) bytes of every interface but loopback."""
    received = sent = 0
    for line in path.read_text().splitlines()[2:]:
        name, _, numbers = line.partition(":")
        if name.strip() != "lo":
            fields = numbers.split()
            received, sent = received + int(fields[0]), sent + int(fields[8])
    return received, sent
