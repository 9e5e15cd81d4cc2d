"""Container instances, of which Fargate has none, and the two capacity providers that every account has."""

from __future__ import annotations

from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.services.ecs.capacity import FARGATE_PROVIDERS
from neargate.services.ecs.lookup import missing, require_cluster, resource_of


@operation("ecs", "ListContainerInstances", reads=True)
def list_container_instances(cx: Context, request: Json) -> Json:
    require_cluster(cx, request.get("cluster"))
    return {"containerInstanceArns": []}


@operation("ecs", "DescribeContainerInstances", reads=True)
def describe_container_instances(cx: Context, request: Json) -> Json:
    cluster = require_cluster(cx, request.get("cluster"))
    names = [resource_of(item, "container-instance").split("/")[-1] for item in request["containerInstances"]]
    arns = [cx.caller.arn("ecs", f"container-instance/{cluster.name}/{name}") for name in names]
    return {"containerInstances": [], "failures": [missing(arn) for arn in arns]}


@operation("ecs", "DescribeCapacityProviders", reads=True)
def describe_capacity_providers(cx: Context, request: Json) -> Json:
    wanted = request.get("capacityProviders") or FARGATE_PROVIDERS
    names = [resource_of(item, "capacity-provider") for item in wanted]
    arns = {name: cx.caller.arn("ecs", f"capacity-provider/{name}") for name in names}
    return {
        "capacityProviders": [
            {"capacityProviderArn": arns[name], "name": name, "status": "ACTIVE", "tags": []}
            for name in names
            if name in FARGATE_PROVIDERS
        ],
        "failures": [missing(arns[name]) for name in names if name not in FARGATE_PROVIDERS],
    }
