"""Instances: what is found under a service's name."""

from __future__ import annotations

import ipaddress

import attrs

from neargate.model.errors import AwsError, not_implemented
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.model.servicediscovery import DiscoveryInstance, DiscoveryService
from neargate.services.servicediscovery import lookup
from neargate.services.servicediscovery.operations import record

_NEEDED = {
    "A": "AWS_INSTANCE_IPV4",
    "AAAA": "AWS_INSTANCE_IPV6",
    "CNAME": "AWS_INSTANCE_CNAME",
    "SRV": "AWS_INSTANCE_PORT",
}


@operation("servicediscovery", "RegisterInstance")
def register_instance(cx: Context, request: Json) -> Json:
    owner = lookup.service(cx, request["ServiceId"])
    attributes = dict(request["Attributes"])
    initial = attributes.get("AWS_INIT_HEALTH_STATUS")
    _check(owner, attributes, initial)
    before = cx.tx.get(DiscoveryInstance, f"{owner.key}/{request['InstanceId']}")
    healthy = initial != "UNHEALTHY" if before is None or initial is not None else before.healthy
    made = DiscoveryInstance(
        account=cx.account,
        region=cx.region,
        service=owner.id,
        id=request["InstanceId"],
        creator_request_id=request.get("CreatorRequestId") or cx.ids.uuid(),
        attributes=attributes,
        healthy=healthy,
    )
    cx.tx.put(made)
    _revise(cx, owner)
    return record(cx, "REGISTER_INSTANCE", {"INSTANCE": made.id, "SERVICE": owner.id})


def _check(owner: DiscoveryService, attributes: Json, initial: str | None) -> None:
    """What the service's records need. Raises InvalidInput."""
    for name in ("AWS_ALIAS_DNS_NAME", "AWS_EC2_INSTANCE_ID"):
        if name in attributes:
            raise not_implemented(f"servicediscovery:RegisterInstance {name}", "servicediscovery")
    if initial is not None and owner.custom_health is None:
        raise AwsError(
            "InvalidInput", "AWS_INIT_HEALTH_STATUS requires a service with HealthCheckCustomConfig."
        )
    if initial not in (None, "HEALTHY", "UNHEALTHY"):
        raise AwsError("InvalidInput", f"Invalid value for AWS_INIT_HEALTH_STATUS: {initial}")
    for type in owner.record_types:
        if _NEEDED[type] not in attributes:
            raise AwsError(
                "InvalidInput", f"The attribute {_NEEDED[type]} is required: the service has a {type} record."
            )
    if "SRV" in owner.record_types and not attributes.keys() & {"AWS_INSTANCE_IPV4", "AWS_INSTANCE_IPV6"}:
        raise AwsError(
            "InvalidInput",
            "The attribute AWS_INSTANCE_IPV4 or AWS_INSTANCE_IPV6 is required: the service has a SRV record.",
        )
    for name, version in (("AWS_INSTANCE_IPV4", 4), ("AWS_INSTANCE_IPV6", 6)):
        if name in attributes and not _is_address(attributes[name], version):
            raise AwsError("InvalidInput", f"Invalid value for {name}: {attributes[name]}")
    port = attributes.get("AWS_INSTANCE_PORT", "1")
    if not port.isascii() or not port.isdecimal() or int(port) > 65535:
        raise AwsError("InvalidInput", f"Invalid value for AWS_INSTANCE_PORT: {port}")


def _is_address(text: str, version: int) -> bool:
    try:
        return ipaddress.ip_address(text).version == version
    except ValueError:
        return False


def _revise(cx: Context, owner: DiscoveryService) -> None:
    cx.tx.put(attrs.evolve(owner, revision=owner.revision + 1))


@operation("servicediscovery", "DeregisterInstance")
def deregister_instance(cx: Context, request: Json) -> Json:
    owner = lookup.service(cx, request["ServiceId"])
    found = lookup.instance(cx, owner, request["InstanceId"])
    cx.tx.delete(DiscoveryInstance, found.key)
    _revise(cx, owner)
    return record(cx, "DEREGISTER_INSTANCE", {"INSTANCE": found.id, "SERVICE": owner.id})


@operation("servicediscovery", "GetInstance", reads=True)
def get_instance(cx: Context, request: Json) -> Json:
    found = lookup.instance(cx, lookup.service(cx, request["ServiceId"]), request["InstanceId"])
    shown = {**_shown(found), "CreatorRequestId": found.creator_request_id}
    return {"ResourceOwner": cx.account, "Instance": shown}


@operation("servicediscovery", "ListInstances", reads=True)
def list_instances(cx: Context, request: Json) -> Json:
    found = lookup.instances_of(cx.tx, lookup.service(cx, request["ServiceId"]))
    shown, more = lookup.page(request, found, lambda one: one.id)
    return {"ResourceOwner": cx.account, "Instances": [_shown(one) for one in shown], **more}


@operation("servicediscovery", "GetInstancesHealthStatus", reads=True)
def get_instances_health_status(cx: Context, request: Json) -> Json:
    owner = lookup.service(cx, request["ServiceId"])
    if "Instances" in request:
        found = [lookup.instance(cx, owner, id) for id in request["Instances"]]
    else:
        found = lookup.instances_of(cx.tx, owner)
    shown, more = lookup.page(request, found, lambda one: one.id)
    return {"Status": {one.id: health(owner, one) for one in shown}, **more}


@operation("servicediscovery", "UpdateInstanceCustomHealthStatus")
def update_instance_custom_health_status(cx: Context, request: Json) -> Json:
    owner = lookup.service(cx, request["ServiceId"])
    if owner.custom_health is None:
        raise AwsError(
            "CustomHealthNotFound", f"Service {owner.id} does not have a custom health check configured."
        )
    found = lookup.instance(cx, owner, request["InstanceId"])
    healthy = request["Status"] == "HEALTHY"
    if found.healthy != healthy:
        cx.tx.put(attrs.evolve(found, healthy=healthy))
        _revise(cx, owner)
    return {}


def health(owner: DiscoveryService, one: DiscoveryInstance) -> str:
    """HEALTHY, UNHEALTHY, or UNKNOWN where nothing checks it."""
    if owner.custom_health is None:
        return "UNKNOWN"
    return "HEALTHY" if one.healthy else "UNHEALTHY"


def _shown(one: DiscoveryInstance) -> Json:
    return {"Id": one.id, "Attributes": one.attributes, "CreatedByAccount": one.account}
