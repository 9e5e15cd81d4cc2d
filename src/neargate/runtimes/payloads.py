"""What the Engine API says and wants to hear, translated from and to the nouns of `model.runtime`. Pure."""

from __future__ import annotations

import calendar
import re
from collections.abc import Mapping
from typing import Any, Literal

import attrs

from neargate.model.runtime import (
    ContainerSpec,
    ContainerState,
    ContainerStatus,
    ImageInfo,
    Sandbox,
    Tmpfs,
    Ulimit,
)

SANDBOX_LABEL = "dev.neargate.sandbox"
"""On pause containers: the name of the sandbox. Such a container is never listed as a container."""

_DEFAULT_OPTIONS = frozenset({"defaults", "async", "atime", "diratime", "relatime", "nomand"})

FARGATE_NOFILE = 65535
_NPROC = 4096

_STATUS: Mapping[str, ContainerStatus] = {
    "created": "created",
    "configured": "created",
    "initialized": "created",
    "running": "running",
    "paused": "running",
    "restarting": "running",
    "stopping": "running",
    "stopped": "exited",
    "exited": "exited",
    "dead": "exited",
    "removing": "exited",
}

_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)")


@attrs.frozen
class Dialect:
    """Where engines differ in what they accept.

    `hard_limits` are the engine's own hard resource limits by ulimit name, where it cannot exceed them.
    """

    kind: Literal["podman", "docker"]
    hard_limits: Mapping[str, int] = attrs.field(factory=dict)


def nanoseconds(text: str) -> int | None:
    """An RFC 3339 time as ns since the epoch; None for Go's zero time, which means "never"."""
    match = _TIME.match(text)
    if match is None or match[1] == "0001":
        return None
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    whole = calendar.timegm((year, month, day, hour, minute, second))
    if match[8] != "Z":
        sign = -1 if match[8][0] == "-" else 1
        whole -= sign * (int(match[8][1:3]) * 3600 + int(match[8][4:6]) * 60)
    return whole * 1_000_000_000 + int((match[7] or "").ljust(9, "0"))


def seconds(text: str) -> float | None:
    """An RFC 3339 time as float seconds since the epoch, or None for "never"."""
    parsed = nanoseconds(text)
    return None if parsed is None else parsed / 1e9


def with_tag(reference: str) -> str:
    """The reference with `:latest` where it has neither tag nor digest."""
    tail = reference.rpartition("/")[2]
    return reference if ":" in tail or "@" in tail else f"{reference}:latest"


def create_body(spec: ContainerSpec, dialect: Dialect) -> dict[str, Any]:
    """The body of `POST /containers/create`."""
    body: dict[str, Any] = {
        "Image": spec.image,
        "Env": [f"{name}={value}" for name, value in spec.environment.items()],
        "Labels": dict(spec.labels),
        "HostConfig": _host_config(spec, dialect),
    }
    if spec.entrypoint is not None:
        body["Entrypoint"] = list(spec.entrypoint)
    if spec.command is not None:
        body["Cmd"] = list(spec.command)
    if spec.user:
        body["User"] = spec.user
    if spec.working_dir:
        body["WorkingDir"] = spec.working_dir
    if spec.stop_signal:
        body["StopSignal"] = spec.stop_signal
    if spec.open_stdin:
        body["OpenStdin"] = True
    if spec.tty:
        body["Tty"] = True
    if spec.sandbox.hostname and (dialect.kind == "podman" or not _joins_container(spec.sandbox)):
        body["Hostname"] = spec.sandbox.hostname
    return body


def _joins_container(sandbox: Sandbox) -> bool:
    """Such a sandbox is a pause container, which owns the hosts file and the resolvers."""
    return sandbox.network_mode.startswith("container:")


def _host_config(spec: ContainerSpec, dialect: Dialect) -> dict[str, Any]:
    host: dict[str, Any] = {
        "NetworkMode": spec.sandbox.network_mode,
        "LogConfig": {"Type": "k8s-file" if dialect.kind == "podman" else "json-file", "Config": {}},
        "Binds": [
            f"{mount.source}:{mount.target}:{'ro' if mount.read_only else 'rw'}" for mount in spec.mounts
        ],
        "ReadonlyRootfs": spec.read_only_root,
        "Privileged": spec.privileged,
        "Init": spec.init and not spec.sandbox.pid_mode,  # a shared process namespace has an init of its own
        "Ulimits": ulimits(spec.ulimits, dialect),
    }
    host |= _isolation(spec, dialect)
    if not _joins_container(spec.sandbox):
        host["ExtraHosts"] = [f"{name}:{address}" for name, address in spec.extra_hosts]
        if spec.sandbox.dns:
            host["Dns"] = list(spec.sandbox.dns)
        if spec.sandbox.dns_search:
            host["DnsSearch"] = list(spec.sandbox.dns_search)
    if spec.cpus is not None:
        host["NanoCpus"] = round(spec.cpus * 1e9)
    if spec.cpu_shares is not None:
        host["CpuShares"] = max(2, spec.cpu_shares)
    if spec.memory_mib is not None:
        host["Memory"] = host["MemorySwap"] = spec.memory_mib << 20
    if spec.memory_reservation_mib is not None:
        host["MemoryReservation"] = spec.memory_reservation_mib << 20
    if spec.sandbox.cgroup_parent is not None:
        host["CgroupParent"] = spec.sandbox.cgroup_parent
    return host


def _isolation(spec: ContainerSpec, dialect: Dialect) -> dict[str, Any]:
    """What a container may do to the kernel, and what it sees of other containers' processes."""
    host: dict[str, Any] = {}
    if spec.add_capabilities:
        host["CapAdd"] = list(spec.add_capabilities)
    if spec.drop_capabilities:
        host["CapDrop"] = list(spec.drop_capabilities)
    if spec.sysctls:
        host["Sysctls"] = dict(spec.sysctls)
    if spec.tmpfs:
        host["Tmpfs"] = {each.target: _tmpfs_options(each, dialect) for each in spec.tmpfs}
    if spec.sandbox.pid_mode:
        host["PidMode"] = spec.sandbox.pid_mode
    return host


def _tmpfs_options(wanted: Tmpfs, dialect: Dialect) -> str:
    """As mount takes them. Podman 4.3 refuses the ones that say what holds anyway, so it is not told them."""
    told = wanted.options
    if dialect.kind == "podman":
        told = tuple(option for option in told if option not in _DEFAULT_OPTIONS)
    return ",".join((f"size={wanted.size_mib}m", *told))


def ulimits(wanted: tuple[Ulimit, ...], dialect: Dialect) -> list[dict[str, Any]]:
    """Fargate's open-file limit and what the task asks for, lowered to what this engine can give.

    Podman 4.3 wants nofile and nproc both or neither, and fails with EPERM above its own hard limits; where
    those are not known (not Neargate's own Podman) it keeps its defaults unless the task asks for others.
    """
    limits = {each.name: (each.soft, each.hard) for each in wanted}
    if dialect.kind == "docker" or dialect.hard_limits or "nofile" in limits or "nproc" in limits:
        limits.setdefault("nofile", (FARGATE_NOFILE, FARGATE_NOFILE))
        if dialect.kind == "podman":
            limits.setdefault("nproc", (dialect.hard_limits.get("nproc", _NPROC),) * 2)
    result = []
    for name, (soft, hard) in limits.items():
        ceiling = dialect.hard_limits.get(name)
        if ceiling is not None:
            hard = ceiling if hard < 0 else min(hard, ceiling)
            soft = hard if soft < 0 else min(soft, hard)
        result.append({"Name": name, "Soft": soft, "Hard": hard})
    return result


def container_state(shown: Mapping[str, Any], *, oom_killed: bool = False) -> ContainerState:
    """What `GET /containers/ID/json` shows. `oom_killed` adds what the kernel said to what the engine says."""
    state = shown["State"]
    status = _STATUS[state["Status"]]
    finished = seconds(state.get("FinishedAt") or "")
    if status == "created" and state.get("ExitCode") and finished is not None:
        status = "exited"
    exited = status == "exited"
    return ContainerState(
        id=shown["Id"],
        name=shown["Name"].removeprefix("/"),
        image=shown["Config"]["Image"],
        status=status,
        labels=dict(shown["Config"].get("Labels") or {}),
        exit_code=state["ExitCode"] if exited else None,
        oom_killed=bool(state.get("OOMKilled")) or oom_killed,
        started_at=seconds(state.get("StartedAt") or ""),
        finished_at=finished if exited else None,
        pid=(state.get("Pid") or None) if status == "running" else None,
        error=state.get("Error") or "",
    )


def image_info(shown: Mapping[str, Any], reference: str) -> ImageInfo:
    """What `GET /images/NAME/json` shows of the image asked for as `reference`."""
    config = shown.get("Config") or {}
    digests = [each.rpartition("@")[2] for each in shown.get("RepoDigests") or []]
    identity = shown["Id"]
    return ImageInfo(
        id=identity if identity.startswith("sha256:") else f"sha256:{identity}",
        reference=reference,
        digest=digests[0] if digests else None,
        environment=dict(each.partition("=")[::2] for each in config.get("Env") or []),
        entrypoint=_argv(config.get("Entrypoint")),
        command=_argv(config.get("Cmd")),
        exposed_ports=tuple(sorted(config.get("ExposedPorts") or {})),
        user=config.get("User") or "",
        working_dir=config.get("WorkingDir") or "",
        stop_signal=config.get("StopSignal") or None,
        architecture=shown.get("Architecture") or "",
        labels=dict(config.get("Labels") or {}),
    )


def _argv(value: list[str] | str | None) -> tuple[str, ...]:
    if not value:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)
