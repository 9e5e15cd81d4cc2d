"""What an account has in a region: its records, and the default network until it is written down.

Every account has a default network in every region without having asked. Reads derive it; the first write
puts it into the store (`establish`), from where on it is like anything else and can be changed or deleted.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import TypeVar

import attrs

from neargate.model.ec2 import (
    AddressLease,
    DhcpOptions,
    Established,
    InternetGateway,
    NetworkAcl,
    NetworkInterface,
    Regional,
    RouteTable,
    SecurityGroup,
    Subnet,
    Vpc,
    default_network,
)
from neargate.model.ec2_assets import FlowLog, KeyPair, PrefixList
from neargate.model.ec2_edges import (
    EgressOnlyGateway,
    ElasticAddress,
    Lingering,
    NatGateway,
    Peering,
    TransitGateway,
    TransitGatewayAttachment,
    VpcEndpoint,
    VpnGateway,
)
from neargate.model.errors import AwsError, not_implemented
from neargate.model.operations import Context, Handler, operation
from neargate.model.records import Json

T = TypeVar("T", bound=Regional)

L = TypeVar("L", bound=Lingering)

_NOT_FOUND: dict[str, tuple[str, str]] = {
    Vpc.KIND: ("InvalidVpcID.NotFound", "vpc ID"),
    Subnet.KIND: ("InvalidSubnetID.NotFound", "subnet ID"),
    InternetGateway.KIND: ("InvalidInternetGatewayID.NotFound", "internetGateway ID"),
    RouteTable.KIND: ("InvalidRouteTableID.NotFound", "routeTable ID"),
    NetworkAcl.KIND: ("InvalidNetworkAclID.NotFound", "networkAcl ID"),
    DhcpOptions.KIND: ("InvalidDhcpOptionID.NotFound", "dhcpOption ID"),
    SecurityGroup.KIND: ("InvalidGroup.NotFound", "security group"),
    NetworkInterface.KIND: ("InvalidNetworkInterfaceID.NotFound", "networkInterface ID"),
    ElasticAddress.KIND: ("InvalidAllocationID.NotFound", "allocation ID"),
    VpcEndpoint.KIND: ("InvalidVpcEndpointId.NotFound", "Vpc Endpoint Id"),
    EgressOnlyGateway.KIND: ("InvalidGatewayID.NotFound", "eigw ID"),
    VpnGateway.KIND: ("InvalidVpnGatewayID.NotFound", "vpnGateway ID"),
    Peering.KIND: ("InvalidVpcPeeringConnectionID.NotFound", "vpcPeeringConnection ID"),
    PrefixList.KIND: ("InvalidPrefixListID.NotFound", "prefix list ID"),
    FlowLog.KIND: ("InvalidFlowLogId.NotFound", "flowLog ID"),
    KeyPair.KIND: ("InvalidKeyPair.NotFound", "key pair"),
}
_WORDED = {
    NatGateway.KIND: ("NatGatewayNotFound", "The Nat Gateway {} was not found"),
    TransitGateway.KIND: (
        "InvalidTransitGatewayID.NotFound",
        "Transit Gateway {} was deleted or does not exist.",
    ),
    TransitGatewayAttachment.KIND: (
        "InvalidTransitGatewayAttachmentID.NotFound",
        "Transit Gateway Attachment {} was deleted or does not exist.",
    ),
}
LINGERS = 3600.0
"""Seconds for which something deleted is still shown, where AWS shows it."""


def reads(name: str) -> Callable[[Handler], Handler]:
    """Declare an EC2 operation that only reads."""

    def declare(handler: Handler) -> Handler:
        @functools.wraps(handler)
        def run(cx: Context, request: Json) -> Json:
            _refuse_dry_run(request)
            return handler(cx, request)

        return operation("ec2", name, reads=True)(run)

    return declare


def writes(name: str, honours: str) -> Callable[[Handler], Handler]:
    """Declare an EC2 operation that writes. `honours` lists the request members that it understands; another
    one that is set is refused."""
    understood = {*honours.split(), "DryRun"}

    def declare(handler: Handler) -> Handler:
        @functools.wraps(handler)
        def run(cx: Context, request: Json) -> Json:
            for member, value in request.items():
                if member not in understood and value not in (None, False, [], {}, "", 0):
                    raise not_implemented(f"ec2:{name} with {member}", "ec2")
            _refuse_dry_run(request)
            establish(cx)
            return handler(cx, request)

        return operation("ec2", name)(run)

    return declare


def _refuse_dry_run(request: Json) -> None:
    if request.get("DryRun"):
        raise AwsError("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", status=412)


def established(cx: Context) -> bool:
    """Whether the default network of this account and region is in the store."""
    return cx.tx.get(Established, cx.caller.scope("")) is not None


def establish(cx: Context) -> None:
    """Write the default network down, once."""
    if not established(cx):
        for record in default_network(cx.account, cx.region).records:
            cx.tx.put(record)
        cx.tx.put(Established(account=cx.account, region=cx.region))


def everything(cx: Context, kind: type[T]) -> list[T]:
    """All of a kind in the caller's account and region, in order of id, without what was deleted."""
    found = [record for record in cx.tx.scan(kind, cx.caller.scope("")) if not _is_deleted(record)]
    if not established(cx):
        found += [
            record for record in default_network(cx.account, cx.region).records if isinstance(record, kind)
        ]
        found.sort(key=lambda record: record.id)
    return found


def find(cx: Context, kind: type[T], wanted: str) -> T | None:
    """The record of that id, or None."""
    found = cx.tx.get(kind, cx.caller.scope(wanted))
    if found is not None and _is_deleted(found):
        return None
    if found is None and not established(cx):
        for record in default_network(cx.account, cx.region).records:
            if isinstance(record, kind) and record.id == wanted:
                return record
    return found


def require(cx: Context, kind: type[T], wanted: str) -> T:
    """The record of that id. Raises Invalid…NotFound."""
    found = find(cx, kind, wanted)
    if found is None:
        raise not_found(kind, [wanted])
    return found


def not_found(kind: type[T], missing: list[str]) -> AwsError:
    if kind.KIND in _WORDED:
        code, text = _WORDED[kind.KIND]
        return AwsError(code, text.format(", ".join(missing)))
    code, word = _NOT_FOUND[kind.KIND]
    plural = len(missing) > 1
    verb = "do" if plural else "does"
    return AwsError(code, f"The {word}{'s' if plural else ''} '{', '.join(missing)}' {verb} not exist")


def chosen(cx: Context, kind: type[T], ids: Iterable[str] | None) -> list[T]:
    """The records of these ids, or all where none are given. Raises Invalid…NotFound naming the missing."""
    if not ids:
        return everything(cx, kind)
    wanted = list(dict.fromkeys(ids))
    found = {record.id: record for record in (find(cx, kind, one) for one in wanted) if record is not None}
    missing = [one for one in wanted if one not in found]
    if missing:
        raise not_found(kind, missing)
    return [found[one] for one in wanted]


def repeated(cx: Context, kind: type[T], request: Json) -> T | None:
    """What the same ClientToken made before, or None."""
    token = request.get("ClientToken")
    if not token:
        return None
    return next((record for record in everything(cx, kind) if record.token == token), None)


def vpc_of(record: Regional) -> str | None:
    """The VPC that it stands in or is attached to, if any."""
    vpc_id: str | None = getattr(record, "vpc_id", None)
    return vpc_id


def _is_deleted(record: Regional) -> bool:
    return isinstance(record, Lingering) and record.deleted is not None


def let_linger(cx: Context, record: Lingering) -> None:
    """Delete it as far as anybody else is concerned; it is shown as deleted for an hour."""
    for old in cx.tx.scan(type(record), cx.caller.scope("")):
        if old.deleted is not None and cx.now - old.deleted > LINGERS:
            cx.tx.delete(type(old), old.key)
    cx.tx.put(attrs.evolve(record, deleted=cx.now))


def shown(cx: Context, kind: type[L], ids: Iterable[str] | None) -> list[L]:
    """As `chosen`, with what was deleted within the hour."""
    every = cx.tx.scan(kind, cx.caller.scope(""))
    seen = [record for record in every if record.deleted is None or cx.now - record.deleted <= LINGERS]
    wanted = list(ids or ())
    missing = [one for one in wanted if one not in {record.id for record in seen}]
    if missing:
        raise not_found(kind, missing)
    return [record for record in seen if not wanted or record.id in wanted]


def default_vpc(cx: Context) -> Vpc | None:
    """The account's default VPC in the region, unless it was deleted."""
    return next((vpc for vpc in everything(cx, Vpc) if vpc.is_default), None)


def leases(cx: Context, subnet_id: str = "") -> list[AddressLease]:
    """The addresses in use in a subnet, or in all."""
    return cx.tx.scan(AddressLease, cx.caller.scope(f"{subnet_id}/" if subnet_id else ""))


def new_id(cx: Context, prefix: str) -> str:
    """`vpc-0…` with 17 hex digits."""
    return f"{prefix}-0{cx.ids.hex(16)}"


def dependency(message: str) -> AwsError:
    return AwsError("DependencyViolation", message)


def invalid(message: str) -> AwsError:
    return AwsError("InvalidParameterValue", message)
