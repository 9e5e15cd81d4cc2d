"""Task definitions: families and their revisions."""

from __future__ import annotations

from typing import Any

import attrs

from neargate.model import tags
from neargate.model.ecs import TaskDefinition, TaskFamily
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.planners import task_definition as rules
from neargate.services.ecs.lookup import client_error, find_definition, page, wanted_tags

_KEPT_AS_GIVEN = (
    "placementConstraints",
    "pidMode",
    "ipcMode",
    "proxyConfiguration",
    "inferenceAccelerators",
    "enableFaultInjection",
    "trustedExecutionConfiguration",
)
_NO_SUCH_REVISION = (
    "The specified task definition does not exist. Specify a valid account, family, revision and try again."
)


@operation("ecs", "RegisterTaskDefinition")
def register_task_definition(cx: Context, request: Json) -> Json:
    definition = rules.checked(request)
    family = cx.tx.get(TaskFamily, cx.caller.scope(request["family"]))
    revision = 1 if family is None else family.last_revision + 1
    cx.tx.put(
        TaskFamily(account=cx.account, region=cx.region, name=request["family"], last_revision=revision)
    )
    record = TaskDefinition(
        account=cx.account,
        region=cx.region,
        family=request["family"],
        revision=revision,
        containers=tuple(definition["containerDefinitions"]),
        registered=cx.now,
        registered_by=cx.caller.principal,
        cpu=definition.get("cpu"),
        memory=definition.get("memory"),
        task_role=definition.get("taskRoleArn"),
        execution_role=definition.get("executionRoleArn"),
        network_mode=definition.get("networkMode"),
        volumes=tuple(definition.get("volumes") or ()),
        requires_compatibilities=tuple(definition.get("requiresCompatibilities") or ()),
        compatibilities=tuple(definition["compatibilities"]),
        requires_attributes=tuple(rules.required_attributes(definition)),
        runtime_platform=definition.get("runtimePlatform"),
        ephemeral_storage=definition.get("ephemeralStorage"),
        others={member: definition[member] for member in _KEPT_AS_GIVEN if definition.get(member)},
        tags=tags.from_list(request.get("tags")),
    )
    cx.tx.put(record)
    answer: Json = {"taskDefinition": described(record)}
    if record.tags:
        answer["tags"] = tags.lower(record.tags)
    return answer


@operation("ecs", "DescribeTaskDefinition", reads=True)
def describe_task_definition(cx: Context, request: Json) -> Json:
    found = find_definition(cx, request["taskDefinition"])
    if found is None:
        raise client_error("Unable to describe task definition.")
    answer: Json = {"taskDefinition": described(found)}
    answer["tags"] = tags.lower(found.tags) if wanted_tags(request.get("include")) else []
    return answer


@operation("ecs", "DeregisterTaskDefinition")
def deregister_task_definition(cx: Context, request: Json) -> Json:
    name = request["taskDefinition"]
    if ":" not in name.rsplit("/", 1)[-1]:
        raise client_error("Task definition must have a revision: family:revision or its ARN.")
    found = find_definition(cx, name)
    if found is None or found.status == "DELETE_IN_PROGRESS":
        raise client_error(_NO_SUCH_REVISION)
    if found.status == "ACTIVE":
        found = attrs.evolve(found, status="INACTIVE", deregistered=cx.now)
        cx.tx.put(found)
    return {"taskDefinition": described(found)}


@operation("ecs", "DeleteTaskDefinitions")
def delete_task_definitions(cx: Context, request: Json) -> Json:
    """INACTIVE revisions go; nothing runs from a revision that tasks and services still name."""
    deleted: list[Json] = []
    failures: list[Json] = []
    for name in request["taskDefinitions"]:
        found = find_definition(cx, name) if ":" in name.rsplit("/", 1)[-1] else None
        if found is None:
            failures.append({"arn": name, "reason": _NO_SUCH_REVISION})
        elif found.status == "ACTIVE":
            reason = "The specified task definition is still in ACTIVE status. Please deregister the target."
            failures.append({"arn": found.arn, "reason": reason})
        else:
            going = attrs.evolve(found, status="DELETE_IN_PROGRESS", delete_requested=cx.now)
            cx.tx.put(going)
            deleted.append(described(going))
    return {"taskDefinitions": deleted, "failures": failures}


@operation("ecs", "ListTaskDefinitions", reads=True)
def list_task_definitions(cx: Context, request: Json) -> Json:
    """Of one family where `familyPrefix` is given: despite its name it is the whole family name."""
    prefix = request.get("familyPrefix")
    scope = cx.caller.scope(prefix, "") if prefix else cx.caller.scope("")
    status = request.get("status") or "ACTIVE"
    found = [d.arn for d in cx.tx.scan(TaskDefinition, scope) if d.status == status]
    if request.get("sort") == "DESC":
        found.reverse()
    return page(request, "taskDefinitionArns", found, 100)


@operation("ecs", "ListTaskDefinitionFamilies", reads=True)
def list_task_definition_families(cx: Context, request: Json) -> Json:
    status = request.get("status") or "ALL"
    active: dict[str, bool] = {}
    for definition in cx.tx.scan(TaskDefinition, cx.caller.scope("")):
        family = definition.family
        if family.startswith(request.get("familyPrefix") or ""):
            active[family] = active.get(family, False) or definition.status == "ACTIVE"
    wanted = [
        name for name, is_active in active.items() if status == "ALL" or is_active == (status == "ACTIVE")
    ]
    return page(request, "families", wanted, 100)


def described(definition: TaskDefinition) -> Json:
    """A task definition in the API's shape."""
    answer: dict[str, Any] = {
        "taskDefinitionArn": definition.arn,
        "containerDefinitions": list(definition.containers),
        "family": definition.family,
        "taskRoleArn": definition.task_role,
        "executionRoleArn": definition.execution_role,
        "networkMode": definition.network_mode,
        "revision": definition.revision,
        "volumes": list(definition.volumes),
        "status": definition.status,
        "requiresAttributes": [{"name": name} for name in definition.requires_attributes],
        "placementConstraints": [],
        "compatibilities": list(definition.compatibilities),
        "runtimePlatform": definition.runtime_platform,
        "cpu": definition.cpu,
        "memory": definition.memory,
        "registeredAt": definition.registered,
        "deregisteredAt": definition.deregistered,
        "deleteRequestedAt": definition.delete_requested,
        "registeredBy": definition.registered_by,
        "ephemeralStorage": definition.ephemeral_storage,
        **definition.others,
    }
    if definition.requires_compatibilities:
        answer["requiresCompatibilities"] = list(definition.requires_compatibilities)
    return {member: value for member, value in answer.items() if value is not None}
