"""Fargate's own rules for a task definition, with ECS's texts (facts 3.1 to 3.3), in the order of its checks."""

from __future__ import annotations

import re

from neargate.model.errors import not_implemented
from neargate.model.records import Json
from neargate.planners.task_definition_errors import refused

_GB = 1024
SIZES: dict[int, frozenset[int]] = {
    256: frozenset({512, 1024, 2048}),
    512: frozenset(range(1 * _GB, 4 * _GB + 1, _GB)),
    1024: frozenset(range(2 * _GB, 8 * _GB + 1, _GB)),
    2048: frozenset(range(4 * _GB, 16 * _GB + 1, _GB)),
    4096: frozenset(range(8 * _GB, 30 * _GB + 1, _GB)),
    8192: frozenset(range(16 * _GB, 60 * _GB + 1, 4 * _GB)),
    16384: frozenset(range(32 * _GB, 120 * _GB + 1, 8 * _GB)),
}
"""CPU units to the MiB that go with them."""

LOG_DRIVERS = ("awslogs", "splunk", "awsfirelens")
_AWSLOGS_REQUIRED = ("awslogs-region", "awslogs-group")
_AWSLOGS = frozenset(
    {
        "awslogs-create-group",
        "awslogs-region",
        "awslogs-group",
        "awslogs-stream-prefix",
        "awslogs-datetime-format",
        "awslogs-multiline-pattern",
        "awslogs-endpoint",
        "mode",
        "max-buffer-size",
    }
)
_AWSLOGS_LATER = ("awslogs-datetime-format", "awslogs-multiline-pattern", "awslogs-endpoint")
_ECR = re.compile(r"\d{12}\.dkr\.ecr\.[a-z0-9-]+\.(amazonaws\.com(\.cn)?|localhost(:\d+)?)/")
_SIZE = re.compile(r"\s*(\d*\.?\d+)\s*(vcpus?|gb)?\s*\Z", re.IGNORECASE)
_MAX_CONTAINERS = 10


def is_ecr(image: str) -> bool:
    """An image in an ECR registry, AWS's or Neargate's."""
    return _ECR.match(image) is not None


def sized(definition: Json) -> Json:
    """The definition with network mode and size checked, cpu and memory as integer text."""
    if definition.get("networkMode") != "awsvpc":
        raise refused("Fargate only supports network mode 'awsvpc'.")
    for member in ("cpu", "memory"):
        if not definition.get(member):
            raise refused(f"Fargate requires that '{member}' be defined at the task level.")
    cpu, memory = cpu_units(definition["cpu"]), memory_mib(definition["memory"])
    check_size(cpu, memory)
    return {**definition, "cpu": str(cpu), "memory": str(memory)}


def check_size(cpu: int, memory: int) -> None:
    """Refuse a pair that Fargate has no configuration for."""
    if memory not in SIZES.get(cpu, ()):
        raise refused(
            f"No Fargate configuration exists for given values: {cpu} CPU, {memory} memory. "
            "See the Amazon ECS documentation for the valid values."
        )


def cpu_units(text: str) -> int:
    """`1024`, `1 vCPU` and `.5 vcpu` as CPU units."""
    return _scaled(text, "cpu", "vcpu")


def memory_mib(text: str) -> int:
    """`1024`, `1GB` and `0.5 GB` as MiB."""
    return _scaled(text, "memory", "gb")


def _scaled(text: str, member: str, unit: str) -> int:
    found = _SIZE.match(text)
    given = (found.group(2) or "").lower().rstrip("s") if found else ""
    if found is None or given not in ("", unit) or (not given and not found.group(1).isdigit()):
        raise refused(
            f"Invalid '{member}' setting for task. For more information, see the Troubleshooting section of "
            "the Amazon ECS Developer Guide."
        )
    return round(float(found.group(1)) * 1024) if given else int(found.group(1))


def check(definition: Json) -> None:
    """Everything else that Fargate refuses, then what Neargate cannot run yet. Raises AwsError."""
    containers = definition["containerDefinitions"]
    if len(containers) > _MAX_CONTAINERS:
        raise refused(f"Task definition cannot have more than {_MAX_CONTAINERS} containers.")
    _check_task(definition)
    for container in containers:
        _check_container(container)
        _check_logging(container, definition)
        _check_variables(container)
        if container.get("secrets") and not definition.get("executionRoleArn"):
            raise refused(
                "Fargate requires task definition to have execution role ARN to support SSM Secrets."
            )
        if is_ecr(container["image"]) and not definition.get("executionRoleArn"):
            raise refused(
                "Fargate requires task definition to have execution role ARN to support ECR images."
            )
    _check_sums(definition)
    _refuse_what_cannot_run(definition)


def _check_variables(container: Json) -> None:
    plain = {pair.get("name") for pair in container.get("environment") or ()}
    seen: set[str] = set()
    for secret in container.get("secrets") or ():
        if secret["name"] in plain or secret["name"] in seen:
            raise refused(
                "The secret name must be unique and not shared with any new or existing environment variables set on "
                f"the container, such as '{secret['name']}'."
            )
        seen.add(secret["name"])
    files = container.get("environmentFiles") or ()
    if len(files) > _MAX_ENVIRONMENT_FILES:
        raise refused(f"The number of environment files must not exceed {_MAX_ENVIRONMENT_FILES}.")
    for file in files:
        if not file["value"].endswith(".env"):
            raise refused("Environment file value must be an S3 ARN that ends with the .env file extension.")


def _check_task(definition: Json) -> None:
    if definition.get("pidMode") == "host":
        raise refused(
            "Tasks using the Fargate launch type do not support pidMode 'host'. "
            "The supported value for pidMode is 'task'."
        )
    for member in ("ipcMode", "placementConstraints", "inferenceAccelerators"):
        if definition.get(member):
            raise refused(f"Fargate compatible task definitions do not support {member}.")
    for volume in definition.get("volumes") or ():
        if (volume.get("host") or {}).get("sourcePath"):
            raise refused("Fargate compatible task definitions do not support sourcePath.")
        if volume.get("dockerVolumeConfiguration"):
            raise refused("Fargate compatible task definitions do not support dockerVolumeConfiguration.")
    storage = definition.get("ephemeralStorage")
    if storage is not None and not 21 <= storage["sizeInGiB"] <= 200:
        raise refused("Ephemeral storage size must be between 21 and 200 GiB.")


_UNSUPPORTED = (
    "links",
    "hostname",
    "dnsServers",
    "dnsSearchDomains",
    "extraHosts",
    "dockerSecurityOptions",
    "privileged",
    "disableNetworking",
)
_UNSUPPORTED_LINUX = ("devices", "sharedMemorySize", "maxSwap", "swappiness")


def _check_container(container: Json) -> None:
    for member in _UNSUPPORTED:
        if container.get(member):
            raise refused(f"Fargate compatible task definitions do not support {member}.")
    linux = container.get("linuxParameters") or {}
    for member in _UNSUPPORTED_LINUX:
        if linux.get(member):
            raise refused(f"Fargate compatible task definitions do not support {member}.")
    added = set((linux.get("capabilities") or {}).get("add") or ())
    if added - {"SYS_PTRACE"}:
        raise refused(
            "The specified capabilities are not supported on Fargate: " + ", ".join(sorted(added)) + "."
        )
    for member in ("startTimeout", "stopTimeout"):
        value = container.get(member)
        if value is not None and value > 120:
            word = member.removesuffix("Timeout")
            raise refused(
                f"Tasks using the Fargate launch type must have a container {word} timeout of less than "
                "120 seconds."
            )


def _check_logging(container: Json, definition: Json) -> None:
    log = container.get("logConfiguration")
    if log is None:
        return
    driver, options = log["logDriver"], log.get("options") or {}
    if driver not in LOG_DRIVERS:
        raise refused(f"{driver} is not a valid log driver. Must be one of [{','.join(LOG_DRIVERS)}]")
    if driver != "awslogs":
        return
    if not all(options.get(option) for option in _AWSLOGS_REQUIRED):
        raise refused(f"Log driver awslogs requires options: {', '.join(_AWSLOGS_REQUIRED)}")
    unknown = [option for option in options if option not in _AWSLOGS]
    if unknown:
        raise refused(f"Log driver awslogs disallows options: {', '.join(unknown)}")
    if not options.get("awslogs-stream-prefix"):
        raise refused("Log driver awslogs requires options: awslogs-stream-prefix")
    if not definition.get("executionRoleArn"):
        raise refused(
            "Fargate requires task definition to have execution role ARN to support log driver awslogs."
        )


def _check_sums(definition: Json) -> None:
    containers = definition["containerDefinitions"]
    memory = sum(c.get("memoryReservation") or c.get("memory") or 0 for c in containers)
    for container in containers:
        if (container.get("memory") or 0) > int(definition["memory"]):
            raise refused(
                f"Invalid setting for container '{container['name']}'. The 'memory' value must be less than or "
                "equal to the task's 'memory' value."
            )
    if memory > int(definition["memory"]):
        raise refused(
            "The total memory reserved by the containers of the task must not exceed the task's 'memory' value."
        )
    if sum(container["cpu"] for container in containers) > int(definition["cpu"]):
        raise refused(
            "The total CPU units of the containers of the task must not exceed the task's 'cpu' value."
        )


_MAX_ENVIRONMENT_FILES = 10
_LATER_TASK = ("pidMode", "proxyConfiguration", "enableFaultInjection", "trustedExecutionConfiguration")
_LATER_CONTAINER = (
    "systemControls",
    "volumesFrom",
    "interactive",
    "pseudoTerminal",
    "resourceRequirements",
    "firelensConfiguration",
    "credentialSpecs",
    "repositoryCredentials",
)
_LATER_VOLUME = (
    "efsVolumeConfiguration",
    "s3filesVolumeConfiguration",
    "fsxWindowsFileServerVolumeConfiguration",
    "configuredAtLaunch",
)


def _refuse_what_cannot_run(definition: Json) -> None:
    for member in _LATER_TASK:
        if definition.get(member):
            raise _later(member)
    platform = definition.get("runtimePlatform") or {}
    if platform.get("operatingSystemFamily", "LINUX") != "LINUX":
        raise _later("runtimePlatform.operatingSystemFamily " + platform["operatingSystemFamily"])
    for volume in definition.get("volumes") or ():
        for member in _LATER_VOLUME:
            if volume.get(member):
                raise _later(f"volumes.{member}")
    for container in definition["containerDefinitions"]:
        for member in _LATER_CONTAINER:
            if container.get(member):
                raise _later(f"containerDefinitions.{member}")
        if (container.get("restartPolicy") or {}).get("enabled"):
            raise _later("containerDefinitions.restartPolicy")
        linux = container.get("linuxParameters") or {}
        capabilities = linux.get("capabilities") or {}
        if capabilities.get("add") or capabilities.get("drop"):
            raise _later("containerDefinitions.linuxParameters.capabilities")
        if linux.get("tmpfs"):
            raise _later("containerDefinitions.linuxParameters.tmpfs")
        log = container.get("logConfiguration") or {}
        if log and log["logDriver"] != "awslogs":
            raise _later(f"containerDefinitions.logConfiguration.logDriver {log['logDriver']}")
        if log.get("secretOptions"):
            raise _later("containerDefinitions.logConfiguration.secretOptions")
        for option in _AWSLOGS_LATER:
            if option in (log.get("options") or {}):
                raise _later(f"containerDefinitions.logConfiguration.options.{option}")


def _later(member: str) -> Exception:
    return not_implemented(f"ecs:RegisterTaskDefinition {member}", "ecs")
