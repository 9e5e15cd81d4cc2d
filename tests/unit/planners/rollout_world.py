"""A service and its tasks as the drivers would keep them: what the tests of the rollout have in common."""

from __future__ import annotations

from typing import Any

import attrs

from neargate.model.ecs import Deployment, Service, Task, TaskAttachment, TaskContainer
from neargate.planners import rollout
from neargate.planners import rollout_actions as steps
from neargate.planners import rollout_health as health
from neargate.planners.rollout_monitors import AlarmSeen
from neargate.planners.rollout_traffic import Weights
from neargate.services.ecs.load_balancers import joined, places_of

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


def service(desired: int, minimum: int = 100, maximum: int = 200, **members: Any) -> Service:
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


def shifting(strategy: str, desired: int = 2, *, first: bool = False, **configuration: Any) -> World:
    """A steady service with the groups `blue` (in use) and `green`, rules `production` and `test`, and a strategy
    that shifts traffic; `first`: nothing has been deployed yet."""
    item = {
        "targetGroupArn": "blue",
        "containerName": "app",
        "containerPort": 80,
        "advancedConfiguration": {
            "alternateTargetGroupArn": "green",
            "productionListenerRule": "production",
            "testListenerRule": "test",
            "roleArn": "role",
        },
    }
    made = service(
        desired,
        load_balancers=(item,),
        deployment_configuration={"strategy": strategy, "bakeTimeInMinutes": 1, **configuration},
    )
    primary = attrs.evolve(made.primary, load_balancers=(item,), traffic=strategy)
    world = World(attrs.evolve(made, deployments=(primary,)))
    world.rules = {"production": (("blue", 1),), "test": (("blue", 0), ("green", 1))}
    if not first:
        world.settle()
        world.events.clear()
    return world


def balanced(made: Service, *groups: str) -> Service:
    """The service with its tasks in target groups."""
    items = tuple({"targetGroupArn": arn, "containerName": "app", "containerPort": 80} for arn in groups)
    deployed = attrs.evolve(made.primary, load_balancers=items)
    return attrs.evolve(made, load_balancers=items, deployments=(deployed,))


class World:
    """Tasks as the task driver would move them, and the service as the service driver would keep it."""

    def __init__(self, of: Service) -> None:
        self.service = of
        self.tasks: dict[str, Task] = {}
        self.now = START
        self.events: list[str] = []
        self.made = 0
        self.deployed = 100
        self.waiting_for = ""
        self.alarms: dict[str, AlarmSeen] = {}
        self.rules: dict[str, Weights | None] = {}

    def plan(self) -> steps.Plan:
        """One plan, carried out, with its promises checked."""
        before_healthy = sum(health.is_healthy(task) for task in self.tasks.values())
        before_occupying = self.occupying()
        states = {d.id: d.rollout_state for d in self.service.deployments}
        made = rollout.plan(
            self.service, list(self.tasks.values()), self.now, "local", self.alarms, self.rules
        )
        self.service, self.waiting_for = made.service, made.waiting_for
        for action in made.actions:
            self._act(action)
        least, most = health.bounds(self.service)
        if self.service.status == "ACTIVE" and self.service.primary.traffic == "ROLLING":
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
            case steps.Start(deployment=owner, count=count, zone=zone):
                for _ in range(count):
                    self.add(owner, zone)
            case steps.Stop(task=task_id, reason=reason):
                assert self.tasks[task_id].desired_status == "RUNNING"
                self.change(
                    task_id,
                    desired_status="STOPPED",
                    stop_code="ServiceSchedulerInitiated",
                    stopped_reason=reason,
                )
            case steps.Register(group=group, places=places):
                for task_id, port in places:
                    assert self.tasks[task_id].desired_status == "RUNNING"
                    self.place(task_id, group, port, state="initial")
            case steps.Deregister(group=group, places=places):
                for task_id, port in places:
                    self.place(task_id, group, port, state="draining", left=self.now)
            case steps.Shift(rule=rule, weights=weights):
                assert self.rules[rule] is not None
                self.rules[rule] = weights
            case steps.Settle(task=task_id):
                del self.tasks[task_id]
            case steps.Say(message=message):
                self.events.append(message)

    def occupying(self) -> int:
        return sum(1 for t in self.tasks.values() if t.status not in ("DEPROVISIONING", "STOPPED"))

    def place(self, task_id: str, group: str, port: int, **members: Any) -> None:
        targets = tuple(
            attrs.evolve(place, **members) if (place.group, place.port) == (group, port) else place
            for place in self.tasks[task_id].targets
        )
        self.change(task_id, targets=targets)

    def add(self, owner: str, zone: str = "") -> None:
        self.made += 1
        name = f"{self.made:032d}"
        deployed = next(d for d in self.service.deployments if d.id == owner)
        self.tasks[name] = Task(
            account="000000000000",
            region="us-east-1",
            cluster="c",
            id=name,
            task_definition="web:1",
            created=self.now,
            containers=(TaskContainer(name="app", image="i", id="x", docker_id="y"),),
            attachment=TaskAttachment(id="a", subnet="s", ip=f"10.0.0.{self.made}"),
            zone=zone or "abc"[self.made % 3],
            targets=places_of(deployed),
            group="service:web",
            cpu="256",
            memory="512",
            service="web",
            deployment=owner,
        )

    def change(self, task_id: str, **members: Any) -> None:
        self.tasks[task_id] = attrs.evolve(self.tasks[task_id], **members)

    # -- what can happen to a task -------------------------------------------------------------------------

    def advance(self, task_id: str) -> None:
        """The next good thing on a task's way."""
        task = self.tasks[task_id]
        leaving = [target for target in task.targets if target.is_in and target.left is not None]
        if task.desired_status == "STOPPED" and leaving:
            self.place(task_id, leaving[0].group, leaving[0].port, state="gone")
        elif task.desired_status == "STOPPED":
            following = {"DEPROVISIONING": "STOPPED", "STOPPING": "DEPROVISIONING"}.get(
                task.status, "STOPPING"
            )
            self.change(task_id, status=following, stopped=self.now, execution_stopped=self.now)
        elif task.status == "PROVISIONING":
            self.change(task_id, status="PENDING")
        elif task.status == "PENDING":
            self.change(task_id, status="RUNNING", started=self.now)
        elif any(target.state == "initial" for target in task.targets):
            first = next(target for target in task.targets if target.state == "initial")
            self.place(task_id, first.group, first.port, state="healthy")
        elif (
            task.status == "RUNNING"
            and task.ready is None
            and all(target.state == "healthy" for target in task.targets)
        ):
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

    def sicken_target(self, task_id: str) -> None:
        """The load balancer finds it unfit."""
        task = self.tasks[task_id]
        for target in task.targets:
            if task.status == "RUNNING" and target.is_in and target.left is None:
                self.place(task_id, target.group, target.port, state="unhealthy", reason="Request timed out")

    def protect(self, task_id: str) -> None:
        """Its owner protects it for ten seconds."""
        self.change(task_id, protected_until=self.now + 10)

    @property
    def strategy(self) -> str:
        return str(self.service.deployment_configuration.get("strategy", "ROLLING"))

    @property
    def serving(self) -> Deployment | None:
        last = self.service.last_completed
        alive = [d for d in self.service.deployments if last is not None and d.id == last.id]
        return next(iter(alive or self.service.deployments), None)

    def heal(self) -> None:
        """Nothing is wrong with any task any more."""
        for task_id, task in list(self.tasks.items()):
            (container,) = task.containers
            self.change(
                task_id, containers=(attrs.evolve(container, health="UNKNOWN"),), protected_until=None
            )
            for target in task.targets:
                if target.state == "unhealthy" and target.left is None:
                    self.place(task_id, target.group, target.port, state="healthy")

    def user_stops(self, task_id: str) -> None:
        if self.tasks[task_id].desired_status == "RUNNING":
            self.change(task_id, desired_status="STOPPED", stop_code="UserInitiated")

    def deploy(self, number: int = 0) -> None:
        """UpdateService with another task definition; `number` is in the deployment's id."""
        self.deployed += 1
        number = number or self.deployed
        olds = tuple(attrs.evolve(d, status="ACTIVE", rolls_back="") for d in self.service.deployments)
        new = attrs.evolve(
            deployment(number, definition="web:2", at=self.now, desired=self.service.desired),
            load_balancers=joined(self.service.load_balancers, self.serving, self.strategy),
            zones=self.service.primary.zones,
            traffic=self.strategy,
        )
        self.service = attrs.evolve(self.service, deployments=(new, *olds), steady=False, rebalancing=0)

    def stop(self, kind: str) -> None:
        """StopServiceDeployment."""
        primary = attrs.evolve(self.service.primary, stop_requested=kind)
        self.service = attrs.evolve(self.service, deployments=(primary, *self.service.deployments[1:]))

    def scale(self, desired: int) -> None:
        self.service = attrs.evolve(self.service, desired=desired, steady=False, rebalancing=0)

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
