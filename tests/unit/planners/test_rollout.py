"""The rollout planner: what it promises, through any interleaving of what can happen to tasks."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neargate.model.ecs import Deployment, Service, Task, TaskAttachment, TaskContainer
from neargate.planners import ecs_events, rollout
from neargate.planners import rollout_actions as steps
from neargate.planners import rollout_health as health
from neargate.planners.rollout_failures import pause, quick_pause

START = 1_000_000.0


def deployment(number: int, *, definition: str = "web:1", at: float = START, desired: int = 0) -> Deployment:
    return Deployment(
        id=f"ecs-svc/{number}",
        status="PRIMARY",
        task_definition=definition,
        desired=desired,
        created=at,
        updated=at,
    )


def service(desired: int, minimum: int = 100, maximum: int = 200, **members: object) -> Service:
    return attrs.evolve(
        Service(
            account="000000000000",
            region="us-east-1",
            cluster="c",
            name="web",
            desired=desired,
            created=START,
            created_by="root",
            minimum_healthy_percent=minimum,
            maximum_percent=maximum,
            deployments=(deployment(1, desired=desired),),
        ),
        **members,
    )


class World:
    """Tasks as the task driver would move them, and the service as the service driver would keep it."""

    def __init__(self, of: Service) -> None:
        self.service = of
        self.tasks: dict[str, Task] = {}
        self.now = START
        self.events: list[str] = []
        self.made = 0
        self.waiting_for = ""

    def plan(self) -> steps.Plan:
        """One plan, carried out, with its promises checked."""
        before_healthy = sum(health.is_healthy(task) for task in self.tasks.values())
        before_occupying = self.occupying()
        states = {d.id: d.rollout_state for d in self.service.deployments}
        made = rollout.plan(self.service, list(self.tasks.values()), self.now)
        for action in made.actions:
            self._act(action)
        self.service, self.waiting_for = made.service, made.waiting_for
        least, most = health.bounds(self.service)
        if self.service.status == "ACTIVE":
            healthy = sum(health.is_healthy(task) for task in self.tasks.values())
            assert healthy >= min(before_healthy, least)
            assert self.occupying() <= max(before_occupying, most)
        back = [d.id for d in self.service.deployments if "rolling back" in d.rollout_reason]
        for now in self.service.deployments:
            was = states.get(now.id)
            if was in ("COMPLETED", "FAILED") and now.id not in back:
                assert now.rollout_state == was
        return made

    def _act(self, action: steps.Action) -> None:
        match action:
            case steps.Start(deployment=owner, count=count):
                for _ in range(count):
                    self.add(owner)
            case steps.Stop(task=task_id, reason=reason):
                assert self.tasks[task_id].desired_status == "RUNNING"
                self.change(
                    task_id,
                    desired_status="STOPPED",
                    stop_code="ServiceSchedulerInitiated",
                    stopped_reason=reason,
                )
            case steps.Settle(task=task_id):
                del self.tasks[task_id]
            case steps.Say(message=message):
                self.events.append(message)

    def occupying(self) -> int:
        return sum(1 for t in self.tasks.values() if t.status not in ("DEPROVISIONING", "STOPPED"))

    def add(self, owner: str) -> None:
        self.made += 1
        name = f"{self.made:032d}"
        self.tasks[name] = Task(
            account="000000000000",
            region="us-east-1",
            cluster="c",
            id=name,
            task_definition="web:1",
            created=self.now,
            containers=(TaskContainer(name="app", image="i", id="x", docker_id="y"),),
            attachment=TaskAttachment(id="a", subnet="s"),
            zone="abc"[self.made % 3],
            group="service:web",
            cpu="256",
            memory="512",
            service="web",
            deployment=owner,
        )

    def change(self, task_id: str, **members: object) -> None:
        self.tasks[task_id] = attrs.evolve(self.tasks[task_id], **members)

    # -- what can happen to a task -------------------------------------------------------------------------

    def advance(self, task_id: str) -> None:
        """The next good thing on a task's way."""
        task = self.tasks[task_id]
        if task.desired_status == "STOPPED":
            following = {"DEPROVISIONING": "STOPPED", "STOPPING": "DEPROVISIONING"}.get(
                task.status, "STOPPING"
            )
            self.change(task_id, status=following, stopped=self.now, execution_stopped=self.now)
        elif task.status == "PROVISIONING":
            self.change(task_id, status="PENDING")
        elif task.status == "PENDING":
            self.change(task_id, status="RUNNING", started=self.now)
        elif task.status == "RUNNING" and task.ready is None:
            self.change(task_id, ready=self.now)

    def fail(self, task_id: str) -> None:
        """It cannot start, or its essential container exits."""
        task = self.tasks[task_id]
        if task.desired_status == "RUNNING":
            code = "EssentialContainerExited" if task.started else "TaskFailedToStart"
            self.change(
                task_id,
                desired_status="STOPPED",
                status="STOPPED",
                stop_code=code,
                stopped=self.now,
                execution_stopped=self.now,
            )

    def sicken(self, task_id: str) -> None:
        if self.tasks[task_id].status == "RUNNING":
            (container,) = self.tasks[task_id].containers
            self.change(task_id, containers=(attrs.evolve(container, health="UNHEALTHY"),))

    def user_stops(self, task_id: str) -> None:
        if self.tasks[task_id].desired_status == "RUNNING":
            self.change(task_id, desired_status="STOPPED", stop_code="UserInitiated")

    def deploy(self, number: int) -> None:
        olds = tuple(attrs.evolve(d, status="ACTIVE") for d in self.service.deployments)
        new = deployment(number, definition="web:2", at=self.now, desired=self.service.desired)
        self.service = attrs.evolve(self.service, deployments=(new, *olds), steady=False)

    def scale(self, desired: int) -> None:
        self.service = attrs.evolve(self.service, desired=desired, steady=False)

    def settle(self, *, most: int = 400) -> None:
        """Let everything go well until nothing changes any more."""
        for _ in range(most):
            before = (self.service, dict(self.tasks))
            for task_id in list(self.tasks):
                self.advance(task_id)
            made = self.plan()
            if (self.service, dict(self.tasks)) == before:
                if made.wake_at is None or self.service.steady:
                    return
                self.now = made.wake_at
            self.now += 0.5
        raise AssertionError(f"it does not come to rest, waiting for {self.waiting_for}")


def running(world: World) -> list[str]:
    return [t.deployment for t in world.tasks.values() if health.is_healthy(t)]


percents = st.sampled_from([(100, 200), (50, 100), (0, 100), (50, 200), (75, 150), (0, 200), (100, 125)])
happenings = st.lists(
    st.tuples(
        st.sampled_from(["advance"] * 6 + ["fail", "sicken", "user_stops", "deploy", "scale", "time"]),
        st.integers(0, 30),
    ),
    max_size=60,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 6), percents, st.booleans(), happenings)
def test_the_band_holds_and_it_converges_whatever_happens(
    desired: int, percent: tuple[int, int], breaker: bool, steps: list[tuple[str, int]]
) -> None:
    minimum, maximum = percent
    world = World(service(desired, minimum, maximum, circuit_breaker={"enable": breaker, "rollback": True}))
    for number, (what, which) in enumerate(steps):
        world.now += 0.3
        names = list(world.tasks)
        if what == "deploy":
            world.deploy(100 + number)
        elif what == "scale":
            world.scale(which % 7)
        elif what == "time":
            world.now += which * 4
        elif names:
            getattr(world, what)(names[which % len(names)])
        world.plan()
    for task_id in list(world.tasks):
        world.change(
            task_id, containers=(attrs.evolve(world.tasks[task_id].containers[0], health="UNKNOWN"),)
        )
    primary = world.service.primary
    stuck = primary.rollout_state == "FAILED" or _cannot_move(world)
    if stuck:
        world.deploy(9999)
        world.service = attrs.evolve(world.service, maximum_percent=200)
    world.settle()
    assert len(running(world)) == world.service.desired
    assert len(world.service.deployments) == 1
    assert world.service.primary.rollout_state == "COMPLETED"
    assert set(running(world)) <= {world.service.primary.id}


def _cannot_move(world: World) -> bool:
    """Such as 1 task at 100/125 percent: ECS says so in an event and waits for an update."""
    least, most = health.bounds(world.service)
    return least == most or most < world.service.desired


@settings(max_examples=60, deadline=None)
@given(happenings)
def test_a_plan_repeated_at_once_changes_nothing_more(steps: list[tuple[str, int]]) -> None:
    world = World(service(3))
    for number, (what, which) in enumerate(steps):
        world.now += 0.3
        names = list(world.tasks)
        if what == "deploy":
            world.deploy(100 + number)
        elif what in ("advance", "fail") and names:
            getattr(world, what)(names[which % len(names)])
        world.plan()
        again = rollout.plan(world.service, list(world.tasks.values()), world.now)
        assert not [a for a in again.actions if isinstance(a, steps.Start | steps.Settle)]


def test_a_first_deployment_says_what_ecs_says() -> None:
    world = World(service(1))
    world.settle()
    (task,) = world.tasks
    assert world.events == [
        "(service web) (deployment ecs-svc/1) deployment completed.",
        "(service web) has reached a steady state.",
    ]
    assert ecs_events.started("web", [task]) == f"(service web) has started 1 tasks: (task {task})."
    assert world.service.primary.rollout_reason == "ECS deployment ecs-svc/1 completed."
    assert world.service.steady


def test_an_update_starts_the_new_task_before_it_stops_the_old_one() -> None:
    world = World(service(1))
    world.settle()
    (old,) = world.tasks
    world.events.clear()
    world.deploy(2)
    world.plan()
    assert [t.desired_status for t in world.tasks.values()] == ["RUNNING", "RUNNING"]
    assert world.waiting_for == "0 of 1 tasks to be running and healthy"
    world.settle()
    assert world.events == [
        f"(service web) has stopped 1 running tasks: (task {old}).",
        "(service web) (deployment ecs-svc/2) deployment completed.",
        "(service web) has reached a steady state.",
    ]


def test_with_zero_and_hundred_percent_the_old_task_is_gone_before_the_new_one_starts() -> None:
    world = World(service(1, 0, 100))
    world.settle()
    world.deploy(2)
    for _ in range(20):
        for task_id in list(world.tasks):
            world.advance(task_id)
        world.plan()
        assert world.occupying() <= 1
    assert running(world) == ["ecs-svc/2"]


def test_hundred_and_hundred_percent_cannot_move_and_say_so_once() -> None:
    world = World(service(1, 100, 100))
    world.settle()
    world.deploy(2)
    for _ in range(5):
        world.plan()
        world.now += 60
    assert [event for event in world.events if "unable to stop or start" in event] == [
        "(service web) was unable to stop or start tasks during a deployment because of the service deployment "
        "configuration. Update the minimumHealthyPercent or maximumPercent value and try again."
    ]
    assert running(world) == ["ecs-svc/1"]


def _fail_all(world: World, rounds: int) -> None:
    for _ in range(rounds):
        for task_id, task in list(world.tasks.items()):
            if task.deployment == world.service.primary.id:
                world.fail(task_id)
        made = world.plan()
        world.now = max(world.now, made.wake_at or world.now)
        world.plan()


def test_launches_that_fail_are_tried_again_with_growing_pauses_and_an_event() -> None:
    world = World(service(1))
    world.plan()
    at = []
    for _ in range(5):
        world.fail(next(iter(world.tasks)))
        made = world.plan()
        assert made.wake_at is not None
        at.append(made.wake_at - world.now)
        assert made.waiting_for.startswith("the next try to start a task, in ")
        world.now = made.wake_at
        world.plan()
    assert at == pytest.approx([1, 2, 4, 8, 16])
    assert world.events == ["(service web) is unable to consistently start tasks successfully."]
    assert pause(30, "local") == 60
    assert pause(30, "aws") == 900


def test_the_breaker_fails_the_deployment_at_its_threshold() -> None:
    world = World(service(1, circuit_breaker={"enable": True, "rollback": False}))
    world.plan()
    _fail_all(world, 4)
    primary = world.service.primary
    assert primary.rollout_state == "FAILED"
    assert primary.rollout_reason == "ECS deployment circuit breaker: tasks failed to start."
    assert primary.failed_tasks == 3
    assert (
        world.events[-1] == "(service web) (deployment ecs-svc/1) deployment failed: tasks failed to start."
    )
    assert world.tasks == {}
    assert "the circuit breaker has stopped deployment" in world.waiting_for


def test_the_breaker_rolls_back_to_the_last_completed_deployment() -> None:
    world = World(service(2, circuit_breaker={"enable": True, "rollback": True}))
    world.settle()
    kept = set(world.tasks)
    world.deploy(2)
    world.plan()
    _fail_all(world, 2)
    assert "(service web) rolling back to deployment ecs-svc/1." in world.events
    assert world.service.primary.id == "ecs-svc/1"
    world.settle()
    assert set(world.tasks) == kept
    assert [d.id for d in world.service.deployments] == ["ecs-svc/1"]
    assert world.events[-1] == "(service web) has reached a steady state."


def test_a_threshold_is_half_of_the_desired_tasks_between_3_and_200() -> None:
    assert [health.threshold(service(n)) for n in (1, 6, 7, 1000)] == [3, 3, 4, 200]
    count = {"thresholdConfiguration": {"type": "COUNT", "value": 7}}
    share = {"thresholdConfiguration": {"type": "UNBOUNDED_PERCENT", "value": 50}}
    assert health.threshold(service(1, circuit_breaker=count)) == 7
    assert health.threshold(service(1000, circuit_breaker=share)) == 500


def test_a_task_that_ends_after_running_is_replaced_at_once_and_a_crash_loop_slowed_down() -> None:
    world = World(service(1))
    world.settle()
    waits = []
    for _ in range(4):
        world.now += 1
        world.fail(next(iter(world.tasks)))
        made = world.plan()
        waits.append((made.wake_at or world.now) - world.now if not world.tasks else 0.0)
        world.now += waits[-1]
        world.plan()
        for _ in range(3):
            world.advance(next(iter(world.tasks)))
    assert waits[0] == 0.0
    assert waits[1:] == pytest.approx([1, 2, 4])
    assert quick_pause(100) == 20


def test_an_older_deployments_lost_task_is_replaced_while_the_new_one_is_in_trouble() -> None:
    world = World(service(1))
    world.settle()
    world.deploy(2)
    world.plan()
    _fail_all(world, 1)
    for task_id, task in list(world.tasks.items()):
        if task.deployment == "ecs-svc/1":
            world.fail(task_id)
    world.plan()
    assert [t.deployment for t in world.tasks.values() if t.deployment == "ecs-svc/1"] == ["ecs-svc/1"]


def test_unhealthy_tasks_are_replaced_first_and_stopped_after() -> None:
    world = World(service(1))
    world.settle()
    (sick,) = world.tasks
    world.sicken(sick)
    made = world.plan()
    assert [a for a in made.actions if isinstance(a, steps.Start)] == [steps.Start("ecs-svc/1", 1, 1)]
    assert world.tasks[sick].desired_status == "RUNNING"
    assert world.events[-1] == f"(service web) (task {sick}) failed container health checks."
    world.settle()
    assert sick not in world.tasks
    assert ecs_events.started("web", ["x"], 1).endswith(
        "Amazon ECS replaced 1 tasks due to an unhealthy status."
    )


def test_a_failing_check_within_the_grace_period_is_not_held_against_a_task() -> None:
    world = World(service(1, grace_period=300))
    world.settle()
    (task,) = world.tasks
    world.sicken(task)
    made = world.plan()
    assert not made.actions
    assert made.wake_at == pytest.approx((world.tasks[task].started or 0) + 300)


def test_scaling_to_zero_ends_steady_and_spreads_what_is_left_before() -> None:
    world = World(service(6))
    world.settle()
    world.scale(3)
    world.settle()
    assert sorted(t.zone for t in world.tasks.values()) == ["a", "b", "c"]
    world.scale(0)
    world.settle()
    assert world.tasks == {}
    assert world.service.steady


def test_a_deleted_service_drains_and_becomes_inactive() -> None:
    world = World(service(2))
    world.settle()
    world.service = attrs.evolve(world.service, status="DRAINING", desired=0)
    world.plan()
    assert world.waiting_for == "2 tasks to stop"
    for _ in range(6):
        for task_id in list(world.tasks):
            world.advance(task_id)
        world.plan()
    assert world.service.status == "INACTIVE"
    assert world.service.ended is not None


def test_a_user_stopping_a_task_gets_it_replaced() -> None:
    world = World(service(1))
    world.settle()
    (task,) = world.tasks
    world.user_stops(task)
    world.settle()
    assert task not in world.tasks
    assert len(running(world)) == 1


def test_steady_is_said_again_after_six_hours() -> None:
    world = World(service(1))
    world.settle()
    made = world.plan()
    assert made.wake_at == world.service.said["steady"] + steps.REPEAT
    world.now = made.wake_at
    world.plan()
    assert world.events.count("(service web) has reached a steady state.") == 2
