"""The default network and the zones, as AWS makes them."""

from __future__ import annotations

import ipaddress

import pytest

from neargate.model.ec2 import default_network
from neargate.model.zones import ZONES, default_subnet_order, zones

ACCOUNT = "000000000000"


def test_the_default_network_is_the_same_every_time_and_another_elsewhere() -> None:
    here = default_network(ACCOUNT, "us-east-1")
    default_network.cache_clear()
    assert default_network(ACCOUNT, "us-east-1") == here
    assert default_network(ACCOUNT, "us-east-2").vpc.id != here.vpc.id
    assert default_network("111111111111", "us-east-1").vpc.id != here.vpc.id


def test_us_east_1_has_six_public_slash_20s_in_the_order_that_accounts_show() -> None:
    subnets = default_network(ACCOUNT, "us-east-1").subnets
    assert {s.zone: (s.cidr, s.zone_id) for s in subnets} == {
        "us-east-1a": ("172.31.80.0/20", "use1-az6"),
        "us-east-1b": ("172.31.16.0/20", "use1-az1"),
        "us-east-1c": ("172.31.32.0/20", "use1-az2"),
        "us-east-1d": ("172.31.0.0/20", "use1-az4"),
        "us-east-1e": ("172.31.48.0/20", "use1-az3"),
        "us-east-1f": ("172.31.64.0/20", "use1-az5"),
    }
    assert all(s.map_public_ip and s.default_for_az for s in subnets)


@pytest.mark.parametrize("region", sorted(ZONES))
def test_every_region_has_a_default_network_of_disjoint_subnets_in_its_vpc(region: str) -> None:
    network = default_network(ACCOUNT, region)
    blocks = [ipaddress.IPv4Network(subnet.cidr) for subnet in network.subnets]
    assert len(set(blocks)) == len(blocks) == len(zones(region)) >= 2
    assert all(block.subnet_of(ipaddress.IPv4Network(network.vpc.cidr)) for block in blocks)
    ids = [record.key for record in network.records]
    assert len(set(ids)) == len(ids)


def test_tokyo_starts_with_zone_c_as_accounts_show() -> None:
    assert [zone.name[-1] for zone in default_subnet_order("ap-northeast-1")] == ["c", "d", "a"]


def test_an_unknown_region_has_three_zones() -> None:
    assert [zone.name for zone in zones("eu-north-9")] == ["eu-north-9a", "eu-north-9b", "eu-north-9c"]
