"""One container of a task definition: what ECS refuses on every launch type, in its words.

Texts without another source were recorded on AWS in September 2026 (docs/facts-found.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from neargate.model.records import Json
from neargate.planners.task_definition_errors import refused

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,255}\Z")
_IMAGE = re.compile(r"[a-zA-Z0-9_\-:./#@]{1,255}\Z")
_MEMORY_AT_LEAST = 6  # MiB, Docker's own minimum on Linux
_HEALTH_LIMITS = {"interval": (5, 300), "timeout": (2, 60), "retries": (1, 10), "startPeriod": (0, 300)}
_RESTART_PERIOD = (60, 1800)
_MOST_IGNORED_CODES = 50
_HIGHEST_PORT = 65535
_PORT_RANGE = re.compile(r"(\d{1,5})-(\d{1,5})\Z")
_IPC_CONTROLS = frozenset(
    {
        *("kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem"),
        *("kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced"),
    }
)
CAPABILITIES = frozenset(
    "ALL AUDIT_CONTROL AUDIT_WRITE BLOCK_SUSPEND CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID IPC_LOCK IPC_OWNER "
    "KILL LEASE LINUX_IMMUTABLE MAC_ADMIN MAC_OVERRIDE MKNOD NET_ADMIN NET_BIND_SERVICE NET_BROADCAST NET_RAW SETFCAP "
    "SETGID SETPCAP SETUID SYS_ADMIN SYS_BOOT SYS_CHROOT SYS_MODULE SYS_NICE SYS_PACCT SYS_PTRACE SYS_RAWIO "
    "SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG SYSLOG WAKE_ALARM".split()
)
"""The capabilities that a definition may name (botocore, KernelCapabilities)."""

TMPFS_OPTIONS = frozenset(
    "defaults ro rw suid nosuid dev nodev exec noexec sync async dirsync remount mand nomand atime noatime diratime "
    "nodiratime bind rbind unbindable runbindable private rprivate shared rshared slave rslave relatime norelatime "
    "strictatime nostrictatime mode uid gid nr_inodes nr_blocks mpol".split()
)
"""The mount options of a tmpfs (botocore, Tmpfs); the last six take a value."""


def check_names(containers: list[Json]) -> None:
    """Names and images of all containers. Raises AwsError."""
    names: set[str] = set()
    for container in containers:
        name, image = container.get("name") or "", container.get("image") or ""
        if not name:
            raise refused("Container.name should not be null or empty.")
        if not image:
            raise refused("Container.image should not be null or empty.")
        if not _NAME.match(name):
            raise refused("Container.name contains invalid characters.")
        if not _IMAGE.match(image):
            raise refused("Container.image contains invalid characters.")
        if name in names:
            raise refused("Container names must be unique within a task definition.")
        names.add(name)


def check(container: Json, definition: Json) -> None:
    """Everything else of one container. Raises AwsError."""
    _check_memory(container, definition)
    _check_health_check(container)
    _check_restart_policy(container)
    _check_timeouts(container)
    _check_ulimits(container)
    _check_linux(container)
    _check_system_controls(container)
    if container.get("repositoryCredentials") and not definition.get("executionRoleArn"):
        raise refused(
            "Private repository authentication requires that the task definition specify a value for "
            "executionRoleArn."
        )


def _check_memory(container: Json, definition: Json) -> None:
    setting = f"Invalid setting for container '{container['name']}'. "
    memory, reservation = container.get("memory"), container.get("memoryReservation")
    if memory is None and reservation is None and not definition.get("memory"):
        raise refused(setting + "At least one of 'memory' or 'memoryReservation' must be specified.")
    for value in (memory, reservation):
        if value is not None and value < _MEMORY_AT_LEAST:
            raise refused(setting + f"Minimum memory limit allowed is {_MEMORY_AT_LEAST} MiB.")
    if memory is not None and reservation is not None and reservation > memory:
        raise refused(setting + "'memory' must be greater than or equal to 'memoryReservation'.")


def _check_health_check(container: Json) -> None:
    check = container.get("healthCheck")
    if check is None:
        return
    name = container["name"]
    if not check["command"] or list(check["command"]) in (["CMD"], ["CMD-SHELL"]):
        raise refused(f"Health check command must not be empty for container '{name}'")
    for member, (low, high) in _HEALTH_LIMITS.items():
        value = check.get(member)
        if value is None:
            continue
        if value > high:
            raise refused(
                f"Health check {member} must be less than or equal to the maximum allowed value {high} for "
                f"container '{name}'"
            )
        if value < low:
            raise refused(
                f"Health check {member} must be greater than or equal to the minimum allowed value {low} for "
                f"container '{name}'"
            )


def _check_restart_policy(container: Json) -> None:
    policy = container.get("restartPolicy") or {}
    name = container["name"]
    low, high = _RESTART_PERIOD
    period = policy.get("restartAttemptPeriod")
    if period is not None and not low <= period <= high:
        raise refused(
            f"The 'restartAttemptPeriod' setting for container '{name}' must be between {low} and {high}."
        )
    if len(policy.get("ignoredExitCodes") or ()) > _MOST_IGNORED_CODES:
        raise refused(
            f"The 'ignoredExitCodes' setting for container '{name}' can have at most {_MOST_IGNORED_CODES} items."
        )


def _check_timeouts(container: Json) -> None:
    start, stop = container.get("startTimeout"), container.get("stopTimeout")
    if start is not None and start < 2:
        raise refused(
            f"Granular start timeout on container '{container['name']}' must be at least 2 seconds."
        )
    if stop is not None and stop < 0:
        raise refused(f"Granular stop timeout on container '{container['name']}' must not be negative.")


def _check_ulimits(container: Json) -> None:
    for limit in container.get("ulimits") or ():
        soft, hard = limit["softLimit"], limit["hardLimit"]
        if hard >= 0 and (soft > hard or soft < 0):  # -1 is without limit
            raise refused(f"Soft limit exceeds hard limit for ulimit {limit['name']}")


def _check_linux(container: Json) -> None:
    linux = container.get("linuxParameters") or {}
    capabilities = linux.get("capabilities") or {}
    for name in (*(capabilities.get("add") or ()), *(capabilities.get("drop") or ())):
        if name not in CAPABILITIES:
            raise refused(f"Invalid capability: {name}.")
    for tmpfs in linux.get("tmpfs") or ():
        if tmpfs["size"] <= 0:
            raise refused(
                "The container has an invalid tmpfs size value specified. It must be a non-zero, non-negative integer."
            )
        if not tmpfs["containerPath"].startswith("/"):
            raise refused("The container has an invalid tmpfs path specified. It must be an absolute path.")
        for option in tmpfs.get("mountOptions") or ():
            if option.partition("=")[0] not in TMPFS_OPTIONS:
                raise refused(f"The container has an invalid tmpfs mount option specified: {option}.")


def _check_system_controls(container: Json) -> None:
    for control in container.get("systemControls") or ():
        name = control.get("namespace") or ""
        if not is_network_control(name) and name not in _IPC_CONTROLS and not name.startswith("fs.mqueue."):
            raise refused(
                f"Invalid 'systemControls' setting for container '{container['name']}'. "
                f"The namespace '{name}' is not supported."
            )
        if not control.get("value"):
            raise refused(
                f"Invalid 'systemControls' setting for container '{container['name']}'. "
                f"The namespace '{name}' has no value."
            )


def is_network_control(namespace: str) -> bool:
    """A kernel parameter of the network namespace: it holds for all containers of a task."""
    return namespace.startswith("net.")


def check_ports(containers: list[Json], network_mode: str | None) -> None:
    """The port mappings of all containers, which share one address with awsvpc. Raises AwsError."""
    taken: set[tuple[str, int]] = set()
    names: set[str] = set()
    for container in containers:
        for mapping in container.get("portMappings") or ():
            ports = _ports_of(mapping, container["name"], network_mode)
            if network_mode != "awsvpc":
                continue
            protocol = mapping.get("protocol") or "tcp"
            for port in ports:
                if (protocol, port) in taken:
                    raise refused(
                        f"{protocol.upper()} container port '{port}' is used multiple times in task when "
                        "networkMode=awsvpc."
                    )
                taken.add((protocol, port))
            name = mapping.get("name")
            if name and name in names:
                raise refused("When networkMode=awsvpc, port mapping name is already used")
            names |= {name} if name else set()


def _ports_of(mapping: Json, container: str, network_mode: str | None) -> Iterator[int] | range:
    port, host_port, span = (
        mapping.get("containerPort"),
        mapping.get("hostPort"),
        mapping.get("containerPortRange"),
    )
    if span:
        if port or host_port:
            raise refused(
                f"Invalid port mapping for container '{container}', cannot specify both single port and port range."
            )
        found = _PORT_RANGE.match(span)
        first, last = (int(found[1]), int(found[2])) if found else (0, 0)
        if not 1 <= first < last <= _HIGHEST_PORT:
            raise refused(f"Invalid 'containerPortRange' setting for container '{container}'.")
        return range(first, last + 1)
    if port is None:
        raise refused("Container port should not be null.")
    for value in (port, host_port or 0):
        if not 0 <= value <= _HIGHEST_PORT:
            raise refused("Invalid port mapping: the port must be between 0 and 65535.")
    if network_mode in ("awsvpc", "host") and host_port not in (None, 0, port):
        raise refused(
            f"When networkMode={network_mode}, the host ports and container ports in port mappings must match."
        )
    return range(port, port + 1)
