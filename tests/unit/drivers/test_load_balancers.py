"""The driver of load balancers over the real API and store, with a balancer, a fabric and targets in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

import attrs
import pytest

from neargate.balancer.memory import Answer, Machine, MemoryBalancer
from neargate.drivers.load_balancers import Certificates, LoadBalancerDriver
from neargate.fabric.memory import Machine as Network
from neargate.fabric.memory import MemoryFabric
from neargate.model.balancer import BalancerUnavailable, Certificate, Traffic
from neargate.model.elbv2 import HealthCheck, LoadBalancer, Target
from neargate.model.operations import Settings
from neargate.planners.listener_rules import Asked
from neargate.planners.target_health import FAILED, Outcome, passed
from neargate.runtimes.moto_services import MotoServices
from neargate.services.dispatch import Dispatcher
from neargate.services.elbv2.certificates import adopt
from tests.unit.services.cloud import Cloud, cloud

pytestmark = pytest.mark.anyio

HOST = "172.31.0.9"


async def _hello(_asked: Asked) -> Answer:
    return Answer(200, "hello")


class Site:
    """A load balancer on port 80 with one target group; each of its targets passes its checks unless it is ill."""

    def __init__(self, aws: Cloud, pace: str = "local") -> None:
        self.aws = aws
        self.machine = Machine()
        self.network = Network()
        self.balancer = MemoryBalancer(self.machine)
        self.ill: set[str] = set()
        self.probed: list[str] = []
        fabric = MemoryFabric("site", self.network)
        self.issued: list[list[str]] = []
        self.driver = LoadBalancerDriver(
            store=aws.store,
            dispatcher=Dispatcher(
                aws.store, aws.clock, aws.ids, aws.blobs, Settings(pace=pace), MotoServices()
            ),
            clock=aws.clock,
            balancer=self.balancer,
            fabric=fabric,
            probe=self._probe,
            certificates=Certificates(aws.store, aws.dispatcher, self._issue),
        )
        self.group = self.arn = ""

    def _issue(self, names: Iterable[str]) -> Certificate:
        self.issued.append(list(names))
        return Certificate("chain", "key")

    async def _probe(self, address: str, port: int, check: HealthCheck) -> Outcome:
        self.probed.append(f"{address}:{port}")
        return FAILED if address in self.ill else passed()

    async def call(self, operation: str, service: str = "elbv2", **request: Any) -> dict[str, Any]:
        return await self.aws.dispatcher.call(self.aws.caller, service, operation, request)

    async def build(self) -> None:
        subnets = (await self.call("DescribeSubnets", "ec2"))["Subnets"][:2]
        ids = [subnet["SubnetId"] for subnet in subnets]
        self.arn = (await self.call("CreateLoadBalancer", Name="web", Subnets=ids))["LoadBalancers"][0][
            "LoadBalancerArn"
        ]
        made = await self.call(
            "CreateTargetGroup",
            Name="web",
            Protocol="HTTP",
            Port=80,
            VpcId=subnets[0]["VpcId"],
            TargetType="ip",
        )
        self.group = made["TargetGroups"][0]["TargetGroupArn"]
        await self.call(
            "CreateListener",
            LoadBalancerArn=self.arn,
            Protocol="HTTP",
            Port=80,
            DefaultActions=[{"Type": "forward", "TargetGroupArn": self.group}],
        )

    async def register(self, *addresses: str) -> None:
        for address in addresses:
            self.machine.targets[address, 80] = _hello
        # Zone "all" serves wherever the load balancer is.
        await self.call("RegisterTargets", TargetGroupArn=self.group, Targets=[{"Id": a} for a in addresses])

    async def health(self) -> dict[str, str]:
        found = await self.call("DescribeTargetHealth", TargetGroupArn=self.group)
        return {
            each["Target"]["Id"]: each["TargetHealth"]["State"] for each in found["TargetHealthDescriptions"]
        }

    async def settle(self) -> float | None:
        """Reconcile until two runs change nothing more, and the checks that are due have been made."""
        quiet = 0
        while True:
            before = self.records()
            again = await self.driver.reconcile("all")
            for _ in range(20):
                await asyncio.sleep(0)
            await self.aws.store.write(lambda tx: None)  # after the writes of the checks
            quiet = quiet + 1 if self.records() == before else 0
            if quiet == 2:
                return again

    def records(self) -> list[object]:
        return self.aws.store.read(lambda view: [*view.scan(LoadBalancer), *view.scan(Target)])

    def record(self) -> LoadBalancer:
        (found,) = self.aws.store.read(lambda view: view.scan(LoadBalancer))
        return found

    async def ask(self) -> int:
        one = self.record()
        return (await self.balancer.ask(Asked(host=one.dns_name, port=one.published[0].port))).status


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    with cloud() as aws:
        made = Site(aws)
        await made.build()
        yield made
        await made.driver.close()


async def test_a_load_balancer_becomes_active_with_its_addresses_and_its_door(site: Site) -> None:
    assert site.record().state == "provisioning"
    await site.settle()
    one = site.record()
    assert (one.state, one.reason) == ("active", "")
    assert [(each.listener_port, each.address, each.port) for each in one.published] == [
        (80, "127.0.0.1", 80)
    ]
    assert set(site.network.claims) == {each.ip for each in one.interfaces}
    assert await site.ask() == 503


async def test_one_without_listeners_is_active_too() -> None:
    with cloud() as aws:
        site = Site(aws)
        subnets = [each["SubnetId"] for each in (await site.call("DescribeSubnets", "ec2"))["Subnets"][:2]]
        await site.call("CreateLoadBalancer", Name="bare", Subnets=subnets)
        await site.settle()
        assert site.record().state == "active"
        await site.driver.close()


async def test_a_port_that_is_taken_is_exchanged_and_recorded(site: Site) -> None:
    site.machine.taken.add(80)
    await site.settle()
    (published,) = site.record().published
    assert (published.listener_port, published.port) == (80, 49152)
    assert await site.ask() == 503


async def test_a_target_is_checked_at_once_and_gets_requests(site: Site) -> None:
    await site.settle()
    await site.register(HOST)
    await site.settle()
    assert await site.health() == {HOST: "healthy"}
    assert site.probed == [f"{HOST}:80"]
    assert await site.ask() == 200


async def test_only_the_healthy_ones_get_requests(site: Site) -> None:
    site.ill = {"172.31.0.10"}
    await site.register(HOST, "172.31.0.10")
    await site.settle()
    assert await site.health() == {HOST: "healthy", "172.31.0.10": "initial"}
    del site.machine.targets["172.31.0.10", 80]
    assert [await site.ask() for _ in range(4)] == [200] * 4


async def test_a_target_that_nothing_runs_on_drains_at_once(site: Site) -> None:
    await site.register(HOST, "172.31.0.10")
    await site.settle()
    await site.call("DeregisterTargets", TargetGroupArn=site.group, Targets=[{"Id": HOST}])
    assert (await site.health())[HOST] == "draining"
    await site.settle()
    assert await site.health() == {"172.31.0.10": "healthy"}


async def test_a_target_drains_until_its_last_request_has_ended(site: Site) -> None:
    let = asyncio.Event()

    async def slow(_asked: Asked) -> Answer:
        await let.wait()
        return Answer(200, "late")

    await site.register(HOST)
    site.machine.targets[HOST, 80] = slow
    await site.settle()
    request = asyncio.create_task(site.ask())
    await asyncio.sleep(0)
    await site.call("DeregisterTargets", TargetGroupArn=site.group, Targets=[{"Id": HOST}])
    again = await site.settle()
    assert await site.health() == {HOST: "draining"}
    assert again is not None
    assert await site.ask() == 503
    let.set()
    assert await request == 200
    await site.settle()
    assert await site.health() == {}


async def test_draining_ends_with_the_delay_whatever_runs(site: Site) -> None:
    async def never(_asked: Asked) -> Answer:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    await site.register(HOST)
    site.machine.targets[HOST, 80] = never
    await site.settle()
    request = asyncio.create_task(site.ask())
    await asyncio.sleep(0)
    await site.call("DeregisterTargets", TargetGroupArn=site.group, Targets=[{"Id": HOST}])
    site.aws.clock.advance(299.0)
    await site.settle()
    assert await site.health() == {HOST: "draining"}
    site.aws.clock.advance(1.0)
    await site.settle()
    assert await site.health() == {}
    request.cancel()


async def test_at_aws_pace_the_whole_delay_passes() -> None:
    with cloud() as aws:
        site = Site(aws, "aws")
        await site.build()
        await site.register(HOST)
        await site.settle()
        await site.call("DeregisterTargets", TargetGroupArn=site.group, Targets=[{"Id": HOST}])
        assert await site.settle() == aws.clock.now() + 300.0
        assert await site.health() == {HOST: "draining"}
        aws.clock.advance(300.0)
        await site.settle()
        assert await site.health() == {}
        await site.driver.close()


async def test_nothing_is_left_when_the_last_load_balancer_is_gone(site: Site) -> None:
    await site.register(HOST)
    await site.settle()
    await site.call("DeleteLoadBalancer", LoadBalancerArn=site.arn)
    await site.settle()
    assert site.network.claims == {}
    assert site.machine.traffic is None


async def test_without_a_balancer_it_fails_with_the_next_step(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def missing(traffic: Traffic) -> None:
        raise BalancerUnavailable("Load balancers need Envoy, which is not installed.", "Run: pip install it")

    with monkeypatch.context() as patched:
        patched.setattr(site.balancer, "apply", missing)
        again = await site.settle()
    one = site.record()
    assert (one.state, one.reason) == (
        "failed",
        "Load balancers need Envoy, which is not installed. Run: pip install it",
    )
    assert again == site.aws.clock.now() + 30.0
    await site.settle()
    assert site.record().state == "active"


async def test_an_address_that_somebody_has_is_exchanged(site: Site) -> None:
    taken, free = (each.ip for each in site.record().interfaces)
    await MemoryFabric("other", site.network).claim(taken)
    await site.settle()
    one = site.record()
    moved, kept = (each.ip for each in one.interfaces)
    assert kept == free
    assert moved != taken
    assert {address for address, owner in site.network.claims.items() if owner == "site"} == {moved, kept}
    assert site.machine.traffic is not None
    assert site.machine.traffic.served[0].addresses == (moved, kept)
    interfaces = (await site.call("DescribeNetworkInterfaces", "ec2"))["NetworkInterfaces"]
    assert {each["PrivateIpAddress"] for each in interfaces} == {moved, kept}
    assert {each["Description"] for each in interfaces} == {f"ELB {one.full_name}"}
    assert {each["Status"] for each in interfaces} == {"in-use"}


async def test_what_the_driver_records_leaves_the_rest_of_the_record_alone(site: Site) -> None:
    before = site.record()
    await site.call("AddTags", ResourceArns=[site.arn], Tags=[{"Key": "a", "Value": "b"}])
    await site.settle()
    after = site.record()
    assert after.tags == {"a": "b"}
    assert attrs.evolve(after, tags={}, state=before.state, published=()) == before


async def _listen_securely(site: Site, arn: str) -> None:
    await site.call(
        "CreateListener",
        LoadBalancerArn=site.arn,
        Protocol="HTTPS",
        Port=443,
        Certificates=[{"CertificateArn": arn}],
        DefaultActions=[{"Type": "forward", "TargetGroupArn": site.group}],
    )


async def test_a_certificate_of_acms_is_made_for_its_names_and_the_load_balancers(site: Site) -> None:
    asked = await site.call(
        "RequestCertificate", "acm", DomainName="example.com", SubjectAlternativeNames=["*.example.com"]
    )
    await _listen_securely(site, asked["CertificateArn"])
    await site.settle()
    (names,) = site.issued
    assert set(names) == {"example.com", "*.example.com", site.record().dns_name}
    assert site.machine.traffic is not None
    assert site.machine.traffic.certificates == {asked["CertificateArn"]: Certificate("chain", "key")}
    assert [each.listener_port for each in site.record().published] == [80, 443]


async def test_an_adopted_certificate_is_one_for_the_load_balancers_name_alone(site: Site) -> None:
    arn = "arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012"
    groups = [{"certificates": [arn]}]
    caller = site.aws.caller
    adopted = await site.aws.store.write(lambda tx: adopt(site.aws.dispatcher.context(tx, caller), groups))
    assert adopted == {"adopted": [arn], "existing": []}
    await _listen_securely(site, arn)
    await site.settle()
    assert site.issued == [[site.record().dns_name]]
    assert [each.listener_port for each in site.record().published] == [80, 443]


async def test_a_listener_whose_certificate_is_gone_is_not_served(site: Site) -> None:
    asked = await site.call("RequestCertificate", "acm", DomainName="example.com")
    arn = asked["CertificateArn"]
    await _listen_securely(site, arn)
    await site.call("DeleteCertificate", "acm", CertificateArn=arn)
    await site.settle()
    one = site.record()
    assert one.state == "active_impaired"
    assert one.reason.startswith(f"The certificate {arn} cannot be read: ")
    assert [each.listener_port for each in one.published] == [80]


async def test_udp_is_not_served_and_says_so() -> None:
    with cloud() as aws:
        site = Site(aws)
        subnets = (await site.call("DescribeSubnets", "ec2"))["Subnets"][:1]
        made = await site.call(
            "CreateLoadBalancer", Name="net", Type="network", Subnets=[subnets[0]["SubnetId"]]
        )
        group = await site.call(
            "CreateTargetGroup",
            Name="dns",
            Protocol="UDP",
            Port=53,
            VpcId=subnets[0]["VpcId"],
            TargetType="ip",
        )
        await site.call(
            "CreateListener",
            LoadBalancerArn=made["LoadBalancers"][0]["LoadBalancerArn"],
            Protocol="UDP",
            Port=53,
            DefaultActions=[
                {"Type": "forward", "TargetGroupArn": group["TargetGroups"][0]["TargetGroupArn"]}
            ],
        )
        await site.settle()
        one = site.record()
        assert (one.state, one.reason, one.published) == (
            "active_impaired",
            "No traffic of protocol UDP is passed on yet.",
            (),
        )
        await site.driver.close()


async def test_a_balancer_that_is_lost_is_put_up_again(site: Site) -> None:
    async def until(serving: bool) -> None:
        while (site.machine.traffic is not None) != serving:  # noqa: ASYNC110 — it has nothing to wait on
            await asyncio.sleep(0.001)

    await site.register(HOST)
    working = asyncio.create_task(site.driver.run())
    async with asyncio.timeout(10):
        await until(True)
        site.machine.kill()
        await until(True)
        assert site.machine.began == 2
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
