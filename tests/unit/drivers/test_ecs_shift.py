"""Blue/green over real records: the rules of a load balancer are shifted through its API, and back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from neargate.model.ecs import Service
from neargate.runtimes.memory import serves
from tests.unit.drivers.ecs_front import Stage
from tests.unit.drivers.ecs_world import EcsWorld, container, ecs_world

pytestmark = pytest.mark.anyio

PORT = [{"containerPort": 3000}]


@asynccontextmanager
async def staged(**configuration: Any) -> AsyncIterator[tuple[EcsWorld, Stage]]:
    async with ecs_world() as world:
        world.containers.default = serves(3000)
        stage = Stage(world, world.subnets)
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
