"""Services behind a load balancer: who joins a target group when, and who leaves it before it stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest

from neargate.model.ecs import Service, Task
from neargate.model.elbv2 import HEALTHY, Target
from neargate.runtimes.memory import serves
from tests.unit.drivers.ecs_front import Front
from tests.unit.drivers.ecs_world import EcsWorld, container, ecs_world

pytestmark = pytest.mark.anyio

PORT = [{"containerPort": 3000}]
FAILED = ("unhealthy", "Target.ResponseCodeMismatch", "Health checks failed with these codes: [503]")


@asynccontextmanager
async def fronted(*, groups: int = 1, carried: bool = True) -> AsyncIterator[tuple[EcsWorld, Front]]:
    async with ecs_world() as world:
        world.containers.default = serves(3000)
        front = Front(world, world.subnets)
        await front.build(groups)
        carrier = asyncio.create_task(front.carry()) if carried else None
        try:
            yield world, front
        finally:
            if carrier is not None:
                carrier.cancel()


async def create(world: EcsWorld, front: Front, **members: Any) -> None:
    definition = await world.register(container(portMappings=PORT))
    await world.create_service(definition, loadBalancers=front.load_balancers, **members)


def events(service: dict[str, Any]) -> list[str]:
    return [event["message"] for event in reversed(service["events"])]


def only(tasks: list[Task], **members: Any) -> Task:
    (found,) = [t for t in tasks if all(getattr(t, name) == value for name, value in members.items())]
    return found


async def test_a_service_is_steady_once_its_targets_are_healthy() -> None:
    async with fronted() as (world, front):
        await create(world, front)
        shown = await world.until_steady()
        (task,) = world.tasks()
        (target,) = front.targets()
        assert (target.id, target.port, target.zone) == (task.attachment.ip, 3000, task.zone)
        assert events(shown) == [
            f"(service web) has started 1 tasks: (task {task.id}).",
            f"(service web) registered 1 targets in (target-group {front.groups[0]})",
            f"(service web) (deployment {shown['deployments'][0]['id']}) deployment completed.",
            "(service web) has reached a steady state.",
        ]


async def test_a_task_waits_for_its_target_to_be_healthy() -> None:
    async with fronted(carried=False) as (world, front):
        await create(world, front)
        await world.until(lambda: [t for t in front.targets() if t.state == "initial"])
        (task,) = world.tasks()
        assert (task.status, task.ready) == ("RUNNING", None)
        assert (await world.service())["deployments"][0]["rolloutState"] == "IN_PROGRESS"
        await front.move(front.targets()[0], HEALTHY)
        shown = await world.until_steady()
        assert shown["deployments"][0]["rolloutState"] == "COMPLETED"


async def test_of_several_groups_a_task_joins_all_before_it_is_running() -> None:
    async with fronted(groups=2) as (world, front):
        seen: set[str] = set()
        unsubscribe = world.store.subscribe(
            frozenset({"ecs.task"}), lambda kind, key: seen.update(t.status for t in world.tasks())
        )
        await create(world, front)
        shown = await world.until_steady()
        unsubscribe()
        assert "ACTIVATING" in seen
        assert len(front.targets()) == 2
        assert len([text for text in events(shown) if "registered 1 targets" in text]) == 2


async def test_an_update_drains_the_old_task_before_it_stops() -> None:
    async with fronted() as (world, front):
        await create(world, front)
        await world.until_steady()
        (old,) = world.tasks()
        order: list[tuple[str, bool]] = []

        def note(kind: str, key: str) -> None:
            task = only(world.tasks(), id=old.id)
            registered = any(t.id == old.attachment.ip for t in front.targets())
            if not order or order[-1] != (task.status, registered):
                order.append((task.status, registered))

        unsubscribe = world.store.subscribe(frozenset({Task.KIND, Target.KIND}), note)
        world.containers.add_image("app:2")
        definition = await world.register({"name": "app", "image": "app:2", "portMappings": PORT})
        await world.call("UpdateService", cluster="c", service="web", taskDefinition=definition)
        shown = await world.until_steady()
        unsubscribe()
        statuses = [status for status, _ in order]
        assert statuses.index("DEACTIVATING") < statuses.index("STOPPING")
        assert not any(registered for status, registered in order if status == "STOPPING")
        texts = events(shown)
        stopped = texts.index(f"(service web) has stopped 1 running tasks: (task {old.id}).")
        assert texts[stopped + 1 : stopped + 3] == [
            f"(service web) deregistered 1 targets in (target-group {front.groups[0]})",
            "(service web) has begun draining connections on 1 tasks.",
        ]


async def test_a_task_whose_target_fails_is_replaced_in_ecs_words() -> None:
    async with fronted() as (world, front):
        await create(world, front)
        await world.until_steady()
        (sick,) = world.tasks()
        await front.move(front.targets()[0], FAILED)
        await world.until(lambda: len(world.tasks()) == 2)
        await world.until(lambda: only(world.tasks(), id=sick.id).status == "STOPPED")
        shown = await world.until_steady()
        stopped = only(world.tasks(), id=sick.id)
        group = front.groups[0]
        assert stopped.stopped_reason == f"Task failed ELB health checks in (target-group {group})"
        assert stopped.stop_code == "ServiceSchedulerInitiated"
        texts = events(shown)
        said = texts.index(
            f"(service web) (task {sick.id}) (port 3000) is unhealthy in (target-group {group}) due to (reason "
            "Health checks failed with these codes: [503])."
        )
        assert texts[said + 1].endswith("Amazon ECS replaced 1 tasks due to an unhealthy status.")


async def test_within_the_grace_period_a_failing_target_is_not_held_against_its_task() -> None:
    async with fronted() as (world, front):
        front.heals = False
        await create(world, front, healthCheckGracePeriodSeconds=600)
        await world.until(lambda: front.targets())
        await front.move(front.targets()[0], FAILED)
        await world.until(lambda: world.tasks()[0].targets[0].state == "unhealthy")
        assert len(world.tasks()) == 1
        await front.move(front.targets()[0], HEALTHY)
        await world.until_steady()
        assert len(world.tasks()) == 1


async def test_the_breaker_counts_failed_elb_checks() -> None:
    breaker = {"enable": True, "rollback": False, "thresholdConfiguration": {"type": "COUNT", "value": 2}}
    async with fronted() as (world, front):
        front.heals = False
        await create(world, front, deploymentConfiguration={"deploymentCircuitBreaker": breaker})

        def failed() -> bool:
            (service,) = world.store.read(lambda view: view.scan(Service))
            return service.primary.rollout_state == "FAILED"

        for _ in range(2):
            fresh = await world.until(lambda: [t for t in front.targets() if t.state == "initial"])
            await front.move(fresh[0], FAILED)
        await world.until(failed)
        shown = await world.service()
        assert shown["deployments"][0]["failedTasks"] == 2


async def test_a_users_stop_task_drains_too() -> None:
    async with fronted() as (world, front):
        await create(world, front)
        await world.until_steady()
        (task,) = world.tasks()
        await world.call("StopTask", cluster="c", task=task.id, reason="because")
        await world.until_status(task.arn, "STOPPED")
        shown = await world.until_steady()
        assert "(service web) has begun draining connections on 1 tasks." in events(shown)
        assert len(front.targets()) == 1


async def test_a_container_that_dies_leaves_its_group_at_once() -> None:
    async with fronted() as (world, front):
        await create(world, front)
        await world.until_steady()
        (task,) = world.tasks()
        next(iter(world.containers.containers.values())).signal("SIGKILL")
        await world.until_status(task.arn, "STOPPED")
        await world.until(lambda: not [t for t in front.targets() if t.id == task.attachment.ip])
        await world.until(lambda: [t for t in world.tasks() if t.ready and t.id != task.id])


async def test_deleting_a_service_empties_its_group() -> None:
    async with fronted() as (world, front):
        await create(world, front, desiredCount=2)
        await world.until_steady()
        await world.call("DeleteService", cluster="c", service="web", force=True)
        await world.until(
            lambda: [s.status for s in world.store.read(lambda v: v.scan(Service))] == ["INACTIVE"]
        )
        assert front.targets() == []
        assert world.containers.containers == {}


async def test_a_group_that_refuses_its_targets_is_said_and_tried_again() -> None:
    async with fronted(carried=False) as (world, front):
        definition = await world.register(container(portMappings=PORT))
        gone = front.groups[0].rsplit("/", 1)[0] + "/0123456789abcdef"

        def misdirect(tx: Any) -> None:
            (service,) = tx.scan(Service)
            (one,) = service.load_balancers
            primary = attrs.evolve(service.primary, load_balancers=({**one, "targetGroupArn": gone},))
            tx.put(attrs.evolve(service, deployments=(primary,)))

        await world.kill()
        await world.create_service(definition, loadBalancers=front.load_balancers)
        await world.store.write(misdirect)
        await world.start()
        await world.until(lambda: [t for t in world.tasks() if t.status == "RUNNING"])
        await world.until(lambda: world.store.read(lambda view: view.scan(Service))[0].said)
        shown = await world.service()
        assert events(shown)[-1].startswith(
            f"(service web) failed to register targets in (target-group {gone}) with (error "
        )
