"""Which port of the loopback address leads to which listener."""

from __future__ import annotations

import attrs
import pytest

from neargate.balancer.memory import Machine, MemoryBalancer
from neargate.drivers.load_balancers.doors import Doors
from neargate.model.elbv2 import Listener, LoadBalancer, Published
from tests.contract.balancing import fixed, forward, listener, load_balancer, target_group

pytestmark = pytest.mark.anyio

WEB, API = load_balancer("web"), load_balancer("api")
NET = load_balancer("net", type="network")


def tcp(owner: LoadBalancer, port: int) -> Listener:
    return listener(owner, forward(target_group("tcp")), port=port, protocol="TCP")


def http(owner: LoadBalancer, port: int = 80) -> Listener:
    return listener(owner, fixed("x"), port=port)


async def test_http_listeners_of_one_port_share_a_door_and_others_do_not() -> None:
    doors = Doors(MemoryBalancer())
    ours, theirs, other = http(WEB), http(API), tcp(NET, 80)
    found = await doors.of([(WEB, ours), (API, theirs), (NET, other)])
    assert found == {ours.key: 80, theirs.key: 80, other.key: 49152}


async def test_a_door_is_given_up_with_its_last_listener() -> None:
    doors = Doors(MemoryBalancer())
    await doors.of([(WEB, http(WEB)), (API, http(API))])
    await doors.of([(API, http(API))])
    assert await doors.of([(NET, tcp(NET, 80))]) == {tcp(NET, 80).key: 80}


async def test_a_listener_keeps_the_door_that_was_published() -> None:
    machine = Machine(taken={80})
    before = await Doors(MemoryBalancer(machine)).of([(WEB, http(WEB))])
    assert before == {http(WEB).key: 49152}
    machine.taken.clear()
    published = (Published(listener_port=80, address="127.0.0.1", port=49152),)
    after = await Doors(MemoryBalancer(machine)).of([(attrs.evolve(WEB, published=published), http(WEB))])
    assert after == before
