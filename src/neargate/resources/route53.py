"""AWS::Route53::HostedZone, RecordSet, RecordSetGroup, HealthCheck, over the Route 53 that moto answers.

Zones and their records are kept and shown. No name server answers for them.
"""

from __future__ import annotations

from typing import Any

from neargate.model.errors import AwsError
from neargate.model.records import Json
from neargate.model.tags import upper
from neargate.planners.physical_names import physical_name
from neargate.resources.declaration import Call, Desired, Existing, Identity, ResourceType, Steps
from neargate.resources.shapes import by_name, call, changed, errors_of, pick, without

_ERROR = errors_of("Route53", {"HostedZoneAlreadyExists": "AlreadyExists"})


def _retag(kind: str, old: Existing, want: Desired) -> Steps[None]:
    before, after = old.desired.tags, want.tags
    gone = sorted(before.keys() - after.keys())
    request: Json = {"ResourceType": kind, "ResourceId": old.id}
    if gone:
        request["RemoveTagKeys"] = gone
    if after:
        request["AddTags"] = upper(after)
    if before != after:
        yield Call("route53", "ChangeTagsForResource", request)


# -- hosted zone ---------------------------------------------------------------------------------------------


def _create_zone(want: Desired) -> Steps[Identity]:
    p = want.properties
    vpcs = p.get("VPCs") or []
    request: Json = {"Name": p["Name"], "CallerReference": want.token}
    if vpcs:
        request["VPC"] = vpcs[0]
    if p.get("HostedZoneConfig") or vpcs:
        request["HostedZoneConfig"] = {**(p.get("HostedZoneConfig") or {}), "PrivateZone": bool(vpcs)}
    if "DelegationSetId" in p:
        request["DelegationSetId"] = p["DelegationSetId"]
    answer = yield call("route53", "CreateHostedZone", request)
    zone = answer["HostedZone"]["Id"].rsplit("/", 1)[-1]
    for vpc in vpcs[1:]:
        yield call("route53", "AssociateVPCWithHostedZone", {"HostedZoneId": zone, "VPC": vpc})
    if want.tags:
        request = {"ResourceType": "hostedzone", "ResourceId": zone, "AddTags": upper(want.tags)}
        yield Call("route53", "ChangeTagsForResource", request)
    return Identity(zone)


def _update_zone(old: Existing, want: Desired) -> Steps[None]:
    was, now = old.desired.properties, want.properties
    if changed(was, now, "HostedZoneConfig"):
        comment = (now.get("HostedZoneConfig") or {}).get("Comment", "")
        yield Call("route53", "UpdateHostedZoneComment", {"Id": old.id, "Comment": comment})
    before, after = was.get("VPCs") or [], now.get("VPCs") or []
    for vpc in after:
        if vpc not in before:
            yield call("route53", "AssociateVPCWithHostedZone", {"HostedZoneId": old.id, "VPC": vpc})
    for vpc in before:
        if vpc not in after:
            yield call("route53", "DisassociateVPCFromHostedZone", {"HostedZoneId": old.id, "VPC": vpc})
    yield from _retag("hostedzone", old, want)


def _read_zone(existing: Existing) -> Steps[Json]:
    answer = yield Call("route53", "GetHostedZone", {"Id": existing.id})
    servers = (answer.get("DelegationSet") or {}).get("NameServers") or []
    return {"Id": existing.id, "NameServers": servers}


def _delete_zone(existing: Existing) -> Steps[None]:
    yield Call("route53", "DeleteHostedZone", {"Id": existing.id})


# -- records -------------------------------------------------------------------------------------------------

_NOT_RECORD = ("Comment", "HostedZoneId", "HostedZoneName")


def _zone_of(properties: Json) -> Steps[str]:
    """The zone that records go into: by id, or by its name, which only one zone may have."""
    if "HostedZoneId" in properties:
        return str(properties["HostedZoneId"]).rsplit("/", 1)[-1]
    wanted = _absolute(properties.get("HostedZoneName", ""))
    answer = yield Call("route53", "ListHostedZonesByName", {"DNSName": wanted})
    found = [zone["Id"] for zone in answer["HostedZones"] if _absolute(zone["Name"]) == wanted]
    if not found:
        raise AwsError("InvalidRequest", f"No hosted zones named {wanted} found.")
    if len(found) > 1:
        raise AwsError("InvalidRequest", f"More than one hosted zone named {wanted} found.")
    return str(found[0]).rsplit("/", 1)[-1]


def _absolute(name: str) -> str:
    return name if name.endswith(".") else f"{name}."


def _record(properties: Json) -> Json:
    """A template's record as the API has it: its values in objects."""
    record: dict[str, Any] = without(properties, *_NOT_RECORD)
    if "ResourceRecords" in record:
        record["ResourceRecords"] = [{"Value": value} for value in record["ResourceRecords"]]
    if "AliasTarget" in record:
        record["AliasTarget"] = {"EvaluateTargetHealth": False, **record["AliasTarget"]}
    return record


def _apply(zone: str, properties: Json, *changes: tuple[str, Json]) -> Call:
    batch: Json = {"Changes": [{"Action": action, "ResourceRecordSet": record} for action, record in changes]}
    if properties.get("Comment"):
        batch["Comment"] = properties["Comment"]
    return call("route53", "ChangeResourceRecordSets", {"HostedZoneId": zone, "ChangeBatch": batch})


def _identity(record: Json) -> tuple[str, str, str | None]:
    """What makes a record another one."""
    return _absolute(str(record["Name"])), str(record["Type"]), record.get("SetIdentifier")


def _create_record(want: Desired) -> Steps[Identity]:
    zone = yield from _zone_of(want.properties)
    yield _apply(zone, want.properties, ("CREATE", _record(want.properties)))
    return Identity(str(want.properties["Name"]).rstrip("."))


def _update_record(old: Existing, want: Desired) -> Steps[None]:
    zone = yield from _zone_of(want.properties)
    before, after = _record(old.desired.properties), _record(want.properties)
    if _identity(before) == _identity(after):
        yield _apply(zone, want.properties, ("UPSERT", after))
    else:
        yield _apply(zone, want.properties, ("CREATE", after), ("DELETE", before))


def _read_record(existing: Existing) -> Steps[Json]:
    yield from ()
    return {}


def _delete_record(existing: Existing) -> Steps[None]:
    zone = yield from _zone_of(existing.desired.properties)
    yield _apply(zone, {}, ("DELETE", _record(existing.desired.properties)))


# -- a group of records --------------------------------------------------------------------------------------


def _records(properties: Json) -> list[Json]:
    return [_record(one) for one in properties.get("RecordSets") or ()]


def _create_group(want: Desired) -> Steps[Identity]:
    zone = yield from _zone_of(want.properties)
    yield _apply(zone, want.properties, *(("CREATE", record) for record in _records(want.properties)))
    return Identity(physical_name("legacy", 128, want.stack_name, want.logical_id, want.token))


def _update_group(old: Existing, want: Desired) -> Steps[None]:
    zone = yield from _zone_of(want.properties)
    after = _records(want.properties)
    kept = {_identity(record) for record in after}
    gone = [record for record in _records(old.desired.properties) if _identity(record) not in kept]
    changes = [*(("DELETE", record) for record in gone), *(("UPSERT", record) for record in after)]
    yield _apply(zone, want.properties, *changes)


def _read_group(existing: Existing) -> Steps[Json]:
    yield from ()
    return {"Id": existing.id}


def _delete_group(existing: Existing) -> Steps[None]:
    properties = existing.desired.properties
    zone = yield from _zone_of(properties)
    yield _apply(zone, {}, *(("DELETE", record) for record in _records(properties)))


# -- health check --------------------------------------------------------------------------------------------


def _create_check(want: Desired) -> Steps[Identity]:
    request = pick(want.properties, ("HealthCheckConfig",))
    answer = yield call("route53", "CreateHealthCheck", request, CallerReference=want.token)
    check = answer["HealthCheck"]["Id"]
    if want.tags:
        request = {"ResourceType": "healthcheck", "ResourceId": check, "AddTags": upper(want.tags)}
        yield Call("route53", "ChangeTagsForResource", request)
    return Identity(check)


def _update_check(old: Existing, want: Desired) -> Steps[None]:
    if changed(old.desired.properties, want.properties, "HealthCheckConfig"):
        fixed = ("Type", "MeasureLatency", "RequestInterval")
        config = without(want.properties["HealthCheckConfig"], *fixed)
        yield call("route53", "UpdateHealthCheck", config, HealthCheckId=old.id)
    yield from _retag("healthcheck", old, want)


def _read_check(existing: Existing) -> Steps[Json]:
    yield Call("route53", "GetHealthCheck", {"HealthCheckId": existing.id})
    return {"HealthCheckId": existing.id}


def _delete_check(existing: Existing) -> Steps[None]:
    yield Call("route53", "DeleteHealthCheck", {"HealthCheckId": existing.id})


TYPES = by_name(
    ResourceType(
        type="AWS::Route53::HostedZone",
        honoured=frozenset({"DelegationSetId", "HostedZoneConfig", "HostedZoneTags", "Name", "VPCs"}),
        create=_create_zone,
        read=_read_zone,
        update=_update_zone,
        delete=_delete_zone,
        error=_ERROR,
    ),
    ResourceType(
        type="AWS::Route53::RecordSet",
        honoured=frozenset(
            "AliasTarget Comment Failover GeoLocation HealthCheckId HostedZoneId HostedZoneName MultiValueAnswer Name "
            "Region ResourceRecords SetIdentifier TTL Type Weight".split()
        ),
        create=_create_record,
        read=_read_record,
        update=_update_record,
        delete=_delete_record,
        error=_ERROR,
    ),
    ResourceType(
        type="AWS::Route53::RecordSetGroup",
        honoured=frozenset({"Comment", "HostedZoneId", "HostedZoneName", "RecordSets"}),
        create=_create_group,
        read=_read_group,
        update=_update_group,
        delete=_delete_group,
        error=_ERROR,
    ),
    ResourceType(
        type="AWS::Route53::HealthCheck",
        honoured=frozenset({"HealthCheckConfig", "HealthCheckTags"}),
        create=_create_check,
        read=_read_check,
        update=_update_check,
        delete=_delete_check,
        error=_ERROR,
    ),
)
