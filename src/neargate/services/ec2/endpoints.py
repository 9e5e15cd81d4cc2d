"""VPC endpoints. They are recorded with their routes and interfaces; every service answers at Neargate's own
endpoint, with one or without."""

from __future__ import annotations

import json

import attrs

from neargate.model import tags
from neargate.model.ec2 import Route, RouteTable, SecurityGroup, Subnet, Vpc
from neargate.model.ec2_edges import VpcEndpoint
from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.model.records import Json
from neargate.services.ec2 import endpoint_services, interfaces, routes, tagging
from neargate.services.ec2.estate import (
    chosen,
    everything,
    find,
    invalid,
    new_id,
    reads,
    repeated,
    require,
    writes,
)
from neargate.services.ec2.prefix_lists import service_list
from neargate.services.ec2.selection import Fields, page, select

_POLICY = json.dumps(
    {"Statement": [{"Action": "*", "Effect": "Allow", "Principal": "*", "Resource": "*"}]},
    separators=(",", ":"),
)
_ZONE = "Z7HUB22UULQXV"
"""The hosted zone of interface endpoints' names."""


def _parameter(message: str) -> AwsError:
    return AwsError("InvalidParameter", message)


# -- making ------------------------------------------------------------------------------------------------


@writes(
    "CreateVpcEndpoint",
    "VpcEndpointType VpcId ServiceName PolicyDocument RouteTableIds SubnetIds SecurityGroupIds IpAddressType "
    "DnsOptions PrivateDnsEnabled TagSpecifications ClientToken",
)
def create_vpc_endpoint(cx: Context, request: Json) -> Json:
    endpoint = repeated(cx, VpcEndpoint, request)
    if endpoint is None:
        endpoint = _made(cx, request)
    pending = "pending" if endpoint.type == "Interface" else "available"
    return {"VpcEndpoint": {**_described(cx, endpoint), "State": pending}, "ClientToken": endpoint.token}


def _made(cx: Context, request: Json) -> VpcEndpoint:
    vpc = require(cx, Vpc, request["VpcId"])
    service, kind = request.get("ServiceName") or "", request.get("VpcEndpointType") or "Gateway"
    _check_service(cx, service, kind)
    if request.get("IpAddressType") not in (None, "ipv4"):
        raise invalid(f"IpAddressType {request['IpAddressType']} is not supported by service {service}.")
    endpoint = VpcEndpoint(
        account=cx.account,
        region=cx.region,
        id=new_id(cx, "vpce"),
        vpc_id=vpc.id,
        service=service,
        type=kind,
        policy=_policy(request.get("PolicyDocument")),
        created=cx.now,
        tags=tagging.given(cx, request, "vpc-endpoint"),
        token=request.get("ClientToken") or "",
        dns_label=cx.ids.letters(8, "abcdefghijklmnopqrstuvwxyz0123456789"),
    )
    if kind == "Gateway":
        if request.get("SubnetIds") or request.get("SecurityGroupIds"):
            raise _parameter("Gateway endpoints have neither subnets nor security groups.")
        endpoint = _add_tables(cx, endpoint, request.get("RouteTableIds") or [])
    else:
        if request.get("RouteTableIds"):
            raise _parameter("Route table IDs are only supported for Gateway type VPC Endpoints.")
        endpoint = _groups(cx, endpoint, list(request.get("SecurityGroupIds") or ()))
        if request.get("PrivateDnsEnabled"):
            endpoint = _with_private_dns(cx, endpoint, vpc)
        endpoint = _add_subnets(cx, endpoint, request.get("SubnetIds") or [])
    endpoint = _dns_options(endpoint, request)
    cx.tx.put(endpoint)
    return endpoint


def _check_service(cx: Context, service: str, kind: str) -> None:
    kinds = endpoint_services.kinds(cx.region, service)
    if not kinds:
        raise endpoint_services.missing(service)
    if kind not in kinds:
        raise _parameter(f"The VPC endpoint service {service} does not support the endpoint type {kind}.")


def _policy(text: str | None) -> str:
    if not text:
        return _POLICY
    try:
        if isinstance(json.loads(text), dict):
            return text
    except ValueError:
        pass
    raise AwsError("InvalidPolicyDocument", "Policy document should not specify a principal. Invalid policy.")


def _add_tables(cx: Context, endpoint: VpcEndpoint, wanted: list[str]) -> VpcEndpoint:
    """Route the service's prefix list through the endpoint."""
    destination = _destination(endpoint)
    for table_id in wanted:
        table = require(cx, RouteTable, table_id)
        if table.vpc_id != endpoint.vpc_id:
            raise _parameter(f"Route table {table.id} belongs to different VPC {table.vpc_id}")
        if routes.to(table, destination) is not None:
            raise AwsError(
                "RouteAlreadyExists",
                f"route table {table.id} already has a route with destination-prefix-list-id {destination}",
            )
        route = Route(destination=destination, gateway=endpoint.id)
        cx.tx.put(attrs.evolve(table, routes=(*table.routes, route)))
    return attrs.evolve(endpoint, route_table_ids=(*endpoint.route_table_ids, *wanted))


def _remove_tables(cx: Context, endpoint: VpcEndpoint, gone: list[str]) -> VpcEndpoint:
    for table in everything(cx, RouteTable):
        if table.id in gone:
            cx.tx.put(attrs.evolve(table, routes=tuple(r for r in table.routes if r.gateway != endpoint.id)))
    kept = tuple(table for table in endpoint.route_table_ids if table not in gone)
    return attrs.evolve(endpoint, route_table_ids=kept)


def _destination(endpoint: VpcEndpoint) -> str:
    return service_list(endpoint.region, endpoint.service.rpartition(".")[2])


def _groups(cx: Context, endpoint: VpcEndpoint, wanted: list[str]) -> VpcEndpoint:
    """The groups of an interface endpoint; the VPC's default one where none is wanted."""
    if not wanted:
        every = everything(cx, SecurityGroup)
        wanted = [g.id for g in every if g.vpc_id == endpoint.vpc_id and g.name == "default"]
    for group_id in wanted:
        group = find(cx, SecurityGroup, group_id)
        if group is None or group.vpc_id != endpoint.vpc_id:
            raise AwsError(
                "InvalidSecurityGroupId.NotFound", f"The Security Group ID '{group_id}' does not exist"
            )
    return attrs.evolve(endpoint, group_ids=tuple(wanted))


def _add_subnets(cx: Context, endpoint: VpcEndpoint, wanted: list[str]) -> VpcEndpoint:
    """An interface in each subnet; one subnet per zone."""
    here = [found for found in (find(cx, Subnet, one) for one in endpoint.subnet_ids) if found is not None]
    zones = {subnet.zone for subnet in here}
    for subnet_id in wanted:
        subnet = find(cx, Subnet, subnet_id)
        if subnet is None or subnet.vpc_id != endpoint.vpc_id:
            raise AwsError("InvalidSubnetId.NotFound", f"The subnet ID '{subnet_id}' does not exist")
        if subnet.zone in zones:
            raise AwsError(
                "DuplicateSubnetsInSameZone",
                f"Found another VPC endpoint subnet in the availability zone of {subnet_id}. VPC endpoint subnets "
                "should be in different availability zones supported by the VPC endpoint service.",
            )
        zones.add(subnet.zone)
        interface = interfaces.create_managed(
            cx,
            subnet.id,
            endpoint.group_ids,
            f"VPC Endpoint Interface {endpoint.id}",
            cx.account,
            type="vpc_endpoint",
        )
        endpoint = attrs.evolve(
            endpoint,
            subnet_ids=(*endpoint.subnet_ids, subnet.id),
            interface_ids=(*endpoint.interface_ids, interface.id),
        )
    return endpoint


def _remove_subnets(cx: Context, endpoint: VpcEndpoint, gone: list[str]) -> VpcEndpoint:
    kept = []
    for subnet_id, interface_id in zip(endpoint.subnet_ids, endpoint.interface_ids, strict=True):
        if subnet_id in gone:
            interfaces.release(cx, interface_id)
        else:
            kept.append((subnet_id, interface_id))
    return attrs.evolve(
        endpoint, subnet_ids=tuple(s for s, _ in kept), interface_ids=tuple(i for _, i in kept)
    )


def _with_private_dns(cx: Context, endpoint: VpcEndpoint, vpc: Vpc) -> VpcEndpoint:
    if not (vpc.dns_support and vpc.dns_hostnames):
        raise _parameter(
            "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true "
            f"for {vpc.id}"
        )
    for other in everything(cx, VpcEndpoint):
        same = (other.vpc_id, other.service) == (vpc.id, endpoint.service)
        if same and other.private_dns and other.id != endpoint.id:
            name = endpoint_services.private_names(cx.region, endpoint.service)[0]
            raise _parameter(
                f"private-dns-enabled cannot be set because there is already a conflicting DNS domain for {name} "
                f"in the VPC {vpc.id}"
            )
    return attrs.evolve(endpoint, private_dns=True, private_zone=f"Z0{cx.ids.letters(19)}")


def _dns_options(endpoint: VpcEndpoint, request: Json) -> VpcEndpoint:
    wanted = (request.get("DnsOptions") or {}).get("DnsRecordIpType")
    if wanted not in (None, "ipv4", "service-defined"):
        raise _parameter(f"DnsRecordIpType {wanted} is not supported with IpAddressType ipv4.")
    return endpoint if wanted is None else attrs.evolve(endpoint, dns_record_type=wanted)


# -- changing ----------------------------------------------------------------------------------------------


@writes(
    "ModifyVpcEndpoint",
    "VpcEndpointId ResetPolicy PolicyDocument AddRouteTableIds RemoveRouteTableIds AddSubnetIds RemoveSubnetIds "
    "AddSecurityGroupIds RemoveSecurityGroupIds IpAddressType DnsOptions PrivateDnsEnabled",
)
def modify_vpc_endpoint(cx: Context, request: Json) -> Json:
    endpoint = require(cx, VpcEndpoint, request["VpcEndpointId"])
    vpc = require(cx, Vpc, endpoint.vpc_id)
    if request.get("IpAddressType") not in (None, "ipv4"):
        raise invalid(
            f"IpAddressType {request['IpAddressType']} is not supported by service {endpoint.service}."
        )
    if request.get("PolicyDocument") or request.get("ResetPolicy"):
        endpoint = attrs.evolve(endpoint, policy=_policy(request.get("PolicyDocument")))
    endpoint = _remove_tables(cx, endpoint, request.get("RemoveRouteTableIds") or [])
    endpoint = _add_tables(cx, endpoint, request.get("AddRouteTableIds") or [])
    if request.get("AddSecurityGroupIds") or request.get("RemoveSecurityGroupIds"):
        gone = request.get("RemoveSecurityGroupIds") or []
        added = [one for one in request.get("AddSecurityGroupIds") or () if one not in endpoint.group_ids]
        kept = [one for one in endpoint.group_ids if one not in gone]
        endpoint = _groups(cx, endpoint, kept + added)
        interfaces.regroup(cx, endpoint.interface_ids, endpoint.group_ids)
    endpoint = _remove_subnets(cx, endpoint, request.get("RemoveSubnetIds") or [])
    new = [one for one in request.get("AddSubnetIds") or () if one not in endpoint.subnet_ids]
    endpoint = _add_subnets(cx, endpoint, new)
    if request.get("PrivateDnsEnabled") is True:
        endpoint = _with_private_dns(cx, endpoint, vpc)
    elif request.get("PrivateDnsEnabled") is False:
        endpoint = attrs.evolve(endpoint, private_dns=False)
    cx.tx.put(_dns_options(endpoint, request))
    return {"Return": True}


@writes("DeleteVpcEndpoints", "VpcEndpointIds")
def delete_vpc_endpoints(cx: Context, request: Json) -> Json:
    """Those that do not exist are listed as unsuccessful."""
    unsuccessful = []
    for wanted in request["VpcEndpointIds"]:
        endpoint = find(cx, VpcEndpoint, wanted)
        if endpoint is None:
            error = {
                "Code": "InvalidVpcEndpoint.NotFound",
                "Message": f"The Vpc Endpoint Id '{wanted}' does not exist",
            }
            unsuccessful.append({"ResourceId": wanted, "Error": error})
            continue
        _remove_tables(cx, endpoint, list(endpoint.route_table_ids))
        _remove_subnets(cx, endpoint, list(endpoint.subnet_ids))
        cx.tx.delete(VpcEndpoint, endpoint.key)
    return {"Unsuccessful": unsuccessful}


# -- describing --------------------------------------------------------------------------------------------


@reads("DescribeVpcEndpoints")
def describe_vpc_endpoints(cx: Context, request: Json) -> Json:
    found = select(chosen(cx, VpcEndpoint, request.get("VpcEndpointIds")), request.get("Filters"), _fields)
    return page(request, "VpcEndpoints", found, lambda endpoint: _described(cx, endpoint))


def _described(cx: Context, endpoint: VpcEndpoint) -> Json:
    interface = endpoint.type == "Interface"
    names = {group.id: group.name for group in everything(cx, SecurityGroup)} if interface else {}
    answer: Json = {
        "CreationTimestamp": endpoint.created,
        "DnsEntries": _dns_entries(cx, endpoint) if interface else [],
        "Groups": [{"GroupId": one, "GroupName": names.get(one, "")} for one in endpoint.group_ids],
        "NetworkInterfaceIds": list(endpoint.interface_ids),
        "OwnerId": endpoint.account,
        "PolicyDocument": endpoint.policy,
        "PrivateDnsEnabled": endpoint.private_dns,
        "RequesterManaged": False,
        "RouteTableIds": list(endpoint.route_table_ids),
        "ServiceName": endpoint.service,
        "State": "available",
        "SubnetIds": list(endpoint.subnet_ids),
        "Tags": tags.upper(endpoint.tags),
        "VpcEndpointId": endpoint.id,
        "VpcEndpointType": endpoint.type,
        "VpcId": endpoint.vpc_id,
    }
    if interface:
        answer["DnsOptions"] = {"DnsRecordIpType": endpoint.dns_record_type}
        answer["IpAddressType"] = "ipv4"
    return answer


def _dns_entries(cx: Context, endpoint: VpcEndpoint) -> list[Json]:
    """Names of the endpoint, of each zone, and those of private DNS."""
    base = f"{endpoint.id}-{endpoint.dns_label}"
    short = endpoint.service.removeprefix(f"com.amazonaws.{endpoint.region}.")
    tail = f"{short}.{endpoint.region}.vpce.amazonaws.com"
    subnets = [found for found in (find(cx, Subnet, one) for one in endpoint.subnet_ids) if found is not None]
    hosts = [base, *(f"{base}-{zone}" for zone in sorted({subnet.zone for subnet in subnets}))]
    entries: list[Json] = [{"DnsName": f"{host}.{tail}", "HostedZoneId": _ZONE} for host in hosts]
    if endpoint.private_dns:
        for name in endpoint_services.private_names(endpoint.region, endpoint.service):
            entries.append({"DnsName": name, "HostedZoneId": endpoint.private_zone})
    return entries


def _fields(endpoint: VpcEndpoint) -> Fields:
    return {
        "ip-address-type": "ipv4",
        "service-name": endpoint.service,
        "service-region": endpoint.region,
        "tags": endpoint.tags,
        "vpc-endpoint-id": endpoint.id,
        "vpc-endpoint-state": "available",
        "vpc-endpoint-type": endpoint.type,
        "vpc-id": endpoint.vpc_id,
    }
