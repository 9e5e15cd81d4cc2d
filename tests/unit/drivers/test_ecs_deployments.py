"""Service deployments over real records: alarms, stops, and what DescribeServiceDeployments says of them."""

from __future__ import annotations

from typing import Any

import pytest

from neargate.model.cloudwatch import Alarm
from neargate.model.ecs import Service
from neargate.runtimes.memory import serves
from tests.unit.drivers.ecs_world import EcsWorld, container, ecs_world

pytestmark = pytest.mark.anyio

PORT = [{"containerPort": 3000}]
ALARMS = {"alarmNames": ["slow"], "enable": True, "rollback": True}


async def serving(world: EcsWorld, **configuration: Any) -> None:
    world.containers.default = serves(3000)
    definition = await world.register(container(portMappings=PORT))
    await world.create_service(definition, deploymentConfiguration=configuration)
    await world.until_steady()


async def update(world: EcsWorld, image: str = "app:2") -> str:
    world.containers.add_image("app:2")
    definition = await world.register({"name": "app", "image": image, "portMappings": PORT})
    answer = await world.call("UpdateService", cluster="c", service="web", taskDefinition=definition)
    return str(answer["service"]["currentServiceDeployment"])


async def described(world: EcsWorld, arn: str) -> dict[str, Any]:
    answer = await world.call("DescribeServiceDeployments", serviceDeploymentArns=[arn])
    return dict(answer["serviceDeployments"][0])


async def alarm(world: EcsWorld, state: str) -> None:
    caller = world.caller
    record = Alarm(
        account=caller.account,
        region=caller.region,
        name="slow",
        updated=0.0,
        settings={"Period": 60, "EvaluationPeriods": 2},
        state=state,
    )
    await world.store.write(lambda tx: tx.put(record))


def the_service(world: EcsWorld) -> Service:
    return world.store.read(lambda view: view.scan(Service))[0]


async def test_an_alarm_during_the_bake_rolls_back() -> None:
    async with ecs_world() as world:
        await serving(world, alarms=ALARMS)
        before = (await world.service())["taskDefinition"]
        await alarm(world, "OK")
        arn = await update(world)
        await world.until(lambda: the_service(world).primary.bake_since)
        shown = await described(world, arn)
        assert (shown["status"], shown["alarms"]) == (
            "IN_PROGRESS",
            {"status": "MONITORING", "alarmNames": ["slow"]},
        )
        assert (await world.service())["deployments"][0]["rolloutState"] == "IN_PROGRESS"
        await alarm(world, "ALARM")
        await world.until_steady()
        shown = await described(world, arn)
        assert shown["status"] == "ROLLBACK_SUCCESSFUL"
        assert (
            shown["statusReason"] == "Service deployment rolled back because of alarms in ALARM state: slow."
        )
        assert shown["alarms"] == {
            "status": "TRIGGERED",
            "alarmNames": ["slow"],
            "triggeredAlarmNames": ["slow"],
        }
        assert shown["rollback"]["reason"] == shown["statusReason"]
        assert shown["finishedAt"] >= shown["rollback"]["startedAt"] >= shown["startedAt"]
        assert (await world.service())["taskDefinition"] == before


async def test_a_deployment_is_stopped_and_rolled_back_without_a_breaker() -> None:
    async with ecs_world() as world:
        await serving(world)
        before = (await world.service())["taskDefinition"]
        arn = await update(world, "broken:1")
        assert (await described(world, arn))["status"] == "IN_PROGRESS"
        assert await world.call("StopServiceDeployment", serviceDeploymentArn=arn) == {
            "serviceDeploymentArn": arn
        }
        await world.until_steady()
        shown = await described(world, arn)
        assert shown["status"] == "ROLLBACK_SUCCESSFUL"
        assert shown["statusReason"] == "Service deployment rolled back because the user requested it."
        assert (await world.service())["taskDefinition"] == before
        with pytest.raises(Exception, match="cannot be stopped because its status is ROLLBACK_SUCCESSFUL"):
            await world.call("StopServiceDeployment", serviceDeploymentArn=arn)


async def test_an_aborted_deployment_stops_where_it_is() -> None:
    async with ecs_world() as world:
        await serving(world)
        arn = await update(world, "broken:1")
        await world.call("StopServiceDeployment", serviceDeploymentArn=arn, stopType="ABORT")
        await world.until(lambda: the_service(world).primary.rollout_state == "FAILED")
        shown = await described(world, arn)
        assert (shown["status"], shown["stoppedAt"]) == ("STOPPED", shown["finishedAt"])
        assert len(world.names()) == 1


async def test_a_first_deployment_that_opens_the_circuit_has_no_candidate_to_go_back_to() -> None:
    async with ecs_world() as world:
        breaker = {"enable": True, "rollback": True, "thresholdConfiguration": {"type": "COUNT", "value": 1}}
        definition = await world.register({"name": "app", "image": "broken:1"})
        await world.create_service(definition, deploymentConfiguration={"deploymentCircuitBreaker": breaker})
        await world.until(lambda: the_service(world).primary.rollout_state == "FAILED")
        answer = await world.call("ListServiceDeployments", cluster="c", service="web")
        (shown,) = answer["serviceDeployments"]
        assert (shown["status"], shown["statusReason"]) == (
            "ROLLBACK_FAILED",
            "No rollback candidate was found to run the rollback.",
        )
        full = await described(world, shown["serviceDeploymentArn"])
        assert full["deploymentCircuitBreaker"] == {"status": "TRIGGERED", "failureCount": 1, "threshold": 1}


async def test_counts_of_source_and_target_revisions() -> None:
    async with ecs_world() as world:
        await serving(world)
        arn = await update(world, "broken:1")
        shown = await described(world, arn)
        (source,) = shown["sourceServiceRevisions"]
        assert (source["requestedTaskCount"], source["runningTaskCount"]) == (1, 1)
        assert shown["targetServiceRevision"]["requestedTaskCount"] == 1
        answer = await world.call("DescribeServiceRevisions", serviceRevisionArns=[source["arn"]])
        assert answer["serviceRevisions"][0]["containerImages"] == [
            {"containerName": "app", "image": "app:1"}
        ]


async def test_a_new_update_ends_a_rollback_that_was_under_way() -> None:
    async with ecs_world() as world:
        await serving(world)
        arn = await update(world, "broken:1")
        for driver in world.drivers:
            driver.cancel()
        await world.call("StopServiceDeployment", serviceDeploymentArn=arn)
        assert (await described(world, arn))["status"] == "ROLLBACK_REQUESTED"
        again = await update(world)
        await world.restart()
        await world.until_steady()
        assert (await described(world, arn))["status"] == "STOPPED"
        assert (await described(world, again))["status"] == "SUCCESSFUL"


async def test_a_service_without_deployments_of_that_kind() -> None:
    async with ecs_world() as world:
        with pytest.raises(Exception, match="The service deployment was not found"):
            await world.call(
                "StopServiceDeployment",
                serviceDeploymentArn="arn:aws:ecs:us-east-1:000000000000:service-deployment/c/web/x",
            )
