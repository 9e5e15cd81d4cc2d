"""Services: rollouts over real records and in-memory containers, through failures and restarts."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from neargate.model.ecs import Service
from neargate.runtimes.memory import exits, serves
from tests.unit.drivers.ecs_world import EcsWorld, container, ecs_world

pytestmark = pytest.mark.anyio

PORT = [{"containerPort": 3000}]


def events(service: dict[str, Any]) -> list[str]:
    return [event["message"] for event in reversed(service["events"])]


async def serving(world: EcsWorld, **members: Any) -> dict[str, Any]:
    world.containers.default = serves(3000)
    await world.create_service(await world.register(container(portMappings=PORT)), **members)
    return await world.until_steady()


async def test_a_service_becomes_steady_with_ecs_words() -> None:
    async with ecs_world() as world:
        shown = await serving(world)
        (task,) = world.tasks()
        deployment = shown["deployments"][0]["id"]
        assert events(shown) == [
            f"(service web) has started 1 tasks: (task {task.id}).",
            f"(service web) (deployment {deployment}) deployment completed.",
            "(service web) has reached a steady state.",
        ]
        assert (shown["runningCount"], shown["pendingCount"], len(shown["deployments"])) == (1, 0, 1)
        assert shown["deployments"][0]["rolloutState"] == "COMPLETED"
        assert task.started_by == deployment
        assert task.group == "service:web"


async def test_a_new_task_definition_rolls_without_a_moment_without_a_task() -> None:
    async with ecs_world() as world:
        await serving(world)
        world.containers.add_image("app:2")
        definition = await world.register({"name": "app", "image": "app:2", "portMappings": PORT})
        least: list[int] = []
        unsubscribe = world.store.subscribe(
            frozenset({"ecs.task"}),
            lambda kind, key: least.append(sum(t.status == "RUNNING" for t in world.tasks())),
        )
        await world.call("UpdateService", cluster="c", service="web", taskDefinition=definition)
        shown = await world.until_steady()
        unsubscribe()
        assert min(least) >= 1
        assert shown["taskDefinition"] == definition
        assert len(world.names()) == 1
        answer = await world.call("ListServiceDeployments", cluster="c", service="web")
        assert [d["status"] for d in answer["serviceDeployments"]] == ["SUCCESSFUL", "SUCCESSFUL"]


async def test_a_container_killed_from_outside_is_replaced() -> None:
    async with ecs_world() as world:
        await serving(world)
        (first,) = world.tasks()
        next(iter(world.containers.containers.values())).signal("SIGKILL")
        await world.until(lambda: len(world.tasks()) == 2)
        await world.until_steady()
        stopped = next(task for task in world.tasks() if task.id == first.id)
        assert stopped.stopped_reason == "Essential container in task exited"
        assert len(world.names()) == 1


async def test_a_broken_image_opens_the_circuit_and_rolls_back() -> None:
    breaker = {"enable": True, "rollback": True, "thresholdConfiguration": {"type": "COUNT", "value": 1}}
    async with ecs_world() as world:
        before = await serving(world, deploymentConfiguration={"deploymentCircuitBreaker": breaker})
        (task,) = world.tasks()
        definition = await world.register({"name": "app", "image": "broken:1", "portMappings": PORT})
        await world.call("UpdateService", cluster="c", service="web", taskDefinition=definition)
        shown = await world.until_steady()
        texts = events(shown)
        assert any(text.endswith("deployment failed: tasks failed to start.") for text in texts)
        old = before["deployments"][0]["id"]
        assert f"(service web) rolling back to deployment {old}." in texts
        assert shown["taskDefinition"] == before["taskDefinition"]
        assert [t.id for t in world.tasks() if t.status == "RUNNING"] == [task.id]
        answer = await world.call("ListServiceDeployments", cluster="c", service="web")
        assert [d["status"] for d in answer["serviceDeployments"]] == ["ROLLBACK_SUCCESSFUL", "SUCCESSFUL"]


async def test_scaling_deleting_and_what_is_left() -> None:
    async with ecs_world() as world:
        await serving(world, desiredCount=3)
        assert len({task.zone for task in world.tasks()}) == 3
        await world.call("UpdateService", cluster="c", service="web", desiredCount=1)
        await world.until_steady()
        assert len(world.names()) == 1
        await world.call("DeleteService", cluster="c", service="web", force=True)
        await world.until(
            lambda: [s.status for s in world.store.read(lambda v: v.scan(Service))] == ["INACTIVE"]
        )
        assert (await world.service())["status"] == "INACTIVE"
        assert world.containers.containers == {}
        assert await world.fabric.attached() == []
        await world.call("DeleteCluster", cluster="c")


async def test_a_role_that_cannot_be_assumed_is_said_once_and_tried_again() -> None:
    async with ecs_world() as world:
        role = f"arn:aws:iam::{world.caller.account}:role/gone"
        definition = await world.register(container(), taskRoleArn=role)
        await world.create_service(definition)
        await world.until(
            lambda: world.store.read(lambda view: view.scan(Service))[0].primary.launch_failures >= 2
        )
        shown = await world.service()
        assert events(shown) == [
            f"(service web) failed to launch a task with (error ECS was unable to assume the role '{role}' that "
            "was provided for this task. Please verify that the role being passed has the proper trust "
            "relationship and permissions and that your IAM user has permissions to pass this role.)."
        ]
        assert world.tasks() == []


async def test_a_crash_loop_does_not_spin() -> None:
    async with ecs_world() as world:
        world.containers.default = exits(1)
        await world.create_service(await world.register(container()))
        await asyncio.sleep(1.5)
        assert 2 <= len(world.tasks()) <= 4
        assert (await world.service())["deployments"][0]["failedTasks"] == 0


@pytest.mark.parametrize("moment", [0.0, 0.003, 0.01, 0.03])
async def test_a_rollout_ends_as_if_nothing_had_happened_when_it_is_killed(moment: float) -> None:
    async with ecs_world() as world:
        await serving(world, desiredCount=2)
        world.containers.add_image("app:2")
        definition = await world.register({"name": "app", "image": "app:2", "portMappings": PORT})
        await world.call("UpdateService", cluster="c", service="web", taskDefinition=definition)
        for _ in range(3):
            await asyncio.sleep(moment)
            await world.restart()
        shown = await world.until_steady()
        assert shown["deployments"][0]["taskDefinition"] == definition
        running = [t for t in world.tasks() if t.status == "RUNNING"]
        assert [t.task_definition for t in running] == [definition, definition]
        new = world.containers.images["app:2"].id
        assert world.names() == [new, new]
        await world.until(lambda: all(t.status in ("RUNNING", "STOPPED") for t in world.tasks()))
        assert len(await world.fabric.attached()) == 2
        assert len((await world.call("DescribeNetworkInterfaces", "ec2"))["NetworkInterfaces"]) == 2
