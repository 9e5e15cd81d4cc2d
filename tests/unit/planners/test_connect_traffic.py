"""Service Connect's endpoints as traffic: addresses, listeners, members."""

from __future__ import annotations

from neargate.model.balancer import Endpoint
from neargate.model.elbv2 import groups_of
from neargate.model.service_connect import ClientAlias, ConnectEndpoint
from neargate.model.servicediscovery import DiscoveryInstance
from neargate.planners.connect_traffic import ADDRESSES, free_address, moved, pools, served

HERE: dict[str, str] = {"account": "000000000000", "region": "us-east-1"}


def endpoint(name: str, address: str, *aliases: ClientAlias) -> ConnectEndpoint:
    return ConnectEndpoint(
        **HERE,
        namespace="ns-1",
        name=name,
        registry=f"srv-{name}",
        address=address,
        aliases=aliases,
        service=f"c/{name}",
    )


def instance(id: str, healthy: bool = True) -> DiscoveryInstance:
    attributes = {"AWS_INSTANCE_IPV4": f"10.0.0.{id}", "AWS_INSTANCE_PORT": "3000"}
    return DiscoveryInstance(
        **HERE, service="srv-web", id=id, creator_request_id="", attributes=attributes, healthy=healthy
    )


def test_each_port_is_listened_on_once_and_leads_to_the_tasks() -> None:
    web = endpoint("web", "198.19.0.1", ClientAlias("web", 80), ClientAlias("web.apps", 80))
    (one,) = served([web], frozenset({"198.19.0.1"}))
    (entry,) = one.entries
    assert (entry.listener.protocol, entry.listener.port, one.addresses) == ("TCP", 80, ("198.19.0.1",))
    (group,) = groups_of(entry.listener.default_actions)
    found = pools([web], {web.key: [instance("2"), instance("1")]})
    assert found[group].endpoints == (Endpoint("10.0.0.1", 3000), Endpoint("10.0.0.2", 3000))


def test_only_healthy_tasks_serve_unless_none_is() -> None:
    web = endpoint("web", "198.19.0.1", ClientAlias("web", 80))
    ill = instance("1", healthy=False)
    (pool,) = pools([web], {web.key: [ill, instance("2")]}).values()
    assert [each.address for each in pool.endpoints] == ["10.0.0.2"]
    (pool,) = pools([web], {web.key: [ill]}).values()
    assert [each.address for each in pool.endpoints] == ["10.0.0.1"]


def test_what_the_machine_does_not_hold_is_not_served() -> None:
    web = endpoint("web", "198.19.0.1", ClientAlias("web", 80))
    assert served([web], frozenset()) == ()
    assert served([endpoint("quiet", "198.19.0.2")], frozenset({"198.19.0.2"})) == ()


def test_addresses_are_used_once() -> None:
    assert free_address(1, set()) == "198.19.0.1"
    assert free_address(1, {"198.19.0.1"}) == "198.19.0.2"
    assert free_address(254, {"198.19.0.254"}) == "198.19.1.1"
    assert free_address(ADDRESSES.num_addresses - 1, set()) == "198.19.0.1"
    assert free_address(0, {str(each) for each in ADDRESSES}) is None


def test_an_endpoint_moves_where_its_address_is_taken() -> None:
    one, two = endpoint("one", "198.19.0.1"), endpoint("two", "198.19.0.2")
    assert moved([one, two], set()) == []
    (elsewhere,) = moved([one, two], {"198.19.0.1"})
    assert (elsewhere.name, elsewhere.address) == ("one", "198.19.0.3")
