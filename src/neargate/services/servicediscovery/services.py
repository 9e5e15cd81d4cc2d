"""Services of a namespace: names under which instances are found, by DNS or through DiscoverInstances."""

from __future__ import annotations

import attrs

from neargate.model.errors import AwsError, not_implemented
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.model.servicediscovery import DNS_PRIVATE, HTTP, DiscoveryService, Namespace
from neargate.model.tags import from_list
from neargate.services.servicediscovery import lookup
from neargate.services.servicediscovery.operations import record

_MAX_TAGS = 50


@operation("servicediscovery", "CreateService")
def create_service(cx: Context, request: Json) -> Json:
    dns = request.get("DnsConfig")
    id = request.get("NamespaceId") or (dns or {}).get("NamespaceId")
    if not id:
        raise AwsError("InvalidInput", "NamespaceId must be specified.")
    space = lookup.namespace(cx, id)
    tags = from_list(request.get("Tags"))
    if len(tags) > _MAX_TAGS:
        raise AwsError("TooManyTagsException", "Too many tags.", ResourceName=request["Name"])
    _check(request, space)
    token = request.get("CreatorRequestId") or cx.ids.uuid()
    for other in lookup.services_of(cx.tx, space):
        if other.name.lower() == request["Name"].lower():
            return _again(cx, other, token)
    made = DiscoveryService(
        account=cx.account,
        region=cx.region,
        id=lookup.new_id(cx, "srv"),
        name=request["Name"],
        namespace=space.id,
        created=cx.now,
        creator_request_id=token,
        description=request.get("Description"),
        type=_type(request, space),
        dns=_dns(dns, space),
        health_check=request.get("HealthCheckConfig"),
        custom_health=_custom_health(request),
        tags=tags,
    )
    cx.tx.put(made)
    return {"Service": described(cx, made)}


def _again(cx: Context, other: DiscoveryService, token: str) -> Json:
    """The answer to a name that is taken: the same service for the same request, else an error."""
    if other.creator_request_id == token:
        return {"Service": described(cx, other)}
    raise AwsError(
        "ServiceAlreadyExists",
        "Service already exists.",
        CreatorRequestId=other.creator_request_id,
        ServiceId=other.id,
        ServiceArn=other.arn,
    )


def _check(request: Json, space: Namespace) -> None:
    """What must not stand together. Raises InvalidInput."""
    dns = request.get("DnsConfig")
    if request.get("HealthCheckConfig") and request.get("HealthCheckCustomConfig"):
        raise AwsError(
            "InvalidInput", "HealthCheckConfig and HealthCheckCustomConfig cannot both be specified."
        )
    if request.get("HealthCheckConfig"):
        if space.type == DNS_PRIVATE:
            raise AwsError(
                "InvalidInput", "HealthCheckConfig is not supported for services of private DNS namespaces."
            )
        raise not_implemented("servicediscovery:CreateService HealthCheckConfig", "servicediscovery")
    if dns is None:
        return
    if space.type == HTTP:
        raise AwsError("InvalidInput", "DnsConfig is not supported for services of HTTP namespaces.")
    if request.get("Type") == HTTP:
        raise AwsError("InvalidInput", "DnsConfig cannot be specified for services of type HTTP.")
    check_records(dns, dns.get("RoutingPolicy", "MULTIVALUE"))


def check_records(dns: Json, policy: str) -> None:
    """The record types that may stand together. Raises InvalidInput."""
    types = [each["Type"] for each in dns["DnsRecords"]]
    if len(set(types)) != len(types):
        raise AwsError("InvalidInput", "Every type of DNS record can be specified once.")
    if "CNAME" in types and len(types) > 1:
        raise AwsError("InvalidInput", "A CNAME record cannot be combined with other DNS records.")
    if "CNAME" in types and policy != "WEIGHTED":
        raise AwsError("InvalidInput", "CNAME records require the routing policy WEIGHTED.")


def _type(request: Json, space: Namespace) -> str:
    if space.type == HTTP or request.get("Type") == HTTP or not request.get("DnsConfig"):
        return HTTP
    return "DNS_HTTP"


def _dns(given: Json | None, space: Namespace) -> Json | None:
    if given is None:
        return None
    policy = given.get("RoutingPolicy", "MULTIVALUE")
    return {"NamespaceId": space.id, "RoutingPolicy": policy, "DnsRecords": given["DnsRecords"]}


def _custom_health(request: Json) -> Json | None:
    """FailureThreshold is always 1 by now, whatever is asked for (botocore's model says so)."""
    return {"FailureThreshold": 1} if request.get("HealthCheckCustomConfig") is not None else None


@operation("servicediscovery", "UpdateService")
def update_service(cx: Context, request: Json) -> Json:
    found, change = lookup.service(cx, request["Id"]), request["Service"]
    dns = found.dns
    if change.get("HealthCheckConfig"):
        raise not_implemented("servicediscovery:UpdateService HealthCheckConfig", "servicediscovery")
    if change.get("DnsConfig"):
        if dns is None:
            raise AwsError("InvalidInput", f"Service {found.id} has no DnsConfig.")
        if {each["Type"] for each in change["DnsConfig"]["DnsRecords"]} != set(found.record_types):
            raise AwsError("InvalidInput", "The types of a service's DNS records cannot be changed.")
        dns = {**dns, "DnsRecords": change["DnsConfig"]["DnsRecords"]}
    description = change.get("Description", found.description)
    cx.tx.put(attrs.evolve(found, description=description, dns=dns))
    return record(cx, "UPDATE_SERVICE", {"SERVICE": found.id})


@operation("servicediscovery", "DeleteService")
def delete_service(cx: Context, request: Json) -> Json:
    found = lookup.service(cx, request["Id"])
    if lookup.instances_of(cx.tx, found):
        raise AwsError(
            "ResourceInUse",
            "Service contains registered instances; delete the instances before deleting the service",
        )
    cx.tx.delete(DiscoveryService, found.key)
    return {}


@operation("servicediscovery", "GetService", reads=True)
def get_service(cx: Context, request: Json) -> Json:
    return {"Service": described(cx, lookup.service(cx, request["Id"]))}


@operation("servicediscovery", "ListServices", reads=True)
def list_services(cx: Context, request: Json) -> Json:
    filters = request.get("Filters") or ()
    kept = [
        one
        for one in cx.tx.scan(DiscoveryService, cx.caller.scope(""))
        if all(_passes(given, one) for given in filters)
    ]
    shown, more = lookup.page(request, kept, lambda one: one.id)
    hidden = ("NamespaceId", "CreatorRequestId")
    summaries = [{k: v for k, v in described(cx, one).items() if k not in hidden} for one in shown]
    return {"Services": summaries, **more}


def _passes(given: Json, one: DiscoveryService) -> bool:
    if given["Name"] == "RESOURCE_OWNER":
        return lookup.accepts(given, "SELF")
    return lookup.accepts({**given, "Values": [v.rpartition("/")[2] for v in given["Values"]]}, one.namespace)


def described(cx: Context, one: DiscoveryService) -> Json:
    shown: Json = {
        "Id": one.id,
        "Arn": one.arn,
        "ResourceOwner": one.account,
        "Name": one.name,
        "NamespaceId": one.namespace,
        "InstanceCount": len(lookup.instances_of(cx.tx, one)),
        "Type": one.type,
        "CreateDate": one.created,
        "CreatorRequestId": one.creator_request_id,
        "CreatedByAccount": one.account,
    }
    optional = {
        "Description": one.description,
        "DnsConfig": one.dns,
        "HealthCheckConfig": one.health_check,
        "HealthCheckCustomConfig": one.custom_health,
    }
    return shown | {name: value for name, value in optional.items() if value is not None}
