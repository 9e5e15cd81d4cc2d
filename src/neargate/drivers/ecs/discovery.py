"""A task in Cloud Map: what ECS registers it with, and how it leaves. Inside a transaction of the service driver."""

from __future__ import annotations

from neargate.model.ecs import Task
from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.model.records import Json


def join(cx: Context, task: Task, registry: str, healthy: bool) -> None:
    """Register a task in a Cloud Map service (its ARN), or change its health there. Raises AwsError.

    The attributes are those that the ECS developer guide's tutorial on service discovery shows. Registering again
    changes nothing but the health.
    """
    owner = cx.invoke("servicediscovery", "GetService", {"Id": registry})["Service"]
    place = next(each for each in task.registrations if each.registry == registry)
    watched = owner.get("HealthCheckCustomConfig") is not None
    if place.is_in:
        if watched:
            status = "HEALTHY" if healthy else "UNHEALTHY"
            request: Json = {"ServiceId": owner["Id"], "InstanceId": task.id, "Status": status}
            cx.invoke("servicediscovery", "UpdateInstanceCustomHealthStatus", request)
        return
    attributes = _attributes(task)
    if place.port is not None:
        attributes["AWS_INSTANCE_PORT"] = str(place.port)
    if watched:
        attributes["AWS_INIT_HEALTH_STATUS"] = "HEALTHY" if healthy else "UNHEALTHY"
    request = {"ServiceId": owner["Id"], "InstanceId": task.id, "Attributes": attributes}
    cx.invoke("servicediscovery", "RegisterInstance", request)


def _attributes(task: Task) -> dict[str, str]:
    family = task.task_definition.rpartition("/")[2].partition(":")[0]
    return {
        "AVAILABILITY_ZONE": task.zone,
        "AWS_INSTANCE_IPV4": task.attachment.ip,
        "ECS_CLUSTER_NAME": task.cluster,
        "ECS_SERVICE_NAME": task.service,
        "ECS_TASK_DEFINITION_FAMILY": family,
        "REGION": task.region,
    }


def leave(cx: Context, task: Task, registry: str) -> None:
    """Take a task out of a Cloud Map service. One that is not there, or a service that is gone, is fine."""
    request = {"ServiceId": registry.rpartition("/")[2], "InstanceId": task.id}
    try:
        cx.invoke("servicediscovery", "DeregisterInstance", request)
    except AwsError as error:
        if error.code not in ("InstanceNotFound", "ServiceNotFound"):
            raise
