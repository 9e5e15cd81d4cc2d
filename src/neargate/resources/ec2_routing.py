"""AWS::EC2:: types that lead out of a VPC: route tables, routes, internet and NAT gateways, elastic addresses."""

from __future__ import annotations

from neargate.model.errors import AwsError
from neargate.model.records import Json
from neargate.resources.declaration import (
    Call,
    Desired,
    Existing,
    Failed,
    Identity,
    Readiness,
    Ready,
    ResourceType,
    Steps,
    Waiting,
)
from neargate.resources.ec2_steps import (
    NEIGHBOURS,
    deleting,
    described,
    error,
    honoured,
    patient,
    retag,
    retag_only,
    tagged,
    unless_used,
)
from neargate.resources.shapes import call, missing_is_fine, pick

# -- route tables ------------------------------------------------------------------------------------------


def _create_table(want: Desired) -> Steps[Identity]:
    given = pick(want.properties, ["VpcId"])
    answer = yield call("ec2", "CreateRouteTable", given, **tagged(want, "route-table"))
    return Identity(answer["RouteTable"]["RouteTableId"])


def _read_table(existing: Existing) -> Steps[Json]:
    yield from described("DescribeRouteTables", "RouteTableIds", "RouteTables", existing.id)
    return {"RouteTableId": existing.id}


_delete_table = deleting("DeleteRouteTable", "RouteTableId")


def _associate_table(want: Desired) -> Steps[Identity]:
    answer = yield call("ec2", "AssociateRouteTable", pick(want.properties, ("RouteTableId", "SubnetId")))
    return Identity(answer["AssociationId"])


def _read_association(existing: Existing) -> Steps[Json]:
    filters = [{"Name": "association.route-table-association-id", "Values": [existing.id]}]
    answer = yield Call("ec2", "DescribeRouteTables", {"Filters": filters})
    if not answer["RouteTables"]:
        raise AwsError("InvalidAssociationID.NotFound", f"The association ID '{existing.id}' does not exist")
    return {"Id": existing.id}


# -- routes ------------------------------------------------------------------------------------------------

_DESTINATIONS = ("DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId")


def _destination(properties: Json) -> Json:
    return pick(properties, _DESTINATIONS)


def _create_route(want: Desired) -> Steps[Identity]:
    """The id is `route table|destination`."""
    yield call("ec2", "CreateRoute", want.properties)
    (destination,) = _destination(want.properties).values()
    return Identity(f"{want.properties['RouteTableId']}|{destination}")


def _update_route(old: Existing, want: Desired) -> Steps[None]:
    yield call("ec2", "ReplaceRoute", want.properties)


def _read_route(existing: Existing) -> Steps[Json]:
    table, _, destination = existing.id.partition("|")
    yield from described("DescribeRouteTables", "RouteTableIds", "RouteTables", table)
    return {"CidrBlock": destination}


def _delete_route(existing: Existing) -> Steps[None]:
    properties = existing.desired.properties
    request = {"RouteTableId": properties["RouteTableId"], **_destination(properties)}
    yield from missing_is_fine(Call("ec2", "DeleteRoute", request), "InvalidRoute.NotFound")


# -- internet gateways and their attachment ----------------------------------------------------------------


def _create_gateway(want: Desired) -> Steps[Identity]:
    answer = yield Call("ec2", "CreateInternetGateway", tagged(want, "internet-gateway"))
    return Identity(answer["InternetGateway"]["InternetGatewayId"])


def _read_gateway(existing: Existing) -> Steps[Json]:
    yield from described("DescribeInternetGateways", "InternetGatewayIds", "InternetGateways", existing.id)
    return {"InternetGatewayId": existing.id}


_delete_gateway = deleting("DeleteInternetGateway", "InternetGatewayId")


def _kind(properties: Json) -> tuple[str, str]:
    """The gateway's member, and the word that an attachment's id begins with."""
    both = "InternetGatewayId" in properties and "VpnGatewayId" in properties
    if both or not ("InternetGatewayId" in properties or "VpnGatewayId" in properties):
        raise AwsError(
            "InvalidParameterCombination",
            "Exactly one of InternetGatewayId and VpnGatewayId must be specified.",
        )
    return ("InternetGatewayId", "IGW") if "InternetGatewayId" in properties else ("VpnGatewayId", "VGW")


def _attachment(verb: str, properties: Json) -> Call:
    member, _ = _kind(properties)
    operation = f"{verb}{member.removesuffix('Id')}"
    return call("ec2", operation, pick(properties, (member, "VpcId")))


def _attach(want: Desired) -> Steps[Identity]:
    yield _attachment("Attach", want.properties)
    return Identity(f"{_kind(want.properties)[1]}|{want.properties['VpcId']}")


def _detach(existing: Existing) -> Steps[None]:
    yield from missing_is_fine(
        _attachment("Detach", existing.desired.properties),
        "Gateway.NotAttached",
        "InvalidVpnGatewayAttachment.NotFound",
    )


def _attach_another(old: Existing, want: Desired) -> Steps[None]:
    yield from _detach(old)
    yield _attachment("Attach", want.properties)


def _read_attachment(existing: Existing) -> Steps[Json]:
    yield from described("DescribeVpcs", "VpcIds", "Vpcs", existing.desired.properties["VpcId"])
    return {"AttachmentType": _kind(existing.desired.properties)[1]}


# -- elastic addresses -------------------------------------------------------------------------------------


def _allocate(want: Desired) -> Steps[Identity]:
    """The id is the public address."""
    given = pick(want.properties, ("Domain", "NetworkBorderGroup", "PublicIpv4Pool"))
    answer = yield call("ec2", "AllocateAddress", given, **tagged(want, "elastic-ip"))
    return Identity(answer["PublicIp"])


def _address(existing: Existing) -> Steps[Json]:
    answer = yield Call("ec2", "DescribeAddresses", {"PublicIps": [existing.id]})
    address: Json = answer["Addresses"][0]
    return address


def _read_address(existing: Existing) -> Steps[Json]:
    address = yield from _address(existing)
    return {"AllocationId": address["AllocationId"], "PublicIp": existing.id}


def _update_address(old: Existing, want: Desired) -> Steps[None]:
    address = yield from _address(old)
    yield from retag(address["AllocationId"], old.desired, want)


def _release(existing: Existing) -> Steps[None]:
    address = yield from _address(existing)
    if "AssociationId" in address:
        yield Call("ec2", "DisassociateAddress", {"AssociationId": address["AssociationId"]})
    yield Call("ec2", "ReleaseAddress", {"AllocationId": address["AllocationId"]})


def _associate_address(want: Desired) -> Steps[Identity]:
    given = pick(want.properties, ("AllocationId", "NetworkInterfaceId", "PrivateIpAddress"))
    if "EIP" in want.properties:
        given["PublicIp"] = want.properties["EIP"]
    answer = yield call("ec2", "AssociateAddress", given)
    return Identity(answer["AssociationId"])


def _read_address_association(existing: Existing) -> Steps[Json]:
    filters = [{"Name": "association-id", "Values": [existing.id]}]
    answer = yield Call("ec2", "DescribeAddresses", {"Filters": filters})
    if not answer["Addresses"]:
        raise AwsError("InvalidAssociationID.NotFound", f"The association ID '{existing.id}' does not exist")
    return {"Id": existing.id}


# -- NAT gateways ------------------------------------------------------------------------------------------

_NAT = "AllocationId ConnectivityType PrivateIpAddress SubnetId"


def _create_nat(want: Desired) -> Steps[Identity]:
    given = pick(want.properties, _NAT.split())
    answer = yield call(
        "ec2", "CreateNatGateway", given, **tagged(want, "natgateway"), ClientToken=want.token
    )
    return Identity(answer["NatGateway"]["NatGatewayId"])


def _nat(existing: Existing) -> Steps[Json]:
    gateway = yield from described("DescribeNatGateways", "NatGatewayIds", "NatGateways", existing.id)
    return gateway


def _nat_ready(existing: Existing) -> Steps[Readiness]:
    gateway = yield from _nat(existing)
    if gateway["State"] == "available":
        return Ready()
    if gateway["State"] == "pending":
        return Waiting(f"waiting for {existing.id} to be available")
    message = gateway.get("FailureMessage", "")
    return Failed(
        f"NatGateway {existing.id} is in state {gateway['State']} and hence failed to stabilize. "
        f"Detailed failure message: {message}"
    )


def _read_nat(existing: Existing) -> Steps[Json]:
    gateway = yield from _nat(existing)
    interface = next((a.get("NetworkInterfaceId", "") for a in gateway["NatGatewayAddresses"]), "")
    return {
        "NatGatewayId": existing.id,
        "EniId": interface,
        "AutoProvisionZones": "disabled",
        "AutoScalingIps": "disabled",
        "RouteTableId": "",
    }


def _delete_nat(existing: Existing) -> Steps[None]:
    yield Call("ec2", "DeleteNatGateway", {"NatGatewayId": existing.id})


# -- egress-only gateways ----------------------------------------------------------------------------------


def _create_egress_only(want: Desired) -> Steps[Identity]:
    given = pick(want.properties, ["VpcId"])
    specifications = tagged(want, "egress-only-internet-gateway")
    answer = yield call("ec2", "CreateEgressOnlyInternetGateway", given, **specifications)
    return Identity(answer["EgressOnlyInternetGateway"]["EgressOnlyInternetGatewayId"])


def _read_egress_only(existing: Existing) -> Steps[Json]:
    yield from described(
        "DescribeEgressOnlyInternetGateways",
        "EgressOnlyInternetGatewayIds",
        "EgressOnlyInternetGateways",
        existing.id,
    )
    return {"Id": existing.id}


TYPES = (
    ResourceType(
        type="AWS::EC2::RouteTable",
        honoured=honoured("Tags VpcId"),
        create=_create_table,
        read=_read_table,
        update=retag_only,
        delete=patient(_delete_table),
        gone=unless_used(_delete_table),
        watches=NEIGHBOURS,
        error=error,
    ),
    ResourceType(
        type="AWS::EC2::SubnetRouteTableAssociation",
        honoured=honoured("RouteTableId SubnetId"),
        create=_associate_table,
        read=_read_association,
        delete=deleting("DisassociateRouteTable", "AssociationId"),
        error=error,
    ),
    ResourceType(
        type="AWS::EC2::Route",
        honoured=honoured(
            "DestinationCidrBlock DestinationIpv6CidrBlock DestinationPrefixListId EgressOnlyInternetGatewayId "
            "GatewayId NatGatewayId NetworkInterfaceId RouteTableId TransitGatewayId VpcPeeringConnectionId"
        ),
        create=_create_route,
        read=_read_route,
        update=_update_route,
        delete=_delete_route,
        error=error,
    ),
    ResourceType(
        type="AWS::EC2::InternetGateway",
        honoured=honoured("Tags"),
        create=_create_gateway,
        read=_read_gateway,
        update=retag_only,
        delete=patient(_delete_gateway),
        gone=unless_used(_delete_gateway),
        watches=NEIGHBOURS,
        error=error,
    ),
    ResourceType(
        type="AWS::EC2::VPCGatewayAttachment",
        honoured=honoured("InternetGatewayId VpcId VpnGatewayId"),
        create=_attach,
        read=_read_attachment,
        update=_attach_another,
        delete=patient(_detach),
        gone=unless_used(_detach),
        watches=NEIGHBOURS,
        error=error,
    ),
    ResourceType(
        type="AWS::EC2::EIP",
        honoured=honoured("Domain NetworkBorderGroup PublicIpv4Pool Tags"),
        create=_allocate,
        read=_read_address,
        update=_update_address,
        delete=_release,
        error=error,
    ),
    ResourceType(
        type="AWS::EC2::EIPAssociation",
        honoured=honoured("AllocationId EIP NetworkInterfaceId PrivateIpAddress"),
        create=_associate_address,
        read=_read_address_association,
        delete=deleting("DisassociateAddress", "AssociationId"),
        error=error,
    ),
    ResourceType(
        type="AWS::EC2::NatGateway",
        honoured=honoured(f"{_NAT} Tags"),
        create=_create_nat,
        read=_read_nat,
        update=retag_only,
        delete=_delete_nat,
        ready=_nat_ready,
        watches=frozenset({"ec2.nat-gateway"}),
        error=error,
    ),
    ResourceType(
        type="AWS::EC2::EgressOnlyInternetGateway",
        honoured=honoured("Tags VpcId"),
        create=_create_egress_only,
        read=_read_egress_only,
        update=retag_only,
        delete=deleting("DeleteEgressOnlyInternetGateway", "EgressOnlyInternetGatewayId"),
        error=error,
    ),
)
