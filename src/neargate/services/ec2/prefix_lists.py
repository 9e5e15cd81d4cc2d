"""Prefix lists: AWS's own, which stand for a service's addresses, and customer-managed ones.

AWS's own have no addresses here: what they stand for answers at Neargate's endpoint.
"""

from __future__ import annotations

import attrs

from neargate.model import tags
from neargate.model.ec2 import RouteTable, SecurityGroup, derived_id
from neargate.model.ec2_assets import PrefixEntry, PrefixList
from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.model.records import Json
from neargate.services.ec2 import tagging
from neargate.services.ec2.cidr import parsed_cidr, parsed_ipv6
from neargate.services.ec2.estate import (
    dependency,
    everything,
    find,
    invalid,
    new_id,
    not_found,
    reads,
    repeated,
    require,
    writes,
)
from neargate.services.ec2.selection import Fields, page, select

_KNOWN = {("us-east-1", "s3"): "pl-63a5400a", ("us-east-1", "dynamodb"): "pl-02cd2c6b"}
_CLOUDFRONT = "com.amazonaws.global.cloudfront.origin-facing"
_KNOWN_CLOUDFRONT = {
    "ap-northeast-1": "pl-58a04531",
    "ap-northeast-2": "pl-22a6434b",
    "ap-south-1": "pl-9aa247f3",
    "ap-southeast-1": "pl-31a34658",
    "ap-southeast-2": "pl-b8a742d1",
    "ca-central-1": "pl-38a64351",
    "eu-central-1": "pl-a3a144ca",
    "eu-north-1": "pl-fab65393",
    "eu-west-1": "pl-4fa04526",
    "eu-west-2": "pl-93a247fa",
    "eu-west-3": "pl-75b1541c",
    "sa-east-1": "pl-5da64334",
    "us-east-1": "pl-3b927c52",
    "us-east-2": "pl-b6a144df",
    "us-west-1": "pl-4ea04527",
    "us-west-2": "pl-82a045eb",
}
_MOST = 1000


# -- AWS's own ---------------------------------------------------------------------------------------------


def service_list(region: str, service: str) -> str:
    """The id of AWS's prefix list for a gateway endpoint's service, `s3` or `dynamodb`."""
    return _KNOWN.get((region, service)) or derived_id("pl", region, service)


def _service_lists(region: str) -> dict[str, str]:
    """Id to name: those of the gateway endpoints, and where CloudFront's requests come from."""
    gateways = {service_list(region, s): f"com.amazonaws.{region}.{s}" for s in ("s3", "dynamodb")}
    cloudfront = _KNOWN_CLOUDFRONT.get(region) or derived_id("pl", region, _CLOUDFRONT)
    return {**gateways, cloudfront: _CLOUDFRONT}


def check_exists(cx: Context, wanted: str) -> None:
    """Raises InvalidPrefixListID.NotFound unless there is such a list, AWS's or the account's."""
    if wanted not in _service_lists(cx.region) and find(cx, PrefixList, wanted) is None:
        raise not_found(PrefixList, [wanted])


@reads("DescribePrefixLists")
def describe_prefix_lists(cx: Context, request: Json) -> Json:
    own = _service_lists(cx.region)
    for wanted in request.get("PrefixListIds") or ():
        if wanted not in own:
            raise not_found(PrefixList, [wanted])
    named = request.get("PrefixListIds") or list(own)
    lists = [{"PrefixListId": one, "PrefixListName": own[one], "Cidrs": []} for one in named]
    found = select(
        lists,
        request.get("Filters"),
        lambda one: {"prefix-list-id": one["PrefixListId"], "prefix-list-name": one["PrefixListName"]},
    )
    return page(request, "PrefixLists", found, dict)


# -- customer-managed --------------------------------------------------------------------------------------


@writes(
    "CreateManagedPrefixList", "PrefixListName Entries MaxEntries AddressFamily TagSpecifications ClientToken"
)
def create_managed_prefix_list(cx: Context, request: Json) -> Json:
    made = repeated(cx, PrefixList, request)
    if made is None:
        name, family, most = request["PrefixListName"], request["AddressFamily"], int(request["MaxEntries"])
        _check_name(name)
        if family not in ("IPv4", "IPv6"):
            raise invalid(f"The address family '{family}' is not valid. Valid values are IPv4 and IPv6.")
        made = PrefixList(
            account=cx.account,
            region=cx.region,
            id=new_id(cx, "pl"),
            name=name,
            family=family,
            max_entries=most,
            versions=(_fitting(most, [_entry(family, e) for e in request.get("Entries") or ()]),),
            tags=tagging.given(cx, request, "prefix-list"),
            token=request.get("ClientToken") or "",
        )
        cx.tx.put(made)
    return {"PrefixList": {**_described(made), "State": "create-in-progress"}}


@writes(
    "ModifyManagedPrefixList",
    "PrefixListId CurrentVersion PrefixListName AddEntries RemoveEntries MaxEntries",
)
def modify_managed_prefix_list(cx: Context, request: Json) -> Json:
    """New entries make a new version; another name or size does not."""
    old = require(cx, PrefixList, request["PrefixListId"])
    added = [_entry(old.family, entry) for entry in request.get("AddEntries") or ()]
    removed = {_cidr(old.family, entry["Cidr"]) for entry in request.get("RemoveEntries") or ()}
    most = request.get("MaxEntries") or old.max_entries
    if request.get("PrefixListName"):
        _check_name(request["PrefixListName"])
    new = attrs.evolve(
        old,
        name=request.get("PrefixListName") or old.name,
        max_entries=most,
        state="modify-complete",
    )
    if added or removed:
        if request.get("CurrentVersion") != len(old.versions):
            raise AwsError(
                "PrefixListVersionMismatch",
                "The prefix list has the incorrect version number. The current version number is "
                f"{len(old.versions)}.",
            )
        entries = {entry.cidr: entry for entry in old.entries}
        for cidr in removed:
            if entries.pop(cidr, None) is None:
                raise invalid(f"The prefix list does not contain the CIDR {cidr}")
        entries.update({entry.cidr: entry for entry in added})
        new = attrs.evolve(new, versions=(*old.versions, _fitting(most, list(entries.values()))))
    else:
        _fitting(most, list(old.entries))
    cx.tx.put(new)
    return {"PrefixList": {**_described(new), "State": "modify-in-progress"}}


@writes("DeleteManagedPrefixList", "PrefixListId")
def delete_managed_prefix_list(cx: Context, request: Json) -> Json:
    old = require(cx, PrefixList, request["PrefixListId"])
    rules = [rule for group in everything(cx, SecurityGroup) for rule in group.rules]
    routes = [route for table in everything(cx, RouteTable) for route in table.routes]
    used = old.id in {r.prefix_list for r in rules} or old.id in {r.destination for r in routes}
    if used:
        raise dependency(f"The prefix list '{old.id}' is in use and cannot be deleted.")
    cx.tx.delete(PrefixList, old.key)
    return {"PrefixList": {**_described(old), "State": "delete-in-progress"}}


@reads("DescribeManagedPrefixLists")
def describe_managed_prefix_lists(cx: Context, request: Json) -> Json:
    """AWS's own come first."""
    every = [_described_own(cx.region, one, name) for one, name in _service_lists(cx.region).items()]
    every += [_described(one) for one in everything(cx, PrefixList)]
    wanted = request.get("PrefixListIds") or []
    missing = [one for one in wanted if one not in {shown["PrefixListId"] for shown in every}]
    if missing:
        raise not_found(PrefixList, missing)
    every = [shown for shown in every if not wanted or shown["PrefixListId"] in wanted]
    return page(request, "PrefixLists", select(every, request.get("Filters"), _fields), dict)


@reads("GetManagedPrefixListEntries")
def get_managed_prefix_list_entries(cx: Context, request: Json) -> Json:
    if request["PrefixListId"] in _service_lists(cx.region):
        return {"Entries": []}
    found = require(cx, PrefixList, request["PrefixListId"])
    version = int(request.get("TargetVersion") or len(found.versions))
    if not 1 <= version <= len(found.versions):
        raise invalid(f"The prefix list version {version} does not exist")
    return page(request, "Entries", list(found.versions[version - 1]), _described_entry)


@reads("GetManagedPrefixListAssociations")
def get_managed_prefix_list_associations(cx: Context, request: Json) -> Json:
    """The groups and route tables that name it."""
    wanted = request["PrefixListId"]
    check_exists(cx, wanted)
    users = [g.id for g in everything(cx, SecurityGroup) if wanted in {r.prefix_list for r in g.rules}]
    users += [t.id for t in everything(cx, RouteTable) if wanted in {r.destination for r in t.routes}]
    return page(
        request, "PrefixListAssociations", users, lambda one: {"ResourceId": one, "ResourceOwner": cx.account}
    )


def _check_name(name: str) -> None:
    if name.lower().startswith("com.amazonaws"):
        raise invalid("The prefix list name cannot start with com.amazonaws.")


def _entry(family: str, entry: Json) -> PrefixEntry:
    return PrefixEntry(cidr=_cidr(family, entry["Cidr"]), description=entry.get("Description") or "")


def _cidr(family: str, text: str) -> str:
    parsed = parsed_cidr(text, "Cidr") if family == "IPv4" else parsed_ipv6(text, "Cidr")
    return str(parsed)


def _fitting(most: int, entries: list[PrefixEntry]) -> tuple[PrefixEntry, ...]:
    if not 1 <= most <= _MOST:
        raise invalid(f"The maximum number of entries must be between 1 and {_MOST}.")
    if len(entries) > most:
        raise AwsError(
            "PrefixListMaxEntriesExceeded",
            f"You've reached the maximum number of entries for the prefix list ({most}).",
        )
    return tuple(entries)


def _described(one: PrefixList) -> Json:
    return {
        "AddressFamily": one.family,
        "MaxEntries": one.max_entries,
        "OwnerId": one.account,
        "PrefixListArn": one.arn("prefix-list"),
        "PrefixListId": one.id,
        "PrefixListName": one.name,
        "State": one.state,
        "Tags": tags.upper(one.tags),
        "Version": len(one.versions),
    }


def _described_own(region: str, prefix_list: str, name: str) -> Json:
    return {
        "AddressFamily": "IPv4",
        "OwnerId": "AWS",
        "PrefixListArn": f"arn:aws:ec2:{region}:aws:prefix-list/{prefix_list}",
        "PrefixListId": prefix_list,
        "PrefixListName": name,
        "State": "create-complete",
        "Tags": [],
    }


def _described_entry(entry: PrefixEntry) -> Json:
    return (
        {"Cidr": entry.cidr, "Description": entry.description} if entry.description else {"Cidr": entry.cidr}
    )


def _fields(one: Json) -> Fields:
    return {
        "owner-id": one["OwnerId"],
        "prefix-list-id": one["PrefixListId"],
        "prefix-list-name": one["PrefixListName"],
        "tags": tags.from_list(one["Tags"]),
    }
