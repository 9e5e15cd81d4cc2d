"""Load balancers: made in their subnets, changed, deleted; the data plane makes them active."""

from __future__ import annotations

import re

import attrs

from neargate.model.elbv2 import LoadBalancer
from neargate.model.errors import AwsError, not_implemented
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.planners import load_balancer_attributes as attributes
from neargate.services.elbv2 import access_logs, places, tagging
from neargate.services.elbv2.hosted_zones import hosted_zone
from neargate.services.elbv2.listeners import remove
from neargate.services.elbv2.lookup import (
    everything,
    find,
    invalid,
    listeners_of,
    misconfigured,
    page,
    require,
)
from neargate.services.elbv2.usage import refresh, used_by

MOST = 50
_LONGEST_NAME = 32


@operation("elbv2", "CreateLoadBalancer")
def create_load_balancer(cx: Context, request: Json) -> Json:
    """The same name with the same settings makes nothing again; with others it is DuplicateLoadBalancerName."""
    name = _checked_name(request["Name"])
    type, scheme = request.get("Type") or "application", request.get("Scheme") or "internet-facing"
    _refuse(request, type)
    wanted = places.places(cx, request, type)
    vpc_id = wanted[0].vpc_id
    groups = places.security_groups(cx, request.get("SecurityGroups") or (), vpc_id, type)
    if scheme == "internet-facing":
        places.require_way_out(cx, vpc_id)
    id = cx.ids.hex(16)
    balancer = LoadBalancer(
        account=cx.account,
        region=cx.region,
        name=name,
        id=id,
        type=type,
        scheme=scheme,
        vpc_id=vpc_id,
        interfaces=(),
        security_groups=groups,
        attributes=attributes.defaults(attributes.of_balancer(type)),
        dns_name=places.dns_name(cx, name, id, type, scheme),
        created=cx.now,
        tags=tagging.given(cx, request),
    )
    others = everything(cx, LoadBalancer)
    for other in others:
        if other.name == name:
            if _same(other, balancer, wanted):
                return {"LoadBalancers": [described(other)]}
            raise AwsError(
                "DuplicateLoadBalancerName",
                f"A load balancer with the same name '{name}' exists, but with different settings",
            )
    if sum(1 for other in others if other.type == type) >= MOST:
        raise AwsError("TooManyLoadBalancers", "The maximum number of load balancers has been reached")
    balancer = places.stand(cx, balancer, wanted)
    cx.tx.put(balancer)
    _ensure_service_linked_role(cx)
    return {"LoadBalancers": [described(balancer)]}


def _ensure_service_linked_role(cx: Context) -> None:
    """The account's first load balancer brings the role under which AWS manages its interfaces."""
    try:
        cx.invoke("iam", "GetRole", {"RoleName": "AWSServiceRoleForElasticLoadBalancing"})
    except AwsError as error:
        if error.code != "NoSuchEntity":
            raise
        cx.invoke("iam", "CreateServiceLinkedRole", {"AWSServiceName": places.SERVICE})


def _same(have: LoadBalancer, wanted: LoadBalancer, where: list[places.Place]) -> bool:
    def compared(balancer: LoadBalancer) -> tuple[object, ...]:
        return (balancer.type, balancer.scheme, set(balancer.security_groups), balancer.tags)

    subnets = {interface.subnet_id for interface in have.interfaces}
    return compared(have) == compared(wanted) and subnets == {place.subnet_id for place in where}


def _checked_name(name: str) -> str:
    if len(name) > _LONGEST_NAME:
        raise invalid(f"The load balancer name '{name}' cannot be longer than '{_LONGEST_NAME}' characters")
    if not re.fullmatch(r"[a-zA-Z0-9-]+", name):
        raise invalid(
            f"The load balancer name '{name}' can only contain characters that are alphanumeric characters and "
            "hyphens(-)"
        )
    if name.startswith("-") or name.endswith("-"):
        raise invalid(f"The load balancer name '{name}' cannot begin or end with '-'")
    if name.startswith("internal-"):
        raise invalid(f"The load balancer name '{name}' cannot begin with 'internal-'")
    return name


def _refuse(request: Json, type: str) -> None:
    if type not in ("application", "network"):
        raise not_implemented(f"elbv2:CreateLoadBalancer of type {type}", "elbv2")
    _refuse_addresses(request.get("IpAddressType"))
    for member in ("CustomerOwnedIpv4Pool", "IpamPools"):
        if request.get(member):
            raise not_implemented(f"elbv2:CreateLoadBalancer {member}", "elbv2")
    if request.get("EnablePrefixForIpv6SourceNat") == "on":
        raise not_implemented("elbv2:CreateLoadBalancer EnablePrefixForIpv6SourceNat", "elbv2")


def _refuse_addresses(wanted: str | None) -> None:
    if wanted not in (None, "ipv4"):
        raise not_implemented(f"elbv2 IpAddressType {wanted}", "elbv2")


@operation("elbv2", "DeleteLoadBalancer")
def delete_load_balancer(cx: Context, request: Json) -> Json:
    """With its listeners and rules. One that is gone already is no error, as on AWS."""
    balancer = find(cx, LoadBalancer, request["LoadBalancerArn"])
    if balancer is None:
        return {}
    if balancer.attributes.get("deletion_protection.enabled") == "true":
        raise AwsError(
            "OperationNotPermitted",
            f"Load balancer '{balancer.arn}' cannot be deleted because deletion protection is enabled",
        )
    touched: list[str] = []
    for listener in listeners_of(cx, balancer):
        touched += remove(cx, listener)
    refresh(cx, balancer, touched)
    places.leave(cx, balancer)
    cx.tx.delete(LoadBalancer, balancer.key)
    return {}


@operation("elbv2", "DescribeLoadBalancers", reads=True)
def describe_load_balancers(cx: Context, request: Json) -> Json:
    arns, names = request.get("LoadBalancerArns"), request.get("Names")
    if arns and names:
        raise invalid("Load balancer names and load balancer ARNs cannot be specified at the same time")
    if arns:
        known = {arn: find(cx, LoadBalancer, arn) for arn in arns}
    elif names:
        by_name = {balancer.name: balancer for balancer in everything(cx, LoadBalancer)}
        known = {name: by_name.get(name) for name in names}
    else:
        known = {balancer.arn: balancer for balancer in everything(cx, LoadBalancer)}
    absent = [name for name, balancer in known.items() if balancer is None]
    if absent:
        raise AwsError("LoadBalancerNotFound", f"Load balancers '[{', '.join(absent)}]' not found")
    found = [balancer for balancer in known.values() if balancer is not None]
    return page(request, "LoadBalancers", found, described)


def described(balancer: LoadBalancer) -> Json:
    state: Json = {"Code": balancer.state}
    if balancer.reason:
        state["Reason"] = balancer.reason
    answer: Json = {
        "LoadBalancerArn": balancer.arn,
        "DNSName": balancer.dns_name,
        "CanonicalHostedZoneId": hosted_zone(balancer.region, balancer.type),
        "CreatedTime": balancer.created,
        "LoadBalancerName": balancer.name,
        "Scheme": balancer.scheme,
        "VpcId": balancer.vpc_id,
        "State": state,
        "Type": balancer.type,
        "AvailabilityZones": described_zones(balancer),
        "IpAddressType": balancer.ip_address_type,
    }
    if balancer.type == "application" or balancer.security_groups:
        answer["SecurityGroups"] = list(balancer.security_groups)
    return answer


def described_zones(balancer: LoadBalancer) -> list[Json]:
    zones = []
    for interface in balancer.interfaces:
        addresses: list[Json] = []
        if interface.allocation_id:
            addresses.append({"IpAddress": interface.public_ip, "AllocationId": interface.allocation_id})
        elif interface.fixed:
            addresses.append({"PrivateIPv4Address": interface.ip})
        zones.append(
            {
                "ZoneName": interface.zone,
                "SubnetId": interface.subnet_id,
                "LoadBalancerAddresses": addresses,
            }
        )
    return zones


@operation("elbv2", "SetSubnets")
def set_subnets(cx: Context, request: Json) -> Json:
    balancer = require(cx, LoadBalancer, request["LoadBalancerArn"])
    _refuse_addresses(request.get("IpAddressType"))
    if request.get("EnablePrefixForIpv6SourceNat") == "on":
        raise not_implemented("elbv2:SetSubnets EnablePrefixForIpv6SourceNat", "elbv2")
    wanted = places.places(cx, request, balancer.type)
    if wanted[0].vpc_id != balancer.vpc_id:
        raise misconfigured(f"The subnets must belong to the VPC of the load balancer, '{balancer.vpc_id}'")
    balancer = places.stand(cx, balancer, wanted)
    cx.tx.put(balancer)
    refresh(cx, balancer, used_by(cx, balancer))
    return {"AvailabilityZones": described_zones(balancer), "IpAddressType": balancer.ip_address_type}


@operation("elbv2", "SetSecurityGroups")
def set_security_groups(cx: Context, request: Json) -> Json:
    balancer = require(cx, LoadBalancer, request["LoadBalancerArn"])
    if balancer.type == "network" and bool(balancer.security_groups) != bool(request["SecurityGroups"]):
        raise misconfigured(
            "You cannot add or remove all security groups of a network load balancer after its creation"
        )
    if not request["SecurityGroups"]:
        raise invalid("At least one security group must be specified")
    if request.get("EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic"):
        raise not_implemented("elbv2:SetSecurityGroups for PrivateLink traffic", "elbv2")
    groups = places.security_groups(cx, request["SecurityGroups"], balancer.vpc_id, balancer.type)
    balancer = attrs.evolve(balancer, security_groups=groups)
    cx.tx.put(balancer)
    places.regroup(cx, balancer)
    return {"SecurityGroupIds": list(groups)}


@operation("elbv2", "SetIpAddressType")
def set_ip_address_type(cx: Context, request: Json) -> Json:
    balancer = require(cx, LoadBalancer, request["LoadBalancerArn"])
    _refuse_addresses(request["IpAddressType"])
    return {"IpAddressType": balancer.ip_address_type}


@operation("elbv2", "DescribeLoadBalancerAttributes", reads=True)
def describe_load_balancer_attributes(cx: Context, request: Json) -> Json:
    return attributes.shown(require(cx, LoadBalancer, request["LoadBalancerArn"]).attributes)


@operation("elbv2", "ModifyLoadBalancerAttributes")
def modify_load_balancer_attributes(cx: Context, request: Json) -> Json:
    balancer = require(cx, LoadBalancer, request["LoadBalancerArn"])
    known = attributes.of_balancer(balancer.type)
    values = attributes.changed(known, balancer.attributes, request, "Load balancer")
    access_logs.require_access(cx, balancer, balancer.attributes, values)
    cx.tx.put(attrs.evolve(balancer, attributes=values))
    return attributes.shown(values)


@operation("elbv2", "DescribeCapacityReservation", reads=True)
def describe_capacity_reservation(cx: Context, request: Json) -> Json:
    """Nothing is reserved here, as on a load balancer of AWS's that was never asked to."""
    require(cx, LoadBalancer, request["LoadBalancerArn"])
    return {"CapacityReservationState": []}


@operation("elbv2", "ModifyCapacityReservation")
def modify_capacity_reservation(cx: Context, request: Json) -> Json:
    """Only the reset of what is not there; this machine has no capacity to set aside."""
    require(cx, LoadBalancer, request["LoadBalancerArn"])
    if request.get("MinimumLoadBalancerCapacity"):
        raise not_implemented("elbv2:ModifyCapacityReservation MinimumLoadBalancerCapacity", "elbv2")
    return {"CapacityReservationState": []}
