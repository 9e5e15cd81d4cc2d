"""Usage of a container as both versions of cgroups tell it."""

from __future__ import annotations

from pathlib import Path

from neargate.runtimes.usage import container_stats

_NETWORK = (
    "Inter-|   Receive\n face |bytes\n"
    "    lo: 999 1 0 0 0 0 0 0 999 1 0 0 0 0 0 0\n"
    "  eth0: 120 1 0 0 0 0 0 0 340 1 0 0 0 0 0 0\n"
)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _process(tmp_path: Path, groups: str) -> Path:
    proc = tmp_path / "proc"
    _write(proc / "7" / "cgroup", groups)
    _write(proc / "7" / "net" / "dev", _NETWORK)
    return proc


def test_of_one_hierarchy(tmp_path: Path) -> None:
    proc = _process(tmp_path, "0::/neargate/t/libpod-abc/container\n")
    group = tmp_path / "sys" / "neargate" / "t" / "libpod-abc"
    _write(group / "cpu.stat", "usage_usec 1500\nuser_usec 1000\n")
    _write(group / "memory.current", "5000\n")
    _write(group / "memory.stat", "anon 3000\ninactive_file 1200\n")
    stats = container_stats("abc", 7, 12.0, proc=proc, cgroups=tmp_path / "sys")
    assert stats is not None
    assert (stats.cpu_ns, stats.memory_bytes, stats.received, stats.sent) == (1_500_000, 3800, 120, 340)


def test_of_a_hierarchy_for_each_controller(tmp_path: Path) -> None:
    proc = _process(tmp_path, "4:memory:/n/abc\n2:cpu,cpuacct:/n/abc\n0::/\n")
    _write(tmp_path / "sys" / "cpuacct" / "n" / "abc" / "cpuacct.usage", "77\n")
    _write(tmp_path / "sys" / "memory" / "n" / "abc" / "memory.usage_in_bytes", "900\n")
    _write(tmp_path / "sys" / "memory" / "n" / "abc" / "memory.stat", "cache 500\ntotal_inactive_file 400\n")
    stats = container_stats("abc", 7, 12.0, proc=proc, cgroups=tmp_path / "sys")
    assert stats is not None
    assert (stats.at, stats.cpu_ns, stats.memory_bytes) == (12.0, 77, 500)


def test_a_process_of_another_container_is_not_measured(tmp_path: Path) -> None:
    proc = _process(tmp_path, "0::/neargate/other\n")
    assert container_stats("abc", 7, 0.0, proc=proc, cgroups=tmp_path) is None
    assert container_stats("abc", 8, 0.0, proc=proc, cgroups=tmp_path) is None
