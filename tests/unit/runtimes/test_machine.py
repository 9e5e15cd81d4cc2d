"""What is read from and written to the machine itself: /proc, cgroups, the kernel's log, inotify, ELF."""

from __future__ import annotations

import asyncio
import io
import json
import os
import tarfile
from pathlib import Path

import pytest

from neargate.runtimes.cgroups import CgroupTree, MemoryKills
from neargate.runtimes.engine import send_signal
from neargate.runtimes.event_hub import event_of
from neargate.runtimes.file_watch import FileWatch
from neargate.runtimes.listening import listening_ports
from neargate.runtimes.pause import image_archive, pause_program, sandbox_of

HEADER = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


def row(local: str, state: str = "0A") -> str:
    return f"   0: {local} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000     0        0 1 1\n"


def test_ports_that_listen_for_others(tmp_path: Path) -> None:
    net = tmp_path / "7/net"
    net.mkdir(parents=True)
    (net / "tcp").write_text(
        HEADER + row("00000000:0BB8") + row("0100007F:1F91") + row("0A02000A:0050", "01")
    )
    (net / "tcp6").write_text(
        HEADER
        + row(f"{'0' * 32}:1F90")
        + row("00000000000000000000000001000000:1F92")
        + row("0000000000000000FFFF00000100007F:1F93")
    )
    assert listening_ports(7, tmp_path) == {3000, 8080}
    assert listening_ports(8, tmp_path) == frozenset()


def test_sandbox_limits_on_version_1(tmp_path: Path) -> None:
    for controller in ("cpu", "memory"):
        (tmp_path / controller).mkdir()
    tree = CgroupTree(tmp_path)
    tree.create("t", cpus=0.25, memory_mib=512)
    assert (tmp_path / "cpu/neargate/t/cpu.cfs_quota_us").read_text() == "25000"
    assert (tmp_path / "memory/neargate/t/memory.limit_in_bytes").read_text() == str(512 << 20)
    assert tree.path("t") == "/neargate/t"


def test_sandbox_limits_on_version_2(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpu memory pids")
    CgroupTree(tmp_path).create("t", cpus=2, memory_mib=64)
    assert (tmp_path / "neargate/t/cpu.max").read_text() == "200000 100000"
    assert (tmp_path / "neargate/t/memory.max").read_text() == str(64 << 20)
    assert (tmp_path / "neargate/cgroup.subtree_control").read_text() == "+cpu +memory +pids"


def test_the_kernels_log_names_the_victims(tmp_path: Path) -> None:
    victim, other = "ab" * 32, "cd" * 32
    log = tmp_path / "kmsg"
    log.write_text(
        f"4,1,1,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=libpod-{other},mems_allowed=0,"
        f"oom_memcg=/neargate/t,task_memcg=/neargate/t/libpod-{victim},task=python3,pid=9,uid=0\n"
    )
    kills = MemoryKills(str(log))
    assert victim in kills
    assert other not in kills
    kills.close()
    assert victim not in MemoryKills(str(tmp_path / "unreadable"))


def test_a_signal_goes_only_to_a_process_of_that_container() -> None:
    assert not send_signal(os.getpid(), "ab" * 32, 0)


@pytest.mark.anyio
async def test_a_growing_file_and_a_new_entry_wake_up(tmp_path: Path) -> None:
    watch, grown, names = FileWatch(), asyncio.Event(), asyncio.Queue[str]()
    (tmp_path / "log").touch()
    with watch.watching(tmp_path / "log", lambda _: grown.set()), watch.watching(tmp_path, names.put_nowait):
        (tmp_path / "log").write_text("x")
        await grown.wait()
        (tmp_path / "new").touch()
        while await names.get() != "new":
            pass
    watch.close()
    with pytest.raises(FileNotFoundError), watch.watching(tmp_path / "none", names.put_nowait):
        pass
    watch.close()


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_pause_program_is_a_small_elf(machine: str) -> None:
    program = pause_program(machine)
    assert program.startswith(b"\x7fELF\x02\x01\x01")
    assert len(program) < 200
    with tarfile.open(fileobj=io.BytesIO(image_archive(machine))) as archive:
        manifest = archive.extractfile("manifest.json")
        assert manifest is not None
        assert json.load(manifest)[0]["RepoTags"] == ["neargate/pause:1"]
    assert image_archive(machine) == image_archive(machine)


def test_a_pause_container_is_a_sandbox() -> None:
    sandbox = sandbox_of(
        {
            "Id": "ab",
            "State": {"Pid": 7},
            "Config": {"Labels": {"dev.neargate.sandbox": "t", "owner": "me"}, "Hostname": "h"},
            "HostConfig": {"Dns": None, "CgroupParent": ""},
        }
    )
    assert (sandbox.id, sandbox.netns, sandbox.network_mode) == ("t", "/proc/7/ns/net", "container:ab")
    assert sandbox.labels == {"owner": "me"}


def test_events_in_either_engines_words() -> None:
    actor = {"ID": "ab", "Attributes": {"name": "web", "exitCode": "3", "image": "i", "owner": "me"}}
    for action in ("die", "died"):
        event = event_of({"Action": action, "Actor": actor, "timeNano": 2_000_000_000})
        assert event is not None
        assert (event.action, event.exit_code, event.labels, event.timestamp) == (
            "died",
            3,
            {"owner": "me"},
            2.0,
        )
    assert event_of({"Action": "exec_start: true", "Actor": actor}) is None
    pause = {"ID": "ab", "Attributes": {"dev.neargate.sandbox": "t"}}
    assert event_of({"Action": "start", "Actor": pause}) is None
