"""DiscoverInstances: what an application asks at run time, by names."""

from __future__ import annotations

from neargate.model.errors import AwsError
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.model.servicediscovery import DiscoveryInstance, DiscoveryService, Namespace
from neargate.services.servicediscovery import lookup
from neargate.services.servicediscovery.instances import health


@operation("servicediscovery", "DiscoverInstances", reads=True)
def discover_instances(cx: Context, request: Json) -> Json:
    """`HealthStatus` HEALTHY takes those that nothing checks for healthy, as HEALTHY_OR_ELSE_ALL (the default)."""
    space, owner = _named(cx, request)
    wanted = (request.get("QueryParameters") or {}).items()
    found = [one for one in lookup.instances_of(cx.tx, owner) if wanted <= one.attributes.items()]
    preferred = (request.get("OptionalParameters") or {}).items()
    better = [one for one in found if preferred <= one.attributes.items()]
    kept = _by_health(owner, better or found, request.get("HealthStatus", "HEALTHY_OR_ELSE_ALL"))
    shown = kept[: request.get("MaxResults") or 100]
    return {
        "Instances": [
            {
                "InstanceId": one.id,
                "NamespaceName": space.name,
                "ServiceName": owner.name,
                "HealthStatus": health(owner, one),
                "Attributes": one.attributes,
            }
            for one in shown
        ],
        "InstancesRevision": owner.revision,
    }


def _by_health(
    owner: DiscoveryService, found: list[DiscoveryInstance], status: str
) -> list[DiscoveryInstance]:
    healthy = [one for one in found if health(owner, one) != "UNHEALTHY"]
    match status:
        case "ALL":
            return found
        case "UNHEALTHY":
            return [one for one in found if health(owner, one) == "UNHEALTHY"]
        case "HEALTHY":
            return healthy
        case _:
            return healthy or found


@operation("servicediscovery", "DiscoverInstancesRevision", reads=True)
def discover_instances_revision(cx: Context, request: Json) -> Json:
    return {"InstancesRevision": _named(cx, request)[1].revision}


def _named(cx: Context, request: Json) -> tuple[Namespace, DiscoveryService]:
    """Raises NamespaceNotFound, ServiceNotFound."""
    spaces = [
        one for one in cx.tx.scan(Namespace, cx.caller.scope("")) if one.name == request["NamespaceName"]
    ]
    if not spaces:
        raise AwsError(
            "NamespaceNotFound", f"Namespace not found. Namespace name: {request['NamespaceName']}"
        )
    for space in spaces:
        for one in lookup.services_of(cx.tx, space):
            if one.name == request["ServiceName"]:
                return space, one
    raise AwsError("ServiceNotFound", f"Service not found. Service name: {request['ServiceName']}")
