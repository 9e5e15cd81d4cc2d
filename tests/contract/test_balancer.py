"""What every balancer promises. The tests of Envoy use the loopback address of this machine and free ports only."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import pytest

from neargate.balancer.memory import Answer
from neargate.model.balancer import Balancer, Endpoint, Entry, Pool, Served
from neargate.model.elbv2 import LoadBalancer, TargetGroup
from neargate.model.records import Json
from neargate.planners.listener_rules import Asked
from tests.contract.balancing import (
    Held,
    MemoryRig,
    Rig,
    breaking,
    envoy_rig,
    fixed,
    forward,
    header_is,
    host_is,
    listener,
    load_balancer,
    method_is,
    named,
    path_is,
    pools_of,
    query_is,
    redirect,
    rule,
    serve,
    silent,
    source_is,
    target_group,
)

pytestmark = pytest.mark.anyio

WEB = load_balancer("web")
BLUE, GREEN = target_group("blue"), target_group("green")


@pytest.fixture(params=["memory", pytest.param("envoy", marks=pytest.mark.engine)])
async def rig(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    if request.param == "memory":
        yield MemoryRig()
        return
    async with envoy_rig(tmp_path / "balancer") as made:
        yield made


class Site:
    """One load balancer with one listener, and its pools."""

    def __init__(self, rig: Rig, balancer: Balancer, door: int, one: LoadBalancer = WEB) -> None:
        self.rig, self.balancer, self.door, self.one = rig, balancer, door, one
        self.listener = listener(one, forward(BLUE))
        self.rules: tuple[tuple[int, Json, tuple[Json, ...]], ...] = ()
        self.pools: dict[str, Pool] = {}

    async def serve(self, action: Json | None = None, **pools: list[Endpoint]) -> None:
        """`blue` and `green` are the members of these groups; what is not named stays."""
        if action is not None:
            self.listener = attrs.evolve(self.listener, default_actions=(action,))
        for name, members in pools.items():
            self.put({"blue": BLUE, "green": GREEN}[name], members)
        rules = tuple(
            rule(self.listener, priority, act, *conditions) for priority, act, conditions in self.rules
        )
        entry = Entry(self.listener, rules, self.door)
        await serve(self.balancer, Served(self.one, (entry,)), pools=self.pools)

    def put(self, group: TargetGroup, members: list[Endpoint]) -> None:
        self.pools = {**self.pools, **pools_of((group, members))}

    async def ask(self, target: str = "/", host: str = "", method: str = "GET", **headers: str) -> Answer:
        return await self.rig.ask(self.door, target, host or self.one.dns_name, method, **headers)

    async def name(self, target: str = "/", **headers: str) -> str:
        """The name of the target that answers."""
        answer = await self.ask(target, **headers)
        assert answer.status == 200, answer
        return str(json.loads(answer.body)["name"])


@pytest.fixture
async def site(rig: Rig) -> Site:
    balancer = rig.balancer()
    return Site(rig, balancer, rig.port())


async def test_a_request_reaches_a_target(site: Site) -> None:
    await site.serve(blue=[await site.rig.target(named("b"))])
    assert await site.name() == "b"


async def test_each_target_gets_its_turn(site: Site) -> None:
    await site.serve(blue=[await site.rig.target(named(name)) for name in "abc"])
    assert Counter([await site.name() for _ in range(9)]) == {"a": 3, "b": 3, "c": 3}


async def test_the_first_rule_that_holds_applies(site: Site) -> None:
    site.rules = (
        (5, fixed("five"), (path_is("/a*"),)),
        (9, fixed("nine"), (path_is("/ab"), method_is("GET"))),
    )
    await site.serve(fixed("default"))
    assert (await site.ask("/ab")).body == "five"
    assert (await site.ask("/b")).body == "default"
    assert (await site.ask("/A")).body == "default"


@pytest.mark.parametrize(
    ("condition", "holds", "fails"),
    [
        (
            path_is("/x?z", "/y"),
            [{"target": "/xyz"}, {"target": "/y?q=1"}],
            [{"target": "/xz"}, {"target": "/y/"}],
        ),
        (host_is("*.example.com"), [{"host": "a.EXAMPLE.com:80"}], [{}]),
        (header_is("X-Who", "a*"), [{"x_who": "ABC"}], [{"x_who": "b"}, {}]),
        (method_is("POST", "PUT"), [{"method": "POST"}], [{"method": "GET"}]),
        (
            query_is("v", "1*"),
            [{"target": "/?V=12"}, {"target": "/?a=b&v=1"}],
            [{"target": "/?w=1"}, {"target": "/v=1"}],
        ),
        (query_is(None, "b"), [{"target": "/?a=b"}], [{"target": "/?b=a"}, {"target": "/"}]),
        (source_is("127.0.0.0/30", "10.0.0.0/8"), [{}], []),
        (source_is("10.0.0.0/8", "127.0.0.2/32"), [], [{}]),
        (path_is("/a.b"), [{"target": "/a.b"}], [{"target": "/aXb"}]),
        (path_is("/*\\*"), [{"target": "/a*"}], [{"target": "/ab"}]),
    ],
)
async def test_conditions(
    site: Site, condition: Json, holds: list[dict[str, str]], fails: list[dict[str, str]]
) -> None:
    site.rules = ((1, fixed("holds"), (condition,)),)
    await site.serve(fixed("fails"))
    for request in holds:
        assert (await site.ask(**request)).body == "holds", request
    for request in fails:
        assert (await site.ask(**request)).body == "fails", request


async def test_rules_may_be_as_long_as_aws_lets_them_be(site: Site) -> None:
    paths = path_is(*(f"/{'a' * 120}*{number}" for number in range(5)))
    sources = source_is("10.0.0.0/9", "127.128.0.0/9", "127.0.0.0/9", "192.0.2.0/25", "198.51.100.0/25")
    site.rules = ((1, fixed("long"), (paths, sources, query_is("k" * 128, "v" * 120 + "*"))),)
    await site.serve(fixed("short"))
    assert (await site.ask("/a")).body == "short"
    assert (await site.ask(f"/{'a' * 120}x3?{'k' * 128}={'v' * 120}")).body == "long"


async def test_redirects_fill_in_what_was_asked(site: Site) -> None:
    site.rules = (
        (1, redirect(Protocol="HTTPS", Port="443"), (path_is("/secure*"),)),
        (2, redirect(Host="www.#{host}", Path="/new/#{path}", Query="from=#{query}"), (path_is("/old*"),)),
        (3, redirect(Path="/", Query="", StatusCode="HTTP_302"), (path_is("/home"),)),
    )
    await site.serve(fixed("none"))
    name = site.one.dns_name
    answer = await site.ask("/secure/a?b=c")
    assert (answer.status, answer.headers["location"]) == (301, f"https://{name}:443/secure/a?b=c")
    assert (answer.headers["server"], len(answer.body)) == ("awselb/2.0", 134)
    answer = await site.ask("/old/x?y")
    assert answer.headers["location"] == f"http://www.{name}:{site.door}/new/old/x?from=y"
    answer = await site.ask("/home?a=b")
    assert (answer.status, answer.headers["location"]) == (302, f"http://{name}:{site.door}/")


async def test_a_fixed_response_is_the_balancers_own(site: Site) -> None:
    await site.serve(fixed("100% closed", 503))
    answer = await site.ask()
    assert (answer.status, answer.body) == (503, "100% closed")
    assert (answer.headers["server"], answer.headers["content-type"]) == ("awselb/2.0", "text/plain")


async def test_weights_divide_the_requests(site: Site) -> None:
    members = {"blue": [await site.rig.target(named("b"))], "green": [await site.rig.target(named("g"))]}
    await site.serve(forward((BLUE, 3), (GREEN, 1)), **members)
    found = Counter([await site.name() for _ in range(120)])
    assert found["b"] > found["g"] > 0
    await site.serve(forward((BLUE, 0), (GREEN, 1)))
    assert Counter([await site.name() for _ in range(20)]) == {"g": 20}
    await site.serve(forward((BLUE, 0), (GREEN, 0)))
    assert (await site.ask()).status == 503


async def test_a_client_stays_with_its_group_where_the_rule_is_sticky(site: Site) -> None:
    members = {"blue": [await site.rig.target(named("b"))], "green": [await site.rig.target(named("g"))]}
    await site.serve(forward((BLUE, 1), (GREEN, 1), sticky=60), **members)
    first = await site.ask()
    (cookie, *_) = [each for each in first.cookies if each.startswith("AWSALBTG=")]
    assert "Max-Age=60; Path=/" in cookie
    name = json.loads(first.body)["name"]
    found = {await site.name(cookie=f"a=b; {cookie.partition(';')[0]}") for _ in range(20)}
    assert found == {name}


async def test_a_client_stays_with_its_target_while_that_serves(site: Site) -> None:
    sticky = target_group("sticky", stickiness__enabled="true", stickiness__type="lb_cookie")
    members = {name: await site.rig.target(named(name)) for name in "abc"}
    site.put(sticky, list(members.values()))
    await site.serve(forward(sticky))
    first = await site.ask()
    (cookie,) = [each for each in first.cookies if each.startswith("AWSALB=")]
    kept = cookie.partition(";")[0]
    name = json.loads(first.body)["name"]
    assert {await site.name(cookie=kept) for _ in range(9)} == {name}
    leaving = attrs.evolve(members.pop(name), serves=False)
    site.put(sticky, [leaving, *members.values()])
    await site.serve()
    assert {await site.name(cookie=kept) for _ in range(9)} == set(members)


async def test_no_target_is_503(site: Site) -> None:
    await site.serve(blue=[])
    answer = await site.ask()
    assert (answer.status, answer.headers["server"]) == (503, "awselb/2.0")
    assert answer.headers["content-type"] == "text/html"
    assert "<h1>503 Service Temporarily Unavailable</h1>" in answer.body
    assert len(answer.body) == 162


async def test_a_target_that_refuses_is_502(site: Site) -> None:
    await site.serve(blue=[site.rig.refusing()])
    answer = await site.ask()
    assert (answer.status, answer.headers["server"], len(answer.body)) == (502, "awselb/2.0", 122)


async def test_a_target_that_breaks_off_is_502(site: Site) -> None:
    await site.serve(blue=[await site.rig.target(breaking)])
    assert (await site.ask()).status == 502


async def test_a_target_that_does_not_answer_is_504(site: Site) -> None:
    site.one = load_balancer("web", attributes={"idle_timeout.timeout_seconds": "1"})
    await site.serve(blue=[await site.rig.target(silent)])
    answer = await site.ask()
    assert (answer.status, answer.headers["server"], len(answer.body)) == (504, "awselb/2.0", 132)


async def test_what_runs_on_an_endpoint_that_serves_no_more_runs_on(site: Site) -> None:
    held = Held()
    leaving, staying = await site.rig.target(held), await site.rig.target(named("b"))
    await site.serve(blue=[leaving])
    request = asyncio.create_task(site.ask())
    await held.asked.wait()
    await site.serve(blue=[attrs.evolve(leaving, serves=False), staying])
    assert {await site.name() for _ in range(6)} == {"b"}
    busy = (BLUE.key, leaving.address, leaving.port)
    assert await site.balancer.in_flight() == {busy: 1}
    await site.serve(blue=[staying])
    held.let.set()
    assert (await request).body == "held"
    assert await site.balancer.in_flight() == {}


async def test_no_request_is_lost_while_targets_come_and_go(site: Site) -> None:
    members = [await site.rig.target(named(str(number))) for number in range(4)]
    await site.serve(blue=members[:2])
    done = asyncio.Event()
    statuses: Counter[int] = Counter()

    async def client() -> None:
        while not done.is_set():
            statuses[(await site.ask()).status] += 1
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(client())
        for turn in range(24):
            first, second = members[turn % 4], members[(turn + 1) % 4]
            await site.serve(blue=[attrs.evolve(first, serves=False), second])
            await site.serve(blue=[second, members[(turn + 2) % 4]])
            await asyncio.sleep(0)
        done.set()
    assert set(statuses) == {200}
    assert statuses[200] >= 24


async def test_a_listener_that_was_added_answers_and_one_that_is_gone_does_not(site: Site) -> None:
    await site.serve(fixed("first"))
    door = site.rig.port()
    second = Entry(listener(site.one, fixed("second"), port=8080), (), door)
    await serve(site.balancer, Served(site.one, (Entry(site.listener, (), site.door), second)))
    assert (await site.rig.ask(door, host=site.one.dns_name)).body == "second"
    await site.serve()
    assert (await site.ask()).body == "first"
    with pytest.raises(ConnectionRefusedError):
        await site.rig.ask(door, host=site.one.dns_name)


async def test_load_balancers_share_a_door_by_name(site: Site) -> None:
    api = load_balancer("api", dns_name="Api-1.us-east-1.elb.localhost")  # it keeps the capitals of its name
    theirs = listener(api, fixed("api"))
    own = rule(theirs, 1, fixed("shop"), host_is("shop.example.com"))
    await serve(
        site.balancer,
        Served(site.one, (Entry(listener(site.one, fixed("web")), (), site.door),)),
        Served(api, (Entry(theirs, (own,), site.door),)),
    )
    assert (await site.ask()).body == "web"
    assert (await site.ask(host=f"{api.dns_name}:{site.door}")).body == "api"
    assert (await site.ask(host="shop.example.com")).body == "shop"
    nobody = await site.ask(host="localhost")
    assert nobody.status == 404
    assert site.one.dns_name in nobody.body
    assert api.dns_name in nobody.body


async def test_a_door_that_another_program_has_is_exchanged(rig: Rig) -> None:
    balancer = rig.balancer()
    door = rig.port()
    assert await balancer.door(door) == door
    assert await balancer.door(door, {door}) != door
    assert await balancer.door(0) > 0
    await rig.take(door)
    assert await balancer.door(door) != door


async def test_an_own_door_is_had_again(site: Site) -> None:
    await site.serve(fixed("here"))
    assert await site.balancer.door(site.door) == site.door
    assert await site.rig.balancer().door(site.door) == site.door


async def test_a_restart_of_the_server_keeps_what_is_served(site: Site) -> None:
    held = Held()
    endpoint = await site.rig.target(held)
    await site.serve(blue=[endpoint])
    request = asyncio.create_task(site.ask())
    await held.asked.wait()
    before = await site.balancer.counters()
    site.balancer = site.rig.balancer()
    await site.serve()
    held.let.set()
    assert (await request).body == "held"
    after = await site.balancer.counters()
    assert after.began == before.began
    assert [count.requests for count in after.counts] == [1]


async def test_what_was_killed_is_noticed_and_serves_again(site: Site) -> None:
    await site.serve(blue=[await site.rig.target(named("b"))])
    lost = asyncio.create_task(site.balancer.lost())
    began = (await site.balancer.counters()).began
    await asyncio.sleep(0)
    assert not lost.done()
    await site.rig.kill()
    await lost
    await site.serve()
    assert await site.name() == "b"
    assert (await site.balancer.counters()).began != began


async def test_after_stop_nothing_answers(site: Site) -> None:
    await site.serve(fixed("here"))
    await site.balancer.stop()
    with pytest.raises(ConnectionRefusedError):
        await site.ask()
    await site.balancer.stop()
    await site.serve()
    assert (await site.ask()).body == "here"


async def test_requests_are_counted_by_target_and_status(site: Site) -> None:
    endpoint = await site.rig.target(named("b"))
    site.rules = ((1, fixed("no", 404), (path_is("/no"),)), (2, forward(GREEN), (path_is("/down"),)))
    await site.serve(blue=[endpoint], green=[site.rig.refusing()])
    for target in ("/", "/", "/no", "/down"):
        await site.ask(target)
    counts = (await site.balancer.counters()).counts
    found = {(each.group, each.target, each.status, each.made_here): each.requests for each in counts}
    refused = site.rig.refusing()
    assert {each.balancer for each in counts} == {site.one.key}
    assert found == {
        (BLUE.key, f"{endpoint.address}:{endpoint.port}", 200, False): 2,
        ("", "", 404, True): 1,
        (GREEN.key, f"{refused.address}:{refused.port}", 502, True): 1,
    }


async def test_response_times_add_up_by_group(site: Site) -> None:
    async def slowly(_asked: Asked) -> Answer:
        await asyncio.sleep(0.05)
        return Answer(200, "late")

    await site.serve(blue=[await site.rig.target(slowly)])
    for _ in range(2):
        await site.ask()
    (count,) = (await site.balancer.counters()).counts
    assert (count.group, count.requests) == (BLUE.key, 2)
    assert count.response_seconds >= 0.09
