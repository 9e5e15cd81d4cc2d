"""Namespaces. A DNS namespace's hosted zone is Cloud Map's own: Route 53 does not list it here."""

from __future__ import annotations

import attrs

from neargate.model.errors import AwsError
from neargate.model.operations import Context, Handler, operation
from neargate.model.records import Json
from neargate.model.servicediscovery import DNS_PRIVATE, DNS_PUBLIC, HTTP, Namespace
from neargate.model.tags import from_list
from neargate.services.servicediscovery import lookup
from neargate.services.servicediscovery.operations import record

_KINDS = {"Http": HTTP, "PrivateDns": DNS_PRIVATE, "PublicDns": DNS_PUBLIC}
_MAX_TAGS = 50


def _create(kind: str) -> Handler:
    def create(cx: Context, request: Json) -> Json:
        token = request.get("CreatorRequestId") or cx.ids.uuid()
        name, vpc = request["Name"], request.get("Vpc", "")
        tags = from_list(request.get("Tags"))
        if len(tags) > _MAX_TAGS:
            raise AwsError("TooManyTagsException", "Too many tags.", ResourceName=name)
        for other in cx.tx.scan(Namespace, cx.caller.scope("")):
            if other.creator_request_id == token:
                return _again(other, name, kind)
            if _collides(other, name, kind, vpc):
                raise AwsError(
                    "NamespaceAlreadyExists",
                    "Namespace already exists.",
                    CreatorRequestId=other.creator_request_id,
                    NamespaceId=other.id,
                )
        if vpc:
            _require_vpc(cx, vpc)
        id = lookup.new_id(cx, "ns")
        answer = record(cx, "CREATE_NAMESPACE", {"NAMESPACE": id})
        made = Namespace(
            account=cx.account,
            region=cx.region,
            id=id,
            name=name,
            type=_KINDS[kind],
            created=cx.now,
            creator_request_id=token,
            operation=answer["OperationId"],
            description=request.get("Description"),
            vpc=vpc,
            zone="" if kind == "Http" else f"Z{cx.ids.letters(20)}",
            soa_ttl=_soa(request.get("Properties")) or 15,
            tags=tags,
        )
        cx.tx.put(made)
        return answer

    return create


def _again(other: Namespace, name: str, kind: str) -> Json:
    if (other.name, other.type) != (name, _KINDS[kind]):
        raise AwsError(
            "DuplicateRequest",
            "Another operation is in progress with the same CreatorRequestId.",
            DuplicateOperationId=other.operation,
        )
    return {"OperationId": other.operation}


def _collides(other: Namespace, name: str, kind: str, vpc: str) -> bool:
    """One name may stand once per kind; for private DNS, once per VPC."""
    return (other.name, other.type, other.vpc) == (name, _KINDS[kind], vpc)


def _require_vpc(cx: Context, vpc: str) -> None:
    try:
        cx.invoke("ec2", "DescribeVpcs", {"VpcIds": [vpc]})
    except AwsError as error:
        raise AwsError("InvalidInput", f"The VPC {vpc} in region {cx.region} does not exist.") from error


def _soa(properties: Json | None) -> int | None:
    ttl: int | None = ((properties or {}).get("DnsProperties") or {}).get("SOA", {}).get("TTL")
    return ttl


def _update(kind: str) -> Handler:
    def update(cx: Context, request: Json) -> Json:
        found, change = lookup.namespace(cx, request["Id"]), request["Namespace"]
        if found.type != _KINDS[kind]:
            raise AwsError("InvalidInput", f"Namespace {found.id} is of type {found.type}.")
        changed = attrs.evolve(
            found,
            description=change.get("Description", found.description),
            soa_ttl=_soa(change.get("Properties")) or found.soa_ttl,
        )
        cx.tx.put(changed)
        return record(cx, "UPDATE_NAMESPACE", {"NAMESPACE": found.id})

    return update


for _kind in _KINDS:
    operation("servicediscovery", f"Create{_kind}Namespace")(_create(_kind))
    operation("servicediscovery", f"Update{_kind}Namespace")(_update(_kind))


@operation("servicediscovery", "DeleteNamespace")
def delete_namespace(cx: Context, request: Json) -> Json:
    found = lookup.namespace(cx, request["Id"])
    if lookup.services_of(cx.tx, found):
        raise AwsError("ResourceInUse", f"Namespace {found.id} contains services. Delete them first.")
    cx.tx.delete(Namespace, found.key)
    return record(cx, "DELETE_NAMESPACE", {"NAMESPACE": found.id})


@operation("servicediscovery", "GetNamespace", reads=True)
def get_namespace(cx: Context, request: Json) -> Json:
    found = lookup.namespace(cx, request["Id"])
    return {"Namespace": {**_shown(cx, found), "CreatorRequestId": found.creator_request_id}}


@operation("servicediscovery", "ListNamespaces", reads=True)
def list_namespaces(cx: Context, request: Json) -> Json:
    filters = request.get("Filters") or ()
    kept = [
        one
        for one in cx.tx.scan(Namespace, cx.caller.scope(""))
        if all(_passes(given, one) for given in filters)
    ]
    shown, more = lookup.page(request, kept, lambda one: one.id)
    return {"Namespaces": [_shown(cx, one) for one in shown], **more}


def _passes(given: Json, one: Namespace) -> bool:
    match given["Name"]:
        case "TYPE":
            return lookup.accepts(given, one.type)
        case "RESOURCE_OWNER":
            return lookup.accepts(given, "SELF")
        case _:  # NAME, HTTP_NAME
            return lookup.accepts(given, one.name, ("EQ", "BEGINS_WITH"))


def _shown(cx: Context, one: Namespace) -> Json:
    properties: Json = {"HttpProperties": {"HttpName": one.name}}
    if one.type == HTTP:
        properties["DnsProperties"] = {"SOA": {}}
    else:
        properties["DnsProperties"] = {"HostedZoneId": one.zone, "SOA": {"TTL": one.soa_ttl}}
    shown: Json = {
        "Id": one.id,
        "Arn": one.arn,
        "ResourceOwner": one.account,
        "Name": one.name,
        "Type": one.type,
        "ServiceCount": len(lookup.services_of(cx.tx, one)),
        "Properties": properties,
        "CreateDate": one.created,
    }
    if one.description is not None:
        shown["Description"] = one.description
    return shown
