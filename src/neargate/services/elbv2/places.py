"""Where load balancers stand: their subnets, security groups, network interfaces and names."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from neargate.model.elbv2 import LoadBalancer, ZoneInterface
from neargate.model.errors import AwsError, not_implemented
from neargate.model.operations import Context
from neargate.model.records import Json
from neargate.services.elbv2.lookup import invalid, misconfigured

SERVICE = "elasticloadbalancing.amazonaws.com"
"""Who manages the interfaces: EC2 lets no one else change or delete them."""


@attrs.frozen
class Place:
    """One subnet that a load balancer stands in, and the addresses that were asked for there."""

    subnet_id: str
    vpc_id: str
    zone: str
    address: str = ""
    allocation_id: str = ""


def places(cx: Context, request: Json, type: str) -> list[Place]:
    """The subnets that a request names (Subnets or SubnetMappings), checked: one per zone, one VPC, and two zones
    at least for an application load balancer."""
    mappings = request.get("SubnetMappings") or [{"SubnetId": one} for one in request.get("Subnets") or ()]
    if request.get("SubnetMappings") and request.get("Subnets"):
        raise invalid("You must specify either subnets or subnet mappings, not both")
    if not mappings:
        raise invalid("At least one subnet must be specified")
    found = [_place(cx, mapping, type) for mapping in mappings]
    vpcs = {place.vpc_id for place in found}
    if len(vpcs) > 1:
        raise misconfigured("All subnets must belong to the same VPC")
    unique = {place.subnet_id for place in found}
    if type == "application" and len(unique) < 2:
        raise invalid("At least two subnets in two different Availability Zones must be specified")
    if len({place.zone for place in found}) < len(found):
        raise misconfigured(
            "A load balancer cannot be attached to multiple subnets in the same Availability Zone"
        )
    return found


def _place(cx: Context, mapping: Json, type: str) -> Place:
    subnet_id = mapping.get("SubnetId") or ""
    for member in ("IPv6Address", "SourceNatIpv6Prefix"):
        if mapping.get(member):
            raise not_implemented(f"elbv2 SubnetMappings {member}", "elbv2")
    for member, words in (
        ("AllocationId", "Elastic IP addresses"),
        ("PrivateIPv4Address", "private addresses"),
    ):
        if type == "application" and mapping.get(member):
            raise invalid(f"You cannot specify {words} for load balancers of type 'application'")
    try:
        (subnet,) = cx.invoke("ec2", "DescribeSubnets", {"SubnetIds": [subnet_id]})["Subnets"]
    except AwsError:
        raise AwsError("SubnetNotFound", f"The subnet ID '{subnet_id}' does not exist") from None
    return Place(
        subnet_id=subnet_id,
        vpc_id=subnet["VpcId"],
        zone=subnet["AvailabilityZone"],
        address=mapping.get("PrivateIPv4Address") or "",
        allocation_id=mapping.get("AllocationId") or "",
    )


def require_way_out(cx: Context, vpc_id: str) -> None:
    """An internet-facing load balancer's VPC has an internet gateway; else InvalidSubnet."""
    gateways = cx.invoke(
        "ec2", "DescribeInternetGateways", {"Filters": [{"Name": "attachment.vpc-id", "Values": [vpc_id]}]}
    )
    if not gateways["InternetGateways"]:
        raise AwsError("InvalidSubnet", f"VPC {vpc_id} has no internet gateway")


def security_groups(cx: Context, wanted: Sequence[str], vpc_id: str, type: str) -> tuple[str, ...]:
    """The ids of the groups, checked; an application load balancer without any gets its VPC's default one."""
    if not wanted:
        if type == "network":
            return ()
        filters = [{"Name": "vpc-id", "Values": [vpc_id]}, {"Name": "group-name", "Values": ["default"]}]
        found = cx.invoke("ec2", "DescribeSecurityGroups", {"Filters": filters})["SecurityGroups"]
        return tuple(group["GroupId"] for group in found)
    for group_id in wanted:
        try:
            (group,) = cx.invoke("ec2", "DescribeSecurityGroups", {"GroupIds": [group_id]})["SecurityGroups"]
        except AwsError:
            raise misconfigured("One or more security groups are invalid") from None
        if group["VpcId"] != vpc_id:
            raise misconfigured(f"Security group '{group_id}' does not belong to VPC '{vpc_id}'")
    return tuple(dict.fromkeys(wanted))


def stand(cx: Context, balancer: LoadBalancer, wanted: Sequence[Place]) -> LoadBalancer:
    """The load balancer with an interface in each of these places; those elsewhere are given back."""
    have = {interface.subnet_id: interface for interface in balancer.interfaces}
    interfaces = []
    for place in wanted:
        old = have.pop(place.subnet_id, None)
        if old is not None and not _moved(old, place):
            interfaces.append(old)
            continue
        if old is not None:
            _give_back(cx, old)
        interfaces.append(_interface(cx, balancer, place))
    for old in have.values():
        _give_back(cx, old)
    return attrs.evolve(balancer, interfaces=tuple(interfaces))


def _moved(have: ZoneInterface, place: Place) -> bool:
    """Whether a place asks for other addresses than its interface has."""
    address = bool(place.address) and place.address != have.ip
    return address or place.allocation_id != have.allocation_id


def leave(cx: Context, balancer: LoadBalancer) -> None:
    """Give every interface back."""
    for interface in balancer.interfaces:
        _give_back(cx, interface)


def regroup(cx: Context, balancer: LoadBalancer) -> None:
    """Give the interfaces the load balancer's security groups."""
    for interface in balancer.interfaces:
        request = {"NetworkInterfaceId": interface.interface_id, "Groups": list(balancer.security_groups)}
        cx.invoke("ec2", "ModifyNetworkInterfaceAttribute", request, via=SERVICE)


def _interface(cx: Context, balancer: LoadBalancer, place: Place) -> ZoneInterface:
    request: Json = {
        "SubnetId": place.subnet_id,
        "Description": f"ELB {balancer.full_name}",
        "Groups": list(balancer.security_groups),
        "InterfaceType": "network_load_balancer" if balancer.type == "network" else "interface",
    }
    if place.address:
        request["PrivateIpAddress"] = place.address
    try:
        made = cx.invoke("ec2", "CreateNetworkInterface", request, via=SERVICE)["NetworkInterface"]
    except AwsError as error:
        if error.code == "InsufficientFreeAddressesInSubnet":
            raise AwsError(
                "InvalidSubnet",
                f"Not enough IP space available in {place.subnet_id}. ELB requires at least 8 free IP addresses in "
                "each subnet.",
            ) from error
        raise
    public = _elastic(cx, place.allocation_id, made["NetworkInterfaceId"]) if place.allocation_id else ""
    return ZoneInterface(
        interface_id=made["NetworkInterfaceId"],
        subnet_id=place.subnet_id,
        zone=place.zone,
        ip=made["PrivateIpAddress"],
        public_ip=public,
        allocation_id=place.allocation_id,
        fixed=bool(place.address),
    )


def _elastic(cx: Context, allocation_id: str, interface_id: str) -> str:
    """Associate an elastic address with an interface; the address."""
    try:
        (address,) = cx.invoke("ec2", "DescribeAddresses", {"AllocationIds": [allocation_id]})["Addresses"]
    except AwsError:
        raise AwsError(
            "AllocationIdNotFound", f"The allocation ID '{allocation_id}' does not exist"
        ) from None
    if address.get("AssociationId"):
        raise misconfigured(f"The allocation ID '{allocation_id}' is already associated")
    request = {"AllocationId": allocation_id, "NetworkInterfaceId": interface_id}
    cx.invoke("ec2", "AssociateAddress", request, via=SERVICE)
    return str(address["PublicIp"])


def _give_back(cx: Context, interface: ZoneInterface) -> None:
    request = {"NetworkInterfaceId": interface.interface_id}
    try:
        cx.invoke("ec2", "DeleteNetworkInterface", request, via=SERVICE)
    except AwsError as error:
        if error.code != "InvalidNetworkInterfaceID.NotFound":
            raise


def dns_name(cx: Context, name: str, id: str, type: str, scheme: str) -> str:
    """AWS's form under `localhost` instead of `amazonaws.com`, so that it leads to this machine (decision 11)."""
    if type == "network":
        return f"{name}-{id}.elb.{cx.region}.localhost"
    prefix = "internal-" if scheme == "internal" else ""
    return f"{prefix}{name}-{cx.ids.digits(9)}.{cx.region}.elb.localhost"
