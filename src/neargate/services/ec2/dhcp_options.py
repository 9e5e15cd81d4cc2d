"""DHCP option sets. They are recorded and shown; tasks get their resolver from Neargate."""

from __future__ import annotations

import attrs

from neargate.model import tags
from neargate.model.ec2 import DhcpOptions, Vpc, default_dhcp_values, default_network
from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.model.records import Json
from neargate.services.ec2 import tagging
from neargate.services.ec2.estate import (
    chosen,
    dependency,
    everything,
    find,
    invalid,
    new_id,
    reads,
    require,
    writes,
)
from neargate.services.ec2.selection import Fields, page, select

_NAMES = (
    "domain-name",
    "domain-name-servers",
    "ipv6-address-preferred-lease-time",
    "netbios-name-servers",
    "netbios-node-type",
    "ntp-servers",
)
_FOUR = ("domain-name-servers", "netbios-name-servers", "ntp-servers")
"""Options with up to four values; the others have one."""


@writes("CreateDhcpOptions", "DhcpConfigurations TagSpecifications")
def create_dhcp_options(cx: Context, request: Json) -> Json:
    values = _values(request["DhcpConfigurations"])
    options = DhcpOptions(
        account=cx.account,
        region=cx.region,
        id=new_id(cx, "dopt"),
        values=values,
        tags=tagging.given(cx, request, "dhcp-options"),
    )
    cx.tx.put(options)
    return {"DhcpOptions": _described(options)}


def _values(configurations: list[Json]) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for configuration in configurations:
        name, given = configuration.get("Key") or "", list(configuration.get("Values") or ())
        if name not in _NAMES:
            raise invalid(f"Value ({name}) for parameter dhcpConfigurations is invalid. Unknown DHCP option")
        if not given or len(given) > (4 if name in _FOUR else 1):
            raise invalid(
                f"Value ({', '.join(given)}) for parameter {name} is invalid. Invalid number of values"
            )
        if name == "netbios-node-type" and given[0] not in ("1", "2", "4", "8"):
            raise invalid(f"Value ({given[0]}) for parameter value is invalid. Invalid NetBIOS node type.")
        values[name] = given
    if not values:
        raise AwsError("MissingParameter", "The request must contain the parameter dhcpConfiguration")
    return values


@writes("DeleteDhcpOptions", "DhcpOptionsId")
def delete_dhcp_options(cx: Context, request: Json) -> Json:
    options = require(cx, DhcpOptions, request["DhcpOptionsId"])
    if any(vpc.dhcp_options_id == options.id for vpc in everything(cx, Vpc)):
        raise dependency(f"The dhcpOptions '{options.id}' has dependencies and cannot be deleted.")
    cx.tx.delete(DhcpOptions, options.key)
    return {}


@writes("AssociateDhcpOptions", "DhcpOptionsId VpcId")
def associate_dhcp_options(cx: Context, request: Json) -> Json:
    """`default` as the id: the VPC has no options."""
    vpc, wanted = require(cx, Vpc, request["VpcId"]), request["DhcpOptionsId"]
    if wanted != "default":
        wanted = require(cx, DhcpOptions, wanted).id
    cx.tx.put(attrs.evolve(vpc, dhcp_options_id=wanted))
    return {}


@reads("DescribeDhcpOptions")
def describe_dhcp_options(cx: Context, request: Json) -> Json:
    found = chosen(cx, DhcpOptions, request.get("DhcpOptionsIds"))
    return page(request, "DhcpOptions", select(found, request.get("Filters"), _fields), _described)


def default_options(cx: Context) -> DhcpOptions:
    """The account's default option set; made anew where it went with the default VPC."""
    derived = default_network(cx.account, cx.region).dhcp_options
    found = find(cx, DhcpOptions, derived.id)
    if found is None:
        found = attrs.evolve(derived, values=default_dhcp_values(cx.region))
        cx.tx.put(found)
    return found


def _described(options: DhcpOptions) -> Json:
    return {
        "DhcpOptionsId": options.id,
        "OwnerId": options.account,
        "Tags": tags.upper(options.tags),
        "DhcpConfigurations": [
            {"Key": name, "Values": [{"Value": value} for value in values]}
            for name, values in sorted(options.values.items())
        ],
    }


def _fields(options: DhcpOptions) -> Fields:
    return {
        "dhcp-options-id": options.id,
        "key": list(options.values),
        "value": [value for values in options.values.values() for value in values],
        "owner-id": options.account,
        "tags": options.tags,
    }
