"""Readers for drift detection, as in `states`, of the network's types."""

from __future__ import annotations

import json
from collections.abc import Callable

from neargate.model.errors import AwsError
from neargate.model.records import Json
from neargate.model.tags import from_list, upper
from neargate.resources.declaration import Call, Existing, Steps
from neargate.resources.ec2_steps import described
from neargate.resources.shapes import pick

State = Callable[[Existing], Steps[Json]]

_TARGETS = (
    "EgressOnlyInternetGatewayId",
    "GatewayId",
    "NatGatewayId",
    "NetworkInterfaceId",
    "TransitGatewayId",
    "VpcPeeringConnectionId",
)


def _tags(shown: Json) -> Json:
    return {"Tags": upper(from_list(shown.get("Tags")))}


def _vpc(existing: Existing) -> Steps[Json]:
    vpc = yield from described("DescribeVpcs", "VpcIds", "Vpcs", existing.id)
    state: Json = {**pick(vpc, ("CidrBlock", "InstanceTenancy")), **_tags(vpc)}
    for name in ("EnableDnsSupport", "EnableDnsHostnames"):
        attribute = {"VpcId": existing.id, "Attribute": name[0].lower() + name[1:]}
        answer = yield Call("ec2", "DescribeVpcAttribute", attribute)
        state[name] = answer[name]["Value"]
    return state


def _subnet(existing: Existing) -> Steps[Json]:
    subnet = yield from described("DescribeSubnets", "SubnetIds", "Subnets", existing.id)
    plain = (
        "AssignIpv6AddressOnCreation AvailabilityZone AvailabilityZoneId CidrBlock EnableDns64 MapPublicIpOnLaunch "
        "PrivateDnsNameOptionsOnLaunch VpcId"
    )
    blocks = [one["Ipv6CidrBlock"] for one in subnet["Ipv6CidrBlockAssociationSet"]]
    return {**pick(subnet, plain.split()), "Ipv6CidrBlock": blocks[0] if blocks else None, **_tags(subnet)}


def _route_table(existing: Existing) -> Steps[Json]:
    table = yield from described("DescribeRouteTables", "RouteTableIds", "RouteTables", existing.id)
    return {"VpcId": table["VpcId"], **_tags(table)}


def _route(existing: Existing) -> Steps[Json]:
    """A route whose destination is no longer in the table is gone."""
    table, _, destination = existing.id.partition("|")
    shown = yield from described("DescribeRouteTables", "RouteTableIds", "RouteTables", table)
    for route in shown["Routes"]:
        where = {name: value for name, value in route.items() if name.startswith("Destination")}
        if destination in where.values():
            return {"RouteTableId": table, **where, **{name: route.get(name) for name in _TARGETS}}
    raise AwsError("InvalidRoute.NotFound", f"no route with destination {destination} in route table {table}")


def _association(existing: Existing) -> Steps[Json]:
    filters = [{"Name": "association.route-table-association-id", "Values": [existing.id]}]
    answer = yield Call("ec2", "DescribeRouteTables", {"Filters": filters})
    for table in answer["RouteTables"]:
        for association in table["Associations"]:
            if association["RouteTableAssociationId"] == existing.id:
                return pick(association, ("RouteTableId", "SubnetId"))
    raise AwsError("InvalidAssociationID.NotFound", f"The association ID '{existing.id}' does not exist")


def _internet_gateway(existing: Existing) -> Steps[Json]:
    shown = yield from described(
        "DescribeInternetGateways", "InternetGatewayIds", "InternetGateways", existing.id
    )
    return _tags(shown)


def _address(existing: Existing) -> Steps[Json]:
    shown = yield from described("DescribeAddresses", "PublicIps", "Addresses", existing.id)
    return {"Domain": shown["Domain"], **_tags(shown)}


def _nat_gateway(existing: Existing) -> Steps[Json]:
    """One that is shown as deleted is gone."""
    shown = yield from described("DescribeNatGateways", "NatGatewayIds", "NatGateways", existing.id)
    if shown["State"] == "deleted":
        raise AwsError("NatGatewayNotFound", f"The Nat Gateway {existing.id} was not found")
    first = shown["NatGatewayAddresses"][0]
    return {
        **pick(shown, ("SubnetId", "ConnectivityType")),
        "AllocationId": first.get("AllocationId"),
        "PrivateIpAddress": first.get("PrivateIp"),
        **_tags(shown),
    }


def _endpoint(existing: Existing) -> Steps[Json]:
    shown = yield from described("DescribeVpcEndpoints", "VpcEndpointIds", "VpcEndpoints", existing.id)
    plain = ("PrivateDnsEnabled", "RouteTableIds", "ServiceName", "SubnetIds", "VpcEndpointType", "VpcId")
    return {
        **pick(shown, plain),
        "PolicyDocument": json.loads(shown["PolicyDocument"]),
        "SecurityGroupIds": [group["GroupId"] for group in shown["Groups"]],
        **_tags(shown),
    }


STATES: dict[str, State] = {
    "AWS::EC2::EIP": _address,
    "AWS::EC2::InternetGateway": _internet_gateway,
    "AWS::EC2::NatGateway": _nat_gateway,
    "AWS::EC2::Route": _route,
    "AWS::EC2::RouteTable": _route_table,
    "AWS::EC2::Subnet": _subnet,
    "AWS::EC2::SubnetRouteTableAssociation": _association,
    "AWS::EC2::VPC": _vpc,
    "AWS::EC2::VPCEndpoint": _endpoint,
}
