"""What a VPC's resolver answers: services, instances, the names of addresses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from neargate.model.servicediscovery import DNS_PRIVATE, DiscoveryInstance, DiscoveryService, Namespace
from neargate.planners.private_names import (
    MOST,
    Answer,
    closest,
    from_services,
    host_name,
    in_namespace,
    resolver_of,
)

HERE: dict[str, str] = {"account": "000000000000", "region": "us-east-1"}


def space(name: str) -> Namespace:
    return Namespace(
        **HERE, id="ns-1", name=name, type=DNS_PRIVATE, created=0, creator_request_id="", operation=""
    )


def service(name: str, *types: str, policy: str = "MULTIVALUE") -> DiscoveryService:
    records = [{"Type": type, "TTL": 7} for type in types]
    dns = {"RoutingPolicy": policy, "DnsRecords": records}
    return DiscoveryService(
        **HERE, id="srv-1", name=name, namespace="ns-1", created=0, creator_request_id="", dns=dns
    )


def instance(id: str, healthy: bool = True, **attributes: str) -> DiscoveryInstance:
    return DiscoveryInstance(
        **HERE, service="srv-1", id=id, creator_request_id="", attributes=attributes, healthy=healthy
    )


def as_given(instances: Sequence[DiscoveryInstance]) -> Sequence[DiscoveryInstance]:
    return instances


def ask(label: str, wanted: str, one: DiscoveryService, *instances: DiscoveryInstance) -> Answer:
    return from_services(label, wanted, [(one, instances)], space("corp.local"), as_given)


@pytest.mark.parametrize(
    ("name", "label"),
    [("corp.local", ""), ("web.corp.local", "web"), ("a.b.corp.local", "a.b"), ("xcorp.local", None)],
)
def test_what_lies_in_a_namespace(name: str, label: str | None) -> None:
    assert in_namespace(name, space("Corp.local")) == label


def test_the_longest_namespace_answers() -> None:
    spaces = [space("local"), space("corp.local"), space("other")]
    found = closest("web.corp.local", spaces)
    assert found is not None
    assert found.name == "corp.local"
    assert closest("example.com", spaces) is None


def test_healthy_instances_answer_and_all_where_none_is() -> None:
    well = instance("a", AWS_INSTANCE_IPV4="10.0.0.1")
    ill = instance("b", healthy=False, AWS_INSTANCE_IPV4="10.0.0.2")
    assert ask("web", "A", service("web", "A"), well, ill) == Answer("A", 7, ("10.0.0.1",))
    assert ask("web", "A", service("web", "A"), ill).values == ("10.0.0.2",)


def test_eight_at_most_and_one_of_a_weighted_service() -> None:
    many = [instance(str(n), AWS_INSTANCE_IPV4=f"10.0.0.{n}") for n in range(1, 20)]
    assert len(ask("web", "A", service("web", "A"), *many).values) == MOST
    assert len(ask("web", "A", service("web", "A", policy="WEIGHTED"), *many).values) == 1


def test_srv_records_name_instances_that_have_addresses() -> None:
    web = service("web", "A", "SRV")
    one = instance("i-1", AWS_INSTANCE_IPV4="10.0.0.1", AWS_INSTANCE_PORT="3000")
    assert ask("web", "SRV", web, one).values == ("1 1 3000 i-1.web.corp.local.",)
    assert ask("i-1.web", "A", web, one) == Answer("A", 7, ("10.0.0.1",))
    assert not ask("i-2.web", "A", web, one).exists


def test_a_cname_answers_for_every_type() -> None:
    one = instance("a", AWS_INSTANCE_CNAME="db.example.com")
    found = ask("db", "A", service("db", "CNAME", policy="WEIGHTED"), one)
    assert found == Answer("CNAME", 7, ("db.example.com.",))


@pytest.mark.parametrize(
    ("label", "wanted", "exists"), [("web", "AAAA", True), ("api", "A", False), ("", "A", True)]
)
def test_other_types_and_other_names(label: str, wanted: str, exists: bool) -> None:
    one = instance("a", AWS_INSTANCE_IPV4="10.0.0.1")
    found = ask(label, wanted, service("web", "A"), one)
    assert (found.values, found.exists) == ((), exists)


def test_a_service_without_instances_is_no_name() -> None:
    assert not ask("web", "A", service("web", "A")).exists


@pytest.mark.parametrize(
    ("name", "wanted", "expected"),
    [
        ("ip-10-0-0-5.ec2.internal", "A", Answer("A", 60, ("10.0.0.5",))),
        ("ip-10-0-0-5.ec2.internal", "AAAA", Answer("AAAA", 60)),
        ("ip-10-9-0-5.ec2.internal", "A", Answer("A", exists=False)),
        ("ip-10-0-0-5.eu-west-1.compute.internal", "A", None),
        ("5.0.0.10.in-addr.arpa", "PTR", Answer("PTR", 60, ("ip-10-0-0-5.ec2.internal.",))),
        ("5.0.9.10.in-addr.arpa", "PTR", None),
        ("ip-999-0-0-5.ec2.internal", "A", Answer("A", exists=False)),
        ("example.com", "A", None),
    ],
)
def test_host_names_of_a_vpc(name: str, wanted: str, expected: Any) -> None:
    assert host_name(name, wanted, "ec2.internal", ("10.0.0.0/16",)) == expected


def test_where_the_resolver_is() -> None:
    assert resolver_of("172.31.0.0/16") == "172.31.0.2"
