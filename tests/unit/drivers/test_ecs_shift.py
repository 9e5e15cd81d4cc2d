"""Blue/green over real records: the rules of a load balancer are shifted through its API, and back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from neargate.model.ecs import Service
from neargate.runtimes.memory import serves
from tests.unit.drivers.ecs_world import EcsWorld, container, ecs_world
from tests.unit.drivers.test_ecs_balanced import Front

pytestmark = pytest.mark.anyio

PORT = [{"containerPort": 3000}]
TRUST = {"Effect": "Allow", "Principal": {"Service": "ecs.amazonaws.com"}, "Action": "sts:AssumeRole"}


class Stage(Front):
    """A load balancer with the groups `web0` and `web1`, a production rule and a test rule."""

    rules: dict[str, str]
    role: str

    async def build(self, count: int = 2) -> None:
        call = self.world.call
        vpc = (await call("DescribeVpcs", "ec2"))["Vpcs"][0]["VpcId"]
        made = await call("CreateLoadBalancer", "elbv2", Name="front", Subnets=self.world.subnets)
        for number in range(count):
            group = await call(
                "CreateTargetGroup",
                "elbv2",
                Name=f"web{number}",
                Protocol="HTTP",
                Port=80,
                VpcId=vpc,
                TargetType="ip",
            )
            self.groups.append(group["TargetGroups"][0]["TargetGroupArn"])
        listener = await call(
            "CreateListener",
            "elbv2",
            LoadBalancerArn=made["LoadBalancers"][0]["LoadBalancerArn"],
            Protocol="HTTP",
            Port=80,
            DefaultActions=[{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}],
        )
        self.rules = {}
        for priority, (name, group) in enumerate(
            {"production": self.groups[0], "test": self.groups[1]}.items()
        ):
            rule = await call(
                "CreateRule",
                "elbv2",
                ListenerArn=listener["Listeners"][0]["ListenerArn"],
                Priority=priority + 1,
                Conditions=[{"Field": "path-pattern", "PathPatternConfig": {"Values": [f"/{name}*"]}}],
                Actions=[{"Type": "forward", "TargetGroupArn": group}],
            )
            self.rules[name] = rule["Rules"][0]["RuleArn"]
        document = json.dumps({"Version": "2012-10-17", "Statement": [TRUST]})
        made = await call("CreateRole", "iam", RoleName="shift", AssumeRolePolicyDocument=document)
        self.role = made["Role"]["Arn"]

    @property
    def load_balancers(self) -> list[dict[str, Any]]:
        advanced = {
            "alternateTargetGroupArn": self.groups[1],
            "productionListenerRule": self.rules["production"],
            "testListenerRule": self.rules["test"],
            "roleArn": self.role,
        }
        return [
            {
                "targetGroupArn": self.groups[0],
                "containerName": "app",
                "containerPort": 3000,
                "advancedConfiguration": advanced,
            }
        ]

    async def weights(self, rule: str) -> dict[str, int]:
        answer = await self.world.call("DescribeRules", "elbv2", RuleArns=[self.rules[rule]])
        (action,) = answer["Rules"][0]["Actions"]
        groups = action["ForwardConfig"]["TargetGroups"]
        return {f"web{self.groups.index(one['TargetGroupArn'])}": one["Weight"] for one in groups}


@asynccontextmanager
async def staged(**configuration: Any) -> AsyncIterator[tuple[EcsWorld, Stage]]:
    async with ecs_world() as world:
        world.containers.default = serves(3000)
        stage = Stage(world)
        await stage.build()
        carrier = asyncio.create_task(stage.carry())
        definition = await world.register(container(portMappings=PORT))
        await world.create_service(
            definition,
            loadBalancers=stage.load_balancers,
            deploymentConfiguration={"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 0, **configuration},
        )
        await world.until_steady()
        try:
            yield world, stage
        finally:
            carrier.cancel()


async def update(world: EcsWorld, **members: Any) -> str:
    world.containers.add_image("app:2")
    definition = await world.register({"name": "app", "image": "app:2", "portMappings": PORT})
    answer = await world.call(
        "UpdateService", cluster="c", service="web", taskDefinition=definition, **members
    )
    return str(answer["service"]["currentServiceDeployment"])


async def described(world: EcsWorld, arn: str) -> dict[str, Any]:
    answer = await world.call("DescribeServiceDeployments", serviceDeploymentArns=[arn])
    return dict(answer["serviceDeployments"][0])


def the_service(world: EcsWorld) -> Service:
    return world.store.read(lambda view: view.scan(Service))[0]


async def test_a_blue_green_deployment_swaps_the_groups() -> None:
    async with staged() as (world, stage):
        assert await stage.weights("production") == {"web0": 100, "web1": 0}
        arn = await update(world)
        await world.until_steady()
        assert await stage.weights("production") == {"web1": 100, "web0": 0}
        assert await stage.weights("test") == {"web1": 100, "web0": 0}
        assert [target.group.split("/")[0] for target in stage.targets()] == ["web1"]
        shown = await described(world, arn)
        assert (shown["status"], shown["lifecycleStage"]) == ("SUCCESSFUL", "CLEAN_UP")
        assert shown["targetServiceRevision"]["requestedProductionTrafficWeight"] == 100
        assert shown["sourceServiceRevisions"][0]["requestedProductionTrafficWeight"] == 0
        revision = shown["targetServiceRevision"]["arn"]
        (found,) = (await world.call("DescribeServiceRevisions", serviceRevisionArns=[revision]))[
            "serviceRevisions"
        ]
        assert found["loadBalancers"] == stage.load_balancers
        assert found["resolvedConfiguration"]["loadBalancers"] == [
            {"targetGroupArn": stage.groups[1], "productionListenerRule": stage.rules["production"]}
        ]
        assert (await world.service())["loadBalancers"] == stage.load_balancers


async def test_a_pause_hook_is_continued_or_rolled_back_through_the_api() -> None:
    hooks = [{"targetType": "PAUSE", "lifecycleStages": ["POST_TEST_TRAFFIC_SHIFT"]}]
    async with staged() as (world, stage):
        configuration = {"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 0, "lifecycleHooks": hooks}
        for action, winner in (("ROLLBACK", "web0"), ("CONTINUE", "web1")):
            arn = await update(world, deploymentConfiguration=configuration)
            await world.until(lambda: the_service(world).primary.hooks)
            shown = await described(world, arn)
            (hook,) = shown["lifecycleHookDetails"]
            assert (shown["lifecycleStage"], hook["status"]) == (
                "POST_TEST_TRAFFIC_SHIFT",
                "AWAITING_ACTION",
            )
            assert await stage.weights("test") == {"web1": 100, "web0": 0}
            assert await stage.weights("production") == {"web0": 100, "web1": 0}
            await world.call(
                "ContinueServiceDeployment", serviceDeploymentArn=arn, hookId=hook["hookId"], action=action
            )
            await world.until_steady()
            assert (await stage.weights("production"))[winner] == 100


async def test_a_role_that_ecs_cannot_assume_fails_the_deployment_in_aws_words() -> None:
    async with staged() as (world, stage):
        await world.call("DeleteRole", "iam", RoleName="shift")
        arn = await update(world)
        await world.until(lambda: the_service(world).steady and len(the_service(world).deployments) == 1)
        shown = await described(world, arn)
        assert shown["status"] == "ROLLBACK_SUCCESSFUL"
        assert shown["statusReason"] == (
            "Service deployment rolled back because of invalid networking configuration. ECS was unable to manage the "
            f"ELB resources due to missing permissions on ECS Infrastructure Role '{stage.role}'."
        )


@pytest.mark.parametrize("moment", [0.0, 0.004, 0.02])
async def test_a_shift_ends_as_if_nothing_had_happened_when_it_is_killed(moment: float) -> None:
    async with staged() as (world, stage):
        arn = await update(world)
        for _ in range(4):
            await asyncio.sleep(moment)
            await world.restart()
        await world.until_steady()
        assert (await described(world, arn))["status"] == "SUCCESSFUL"
        assert await stage.weights("production") == {"web1": 100, "web0": 0}
        await world.until(lambda: all(t.status in ("RUNNING", "STOPPED") for t in world.tasks()))
        assert len(world.names()) == 1
        assert len(stage.targets()) == 1
