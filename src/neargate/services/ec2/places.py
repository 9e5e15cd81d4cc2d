"""Regions, availability zones and account attributes."""

from __future__ import annotations

from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.model.records import Json
from neargate.model.zones import OPT_IN, ZONES, Zone, partition, zones
from neargate.services.ec2.estate import default_vpc, invalid, reads
from neargate.services.ec2.selection import Fields, select

SECURITY_GROUPS_PER_INTERFACE = 5


@reads("DescribeAvailabilityZones")
def describe_availability_zones(cx: Context, request: Json) -> Json:
    found = list(zones(cx.region))
    for member, word, attribute in (("ZoneNames", "names", "name"), ("ZoneIds", "ids", "id")):
        wanted = request.get(member) or []
        missing = [one for one in wanted if one not in {getattr(zone, attribute) for zone in found}]
        if missing:
            raise invalid(f"Invalid availability zone{'-id' if word == 'ids' else ''}: [{missing[0]}]")
        if wanted:
            found = [zone for zone in found if getattr(zone, attribute) in wanted]
    found = select(found, request.get("Filters"), _zone_fields)
    return {"AvailabilityZones": [_zone(zone) for zone in found]}


@reads("DescribeRegions")
def describe_regions(cx: Context, request: Json) -> Json:
    """The regions of the caller's partition; of those that need it the account has opted in to its own."""
    every = sorted(region for region in ZONES if partition(region) == partition(cx.region))
    named = request.get("RegionNames") or []
    for region in named:
        if region not in every:
            raise invalid(f"Invalid region name: '{region}'")
    shown = named or [r for r in every if request.get("AllRegions") or r not in OPT_IN or r == cx.region]
    described = [_region(cx, region) for region in shown]
    return {"Regions": select(described, request.get("Filters"), _region_fields)}


@reads("DescribeAccountAttributes")
def describe_account_attributes(cx: Context, request: Json) -> Json:
    vpc = default_vpc(cx)
    attributes = {
        "supported-platforms": "VPC",
        "default-vpc": "none" if vpc is None else vpc.id,
        "vpc-max-security-groups-per-interface": str(SECURITY_GROUPS_PER_INTERFACE),
        "max-instances": "0",
        "max-elastic-ips": "5",
        "vpc-max-elastic-ips": "5",
    }
    wanted = request.get("AttributeNames") or list(attributes)
    for name in wanted:
        if name not in attributes:
            raise AwsError("InvalidParameterValue", f"Value ({name}) for parameter attribute is invalid.")
    return {
        "AccountAttributes": [
            {"AttributeName": name, "AttributeValues": [{"AttributeValue": attributes[name]}]}
            for name in wanted
        ]
    }


def _zone(zone: Zone) -> Json:
    return {
        "OptInStatus": "opt-in-not-required",
        "Messages": [],
        "RegionName": zone.region,
        "ZoneName": zone.name,
        "ZoneId": zone.id,
        "GroupName": zone.group,
        "NetworkBorderGroup": zone.region,
        "ZoneType": "availability-zone",
        "State": "available",
    }


def _zone_fields(zone: Zone) -> Fields:
    return {
        "group-name": zone.group,
        "message": (),
        "opt-in-status": "opt-in-not-required",
        "parent-zone-id": (),
        "parent-zone-name": (),
        "region-name": zone.region,
        "state": "available",
        "zone-id": zone.id,
        "zone-name": zone.name,
        "zone-type": "availability-zone",
        "network-border-group": zone.region,
    }


def _region(cx: Context, region: str) -> Json:
    status = "opt-in-not-required"
    if region in OPT_IN:
        status = "opted-in" if region == cx.region else "not-opted-in"
    suffix = "amazonaws.com.cn" if partition(region) == "aws-cn" else "amazonaws.com"
    return {"RegionName": region, "Endpoint": f"ec2.{region}.{suffix}", "OptInStatus": status}


def _region_fields(region: Json) -> Fields:
    return {
        "endpoint": region["Endpoint"],
        "opt-in-status": region["OptInStatus"],
        "region-name": region["RegionName"],
    }
