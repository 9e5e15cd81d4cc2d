"""Finding ECS's records by the names and ARNs that callers give, pages of them, and its common errors."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from neargate.model.ecs import (
    KEPT_AFTER_END,
    Cluster,
    Service,
    ServiceTask,
    Task,
    TaskDefinition,
    definition_key,
)
from neargate.model.errors import AwsError, not_implemented
from neargate.model.operations import Context
from neargate.model.records import Json


def client_error(message: str) -> AwsError:
    return AwsError("ClientException", message)


def invalid(message: str) -> AwsError:
    return AwsError("InvalidParameterException", message)


def resource_of(name_or_arn: str, kind: str) -> str:
    """What follows `KIND/` in an ARN; the text itself where it is no ARN."""
    if name_or_arn.startswith("arn:"):
        resource = name_or_arn.split(":", 5)[-1]
        return resource.removeprefix(f"{kind}/")
    return name_or_arn


def cluster_name(name_or_arn: str | None) -> str:
    return resource_of(name_or_arn or "default", "cluster")


def find_cluster(cx: Context, name_or_arn: str | None) -> Cluster | None:
    """The cluster, ACTIVE or INACTIVE for less than an hour."""
    found = cx.tx.get(Cluster, cx.caller.scope(cluster_name(name_or_arn)))
    if found is not None and found.deleted is not None and found.deleted + KEPT_AFTER_END < cx.now:
        return None
    return found


def require_cluster(cx: Context, name_or_arn: str | None) -> Cluster:
    """The ACTIVE cluster; ClusterNotFoundException."""
    found = find_cluster(cx, name_or_arn)
    if found is None:
        raise AwsError("ClusterNotFoundException", "Cluster not found.")
    if found.status != "ACTIVE":
        raise AwsError("ClusterNotFoundException", "The referenced cluster was inactive.")
    return found


def find_service(cx: Context, cluster: str, name_or_arn: str) -> Service | None:
    """A service by name or by long or short ARN, in any status; None where it is not in this cluster."""
    path = resource_of(name_or_arn, "service").split("/")
    if len(path) > 1 and path[0] != cluster:
        return None
    found = cx.tx.get(Service, cx.caller.scope(cluster, path[-1]))
    if found is not None and found.ended is not None and found.ended + KEPT_AFTER_END < cx.now:
        return None
    return found


def find_task(cx: Context, cluster: str, id_or_arn: str) -> Task | None:
    path = resource_of(id_or_arn, "task").split("/")
    if len(path) > 1 and path[0] != cluster:
        return None
    return cx.tx.get(Task, cx.caller.scope(cluster, path[-1]))


def tasks_of(cx: Context, service: Service) -> list[Task]:
    """A service's tasks that live, and those that have just stopped."""
    links = cx.tx.scan(ServiceTask, service.key + "/")
    found = (cx.tx.get(Task, link.task_key) for link in links)
    return [task for task in found if task is not None]


def find_definition(cx: Context, name: str) -> TaskDefinition | None:
    """`family` (its latest ACTIVE revision), `family:revision`, or an ARN of either; None where there is none."""
    if name.startswith("arn:") and name.split(":")[3:5] != [cx.region, cx.account]:
        return None
    family, _, revision = resource_of(name, "task-definition").partition(":")
    if revision:
        if not revision.isdigit():
            raise client_error(f"Invalid revision number. Number: {revision}")
        return cx.tx.get(TaskDefinition, definition_key(cx.account, cx.region, family, int(revision)))
    revisions = cx.tx.scan(TaskDefinition, cx.caller.scope(family, ""))
    active = [definition for definition in revisions if definition.status == "ACTIVE"]
    return active[-1] if active else None


def runnable_definition(cx: Context, name: str) -> TaskDefinition:
    """An ACTIVE task definition that runs on Fargate; else RunTask's errors."""
    found = find_definition(cx, name)
    if found is None:
        raise client_error("TaskDefinition not found.")
    if found.status != "ACTIVE":
        raise invalid("TaskDefinition is inactive")
    if "FARGATE" not in found.compatibilities:
        raise invalid("Task definition does not support launch_type FARGATE.")
    return found


def service_definition(cx: Context, name: str) -> TaskDefinition:
    """The same for a service: CreateService and UpdateService call an inactive one a ClientException."""
    found = find_definition(cx, name)
    if found is not None and found.status != "ACTIVE":
        raise client_error("TaskDefinition is inactive")
    return runnable_definition(cx, name)


def page(request: Json, member: str, items: Sequence[str], default: int) -> Json:
    """A page of a list of ARNs from `nextToken` on, `maxResults` long."""
    try:
        start = int(request.get("nextToken") or 0)
    except ValueError:
        raise invalid("Invalid token") from None
    end = start + (request.get("maxResults") or default)
    answer: Json = {member: list(items[start:end])}
    if end < len(items):
        answer["nextToken"] = str(end)
    return answer


def refuse_members(operation: str, request: Json, members: Sequence[str]) -> None:
    """Refuse what later issues bring: a member that is given and not empty."""
    for member in members:
        if request.get(member):
            raise not_implemented(f"ecs:{operation} {member}", "ecs")


def digest(request: Json) -> str:
    """What two calls with the same client token must share."""
    text = json.dumps({k: v for k, v in request.items() if k != "clientToken"}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def missing(arn: str) -> Json:
    """A failure entry of a Describe call."""
    return {"arn": arn, "reason": "MISSING"}


def wanted_tags(include: Sequence[str] | None) -> bool:
    return "TAGS" in (include or ())
