"""What a container uses, at length: the shape of the Engine API's `GET containers/ID/stats`, read from the kernel.

The engine's own answer waits a second, and Podman's has no network counters for namespaces that others made.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import attrs

from neargate.model.records import Json

_PROC = Path("/proc")
_CGROUPS = Path("/sys/fs/cgroup")
_UNLIMITED = (1 << 63) - 4096
_NEVER = "0001-01-01T00:00:00Z"
_NO_BLOCK_IO = (
    "io_queue_recursive",
    "io_service_time_recursive",
    "io_wait_time_recursive",
    "io_merged_recursive",
    "io_time_recursive",
    "sectors_recursive",
)


def detailed_stats(
    container_id: str, name: str, pid: int, now: float, *, proc: Path = _PROC, cgroups: Path = _CGROUPS
) -> Json | None:
    """One reading of the container whose first process is `pid`; None where that process is gone, or another's."""
    try:
        groups = (proc / str(pid) / "cgroup").read_text()
        if container_id not in groups:
            return None
        places = dict(line.split(":", 2)[1:] for line in groups.splitlines())
        tree = _Tree(cgroups, places, unified="cpuacct" not in groups)
        return shaped(
            container_id,
            name,
            now,
            cpu=tree.cpu() | {"system_cpu_usage": _system_cpu(proc), "online_cpus": os.cpu_count() or 1},
            memory=tree.memory(_total_memory(proc)),
            block_io=tree.block_io(),
            pids=tree.pids(),
            networks=_networks(proc / str(pid) / "net" / "dev"),
        )
    except (FileNotFoundError, ProcessLookupError, KeyError):
        return None
    except OSError as error:
        if error.errno in (19, 22):  # ENODEV, EINVAL: the cgroup or the process goes at this moment
            return None
        raise


def shaped(
    container_id: str,
    name: str,
    now: float,
    *,
    cpu: Json,
    memory: Json,
    block_io: Json,
    pids: Json,
    networks: Json,
) -> Json:
    """The document, without a reading before it."""
    return {
        "read": timestamp(now),
        "preread": _NEVER,
        "pids_stats": pids,
        "blkio_stats": block_io,
        "num_procs": 0,
        "storage_stats": {},
        "cpu_stats": cpu,
        "precpu_stats": no_cpu(),
        "memory_stats": memory,
        "name": f"/{name}",
        "id": container_id,
        "networks": networks,
    }


def timestamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")


def no_cpu() -> Json:
    """The CPU's part before there was a reading."""
    return {
        "cpu_usage": {"total_usage": 0, "usage_in_kernelmode": 0, "usage_in_usermode": 0},
        "throttling_data": {"periods": 0, "throttled_periods": 0, "throttled_time": 0},
    }


@attrs.frozen
class _Tree:
    """A container's cgroup: one directory (v2), or one for each controller (v1)."""

    root: Path
    places: dict[str, str]
    unified: bool

    def _of(self, controller: str) -> Path:
        if self.unified:
            return self.root / _top(self.places[""])
        joined = {each: place for names, place in self.places.items() for each in names.split(",")}
        return self.root / controller / _top(joined[controller])

    def cpu(self) -> Json:
        if self.unified:
            table = _table(self._of("cpu") / "cpu.stat")
            usage: Json = {
                "total_usage": table["usage_usec"] * 1000,
                "usage_in_kernelmode": table["system_usec"] * 1000,
                "usage_in_usermode": table["user_usec"] * 1000,
            }
            throttled = table.get("throttled_usec", 0) * 1000
        else:
            accounting = self._of("cpuacct")
            table = _table(self._of("cpu") / "cpu.stat")
            spent = _table(accounting / "cpuacct.stat")
            tick = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
            usage = {
                "total_usage": int((accounting / "cpuacct.usage").read_text()),
                "percpu_usage": [
                    int(each) for each in (accounting / "cpuacct.usage_percpu").read_text().split()
                ],
                "usage_in_kernelmode": spent["system"] * tick,
                "usage_in_usermode": spent["user"] * tick,
            }
            throttled = table.get("throttled_time", 0)
        return {
            "cpu_usage": usage,
            "throttling_data": {
                "periods": table.get("nr_periods", 0),
                "throttled_periods": table.get("nr_throttled", 0),
                "throttled_time": throttled,
            },
        }

    def memory(self, machine: int) -> Json:
        group = self._of("memory")
        if self.unified:
            limit = (group / "memory.max").read_text().strip()
            return {
                "usage": int((group / "memory.current").read_text()),
                "stats": _table(group / "memory.stat"),
                "limit": machine if limit == "max" else int(limit),
            }
        bound = int((group / "memory.limit_in_bytes").read_text())
        return {
            "usage": int((group / "memory.usage_in_bytes").read_text()),
            "max_usage": int((group / "memory.max_usage_in_bytes").read_text()),
            "stats": _table(group / "memory.stat"),
            "limit": machine if bound >= _UNLIMITED else bound,
        }

    def block_io(self) -> Json:
        answer: Json = {name: [] for name in _NO_BLOCK_IO}
        group = self._of("blkio")
        if self.unified:
            found = list(_io_stat(group / "io.stat"))
            return answer | {
                "io_service_bytes_recursive": [each for kind, each in found if kind == "bytes"],
                "io_serviced_recursive": [each for kind, each in found if kind == "ios"],
            }
        return answer | {
            "io_service_bytes_recursive": list(_blkio(group / "blkio.throttle.io_service_bytes_recursive")),
            "io_serviced_recursive": list(_blkio(group / "blkio.throttle.io_serviced_recursive")),
        }

    def pids(self) -> Json:
        group = self._of("pids")
        try:
            answer: Json = {"current": int((group / "pids.current").read_text())}
            limit = (group / "pids.max").read_text().strip()
        except FileNotFoundError:
            return {}
        return answer if limit == "max" else answer | {"limit": int(limit)}


def _top(place: str) -> str:
    """The container's own cgroup: some engines put its processes into one below (`…/container`)."""
    return place.lstrip("/").removesuffix("/container")


def _table(path: Path) -> dict[str, int]:
    return {name: int(value) for name, value in (line.split() for line in path.read_text().splitlines())}


def _blkio(path: Path) -> Iterator[Json]:
    """`8:0 Read 4096` of cgroup v1."""
    for line in path.read_text().splitlines():
        words = line.split()
        if len(words) == 3:
            major, _, minor = words[0].partition(":")
            yield {"major": int(major), "minor": int(minor), "op": words[1], "value": int(words[2])}


def _io_stat(path: Path) -> Iterator[tuple[str, Json]]:
    """`8:0 rbytes=1 wbytes=2 rios=3 wios=4` of cgroup v2; `bytes` or `ios` before each entry."""
    if not path.exists():
        return
    for line in path.read_text().splitlines():
        device, *pairs = line.split()
        major, _, minor = device.partition(":")
        numbers = dict(pair.split("=") for pair in pairs)
        for kind in ("bytes", "ios"):
            for op, letter in (("read", "r"), ("write", "w")):
                entry: Json = {"major": int(major), "minor": int(minor), "op": op}
                yield kind, entry | {"value": int(numbers.get(f"{letter}{kind}", 0))}


def _networks(path: Path) -> Json:
    """The counters of every interface but loopback."""
    names = ("bytes", "packets", "errors", "dropped")
    found: Json = {}
    for line in path.read_text().splitlines()[2:]:
        interface, _, rest = line.partition(":")
        if interface.strip() != "lo":
            numbers = [int(each) for each in rest.split()]
            received = {f"rx_{name}": numbers[index] for index, name in enumerate(names)}
            found[interface.strip()] = received | {
                f"tx_{name}": numbers[8 + index] for index, name in enumerate(names)
            }
    return found


def _system_cpu(proc: Path) -> int:
    """Nanoseconds that all CPUs together have spent, idle or not."""
    first = (proc / "stat").read_text().splitlines()[0].split()
    return sum(int(each) for each in first[1:9]) * (1_000_000_000 // os.sysconf("SC_CLK_TCK"))


def _total_memory(proc: Path) -> int:
    for line in (proc / "meminfo").read_text().splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    return 0
