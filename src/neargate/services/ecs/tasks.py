"""Tasks: RunTask, StopTask, DescribeTasks, ListTasks."""

from __future__ import annotations

import json

import attrs

from neargate.model import tags
from neargate.model.ecs import TASK_STATES, ClientToken, Cluster, Service, Task, TaskDefinition
from neargate.model.errors import AwsError, not_implemented
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.planners import task_definition_fargate as fargate
from neargate.services.ecs import capacity
from neargate.services.ecs.execute_command import check_task_role
from neargate.services.ecs.lookup import (
    digest,
    find_service,
    find_task,
    invalid,
    missing,
    page,
    refuse_members,
    require_cluster,
    resource_of,
    runnable_definition,
    wanted_tags,
)
from neargate.services.ecs.roles import check_assumable
from neargate.services.ecs.task_creation import (
    Wanted,
    checked_place,
    create_task,
    managed_tags,
    propagated_tags,
)
from neargate.services.ecs.task_rendering import described, tasks_with_tags

_MOST_AT_ONCE = 10
_MOST_DESCRIBED = 100
_LATER = ("volumeConfigurations",)
_LONGEST_OVERRIDES = 8192  # characters of JSON
_LONGEST_STARTED_BY = 128
_MOST_ENVIRONMENT_FILES = 10
_ALONE = ("family", "containerInstance", "serviceName", "startedBy")
"""Filters of ListTasks of which one may be given."""


@operation("ecs", "RunTask")
def run_task(cx: Context, request: Json) -> Json:
    cluster = require_cluster(cx, request.get("cluster"))
    token = request.get("clientToken")
    if token:
        known = cx.tx.get(ClientToken, cx.caller.scope(cluster.name, token))
        if known is not None:
            return _again(cx, known, request)
    count = 1 if request.get("count") is None else request["count"]
    if not 1 <= count <= _MOST_AT_ONCE:
        raise invalid("count should be between 1 and 10.")
    refuse_members("RunTask", request, _LATER)
    if request.get("placementConstraints") or request.get("placementStrategy"):
        raise invalid("Placement constraints and strategies are not supported with FARGATE launch type.")
    definition = runnable_definition(cx, request["taskDefinition"])
    wanted = _wanted(cx, cluster, definition, request)
    launch_type, strategy = capacity.chosen("RunTask", cluster, request)
    check_assumable(cx, definition, wanted.overrides)
    made: list[Task] = []
    for _ in range(count):
        provider = capacity.provider_of(strategy, [task.capacity_provider for task in made])
        subnet = wanted.place.subnet_for([task.zone for task in made])
        made.append(
            create_task(
                cx,
                attrs.evolve(
                    wanted,
                    subnet=subnet,
                    launch_type=launch_type or "FARGATE",
                    capacity_provider=provider,
                ),
            )
        )
    if token:
        cx.tx.put(_token(cx, cluster, token, request, made))
    return {"tasks": [described(task, with_tags=True) for task in made], "failures": []}


def _wanted(cx: Context, cluster: Cluster, definition: TaskDefinition, request: Json) -> Wanted:
    if request.get("propagateTags") == "SERVICE":
        raise invalid("SERVICE is not a valid value for propagateTags when running a task.")
    group = request.get("group") or f"family:{definition.family}"
    if request.get("group", "").startswith("service:"):
        raise invalid("Invalid namespace for group.")
    if len(request.get("startedBy") or "") > _LONGEST_STARTED_BY:
        raise invalid(f"startedBy longer than {_LONGEST_STARTED_BY}.")
    place = checked_place(cx, request.get("networkConfiguration"))
    given = tags.from_list(request.get("tags"))
    if request.get("enableECSManagedTags"):
        given = {**given, **managed_tags(cluster.name)}
    overrides = request.get("overrides") or {}
    _check_overrides(definition, overrides)
    if request.get("enableExecuteCommand"):
        check_task_role(overrides.get("taskRoleArn") or definition.task_role)
    return Wanted(
        cluster=cluster.name,
        definition=definition,
        place=place,
        subnet=next(iter(place.zones)),
        group=group,
        started_by=request.get("startedBy") or "",
        platform_version=capacity.platform_version(request.get("platformVersion")),
        overrides=overrides,
        enable_execute_command=bool(request.get("enableExecuteCommand")),
        tags=propagated_tags(request.get("propagateTags"), given, definition, None),
    )


def _check_overrides(definition: TaskDefinition, overrides: Json) -> None:
    given = overrides.get("containerOverrides") or ()
    if len(json.dumps(overrides, separators=(",", ":"))) > _LONGEST_OVERRIDES:
        raise invalid(f"Container Overrides length must be at most {_LONGEST_OVERRIDES}")
    names = {container["name"] for container in definition.containers}
    for override in given:
        name = override.get("name")
        if not name:
            raise invalid("Container override name should not be null or empty.")
        if name not in names:
            raise invalid(f"Override for container named {name} is not a container in the TaskDefinition.")
        if override.get("resourceRequirements"):
            raise not_implemented("ecs:RunTask overrides.containerOverrides.resourceRequirements", "ecs")
        if len(override.get("environmentFiles") or ()) > _MOST_ENVIRONMENT_FILES:
            raise invalid(f"environmentFiles can have at most {_MOST_ENVIRONMENT_FILES} items.")
    if overrides.get("inferenceAcceleratorOverrides"):
        raise not_implemented("ecs:RunTask overrides.inferenceAcceleratorOverrides", "ecs")
    if overrides.get("ephemeralStorage"):
        fargate.check_storage(overrides["ephemeralStorage"]["sizeInGiB"])
    cpu, memory = overrides.get("cpu") or definition.cpu, overrides.get("memory") or definition.memory
    if cpu and memory and (overrides.get("cpu") or overrides.get("memory")):
        fargate.check_size(fargate.cpu_units(cpu), fargate.memory_mib(memory))


def _token(cx: Context, cluster: Cluster, token: str, request: Json, made: list[Task]) -> ClientToken:
    return ClientToken(
        account=cx.account,
        region=cx.region,
        cluster=cluster.name,
        token=token,
        digest=digest(request),
        tasks=tuple(task.key for task in made),
        created=cx.now,
    )


def _again(cx: Context, known: ClientToken, request: Json) -> Json:
    """The same RunTask once more: the same tasks; ConflictException where it asks for something else."""
    if known.digest != digest(request):
        arns = [task.arn for key in known.tasks if (task := cx.tx.get(Task, key)) is not None]
        raise AwsError(
            "ConflictException",
            "The RunTask request could not be processed due to conflicts. The provided clientToken is already "
            "in use with a different RunTask request.",
            resourceIds=arns,
        )
    found = [task for key in known.tasks if (task := cx.tx.get(Task, key)) is not None]
    return {"tasks": [described(task, with_tags=True) for task in found], "failures": []}


@operation("ecs", "StartTask")
def start_task(cx: Context, request: Json) -> Json:
    """Fargate has no container instances that a task could be put on."""
    require_cluster(cx, request.get("cluster"))
    runnable_definition(cx, request["taskDefinition"])
    arns = [
        instance if instance.startswith("arn:") else cx.caller.arn("ecs", f"container-instance/{instance}")
        for instance in request["containerInstances"]
    ]
    return {"tasks": [], "failures": [missing(arn) for arn in arns]}


@operation("ecs", "StopTask")
def stop_task(cx: Context, request: Json) -> Json:
    cluster = require_cluster(cx, request.get("cluster"))
    task = find_task(cx, cluster.name, request["task"])
    if task is None:
        raise invalid("The referenced task was not found.")
    if task.desired_status != "STOPPED":
        task = request_stop(cx, task, "UserInitiated", request.get("reason") or "Task stopped by user")
    return {"task": described(task, with_tags=True)}


def request_stop(cx: Context, task: Task, code: str, reason: str) -> Task:
    """Record that a task is to stop, and why; the task driver stops it."""
    stopping = attrs.evolve(
        task,
        desired_status="STOPPED",
        stop_code=code,
        stopped_reason=reason,
        stopping=cx.now,
        version=task.version + 1,
    )
    cx.tx.put(stopping)
    cx.tx.append(
        TASK_STATES, task.key, {"lastStatus": stopping.status, "desiredStatus": "STOPPED", "reason": reason}
    )
    return stopping


@operation("ecs", "DescribeTasks", reads=True)
def describe_tasks(cx: Context, request: Json) -> Json:
    cluster = require_cluster(cx, request.get("cluster"))
    if not request["tasks"]:
        raise invalid("Tasks cannot be empty.")
    if len(request["tasks"]) > _MOST_DESCRIBED:
        raise invalid("Tasks cannot have more than 100 elements.")
    found: list[Task] = []
    failures = []
    for wanted in request["tasks"]:
        task = find_task(cx, cluster.name, wanted)
        if task is None:
            task_id = resource_of(wanted, "task").split("/")[-1]
            arn = (
                wanted
                if wanted.startswith("arn:")
                else cx.caller.arn("ecs", f"task/{cluster.name}/{task_id}")
            )
            failures.append(missing(arn))
        else:
            found.append(task)
    return {"tasks": tasks_with_tags(found, wanted_tags(request.get("include"))), "failures": failures}


@operation("ecs", "ListTasks", reads=True)
def list_tasks(cx: Context, request: Json) -> Json:
    """Tasks by desired status, RUNNING where none is given; newest last.

    PENDING never matches: as on AWS, no task's desired status is PENDING.
    """
    _check_alone(request)
    cluster = require_cluster(cx, request.get("cluster"))
    status = request.get("desiredStatus") or "RUNNING"
    service = request.get("serviceName")
    if service is not None:
        named: Service | None = find_service(cx, cluster.name, service)
        if named is None:
            raise AwsError("ServiceNotFoundException", "Service not found.")
        service = named.name
    refuse_members("ListTasks", request, ("daemonName",))
    found = [
        task
        for task in cx.tx.scan(Task, cluster.key + "/")
        if task.desired_status == status
        and service in (None, task.service)
        and request.get("startedBy") in (None, task.started_by)
        and request.get("launchType") in (None, task.launch_type)
        and request.get("family") in (None, family_of(task))
        and not request.get("containerInstance")
    ]
    found.sort(key=lambda task: task.created)
    return page(request, "taskArns", [task.arn for task in found], 100)


def _check_alone(request: Json) -> None:
    """serviceName and startedBy are not combined with other filters; only the desired status goes with them."""
    given = [member for member in _ALONE if request.get(member)]
    for member in ("serviceName", "startedBy"):
        if member in given and len(given) > 1:
            raise invalid(f"cannot specify {member} with other arguments")


def family_of(task: Task) -> str:
    return resource_of(task.task_definition, "task-definition").rsplit(":", 1)[0]
