"""A waiter's question is held until there is something to say; everybody else's is answered at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from neargate.gateway.waiting import LONGEST, answer_when_settled, is_waiting
from neargate.model.cloudformation import Stack
from tests.scenarios.client import REGION
from tests.scenarios.cloud import RunningCloud, running_cloud
from tests.scenarios.virtual_time import START, run

GROUP = "Resources: {A: {Type: 'AWS::Logs::LogGroup'}}"
BOTOCORE = "aws-cli/1.46.3 md/Botocore#1.44.5 ua/2.1 os/linux#6.1 lang/python#3.11.7 md/installer#source"


@pytest.mark.parametrize(
    ("agent", "waits"),
    [
        (f"{BOTOCORE} m/B,b,N cfg/retry-mode#legacy", True),
        (f"{BOTOCORE} m/N,b cfg/retry-mode#legacy", False),
        (f"{BOTOCORE} m/Bx", False),
        ("aws-cli/2.31.0 md/command#cloudformation.deploy", True),
        ("aws-cli/2.31.0 md/command#ecs.wait.services-stable", True),
        ("aws-cli/2.31.0 md/command#cloudformation.describe-stacks", False),
        ("", False),
    ],
)
def test_who_waits(agent: str, waits: bool) -> None:
    assert is_waiting(agent) is waits


async def create(cloud: RunningCloud, body: str = GROUP) -> None:
    await cloud.aws("cloudformation", "CreateStack", StackName="x", TemplateBody=body)


async def ask(cloud: RunningCloud, agent: str) -> tuple[str, float]:
    """The status that DescribeStacks answers, and how long it took (virtual seconds)."""
    started = cloud.clock.now()
    request: dict[str, Any] = {"StackName": "x"}
    answer = await cloud.client.call("cloudformation", "DescribeStacks", request, agent=agent)
    return answer["Stacks"][0]["StackStatus"], cloud.clock.now() - started


def service(subnets: list[str]) -> str:
    """A stack that takes some time: its service has to become steady, or never does."""
    return f"""
Resources:
  Task:
    Type: AWS::ECS::TaskDefinition
    Properties:
      RequiresCompatibilities: [FARGATE]
      NetworkMode: awsvpc
      Cpu: "256"
      Memory: "512"
      ContainerDefinitions: [{{Name: app, Image: "web:1"}}]
  Cluster: {{Type: "AWS::ECS::Cluster"}}
  Service:
    Type: AWS::ECS::Service
    Properties:
      Cluster: !Ref Cluster
      LaunchType: FARGATE
      TaskDefinition: !Ref Task
      NetworkConfiguration: {{AwsvpcConfiguration: {{AssignPublicIp: ENABLED, Subnets: {subnets}}}}}
"""


async def started(cloud: RunningCloud) -> None:
    found = (await cloud.aws("ec2", "DescribeSubnets"))["Subnets"]
    await create(cloud, service([subnet["SubnetId"] for subnet in found]))


def test_a_waiter_hears_of_the_end_and_not_before() -> None:
    async def story() -> None:
        async with running_cloud() as cloud:
            cloud.world.add_image("web:1")
            await started(cloud)
            asked = 1
            while (await ask(cloud, f"{BOTOCORE} m/B"))[0] != "CREATE_COMPLETE":
                asked += 1
            heard = cloud.clock.now()
            events = await cloud.aws("cloudformation", "DescribeStackEvents", StackName="x")
            ended = events["StackEvents"][0]["Timestamp"].timestamp()
            assert heard == pytest.approx(ended, abs=0.1)
            assert asked <= 1 + (ended - START) / LONGEST

    run(story())


def test_somebody_else_hears_at_once() -> None:
    async def story() -> None:
        async with running_cloud() as cloud:
            await started(cloud)
            assert (await ask(cloud, f"{BOTOCORE} m/N"))[0] == "CREATE_IN_PROGRESS"

    run(story())


def test_what_never_settles_is_answered_in_the_end() -> None:
    """The image does not exist. The client asks again after 20 s: below its own time-out."""

    async def story() -> None:
        async with running_cloud() as cloud:
            await started(cloud)
            status, took = await ask(cloud, f"{BOTOCORE} m/B")
            assert status == "CREATE_IN_PROGRESS"
            assert LONGEST <= took < LONGEST + 1

    run(story())


def test_an_unknown_stack_is_no_reason_to_wait() -> None:
    async def story() -> None:
        async with running_cloud() as cloud:
            with pytest.raises(Exception, match="Stack with id x does not exist"):
                await ask(cloud, f"{BOTOCORE} m/B")

    run(story())


def test_nothing_stays_subscribed() -> None:
    async def story() -> None:
        async with running_cloud() as cloud:
            await create(cloud)
            before = len(cloud.store._subscribers)
            await ask(cloud, f"{BOTOCORE} m/B")
            assert len(cloud.store._subscribers) == before
            assert cloud.store.read(lambda view: view.scan(Stack))[0].region == REGION

    run(story())


class _Changes:
    """A store whose next change comes as soon as somebody listens."""

    def __init__(self) -> None:
        self.kinds: frozenset[str] | None = None

    def subscribe(
        self, kinds: frozenset[str] | None, notify: Callable[[str, str], None]
    ) -> Callable[[], None]:
        self.kinds = kinds
        asyncio.get_running_loop().call_soon(notify, "", "")
        return lambda: None


@pytest.mark.parametrize(
    ("service", "operation", "kind", "before", "after"),
    [
        (
            "ecs",
            "DescribeServices",
            "ecs.service",
            {"services": [{"status": "DRAINING", "runningCount": 1, "desiredCount": 0}]},
            {"services": [{"status": "INACTIVE", "runningCount": 0, "desiredCount": 0}]},
        ),
        (
            "ecs",
            "DescribeServices",
            "ecs.task",
            {"services": [{"status": "ACTIVE", "runningCount": 1, "desiredCount": 2, "deployments": [{}]}]},
            {"services": [{"status": "ACTIVE", "runningCount": 2, "desiredCount": 2, "deployments": [{}]}]},
        ),
        (
            "elbv2",
            "DescribeLoadBalancers",
            "elbv2.load-balancer",
            {"LoadBalancers": [{"State": {"Code": "provisioning"}}]},
            {"LoadBalancers": [{"State": {"Code": "active"}}]},
        ),
        (
            "elbv2",
            "DescribeTargetHealth",
            "elbv2.target",
            {"TargetHealthDescriptions": [{"TargetHealth": {"State": "initial"}}]},
            {"TargetHealthDescriptions": [{"TargetHealth": {"State": "unhealthy"}}]},
        ),
    ],
)
def test_what_a_waiter_waits_for(
    service: str, operation: str, kind: str, before: dict[str, Any], after: dict[str, Any]
) -> None:
    answers = [before, after]

    async def ask() -> dict[str, Any]:
        return answers.pop(0)

    async def wait(agent: str) -> dict[str, Any]:
        store: Any = _Changes()
        answer = await answer_when_settled(store, service, operation, agent, ask)
        assert kind in store.kinds
        return answer

    assert asyncio.run(wait(f"{BOTOCORE} m/B")) == after
