"""Service Connect's endpoints as what the load balancers' data plane serves. Pure.

Each endpoint is served like a network load balancer with one TCP listener, at the endpoint's own address.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping, Sequence

import attrs

from neargate.model.balancer import Endpoint, Entry, Pool, Served
from neargate.model.elbv2 import HealthCheck, Listener, LoadBalancer, TargetGroup
from neargate.model.service_connect import ConnectEndpoint
from neargate.model.servicediscovery import DiscoveryInstance

ADDRESSES = ipaddress.IPv4Network("198.19.0.0/16")
"""Where endpoints have their addresses: half of what RFC 2544 keeps for benchmarks, so that no network uses it."""

_PREFIX = "connect-"  # no load balancer's name begins so in its key: theirs are `app` and `net`


def free_address(start: int, used: Collection[str]) -> str | None:
    """The first address from the `start`-th on that is not used; None where all are."""
    for step in range(ADDRESSES.num_addresses):
        address = str(ADDRESSES[(start + step) % ADDRESSES.num_addresses])
        if address not in used and not address.endswith((".0", ".255")):
            return address
    return None


def moved(endpoints: Sequence[ConnectEndpoint], taken: Collection[str]) -> list[ConnectEndpoint]:
    """The endpoints whose addresses are taken by somebody else on this machine, with others."""
    used = {each.address for each in endpoints} | set(taken)
    found = []
    for each in endpoints:
        if each.address not in taken:
            continue
        address = free_address(_number(each.address) + 1, used)
        if address is not None:
            used.add(address)
            found.append(attrs.evolve(each, address=address))
    return found


def _number(address: str) -> int:
    return int(ipaddress.IPv4Address(address)) - int(ADDRESSES.network_address)


def served(endpoints: Sequence[ConnectEndpoint], held: frozenset[str]) -> tuple[Served, ...]:
    """The endpoints whose addresses this machine holds."""
    return tuple(_served(each) for each in endpoints if each.address in held and each.aliases)


def pools(
    endpoints: Sequence[ConnectEndpoint], instances: Mapping[str, Sequence[DiscoveryInstance]]
) -> dict[str, Pool]:
    """Target groups by ARN. `instances` are those of each endpoint (by its key); where none is healthy all serve."""
    found = {}
    for each in endpoints:
        members = [one for one in instances.get(each.key, ()) if "AWS_INSTANCE_PORT" in one.attributes]
        healthy = [one for one in members if one.healthy] or members
        group = _group(each)
        found[group.arn] = Pool(group, tuple(sorted(_endpoint(one) for one in healthy)))
    return found


def _endpoint(one: DiscoveryInstance) -> Endpoint:
    return Endpoint(one.attributes["AWS_INSTANCE_IPV4"], int(one.attributes["AWS_INSTANCE_PORT"]))


def _served(endpoint: ConnectEndpoint) -> Served:
    balancer = LoadBalancer(
        account=endpoint.account,
        region=endpoint.region,
        name=_name(endpoint),
        id=endpoint.registry,
        type="network",
        scheme="internal",
        vpc_id="",
        interfaces=(),
        dns_name="",
        created=0.0,
        state="active",
    )
    entries = tuple(Entry(_listener(endpoint, balancer, port)) for port in _ports(endpoint))
    return Served(balancer, entries, (endpoint.address,))


def _ports(endpoint: ConnectEndpoint) -> list[int]:
    return sorted({alias.port for alias in endpoint.aliases})


def _listener(endpoint: ConnectEndpoint, balancer: LoadBalancer, port: int) -> Listener:
    forward = {"TargetGroupArn": _group(endpoint).arn, "Weight": 1}
    return Listener(
        account=endpoint.account,
        region=endpoint.region,
        balancer=balancer.full_name,
        id=str(port),
        port=port,
        protocol="TCP",
        default_actions=({"Type": "forward", "ForwardConfig": {"TargetGroups": [forward]}},),
        created=0.0,
    )


def _group(endpoint: ConnectEndpoint) -> TargetGroup:
    return TargetGroup(
        account=endpoint.account,
        region=endpoint.region,
        name=_name(endpoint),
        id=endpoint.registry,
        protocol="TCP",
        port=1,
        vpc_id="",
        target_type="ip",
        protocol_version="",
        health_check=HealthCheck(enabled=False),
        attributes={},
        created=0.0,
    )


def _name(endpoint: ConnectEndpoint) -> str:
    return f"{_PREFIX}{endpoint.namespace}"
