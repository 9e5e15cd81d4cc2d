"""From a container definition to what the runtime is asked for. Pure: no calls, no clock."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from neargate.drivers.ecs.live import CONTAINER_LABEL, OWNER_LABEL, TASK_LABEL
from neargate.model.ecs import Task, TaskContainer, TaskDefinition
from neargate.model.fabric import LINK_LOCAL_ADDRESS
from neargate.model.records import Json
from neargate.model.runtime import ContainerSpec, Mount, Sandbox, SandboxSpec, Tmpfs, Ulimit
from neargate.planners.task_definition_volumes import mounts_of
from neargate.services.ecs.task_creation import container_override

_OPEN_FILES = 65535
"""Fargate's nofile, soft and hard, where the definition has none."""


def sandbox_name(task: Task) -> str:
    return f"ecs-{task.id}"


def labels(owner: str, task: Task) -> dict[str, str]:
    """What marks a task's sandbox and containers as ours and as its."""
    family, _, revision = task.task_definition.rsplit("/", 1)[-1].partition(":")
    return {
        OWNER_LABEL: owner,
        TASK_LABEL: task.arn,
        "com.amazonaws.ecs.cluster": task.cluster_arn,
        "com.amazonaws.ecs.task-definition-family": family,
        "com.amazonaws.ecs.task-definition-version": revision,
    }


def sandbox_spec(
    owner: str, task: Task, name_servers: tuple[str, ...] = (), search: tuple[str, ...] = ()
) -> SandboxSpec:
    """A task's namespace; without name servers it has the machine's.

    Where it has several containers, the task's limits hold for all of them together. A single container carries
    them itself: inside a parent with a CPU quota the engine's own start of a container is slowed down by that
    quota (measured: about 60 ms at 0.25 vCPU).
    """
    together = len(task.containers) > 1
    return SandboxSpec(
        name=sandbox_name(task),
        labels=labels(owner, task),
        hostname=hostname(task),
        dns=name_servers,
        dns_search=search,
        cpus=_cpus(task) if together else None,
        memory_mib=int(task.memory) if together else None,
    )


def _cpus(task: Task) -> float:
    """The task's CPU units as a number of CPUs."""
    return int(task.cpu) / 1024


def hostname(task: Task) -> str:
    """`ip-172-31-0-5.ec2.internal` where the VPC has DNS host names, else Fargate's id of the first container."""
    return task.attachment.private_dns or task.containers[0].docker_id


def container_spec(
    owner: str,
    task: Task,
    definition: TaskDefinition,
    container: TaskContainer,
    sandbox: Sandbox,
    image: str,
    volumes: Mapping[str, Path],
    variables: Mapping[str, str],
) -> ContainerSpec:
    """`volumes` are the directories of the task's volumes by name; `variables` are those read from secrets and
    files."""
    wanted = definition.container(container.name)
    override = container_override(task.overrides, container.name)
    memory = min(int(container.memory or task.memory), int(task.memory))
    linux = wanted.get("linuxParameters") or {}
    capabilities = linux.get("capabilities") or {}
    return ContainerSpec(
        name=f"{sandbox_name(task)}-{container.name}",
        image=image,
        sandbox=sandbox,
        entrypoint=_argv(wanted.get("entryPoint")),
        command=_argv(override.get("command") or wanted.get("command")),
        environment=environment(task, container, wanted, override, variables),
        labels={
            **(wanted.get("dockerLabels") or {}),
            **labels(owner, task),
            CONTAINER_LABEL: container.name,
        },
        user=wanted.get("user") or "",
        working_dir=wanted.get("workingDirectory") or "",
        cpus=_cpus(task) if len(task.containers) == 1 else None,
        cpu_shares=int(container.cpu) or None,
        memory_mib=memory,
        memory_reservation_mib=_reservation(container),
        ulimits=_ulimits(wanted),
        read_only_root=bool(wanted.get("readonlyRootFilesystem")),
        mounts=tuple(_mount(mount, volumes) for mount in mounts_of(wanted, definition.containers)),
        tmpfs=tuple(_tmpfs(each) for each in linux.get("tmpfs") or ()),
        init=bool(linux.get("initProcessEnabled")),
        add_capabilities=tuple(capabilities.get("add") or ()),
        drop_capabilities=tuple(capabilities.get("drop") or ()),
        sysctls={each["namespace"]: each["value"] for each in wanted.get("systemControls") or ()},
        open_stdin=bool(wanted.get("interactive")),
        tty=bool(wanted.get("pseudoTerminal")),
        extra_hosts=((hostname(task), task.attachment.ip),),
    )


def environment(
    task: Task, container: TaskContainer, wanted: Json, override: Json, variables: Mapping[str, str]
) -> Mapping[str, str]:
    """What Fargate puts into a container, then `variables`, the definition's own, and the override's."""
    base = f"http://{LINK_LOCAL_ADDRESS}"
    given = {
        "AWS_ENDPOINT_URL": base,
        "AWS_REGION": task.region,
        "AWS_DEFAULT_REGION": task.region,
        "AWS_EXECUTION_ENV": "AWS_ECS_FARGATE",
        "ECS_AGENT_URI": f"{base}/api/{container.docker_id}",
        "ECS_CONTAINER_METADATA_URI": f"{base}/v3/{container.docker_id}",
        "ECS_CONTAINER_METADATA_URI_V4": f"{base}/v4/{container.docker_id}",
    }
    if task.credentials_id:
        given["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = f"/v2/credentials/{task.credentials_id}"
    given.update(variables)
    for source in (wanted, override):
        given.update({pair["name"]: pair.get("value") or "" for pair in source.get("environment") or ()})
    return given


def _argv(words: list[str] | None) -> tuple[str, ...] | None:
    return tuple(words) if words else None


def _reservation(container: TaskContainer) -> int | None:
    return int(container.memory_reservation) if container.memory_reservation else None


def _ulimits(wanted: Json) -> tuple[Ulimit, ...]:
    found = {"nofile": Ulimit("nofile", _OPEN_FILES, _OPEN_FILES)}
    for limit in wanted.get("ulimits") or ():
        found[limit["name"]] = Ulimit(limit["name"], limit["softLimit"], limit["hardLimit"])
    return tuple(found.values())


def _mount(mount: Json, volumes: Mapping[str, Path]) -> Mount:
    return Mount(str(volumes[mount["sourceVolume"]]), mount["containerPath"], bool(mount.get("readOnly")))


def _tmpfs(wanted: Json) -> Tmpfs:
    return Tmpfs(wanted["containerPath"], wanted["size"], tuple(wanted.get("mountOptions") or ()))
