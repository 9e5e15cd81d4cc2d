"""What a VPC's resolver answers from Cloud Map and for the names of addresses. Pure; chance comes in as `shuffled`.

Sources: Cloud Map's developer guide on routing policies, Route 53's on multivalue answers (up to eight healthy
records, all of them where none is healthy), the VPC guide on private DNS host names.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Sequence

import attrs

from neargate.model.records import Json
from neargate.model.servicediscovery import DiscoveryInstance, DiscoveryService, Namespace

MOST = 8
"""Records of a multivalue answer."""

SOA = "ns-0.{domain}. hostmaster.{domain}. 1 7200 900 1209600 {ttl}"

_ATTRIBUTE = {"A": "AWS_INSTANCE_IPV4", "AAAA": "AWS_INSTANCE_IPV6", "CNAME": "AWS_INSTANCE_CNAME"}
_HOST = re.compile(r"ip-(\d{1,3}-\d{1,3}-\d{1,3}-\d{1,3})\.(ec2|[a-z0-9-]+\.compute)\.internal")

Shuffle = Callable[[Sequence[DiscoveryInstance]], Sequence[DiscoveryInstance]]


@attrs.frozen
class Answer:
    """`values` of the type that was asked for (of CNAME where `type` says so), in zone-file form; none of them where
    the name has other types only. `exists` is False for a name that the zone does not have."""

    type: str
    ttl: int = 0
    values: tuple[str, ...] = ()
    exists: bool = True


def in_namespace(name: str, space: Namespace) -> str | None:
    """What stands before the namespace in a name ("" for the namespace itself), None outside of it."""
    own = space.name.lower().rstrip(".")
    if name == own:
        return ""
    return name.removesuffix("." + own) if name.endswith("." + own) else None


def closest(name: str, spaces: Iterable[Namespace]) -> Namespace | None:
    """The longest of the namespaces that the name lies in."""
    inside = [one for one in spaces if in_namespace(name, one) is not None]
    return max(inside, key=lambda one: len(one.name), default=None)


def from_services(
    label: str,
    wanted: str,
    services: Sequence[tuple[DiscoveryService, Sequence[DiscoveryInstance]]],
    space: Namespace,
    shuffled: Shuffle,
) -> Answer:
    """The answer for `label` in a DNS namespace: a service, or `INSTANCE.SERVICE` where that has SRV records."""
    if not label:
        return Answer(wanted)
    for service, instances in services:
        own = service.name.lower()
        if label == own and service.dns is not None:
            return _service(wanted, service, instances, space, shuffled)
        if label.endswith("." + own) and "SRV" in service.record_types:
            one = next((each for each in instances if each.id.lower() == label.removesuffix("." + own)), None)
            if one is not None:
                return _address(wanted, _ttl(service, "SRV"), one)
    return Answer(wanted, exists=False)


def _service(
    wanted: str,
    service: DiscoveryService,
    instances: Sequence[DiscoveryInstance],
    space: Namespace,
    shuffled: Shuffle,
) -> Answer:
    if not instances:
        return Answer(wanted, exists=False)
    if service.record_types == ("CNAME",):
        wanted = "CNAME"
    if wanted not in service.record_types:
        return Answer(wanted)
    usable = [one for one in instances if one.healthy] or list(instances)
    single = (service.dns or {}).get("RoutingPolicy") == "WEIGHTED"
    chosen = shuffled(usable)[: 1 if single else MOST]
    values = tuple(_value(wanted, service, space, one) for one in chosen)
    return Answer(wanted, _ttl(service, wanted), values)


def _value(wanted: str, service: DiscoveryService, space: Namespace, one: DiscoveryInstance) -> str:
    if wanted == "SRV":
        target = f"{one.id}.{service.name}.{space.name}".lower().rstrip(".")
        return f"1 1 {one.attributes['AWS_INSTANCE_PORT']} {target}."
    value = one.attributes[_ATTRIBUTE[wanted]]
    return f"{value.rstrip('.')}." if wanted == "CNAME" else value


def _address(wanted: str, ttl: int, one: DiscoveryInstance) -> Answer:
    value = one.attributes.get(_ATTRIBUTE.get(wanted, ""), "")
    return Answer(wanted, ttl, (value,) if value else ())


def _ttl(service: DiscoveryService, type: str) -> int:
    records: list[Json] = (service.dns or {}).get("DnsRecords", [])
    return next((int(each["TTL"]) for each in records if each["Type"] == type), 60)


def host_name(name: str, wanted: str, domain: str, blocks: Sequence[str]) -> Answer | None:
    """`ip-10-0-0-5.ec2.internal` and its reverse, for addresses of the VPC's blocks; None for another name.

    `domain` is the VPC's region's (`ec2.internal`).
    """
    found = _HOST.fullmatch(name)
    if name.endswith("." + domain):
        if found is None:  # `backend` comes as `backend.ec2.internal` first: nobody outside has to be asked
            return Answer(wanted, exists=False)
        address = found[1].replace("-", ".")
        if not _within(address, blocks):
            return Answer(wanted, exists=False)
        return Answer(wanted, 60, (address,) if wanted == "A" else ())
    if name.endswith(".in-addr.arpa"):
        address = ".".join(reversed(name.removesuffix(".in-addr.arpa").split(".")))
        if _within(address, blocks):
            host = f"ip-{address.replace('.', '-')}.{domain}."
            return Answer(wanted, 60, (host,) if wanted == "PTR" else ())
    return None


def _within(address: str, blocks: Sequence[str]) -> bool:
    try:
        found = ipaddress.IPv4Address(address)
    except ValueError:
        return False
    return any(found in ipaddress.IPv4Network(block) for block in blocks)


def resolver_of(cidr: str) -> str:
    """Where a VPC's resolver answers: its first block's base plus two."""
    return str(ipaddress.IPv4Network(cidr).network_address + 2)
