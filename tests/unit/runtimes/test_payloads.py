"""What goes to and comes from the Engine API."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from neargate.model.runtime import ContainerSpec, Mount, Sandbox, Ulimit
from neargate.runtimes.payloads import (
    Dialect,
    container_state,
    create_body,
    image_info,
    nanoseconds,
    seconds,
    ulimits,
    with_tag,
)

NAMESPACE = Sandbox(
    id="t", netns="/run/netns/t", network_mode="ns:/run/netns/t", hostname="web", dns=("10.0.0.2",)
)
PAUSE = attrs.evolve(NAMESPACE, network_mode="container:abc")
PODMAN = Dialect("podman", {"nofile": 20000, "nproc": 32768})
DOCKER = Dialect("docker")


def spec(**more: Any) -> ContainerSpec:
    return attrs.evolve(ContainerSpec(name="c", image="i:1", sandbox=NAMESPACE), **more)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:01Z", 1_000_000_000),
        ("1970-01-01T00:00:01.5Z", 1_500_000_000),
        ("2026-11-23T10:11:13.882808092+00:00", 1_795_428_673_882_808_092),
        ("1970-01-01T02:00:00.000000001+02:00", 1),
        ("0001-01-01T00:00:00Z", None),
        ("", None),
    ],
)
def test_times_keep_their_nanoseconds(text: str, expected: int | None) -> None:
    assert nanoseconds(text) == expected


def test_never_is_none() -> None:
    assert seconds("0001-01-01T00:00:00Z") is None


def test_an_untagged_name_means_latest() -> None:
    assert with_tag("localhost:5000/a/b") == "localhost:5000/a/b:latest"
    assert with_tag("localhost:5000/a/b:1") == "localhost:5000/a/b:1"
    assert with_tag("a@sha256:00") == "a@sha256:00"


def test_what_the_task_does_not_say_is_left_to_the_image() -> None:
    body = create_body(spec(), PODMAN)
    assert not {"Entrypoint", "Cmd", "User", "WorkingDir", "StopSignal"} & body.keys()
    assert (
        not {"NanoCpus", "Memory", "MemoryReservation", "CpuShares", "CgroupParent"}
        & body["HostConfig"].keys()
    )


def test_limits_are_in_the_engines_units() -> None:
    host = create_body(spec(cpus=0.25, memory_mib=512, memory_reservation_mib=128, cpu_shares=0), PODMAN)[
        "HostConfig"
    ]
    assert host["NanoCpus"] == 250_000_000
    assert (host["Memory"], host["MemorySwap"], host["MemoryReservation"]) == (
        512 << 20,
        512 << 20,
        128 << 20,
    )
    assert host["CpuShares"] == 2  # the least that the kernel knows


def test_mounts_are_read_only_on_request() -> None:
    mounts = (Mount("/srv/data", "/data"), Mount("named", "/named", read_only=True))
    assert create_body(spec(mounts=mounts), PODMAN)["HostConfig"]["Binds"] == [
        "/srv/data:/data:rw",
        "named:/named:ro",
    ]


def test_docker_refuses_hostname_and_resolvers_for_a_joined_container_so_the_pause_container_has_them() -> (
    None
):
    joined = create_body(spec(sandbox=PAUSE, extra_hosts=(("a", "10.0.0.1"),)), DOCKER)
    assert "Hostname" not in joined
    assert not {"Dns", "ExtraHosts"} & joined["HostConfig"].keys()
    own = create_body(spec(extra_hosts=(("a", "10.0.0.1"),)), PODMAN)
    assert own["Hostname"] == "web"
    assert (own["HostConfig"]["Dns"], own["HostConfig"]["ExtraHosts"]) == (["10.0.0.2"], ["a:10.0.0.1"])


def limits(dialect: Dialect, *wanted: Ulimit) -> dict[str, tuple[int, int]]:
    return {each["Name"]: (each["Soft"], each["Hard"]) for each in ulimits(wanted, dialect)}


def test_ulimits_are_fargates_lowered_to_the_engines_own() -> None:
    assert limits(DOCKER) == {"nofile": (65535, 65535)}
    assert limits(PODMAN) == {"nofile": (20000, 20000), "nproc": (32768, 32768)}
    assert limits(PODMAN, Ulimit("nofile", 1024, 4096))["nofile"] == (1024, 4096)
    assert limits(PODMAN, Ulimit("nofile", 30000, -1))["nofile"] == (20000, 20000)
    assert limits(PODMAN, Ulimit("core", 0, 0))["core"] == (0, 0)


def test_podman_gets_both_ulimits_or_neither() -> None:
    unknown = Dialect("podman")
    assert limits(unknown) == {}
    assert limits(unknown, Ulimit("nofile", 1024, 1024)).keys() == {"nofile", "nproc"}


def shown(status: str, **state: Any) -> dict[str, Any]:
    return {
        "Id": "f" * 64,
        "Name": "/web",
        "Config": {"Image": "docker.io/library/web:1", "Labels": None},
        "State": {"Status": status, "ExitCode": 0, "Pid": 0, **state},
    }


def test_only_an_exited_container_has_an_exit_code() -> None:
    running = container_state(shown("running", Pid=12, StartedAt="1970-01-01T00:00:01Z"))
    assert (running.status, running.exit_code, running.pid, running.started_at) == ("running", None, 12, 1.0)
    assert running.name == "web"
    exited = container_state(
        shown("exited", ExitCode=137, Pid=12, FinishedAt="1970-01-01T00:00:02Z"), oom_killed=True
    )
    assert (exited.exit_code, exited.pid, exited.finished_at, exited.oom_killed) == (137, None, 2.0, True)


@pytest.mark.parametrize("status", ["paused", "restarting", "stopping"])
def test_a_container_on_its_way_still_runs(status: str) -> None:
    assert container_state(shown(status)).status == "running"


def test_docker_calls_a_failed_start_created_with_an_exit_code() -> None:
    failed = shown("created", ExitCode=127, FinishedAt="0001-01-01T00:00:00Z", Error="no such file")
    state = container_state(failed)
    assert (state.status, state.error) == ("created", "no such file")


def test_an_images_facts() -> None:
    image = image_info(
        {
            "Id": "ab",
            "RepoDigests": ["r/i@sha256:cd"],
            "Architecture": "amd64",
            "Config": {
                "Env": ["A=1=2", "B="],
                "Entrypoint": "run",
                "Cmd": ["x"],
                "ExposedPorts": {"3000/tcp": {}},
                "Labels": None,
            },
        },
        "i:1",
    )
    assert (image.id, image.digest, image.reference) == ("sha256:ab", "sha256:cd", "i:1")
    assert image.environment == {"A": "1=2", "B": ""}
    assert (image.entrypoint, image.command, image.exposed_ports) == (("run",), ("x",), ("3000/tcp",))
