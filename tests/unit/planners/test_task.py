"""The task planner: order, states that never go back, what it waits for, and how a task ends."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neargate.model.ecs import (
    KEPT_AFTER_END,
    TASK_STATUSES,
    Task,
    TaskAttachment,
    TaskContainer,
    TaskDefinition,
    TaskTarget,
)
from neargate.planners import task as planner
from neargate.planners.task import (
    Create,
    FetchImage,
    Forget,
    ImageSeen,
    Kill,
    OpenLogs,
    Preparation,
    Release,
    Seen,
    SetUpNetwork,
    Signal,
    Start,
    WatchPorts,
)

NOW = 1_000_000.0
BUSY, READY = Preparation("busy"), Preparation("ready")


def definition(*containers: dict[str, Any]) -> TaskDefinition:
    filled = [{"image": "i", "essential": True, "cpu": 0, "mountPoints": [], **c} for c in containers]
    return TaskDefinition(
        account="0",
        region="r",
        family="f",
        revision=1,
        containers=tuple(filled),
        registered=NOW,
        registered_by="root",
    )


def task_of(wanted: TaskDefinition) -> Task:
    return Task(
        account="0",
        region="r",
        cluster="c",
        id="t" * 32,
        task_definition=wanted.arn,
        created=NOW,
        containers=tuple(
            TaskContainer(name=c["name"], image="i", id=c["name"], docker_id="d", essential=c["essential"])
            for c in wanted.containers
        ),
        attachment=TaskAttachment(id="a", subnet="s"),
        zone="a",
        group="g",
        cpu="256",
        memory="512",
    )


@attrs.define
class Outside:
    """The world that carries the plan out: every action takes one step to begin and one to end."""

    wanted: TaskDefinition
    task: Task
    seen: Seen = attrs.field(factory=Seen)
    now: float = NOW
    order: list[str] = attrs.field(factory=list)
    deaf: bool = False

    def step(self) -> planner.Plan:
        before = self.task
        made = planner.plan(self.task, self.wanted, self.seen, self.now)
        if made.task != before:  # the driver does not plan again after its own write: nothing is left to say
            again = planner.plan(made.task, self.wanted, self.seen, self.now)
            assert (again.task, again.actions) == (made.task, made.actions)
        assert TASK_STATUSES.index(made.task.status) >= TASK_STATUSES.index(before.status)
        if before.desired_status == "STOPPED":
            assert made.task.desired_status == "STOPPED"
            assert made.task.stopped_reason == before.stopped_reason
        for old, new in zip(before.containers, made.task.containers, strict=True):
            ranks = ("PENDING", "RUNNING", "STOPPED")
            assert ranks.index(new.status) >= ranks.index(old.status)
        self.task = made.task
        for action in made.actions:
            self.act(action)
        return made

    def act(self, action: planner.Action) -> None:
        match action:
            case SetUpNetwork():
                self.seen = attrs.evolve(self.seen, network=BUSY, sandbox=READY)
            case OpenLogs():
                self.seen = attrs.evolve(self.seen, logs=BUSY)
            case FetchImage(container=name):
                self.image(name, ImageSeen(BUSY))
            case Create(container=name):
                self.container(name, state="created", runtime_id=name)
            case Start(container=name):
                assert self.seen.network == READY
                self.order.append(f"{name} starts")
                self.container(name, state="running", started=self.now)
            case Signal(container=name):
                self.order.append(f"{name} is signalled")
                self.container(name, signalled=True)
                if not self.deaf:
                    self.exits(name, 143)
            case Kill(container=name):
                self.order.append(f"{name} is killed")
                self.exits(name, 137)
            case Release():
                self.seen = attrs.evolve(self.seen, release=READY)

    def image(self, name: str, seen: ImageSeen) -> None:
        self.seen = attrs.evolve(self.seen, images={**self.seen.images, name: seen})

    def container(self, name: str, **members: Any) -> None:
        changed = attrs.evolve(self.seen.container(name), **members)
        self.seen = attrs.evolve(self.seen, containers={**self.seen.containers, name: changed})

    def exits(self, name: str, code: int, *, oom: bool = False) -> None:
        self.container(name, state="exited", exit_code=code, finished=self.now, out_of_memory=oom)

    def finish_jobs(self) -> None:
        """All that is busy becomes ready."""
        for part in ("network", "logs"):
            if getattr(self.seen, part) == BUSY:
                self.seen = attrs.evolve(self.seen, **{part: READY})
        for name, image in self.seen.images.items():
            if image.preparation == BUSY:
                self.image(name, ImageSeen(READY, "sha256:1", "sha256:2", "SIGINT"))
        self.seen = attrs.evolve(self.seen, pull_started=NOW, pull_stopped=NOW)

    def run(self, until: str) -> None:
        for _ in range(60):
            if self.task.status == until:
                return
            self.step()
            self.finish_jobs()
            self.now += 0.01
        raise AssertionError(f"{self.task.status}, not {until}")


def outside(*containers: dict[str, Any]) -> Outside:
    wanted = definition(*(containers or ({"name": "app"},)))
    return Outside(wanted, task_of(wanted))


def test_at_first_network_logs_and_images_are_made_ready_side_by_side() -> None:
    world = outside()
    made = planner.plan(world.task, world.wanted, world.seen, NOW)
    assert made.actions == (SetUpNetwork(), OpenLogs(), FetchImage("app"))
    assert made.task == world.task
    assert made.waiting_for == "the image i"


def test_containers_are_created_while_the_network_is_still_plugged_in() -> None:
    world = outside()
    world.seen = Seen(sandbox=READY, network=BUSY, logs=READY, images={"app": ImageSeen(READY, "x")})
    assert planner.plan(world.task, world.wanted, world.seen, NOW).actions == (Create("app"),)
    world.container("app", state="created")
    assert planner.plan(world.task, world.wanted, world.seen, NOW).actions == ()


def test_a_task_runs_when_all_its_containers_do_and_its_version_grows() -> None:
    world = outside({"name": "a"}, {"name": "b", "essential": False})
    world.run("RUNNING")
    assert world.task.started is not None
    assert world.task.version > 1
    assert [c.status for c in world.task.containers] == ["RUNNING", "RUNNING"]
    assert world.task.containers[0].image_digest == "sha256:2"


def test_a_stop_signals_with_the_images_signal_and_kills_after_the_timeout() -> None:
    world = outside({"name": "app", "stopTimeout": 5})
    world.deaf = True
    world.run("RUNNING")
    world.task = planner.stopping(world.task, "UserInitiated", "enough", world.now)
    made = world.step()
    assert made.actions == (Signal("app", "SIGINT"),)
    assert made.waiting_for == "app to stop"
    assert made.wake_at == world.now + 5
    assert world.step().actions == ()
    world.now += 5
    assert world.step().actions == (Kill("app"),)
    world.run("STOPPED")
    assert world.task.containers[0].exit_code == 137
    assert (world.task.stop_code, world.task.stopped_reason) == ("UserInitiated", "enough")


def test_without_a_stop_timeout_it_is_thirty_seconds() -> None:
    assert planner.stop_timeout({}) == 30
    assert planner.stop_timeout({"stopTimeout": 0}) == 0


@pytest.mark.parametrize("condition", ["START", "COMPLETE", "SUCCESS", "HEALTHY"])
def test_a_dependency_holds_back_until_it_has_got_so_far(condition: str) -> None:
    world = outside(
        {"name": "app", "dependsOn": [{"containerName": "first", "condition": condition}]},
        {"name": "first", "essential": False, "healthCheck": {"command": ["CMD", "x"]}},
    )
    for _ in range(8):
        world.step()
        world.finish_jobs()
    if condition == "START":
        assert world.order == ["first starts", "app starts"]
        return
    assert world.order == ["first starts"]
    assert world.task.status == "PENDING"
    assert world.step().waiting_for.startswith("first to ")
    if condition == "HEALTHY":
        world.container("first", health="HEALTHY")
    else:
        world.exits("first", 0)
    for _ in range(3):
        world.step()
    assert world.order == ["first starts", "app starts"]


def test_a_dependency_that_never_succeeds_is_said_and_given_up_after_three_hours() -> None:
    world = outside(
        {"name": "app", "dependsOn": [{"containerName": "m", "condition": "SUCCESS"}]},
        {"name": "m", "essential": False},
    )
    for _ in range(8):
        world.step()
        world.finish_jobs()
    world.exits("m", 1)
    assert world.step().waiting_for == (
        "m to succeed before app starts, which will not happen: it exited with an error"
    )
    world.now += 3 * 3600 + 1
    world.step()
    assert world.task.stop_code == "TaskFailedToStart"
    assert world.task.stopped_reason == (
        f"TaskDependencyError: Task dependencies cannot be resolved, taskArn: {world.task.arn}"
    )


def test_a_start_timeout_bounds_the_wait() -> None:
    world = outside(
        {"name": "app", "dependsOn": [{"containerName": "slow", "condition": "COMPLETE"}]},
        {"name": "slow", "essential": False, "startTimeout": 20},
    )
    for _ in range(8):
        made = world.step()
        world.finish_jobs()
    assert made.wake_at is not None
    world.now = made.wake_at
    world.step()
    reasons = {container.name: container.reason for container in world.task.containers}
    assert reasons["app"] == (
        "dependency graph: container ordering dependency [slow] for target [app] has timed out."
    )
    world.run("STOPPED")


def test_containers_stop_in_the_reverse_order_of_their_dependencies() -> None:
    world = outside(
        {"name": "app", "dependsOn": [{"containerName": "db", "condition": "START"}]}, {"name": "db"}
    )
    world.run("RUNNING")
    world.order.clear()
    world.task = planner.stopping(world.task, "UserInitiated", "x", world.now)
    world.run("STOPPED")
    assert world.order == ["app is signalled", "db is signalled"]


def test_an_essential_exit_ends_the_task_and_another_does_not() -> None:
    world = outside({"name": "a"}, {"name": "b", "essential": False})
    world.run("RUNNING")
    world.exits("b", 0)
    world.step()
    assert world.task.desired_status == "RUNNING"
    world.exits("a", 1)
    world.step()
    assert world.task.stop_code == "EssentialContainerExited"
    assert world.task.stopped_reason == "Essential container in task exited"


def test_out_of_memory_is_the_containers_reason() -> None:
    world = outside()
    world.run("RUNNING")
    world.exits("app", 137, oom=True)
    world.step()
    assert world.task.containers[0].reason == "OutOfMemoryError: Container killed due to memory usage"


def test_a_container_removed_from_outside_ends_the_task() -> None:
    world = outside()
    world.run("RUNNING")
    world.container("app", state="absent", vanished=True)
    world.step()
    assert world.task.desired_status == "STOPPED"
    assert world.task.containers[0].reason.startswith("CannotInspectContainerError: ")


@pytest.mark.parametrize("part", ["sandbox", "network", "logs"])
def test_what_cannot_be_made_ready_fails_the_start_but_not_a_running_task(part: str) -> None:
    failed = {part: Preparation("failed", "ResourceInitializationError: no")}
    world = outside()
    world.seen = Seen(**failed)  # type: ignore[arg-type]
    world.step()
    assert (world.task.stop_code, world.task.stopped_reason) == (
        "TaskFailedToStart",
        "ResourceInitializationError: no",
    )
    running = outside()
    running.run("RUNNING")
    running.seen = attrs.evolve(running.seen, **failed)
    running.step()
    assert running.task.desired_status == "RUNNING"


def test_ready_waits_for_the_ports_or_forty_seconds() -> None:
    ports = [{"containerPort": 80}, {"containerPort": 53, "protocol": "udp"}]
    world = outside({"name": "app", "portMappings": ports})
    world.run("RUNNING")
    made = world.step()
    assert made.actions == (WatchPorts(frozenset({80})),)
    assert made.waiting_for == "something to listen on port 80"
    assert made.wake_at == (world.task.started or 0) + 40
    late = planner.plan(world.task, world.wanted, world.seen, made.wake_at)
    assert late.task.ready == made.wake_at
    world.seen = attrs.evolve(world.seen, listening=frozenset({80}))
    world.step()
    assert world.task.ready == world.now


def test_at_aws_pace_ports_do_not_shorten_the_forty_seconds() -> None:
    world = outside({"name": "app", "portMappings": [{"containerPort": 80}]})
    world.run("RUNNING")
    world.seen = attrs.evolve(world.seen, listening=frozenset({80}))
    made = planner.plan(attrs.evolve(world.task, ready=None), world.wanted, world.seen, world.now, "aws")
    assert made.task.ready is None
    assert not made.actions


def test_with_a_health_check_ready_means_healthy() -> None:
    world = outside({"name": "app", "healthCheck": {"command": ["CMD", "x"]}})
    world.run("RUNNING")
    assert world.step().waiting_for == "the health check of app"
    world.container("app", health="HEALTHY")
    world.step()
    assert world.task.ready is not None
    assert world.task.health == "HEALTHY"


def test_a_stopped_task_is_forgotten_after_an_hour() -> None:
    world = outside()
    world.task = planner.stopping(world.task, "UserInitiated", "x", world.now)
    world.run("STOPPED")
    assert world.order == []
    assert world.task.execution_stopped is None
    made = world.step()
    assert made.wake_at == (world.task.stopped or 0) + KEPT_AFTER_END
    world.now = made.wake_at
    assert planner.plan(world.task, world.wanted, world.seen, world.now).actions == (Forget(),)


# -- target groups ---------------------------------------------------------------------------------------------


def placed(world: Outside, *states: str) -> None:
    """The service driver says of each place of the task how far it is."""
    targets = tuple(
        TaskTarget(group=f"g{n}", container="app", port=80, state=s) for n, s in enumerate(states)
    )
    world.task = attrs.evolve(world.task, targets=targets)


def test_a_task_of_one_group_runs_before_it_is_registered_and_is_ready_once_it_is_found_healthy() -> None:
    world = outside()
    placed(world, "")
    world.run("RUNNING")
    world.now += 100
    assert world.step().waiting_for == "the load balancer to find it healthy"
    assert world.task.ready is None
    placed(world, "healthy")
    world.step()
    assert world.task.ready == world.now


def test_a_task_of_several_groups_is_activating_until_it_is_in_all_of_them() -> None:
    world = outside()
    placed(world, "", "")
    world.run("ACTIVATING")
    placed(world, "initial", "")
    assert world.step().waiting_for == "its registration with the service's load balancers and in Cloud Map"
    assert (world.task.status, world.task.started) == ("ACTIVATING", None)
    placed(world, "initial", "initial")
    world.step()
    assert (world.task.status, world.task.started) == ("RUNNING", world.now)


@pytest.mark.parametrize("code", ["ServiceSchedulerInitiated", "UserInitiated"])
def test_a_task_is_drained_before_its_containers_are_told_to_stop(code: str) -> None:
    world = outside()
    placed(world, "healthy")
    world.run("RUNNING")
    world.order.clear()
    world.task = planner.stopping(world.task, code, "x", world.now)
    for state in ("healthy", "draining"):
        placed(world, state)
        assert world.step().waiting_for == "the load balancer to drain its connections"
        assert (world.task.status, world.order) == ("DEACTIVATING", [])
    placed(world, "gone")
    world.run("STOPPED")
    assert world.order == ["app is signalled"]


def test_what_cannot_serve_any_more_is_not_waited_for() -> None:
    world = outside({"name": "app"}, {"name": "side", "essential": False})
    placed(world, "healthy")
    world.run("RUNNING")
    world.exits("app", 1)
    world.step()
    assert world.task.status == "STOPPING"
    draining = outside()
    placed(draining, "draining")
    draining.run("RUNNING")
    draining.task = planner.stopping(draining.task, "UserInitiated", "x", draining.now)
    draining.step()
    draining.exits("app", 1)
    draining.run("STOPPED")


happenings = st.lists(
    st.sampled_from(["step", "jobs", "stop", "exit a", "exit b", "oom", "vanish", "time", "pull fails"]),
    max_size=40,
)


@settings(max_examples=200, deadline=None)
@given(happenings, st.booleans())
def test_whatever_happens_it_ends_stopped_in_order(steps: list[str], deaf: bool) -> None:
    world = outside(
        {"name": "a", "dependsOn": [{"containerName": "b", "condition": "START"}]},
        {"name": "b", "essential": False, "stopTimeout": 2},
    )
    world.deaf = deaf
    for what in steps:
        match what:
            case "step":
                world.step()
            case "jobs":
                world.finish_jobs()
            case "stop":
                world.task = planner.stopping(world.task, "UserInitiated", "x", world.now)
            case "exit a" | "exit b":
                if world.seen.container(what[-1]).state == "running":
                    world.exits(what[-1], 1)
            case "oom":
                if world.seen.container("a").state == "running":
                    world.exits("a", 137, oom=True)
            case "vanish":
                if world.seen.container("b").state == "running":
                    world.container("b", state="absent", vanished=True)
            case "time":
                world.now += 20
            case "pull fails":
                if world.seen.image("a").preparation == BUSY:
                    world.image("a", ImageSeen(Preparation("failed", "CannotPullContainerError: x")))
    world.task = planner.stopping(world.task, "UserInitiated", "end", world.now)
    for _ in range(40):
        world.step()
        world.finish_jobs()
        world.now += 10
    assert world.task.status == "STOPPED"
    assert all(container.status == "STOPPED" for container in world.task.containers)
    assert all(seen.state != "running" for seen in world.seen.containers.values())
    started = [line for line in world.order if line.endswith("starts")]
    assert started in ([], ["b starts"], ["b starts", "a starts"])
