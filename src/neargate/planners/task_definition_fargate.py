"""Fargate's own rules for a task definition, with ECS's texts (facts 3.1 to 3.3), in the order of its checks."""

from __future__ import annotations

import re
from collections.abc import Sequence

from neargate.model.errors import not_implemented
from neargate.model.records import Json
from neargate.planners.task_definition_errors import refused
from neargate.planners.task_definition_logging import check_logging, refuse_later

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

_ECR = re.compile(r"\d{12}\.dkr\.ecr\.[a-z0-9-]+\.(amazonaws\.com(\.cn)?|localhost(:\d+)?)/")
_SIZE = re.compile(r"\s*(\d*\.?\d+)\s*(vcpus?|gb)?\s*\Z", re.IGNORECASE)
_MAX_CONTAINERS = 10
_MAX_ENVIRONMENT_FILES = 10
_LONGEST_TIMEOUT = 120
_STORAGE = (21, 200)
_S3_OBJECT = re.compile(r"arn:[^:]*:s3:::[^/]+/.+\Z")


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
    family = (definition.get("runtimePlatform") or {}).get("operatingSystemFamily") or ""
    check_size(cpu, memory, windows=family.startswith("WINDOWS"))
    return {**definition, "cpu": str(cpu), "memory": str(memory)}


def check_size(cpu: int, memory: int, *, windows: bool = False) -> None:
    """Refuse a pair that Fargate has no configuration for; Windows needs a whole vCPU."""
    if memory not in SIZES.get(cpu, ()) or (windows and cpu < 1024):
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
        raise refused("Too many containers.")
    _check_task(definition)
    for container in containers:
        _check_container(container)
        check_logging(container, definition)
        _check_variables(container)
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
    check_environment_files(container.get("environmentFiles") or ())


def check_environment_files(files: Sequence[Json]) -> None:
    """The files of a container, or of an override. Raises AwsError."""
    if len(files) > _MAX_ENVIRONMENT_FILES:
        raise refused(
            "The maximum number of environment files was exceeded. Specify ten or less and try again."
        )
    for file in files:
        if not _S3_OBJECT.match(file["value"]):
            raise refused("Invalid arn syntax.")
        if not file["value"].endswith(".env"):
            raise refused("Environment file value must be an S3 ARN that ends with the .env file extension.")


def _check_task(definition: Json) -> None:
    if definition.get("pidMode") == "host":
        raise refused(
            "Tasks using the Fargate launch type do not support pidMode 'host'. "
            "The supported value for pidMode is 'task'."
        )
    if definition.get("ipcMode"):
        raise _unsupported("ipcMode")
    if definition.get("placementConstraints"):
        raise _unsupported("constraints")
    for volume in definition.get("volumes") or ():
        if (volume.get("host") or {}).get("sourcePath"):
            raise _unsupported("sourcePath")
        for member in ("dockerVolumeConfiguration", "fsxWindowsFileServerVolumeConfiguration"):
            if volume.get(member):
                raise _unsupported(member)
    proxy = definition.get("proxyConfiguration")
    names = {container["name"] for container in definition["containerDefinitions"]}
    if proxy and proxy.get("containerName") not in names:
        raise refused(f"Proxy container [{proxy.get('containerName')}] does not exist.")
    storage = definition.get("ephemeralStorage")
    if storage is not None:
        check_storage(storage["sizeInGiB"])


def check_storage(size: int) -> None:
    """Refuse an ephemeral storage of another size (GiB) than Fargate has."""
    low, high = _STORAGE
    if size < low:
        raise refused(f"EphemeralStorage size should be at least {low}")
    if size > high:
        raise refused(f"EphemeralStorage size should be at most {high}")


def _unsupported(member: str) -> Exception:
    return refused(f"Fargate compatible task definitions do not support {member}")


_AWSVPC = {
    "links": "Links are not supported when networkMode=awsvpc.",
    "hostname": "hostname is not supported on container when networkMode=awsvpc.",
    "dnsServers": "DNS servers are not supported on container when networkMode=awsvpc.",
    "dnsSearchDomains": "DNS search domains are not supported on container when networkMode=awsvpc.",
    "extraHosts": "Extra hosts are not supported on container when networkMode=awsvpc.",
    "disableNetworking": "Disable Networking is not supported on container when networkMode=awsvpc.",
    "privileged": "Fargate requires that the \u2018privileged\u2019 setting be \u2018false\u2019 at "
    "the container level.",
}
_UNSUPPORTED_LINUX = ("devices", "sharedMemorySize", "maxSwap", "swappiness")


def _check_container(container: Json) -> None:
    for member, text in _AWSVPC.items():
        if container.get(member):
            raise refused(text)
    if container.get("dockerSecurityOptions"):
        raise _unsupported("dockerSecurityOptions")
    linux = container.get("linuxParameters") or {}
    for member in _UNSUPPORTED_LINUX:
        if linux.get(member) not in (None, []):
            raise _unsupported(member)
    for capability in (linux.get("capabilities") or {}).get("add") or ():
        if capability != "SYS_PTRACE":
            raise refused(f"{capability} is not allowed on Fargate.")
    for requirement in container.get("resourceRequirements") or ():
        if requirement["type"] == "GPU":
            raise refused("Tasks using the Fargate launch type do not support GPU resource requirements.")
        raise refused("Unsupported field 'inferenceAccelerators'.")
    for member in ("startTimeout", "stopTimeout"):
        value = container.get(member)
        if value is not None and value > _LONGEST_TIMEOUT:
            word = member.removesuffix("Timeout")
            raise refused(
                f"Tasks using the Fargate launch type must have a container {word} timeout of less than "
                f"{_LONGEST_TIMEOUT} seconds."
            )


def _check_sums(definition: Json) -> None:
    containers = definition["containerDefinitions"]
    for container in containers:
        if (container.get("memory") or 0) > int(definition["memory"]):
            raise refused(
                f"The 'memory' setting for container '{container['name']}' is greater than for the task."
            )
    memory = sum(c.get("memoryReservation") or c.get("memory") or 0 for c in containers)
    if memory > int(definition["memory"]):
        raise refused(
            "The sum of all container 'memory' values cannot be greater than the value of the task 'memory'."
        )
    if sum(container["cpu"] for container in containers) > int(definition["cpu"]):
        raise refused(
            "The sum of all container 'cpu' values cannot be greater than the value of the task 'cpu'."
        )


_LATER_TASK = ("proxyConfiguration", "enableFaultInjection", "trustedExecutionConfiguration")
_LATER_CONTAINER = ("credentialSpecs",)
_LATER_VOLUME = ("s3filesVolumeConfiguration", "configuredAtLaunch")


def _refuse_what_cannot_run(definition: Json) -> None:
    for member in _LATER_TASK:
        if definition.get(member):
            raise _later(member)
    family = (definition.get("runtimePlatform") or {}).get("operatingSystemFamily") or "LINUX"
    if family != "LINUX":
        raise _later(f"runtimePlatform.operatingSystemFamily {family}")
    for volume in definition.get("volumes") or ():
        for member in _LATER_VOLUME:
            if volume.get(member):
                raise _later(f"volumes.{member}")
    for container in definition["containerDefinitions"]:
        for member in _LATER_CONTAINER:
            if container.get(member):
                raise _later(f"containerDefinitions.{member}")
        refuse_later(container)


def _later(member: str) -> Exception:
    return not_implemented(f"ecs:RegisterTaskDefinition {member}", "ecs")
