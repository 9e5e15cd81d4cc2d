"""AWS::EC2:: types that stand at an address or in a list: interfaces, VPC endpoints, flow logs, prefix lists, key
pairs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from neargate.model.errors import AwsError
from neargate.model.records import Json
from neargate.resources.declaration import (
    Call,
    Desired,
    Existing,
    Identity,
    Naming,
    Readiness,
    Ready,
    ResourceType,
    Steps,
    Waiting,
)
from neargate.resources.ec2_steps import (
    NEIGHBOURS,
    changed,
    deleting,
    described,
    difference,
    error,
    honoured,
    patient,
    retag,
    retag_only,
    tagged,
    unless_used,
)
from neargate.resources.shapes import call, missing_is_fine, pick, without

# -- network interfaces ------------------------------------------------------------------------------------

_SECONDARY = "SecondaryPrivateIpAddressCount"


def _create_interface(want: Desired) -> Steps[Identity]:
    plain = ("Description", "InterfaceType", "PrivateIpAddress", "PrivateIpAddresses", _SECONDARY, "SubnetId")
    given = pick(want.properties, plain)
    if "GroupSet" in want.properties:
        given["Groups"] = want.properties["GroupSet"]
    specifications = tagged(want, "network-interface")
    answer = yield call("ec2", "CreateNetworkInterface", given, **specifications, ClientToken=want.token)
    interface: str = answer["NetworkInterface"]["NetworkInterfaceId"]
    if "SourceDestCheck" in want.properties:
        yield _interface_attribute(
            interface, "SourceDestCheck", {"Value": want.properties["SourceDestCheck"]}
        )
    return Identity(interface)


def _interface_attribute(interface: str, name: str, value: Any) -> Call:
    return call("ec2", "ModifyNetworkInterfaceAttribute", {"NetworkInterfaceId": interface, name: value})


def _update_interface(old: Existing, want: Desired) -> Steps[None]:
    properties = want.properties
    if changed(old, want, ["Description"]):
        yield _interface_attribute(old.id, "Description", {"Value": properties.get("Description", "")})
    if changed(old, want, ["SourceDestCheck"]):
        yield _interface_attribute(
            old.id, "SourceDestCheck", {"Value": properties.get("SourceDestCheck", True)}
        )
    if changed(old, want, ["GroupSet"]):
        groups = properties.get("GroupSet") or (yield from _default_groups(old))
        yield _interface_attribute(old.id, "Groups", groups)
    yield from _change_addresses(old, want)
    yield from retag(old.id, old.desired, want)


def _default_groups(existing: Existing) -> Steps[list[str]]:
    shown = yield from _interface(existing)
    filters = [
        {"Name": "vpc-id", "Values": [shown["VpcId"]]},
        {"Name": "group-name", "Values": ["default"]},
    ]
    answer = yield Call("ec2", "DescribeSecurityGroups", {"Filters": filters})
    return [group["GroupId"] for group in answer["SecurityGroups"]]


def _change_addresses(old: Existing, want: Desired) -> Steps[None]:
    """Assign or take back secondary addresses, by count or by name."""
    added, removed = difference(old, want, "PrivateIpAddresses")
    gone = [one["PrivateIpAddress"] for one in removed if not _is_primary(one)]
    new = [one["PrivateIpAddress"] for one in added if not _is_primary(one)]
    more = int(want.properties.get(_SECONDARY) or 0) - int(old.desired.properties.get(_SECONDARY) or 0)
    if more < 0:
        shown = yield from _interface(old)
        secondary = [one["PrivateIpAddress"] for one in shown["PrivateIpAddresses"] if not one["Primary"]]
        gone += secondary[more:]
    named = {"NetworkInterfaceId": old.id}
    if gone:
        yield Call("ec2", "UnassignPrivateIpAddresses", {**named, "PrivateIpAddresses": gone})
    if new:
        yield Call("ec2", "AssignPrivateIpAddresses", {**named, "PrivateIpAddresses": new})
    if more > 0:
        yield Call("ec2", "AssignPrivateIpAddresses", {**named, _SECONDARY: more})


def _needs_another_interface(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Its primary address stays; the others come and go."""

    def primary(properties: Mapping[str, Any]) -> list[Json]:
        return [one for one in properties.get("PrivateIpAddresses") or () if _is_primary(one)]

    return primary(old) != primary(new)


def _is_primary(address: Json) -> bool:
    return str(address.get("Primary", False)).lower() == "true"


def _interface(existing: Existing) -> Steps[Json]:
    shown = yield from described(
        "DescribeNetworkInterfaces", "NetworkInterfaceIds", "NetworkInterfaces", existing.id
    )
    return shown


def _read_interface(existing: Existing) -> Steps[Json]:
    shown = yield from _interface(existing)
    addresses = shown["PrivateIpAddresses"]
    return {
        "Id": existing.id,
        "PrimaryPrivateIpAddress": shown["PrivateIpAddress"],
        "PrimaryIpv6Address": "",
        "PublicIpDnsNameOptions": {},
        "SecondaryPrivateIpAddresses": [one["PrivateIpAddress"] for one in addresses if not one["Primary"]],
        "VpcId": shown["VpcId"],
    }


# -- VPC endpoints -----------------------------------------------------------------------------------------

_LISTS = ("RouteTableIds", "SecurityGroupIds", "SubnetIds")
_ENDPOINT = "DnsOptions IpAddressType PrivateDnsEnabled"


def _create_endpoint(want: Desired) -> Steps[Identity]:
    given = without(want.properties, "Tags", "PolicyDocument")
    given.update(_policy(want))
    specifications = tagged(want, "vpc-endpoint")
    answer = yield call("ec2", "CreateVpcEndpoint", given, **specifications, ClientToken=want.token)
    return Identity(answer["VpcEndpoint"]["VpcEndpointId"])


def _policy(want: Desired) -> Json:
    """The policy as JSON text; a template may give it as an object."""
    document = want.properties.get("PolicyDocument")
    if document is None:
        return {}
    return {"PolicyDocument": document if isinstance(document, str) else json.dumps(document)}


def _update_endpoint(old: Existing, want: Desired) -> Steps[None]:
    request: Json = {}
    if changed(old, want, ["PolicyDocument"]):
        request.update(_policy(want) or {"ResetPolicy": True})
    for name in _LISTS:
        added, removed = difference(old, want, name)
        request.update({f"Add{name}": added} if added else {})
        request.update({f"Remove{name}": removed} if removed else {})
    request.update(pick(want.properties, changed(old, want, _ENDPOINT.split())))
    if changed(old, want, ["PrivateDnsEnabled"]) and "PrivateDnsEnabled" not in want.properties:
        request["PrivateDnsEnabled"] = False
    if request:
        yield call("ec2", "ModifyVpcEndpoint", {"VpcEndpointId": old.id, **request})
    yield from retag(old.id, old.desired, want)


def _endpoint(existing: Existing) -> Steps[Json]:
    shown = yield from described("DescribeVpcEndpoints", "VpcEndpointIds", "VpcEndpoints", existing.id)
    return shown


def _endpoint_ready(existing: Existing) -> Steps[Readiness]:
    shown = yield from _endpoint(existing)
    if shown["State"] == "available":
        return Ready()
    return Waiting(f"waiting for {existing.id} to be available")


def _read_endpoint(existing: Existing) -> Steps[Json]:
    shown = yield from _endpoint(existing)
    created = datetime.fromtimestamp(shown["CreationTimestamp"], UTC)
    return {
        "Id": existing.id,
        "CreationTimestamp": created.strftime("%a %b %d %H:%M:%S UTC %Y"),
        "DnsEntries": [f"{one['HostedZoneId']}:{one['DnsName']}" for one in shown["DnsEntries"]],
        "NetworkInterfaceIds": shown["NetworkInterfaceIds"],
    }


def _delete_endpoint(existing: Existing) -> Steps[None]:
    answer = yield Call("ec2", "DeleteVpcEndpoints", {"VpcEndpointIds": [existing.id]})
    _refuse_unsuccessful(answer)


def _refuse_unsuccessful(answer: Json) -> None:
    """Raise the error of an item that a call for several could not do."""
    for item in answer.get("Unsuccessful") or ():
        raise AwsError(item["Error"]["Code"], item["Error"]["Message"])


# -- flow logs ---------------------------------------------------------------------------------------------


def _create_flow_log(want: Desired) -> Steps[Identity]:
    given = without(want.properties, "ResourceId", "Tags")
    given["ResourceIds"] = [want.properties["ResourceId"]]
    specifications = tagged(want, "vpc-flow-log")
    answer = yield call("ec2", "CreateFlowLogs", given, **specifications, ClientToken=want.token)
    _refuse_unsuccessful(answer)
    return Identity(answer["FlowLogIds"][0])


def _read_flow_log(existing: Existing) -> Steps[Json]:
    yield from described("DescribeFlowLogs", "FlowLogIds", "FlowLogs", existing.id)
    return {"Id": existing.id}


def _delete_flow_log(existing: Existing) -> Steps[None]:
    answer = yield Call("ec2", "DeleteFlowLogs", {"FlowLogIds": [existing.id]})
    _refuse_unsuccessful(answer)


# -- prefix lists ------------------------------------------------------------------------------------------


def _create_list(want: Desired) -> Steps[Identity]:
    given = without(want.properties, "Tags")
    given.setdefault("MaxEntries", max(len(given.get("Entries") or ()), 1))
    specifications = tagged(want, "prefix-list")
    answer = yield call("ec2", "CreateManagedPrefixList", given, **specifications, ClientToken=want.token)
    return Identity(answer["PrefixList"]["PrefixListId"])


def _list(existing: Existing) -> Steps[Json]:
    shown = yield from described("DescribeManagedPrefixLists", "PrefixListIds", "PrefixLists", existing.id)
    return shown


def _update_list(old: Existing, want: Desired) -> Steps[None]:
    """Entries and size change in calls of their own, as EC2 asks for: first bigger, at the end smaller."""
    shown = yield from _list(old)
    named = {"PrefixListId": old.id}
    most = int(want.properties.get("MaxEntries") or max(len(want.properties.get("Entries") or ()), 1))
    if most > shown["MaxEntries"]:
        yield Call("ec2", "ModifyManagedPrefixList", {**named, "MaxEntries": most})
    added, removed = difference(old, want, "Entries")
    request: Json = pick(want.properties, changed(old, want, ["PrefixListName"]))
    if added or removed:
        kept = {entry["Cidr"] for entry in added}
        request["CurrentVersion"] = shown["Version"]
        request["AddEntries"] = added
        request["RemoveEntries"] = [pick(entry, ["Cidr"]) for entry in removed if entry["Cidr"] not in kept]
    if request:
        yield call("ec2", "ModifyManagedPrefixList", {**named, **request})
    if most < shown["MaxEntries"]:
        yield Call("ec2", "ModifyManagedPrefixList", {**named, "MaxEntries": most})
    yield from retag(old.id, old.desired, want)


def _read_list(existing: Existing) -> Steps[Json]:
    shown = yield from _list(existing)
    return {"Arn": shown["PrefixListArn"], **pick(shown, ("OwnerId", "PrefixListId", "Version"))}


_delete_list = deleting("DeleteManagedPrefixList", "PrefixListId")


# -- key pairs ---------------------------------------------------------------------------------------------


def _parameter(key_pair: str) -> str:
    """Where CloudFormation puts a private key."""
    return f"/ec2/keypair/{key_pair}"


def _create_key(want: Desired) -> Steps[Identity]:
    """A new key's private half goes into Parameter Store. The id is the key's name."""
    properties = want.properties
    specifications = tagged(want, "key-pair")
    if "PublicKeyMaterial" in properties:
        material = str(properties["PublicKeyMaterial"]).encode()
        request = {"KeyName": want.name, "PublicKeyMaterial": material, **specifications}
        answer = yield Call("ec2", "ImportKeyPair", request)
        return Identity(answer["KeyName"])
    given = pick(properties, ("KeyName", "KeyType", "KeyFormat"))
    answer = yield call("ec2", "CreateKeyPair", given, **specifications)
    parameter = {
        "Name": _parameter(answer["KeyPairId"]),
        "Type": "SecureString",
        "Value": answer["KeyMaterial"],
    }
    yield Call("ssm", "PutParameter", parameter)
    return Identity(answer["KeyName"])


def _read_key(existing: Existing) -> Steps[Json]:
    shown = yield from described("DescribeKeyPairs", "KeyNames", "KeyPairs", existing.id)
    return pick(shown, ("KeyFingerprint", "KeyPairId"))


def _delete_key(existing: Existing) -> Steps[None]:
    shown = yield from described("DescribeKeyPairs", "KeyNames", "KeyPairs", existing.id)
    yield Call("ec2", "DeleteKeyPair", {"KeyName": existing.id})
    if "PublicKeyMaterial" not in existing.desired.properties:
        request = {"Name": _parameter(shown["KeyPairId"])}
        yield from missing_is_fine(Call("ssm", "DeleteParameter", request), "ParameterNotFound")


TYPES = (
    ResourceType(
        type="AWS::EC2::NetworkInterface",
        honoured=honoured(
            "Description GroupSet InterfaceType PrivateIpAddress PrivateIpAddresses "
            "SecondaryPrivateIpAddressCount SourceDestCheck SubnetId Tags"
        ),
        create=_create_interface,
        read=_read_interface,
        update=_update_interface,
        replaces=_needs_another_interface,
        delete=deleting("DeleteNetworkInterface", "NetworkInterfaceId"),
        error=error,
    ),
    ResourceType(
        type="AWS::EC2::VPCEndpoint",
        honoured=honoured(
            f"{_ENDPOINT} PolicyDocument RouteTableIds SecurityGroupIds ServiceName SubnetIds Tags VpcEndpointType "
            "VpcId"
        ),
        create=_create_endpoint,
        read=_read_endpoint,
        update=_update_endpoint,
        delete=_delete_endpoint,
        ready=_endpoint_ready,
        watches=frozenset({"ec2.vpc-endpoint"}),
        error=error,
    ),
    ResourceType(
        type="AWS::EC2::FlowLog",
        honoured=honoured(
            "DeliverCrossAccountRole DeliverLogsPermissionArn DestinationOptions LogDestination LogDestinationType "
            "LogFormat LogGroupName MaxAggregationInterval ResourceId ResourceType Tags TrafficType"
        ),
        create=_create_flow_log,
        read=_read_flow_log,
        update=retag_only,
        delete=_delete_flow_log,
        error=error,
    ),
    ResourceType(
        type="AWS::EC2::PrefixList",
        honoured=honoured("AddressFamily Entries MaxEntries PrefixListName Tags"),
        create=_create_list,
        read=_read_list,
        update=_update_list,
        delete=patient(_delete_list),
        gone=unless_used(_delete_list),
        watches=NEIGHBOURS,
        error=error,
    ),
    ResourceType(
        type="AWS::EC2::KeyPair",
        honoured=honoured("KeyFormat KeyName KeyType PublicKeyMaterial Tags"),
        naming=Naming("KeyName"),
        create=_create_key,
        read=_read_key,
        delete=_delete_key,
        error=error,
    ),
)
