"""`matters` leaves nothing out: a service at rest stays so when something else of a task changes."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import attrs

from neargate.model.ecs import (
    TASK_STATUSES,
    Deployment,
    Service,
    Task,
    TaskAttachment,
    TaskContainer,
    TaskRegistration,
    TaskTarget,
)
from neargate.planners import rollout
from neargate.planners.rollout_actions import Say
from neargate.planners.rollout_health import matters

NOW = 1_000_000.0
MOMENTS = (None, NOW - 100, NOW - 5)
CODES = (
    None,
    "EssentialContainerExited",
    "TaskFailedToStart",
    "ServiceSchedulerInitiated",
    "UserInitiated",
    "SpotInterruption",
)


def target(**members: Any) -> TaskTarget:
    return TaskTarget(group="g", container="app", port=80, **members)


def entry(**members: Any) -> TaskRegistration:
    return TaskRegistration(registry="r", **members)


CHANGES: dict[str, Sequence[Any]] = {
    "status": TASK_STATUSES,
    "desired_status": ("RUNNING", "STOPPED"),
    "version": (1, 2),
    "connected": MOMENTS,
    "pull_started": MOMENTS,
    "pull_stopped": MOMENTS,
    "started": MOMENTS,
    "ready": MOMENTS,
    "stopping": MOMENTS,
    "execution_stopped": MOMENTS,
    "stopped": MOMENTS,
    "protected_until": (None, NOW + 50),
    "stop_code": CODES,
    "stopped_reason": (None, "because"),
    "targets": ((), (), (target(),), (target(state="healthy"),), (target(state="draining", left=NOW - 5),)),
    "registrations": ((), (), (entry(),), (entry(state="in"),), (entry(state="in", checked=True),)),
    "attachment": (TaskAttachment(id="a", subnet="s"), TaskAttachment(id="a", subnet="s", ip="10.0.0.9")),
}
CONTAINER_CHANGES: dict[str, Sequence[Any]] = {
    "status": ("PENDING", "RUNNING", "STOPPED"),
    "health": ("UNKNOWN", "HEALTHY", "UNHEALTHY"),
    "essential": (True, False),
    "runtime_id": ("", "x"),
    "exit_code": (None, 1),
    "signalled": MOMENTS,
}
GIVEN_ONCE = {
    *("account", "region", "cluster", "id", "task_definition", "created", "zone", "group", "cpu", "memory"),
    *("started_by", "service", "deployment", "overrides", "task_role", "execution_role", "credentials_id"),
    *("launch_type", "capacity_provider", "platform_version", "cpu_architecture", "ephemeral_storage"),
    *("enable_execute_command", "tags", "connect_namespace"),
}


def changed(task: Task, chance: random.Random, most: int) -> Task:
    """The task with some of its members changed."""
    for name in chance.sample(sorted([*CHANGES, "containers"]), chance.randint(1, most)):
        if name == "containers":
            (container,) = task.containers
            inner = chance.choice(sorted(CONTAINER_CHANGES))
            container = attrs.evolve(container, **{inner: chance.choice(CONTAINER_CHANGES[inner])})
            task = attrs.evolve(task, containers=(container,))
        else:
            task = attrs.evolve(task, **{name: chance.choice(CHANGES[name])})
    return task


def new_task(number: int, deployment: str) -> Task:
    return Task(
        account="000000000000",
        region="us-east-1",
        cluster="c",
        id=f"{number:032d}",
        task_definition="web:1",
        created=NOW - 200 + number,
        containers=(TaskContainer(name="app", image="i", id="x", docker_id="y"),),
        attachment=TaskAttachment(id="a", subnet="s"),
        zone="abc"[number % 3],
        group="service:web",
        cpu="256",
        memory="512",
        service="web",
        deployment=deployment,
        status="RUNNING",
        started=NOW - 100,
        ready=NOW - 50,
    )


def service(desired: int, minimum: int, maximum: int) -> Service:
    new, old = (
        Deployment(
            id=name,
            status=status,
            task_definition="web:1",
            desired=desired,
            created=NOW - 300,
            updated=NOW - 300,
        )
        for name, status in (("new", "PRIMARY"), ("old", "ACTIVE"))
    )
    return Service(
        account="000000000000",
        region="us-east-1",
        cluster="c",
        name="web",
        desired=desired,
        created=NOW - 300,
        created_by="root",
        minimum_healthy_percent=minimum,
        maximum_percent=maximum,
        deployments=(new, attrs.evolve(old, rollout_state="COMPLETED")),
    )


def at_rest(of: Service, seen: list[Task]) -> Service | None:
    """The service once it has taken everything in; None where there is something to do."""
    for _ in range(4):
        made = rollout.plan(of, seen, NOW)
        if not all(isinstance(action, Say) for action in made.actions):
            return None
        if made.service == of and not made.actions:
            return of
        of = made.service
    return None


def test_a_change_that_does_not_matter_leaves_nothing_to_do() -> None:
    chance = random.Random(7)
    tried = 0
    while tried < 400:
        owners = [chance.choice(("new", "new", "new", "old")) for _ in range(chance.randint(1, 4))]
        seen = [new_task(number, owner) for number, owner in enumerate(owners)]
        seen = [changed(task, chance, 8) if chance.random() < 0.4 else task for task in seen]
        resting = at_rest(
            service(chance.randint(1, 3), chance.choice((0, 50, 100)), chance.choice((100, 200))), seen
        )
        if resting is None:
            continue
        number = chance.randrange(len(seen))
        other = changed(seen[number], chance, 2)
        if other == seen[number] or matters(other) != matters(seen[number]):
            continue
        tried += 1
        before = rollout.plan(resting, seen, NOW)
        after = rollout.plan(resting, [*seen[:number], other, *seen[number + 1 :]], NOW)
        assert (after.service, after.actions, after.wake_at) == (before.service, (), before.wake_at)


def test_every_member_of_a_task_was_thought_of() -> None:
    unknown = {field.name for field in attrs.fields(Task)} - {*CHANGES, *GIVEN_ONCE, "containers"}
    assert not unknown, (
        "new members: into GIVEN_ONCE, or into CHANGES and, where a rollout reads them, `matters`"
    )
