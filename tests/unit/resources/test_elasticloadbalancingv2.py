"""Elastic Load Balancing's types, as stacks make, change and remove them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import attrs
import pytest

from neargate.model.ec2 import default_network
from neargate.model.elbv2 import LoadBalancer
from neargate.model.records import Tx
from tests.unit.resources.stacks import Stacks
from tests.unit.services.cloud import ACCOUNT, REGION

pytestmark = pytest.mark.anyio

NETWORK = default_network(ACCOUNT, REGION)
SUBNETS = [subnet.id for subnet in NETWORK.subnets[:3]]
FIXED = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503"}}


def resource(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": f"AWS::ElasticLoadBalancingV2::{kind}", "Properties": properties}


BALANCER = resource("LoadBalancer", Subnets=SUBNETS[:2])
GROUP = resource("TargetGroup", Protocol="HTTP", Port=80, VpcId=NETWORK.vpc.id, TargetType="ip")


def listener(*actions: dict[str, Any], **properties: Any) -> dict[str, Any]:
    wanted = {"Port": 80, "Protocol": "HTTP", "DefaultActions": list(actions) or [FIXED], **properties}
    return resource("Listener", LoadBalancerArn={"Ref": "Balancer"}, **wanted)


def rule(priority: int, path: str) -> dict[str, Any]:
    return resource(
        "ListenerRule",
        ListenerArn={"Ref": "Listener"},
        Priority=priority,
        Conditions=[{"Field": "path-pattern", "Values": [path]}],
        Actions=[{"Type": "forward", "TargetGroupArn": {"Ref": "Group"}}],
    )


FORWARD = {"Type": "forward", "TargetGroupArn": {"Ref": "Group"}}


@pytest.fixture
async def serving(stacks: Stacks) -> AsyncIterator[Stacks]:
    """Stacks in a cloud whose data plane makes every load balancer active."""
    store = stacks.aws.store
    pending: list[str] = []

    async def activate() -> None:
        while pending:
            key = pending.pop()

            def work(tx: Tx, key: str = key) -> None:
                balancer = tx.get(LoadBalancer, key)
                if balancer is not None and balancer.state == "provisioning":
                    tx.put(attrs.evolve(balancer, state="active"))

            await store.write(work)

    tasks: set[asyncio.Task[None]] = set()

    def notify(kind: str, key: str) -> None:
        pending.append(key)
        task = asyncio.ensure_future(activate())
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    stop = store.subscribe(frozenset({LoadBalancer.KIND}), notify)
    yield stacks
    stop()
    for task in list(tasks):
        await task


async def described(stacks: Stacks, noun: str, **request: Any) -> list[dict[str, Any]]:
    return list((await stacks.call("elbv2", f"Describe{noun}", **request))[noun])


async def test_a_stack_of_all_four_comes_up_changes_and_goes(serving: Stacks) -> None:
    await serving.make(Balancer=BALANCER, Group=GROUP, Listener=listener(FORWARD), Rule=rule(5, "/api/*"))
    (balancer,) = await described(serving, "LoadBalancers")
    assert balancer["LoadBalancerName"].startswith("net-Balan-")
    assert balancer["State"] == {"Code": "active"}
    arn = await serving.physical("Balancer")
    assert arn == balancer["LoadBalancerArn"]
    (group,) = await described(serving, "TargetGroups")
    assert group["LoadBalancerArns"] == [arn]
    tags = await serving.call("elbv2", "DescribeTags", ResourceArns=[arn])
    keys = {tag["Key"] for tag in tags["TagDescriptions"][0]["Tags"]}
    assert keys == {f"aws:cloudformation:{what}" for what in ("stack-name", "stack-id", "logical-id")}
    await serving.change(
        Balancer=BALANCER, Group=GROUP, Listener=listener(FORWARD, Port=8080), Rule=rule(6, "/v2/*")
    )
    (shown,) = await described(serving, "Listeners", LoadBalancerArn=arn)
    assert shown["Port"] == 8080
    first, last = await described(serving, "Rules", ListenerArn=shown["ListenerArn"])
    assert (first["Priority"], first["Conditions"][0]["Values"]) == ("6", ["/v2/*"])
    assert last["IsDefault"]
    await serving.remove()
    assert await described(serving, "LoadBalancers") == []
    assert await described(serving, "TargetGroups") == []
    assert (await serving.call("ec2", "DescribeNetworkInterfaces"))["NetworkInterfaces"] == []


async def test_a_group_tells_its_load_balancer_once_a_listener_forwards_to_it(serving: Stacks) -> None:
    parameter = {
        "Type": "AWS::SSM::Parameter",
        "DependsOn": "Listener",
        "Properties": {
            "Name": "balancers",
            "Type": "String",
            "Value": {"Fn::Join": [",", {"Fn::GetAtt": ["Group", "LoadBalancerArns"]}]},
        },
    }
    await serving.make(Balancer=BALANCER, Group=GROUP, Listener=listener(FORWARD), Parameter=parameter)
    value = await serving.call("ssm", "GetParameter", Name="balancers")
    assert value["Parameter"]["Value"] == await serving.physical("Balancer")


async def test_a_load_balancer_is_waited_for_and_its_failure_is_told(stacks: Stacks) -> None:
    def fail(tx: Tx) -> None:
        (balancer,) = tx.scan(LoadBalancer)
        tx.put(attrs.evolve(balancer, state="failed", reason="port 80 is taken on this machine"))

    def notify(kind: str, key: str) -> None:
        if not failed:
            failed.append(asyncio.ensure_future(stacks.aws.store.write(fail)))

    failed: list[asyncio.Future[None]] = []
    stop = stacks.aws.store.subscribe(frozenset({LoadBalancer.KIND}), notify)
    stack = await stacks.carry_out("CreateStack", Balancer=BALANCER)
    stop()
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert any("failed: port 80 is taken on this machine" in reason for reason in await stacks.reasons())


async def test_one_subnet_is_refused_in_awss_words(stacks: Stacks) -> None:
    lonely = resource("LoadBalancer", Subnets=SUBNETS[:1])
    stack = await stacks.carry_out("CreateStack", Balancer=lonely)
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    text = (
        'Resource handler returned message: "At least two subnets in two different Availability Zones must be'
    )
    service = "specified (Service: ElasticLoadBalancingV2, Status Code: 400, Request ID:"
    assert any(f"{text} {service}" in reason for reason in await stacks.reasons())


async def test_the_same_listener_twice_is_refused_in_awss_words(serving: Stacks) -> None:
    stack = await serving.carry_out(
        "CreateStack",
        Balancer=BALANCER,
        One=listener(),
        Two={**listener(), "DependsOn": "One"},
    )
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    text = (
        "Resource of type 'AWS::ElasticLoadBalancingV2::Listener' with identifier 'Idempotency Check Failed' "
        "already exists."
    )
    assert any(text in reason for reason in await serving.reasons())
