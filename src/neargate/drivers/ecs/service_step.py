"""One plan of a rollout being carried out inside a transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from neargate.drivers.ecs import discovery
from neargate.drivers.ecs.service_traffic import shift_traffic
from neargate.model.ecs import (
    SERVICE_EVENTS,
    Deployment,
    Service,
    ServiceTask,
    Task,
    TaskDefinition,
    definition_key_of,
)
from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.model.records import Json
from neargate.planners import ecs_events
from neargate.planners import rollout_actions as actions
from neargate.planners.rollout_failures import pause
from neargate.services.ecs import service_connect
from neargate.services.ecs.capacity import provider_of
from neargate.services.ecs.load_balancers import places_of
from neargate.services.ecs.roles import check_assumable
from neargate.services.ecs.service_registries import registrations_of
from neargate.services.ecs.task_creation import (
    Wanted,
    checked_place,
    create_task,
    managed_tags,
    propagated_tags,
)
from neargate.services.ecs.tasks import request_stop

_REGISTER_AGAIN = 15.0  # seconds after a registration that was refused
_SHIFT_AGAIN = 15.0


class ServiceStep:
    """`service` and `tasks` (by id) are the records as they become; `retry_at` is when to look again."""

    def __init__(self, cx: Context, service: Service, tasks: dict[str, Task]) -> None:
        self._cx = cx
        self.service = service
        self.tasks = tasks
        self.retry_at: float | None = None

    def keep(self, task: Task) -> None:
        """Record a task as it is now."""
        self.tasks[task.id] = attrs.evolve(task, version=task.version + 1)
        self._cx.tx.put(self.tasks[task.id])

    def act(self, action: actions.Action) -> None:
        match action:
            case actions.Start():
                self._start(action)
            case actions.Stop(task=task_id, reason=reason):
                task = self.tasks[task_id]
                self.tasks[task_id] = request_stop(self._cx, task, ecs_events.SCALE_IN_CODE, reason)
            case actions.Register(group=group, places=places):
                self._register(group, places)
            case actions.Deregister(group=group, places=places):
                self._deregister(group, places)
            case actions.Discover():
                self._discover(action)
            case actions.Forget():
                self._forget(action)
            case actions.Shift():
                self._shift(action)
            case actions.Settle(task=task_id):
                self._cx.tx.delete(ServiceTask, f"{self.service.key}/{task_id}")
                del self.tasks[task_id]
            case actions.Say(message=message):
                self._say(message)

    # -- tasks -----------------------------------------------------------------------------------------------

    def _start(self, action: actions.Start) -> None:
        deployment = next(d for d in self.service.deployments if d.id == action.deployment)
        try:
            made = self._create(deployment, action.count, action.zone)
        except AwsError as error:
            self._launch_failed(deployment, error)
            return
        names = [task.id for task in made]
        self._say(ecs_events.started(self.service.name, names, action.replaced, action.zone))

    def _create(self, deployment: Deployment, count: int, zone: str) -> list[Task]:
        """The new tasks. Raises AwsError where none can be made."""
        cx, service = self._cx, self.service
        definition = cx.tx.get(TaskDefinition, definition_key_of(deployment.task_definition))
        if definition is None:
            raise AwsError("ClientException", "TaskDefinition not found.")
        place = checked_place(cx, deployment.network)
        check_assumable(cx, definition, {})
        given = managed_tags(service.cluster, service.name) if service.enable_managed_tags else {}
        wanted = Wanted(
            cluster=service.cluster,
            definition=definition,
            place=place,
            subnet=next(iter(place.zones)),
            group=f"service:{service.name}",
            started_by=deployment.id,
            service=service.name,
            deployment=deployment.id,
            launch_type=deployment.launch_type or "FARGATE",
            platform_version=deployment.platform_version,
            enable_execute_command=service.enable_execute_command,
            targets=places_of(deployment),
            registrations=(
                *registrations_of(deployment.registries, definition),
                *service_connect.registrations_of(cx, deployment, definition),
            ),
            connect_namespace=service_connect.namespace_of(deployment.service_connect),
            tags=propagated_tags(service.propagate_tags, given, definition, service),
        )
        made: list[Task] = []
        for _ in range(count):
            alive = [task for task in self.tasks.values() if task.desired_status == "RUNNING"]
            alive = [task for task in alive if task.deployment == deployment.id]
            provider = provider_of(deployment.strategy, [task.capacity_provider for task in alive])
            subnet = place.subnet_for([task.zone for task in alive], zone)
            task = create_task(cx, attrs.evolve(wanted, subnet=subnet, capacity_provider=provider))
            self.tasks[task.id] = task
            made.append(task)
        return made

    def _launch_failed(self, deployment: Deployment, error: AwsError) -> None:
        """No task could even be recorded: that counts like one that failed to start."""
        cx = self._cx
        failures = deployment.launch_failures + 1
        self.retry_at = cx.now + pause(failures, cx.settings.pace)
        failed = attrs.evolve(
            deployment,
            launch_failures=failures,
            failed_tasks=deployment.failed_tasks + 1,
            retry_at=self.retry_at,
            updated=cx.now,
        )
        deployments = tuple(failed if d.id == failed.id else d for d in self.service.deployments)
        self.service = attrs.evolve(self.service, deployments=deployments)
        self._say_rarely(ecs_events.launch_failed(self.service.name, error.message))

    # -- target groups ---------------------------------------------------------------------------------------

    def _register(self, group: str, places: Sequence[tuple[str, int]]) -> None:
        request = {"TargetGroupArn": group, "Targets": self._targets(places)}
        try:
            self._cx.invoke("elbv2", "RegisterTargets", request)
        except AwsError as error:
            self.retry_at = self._cx.now + _REGISTER_AGAIN
            self._say_rarely(ecs_events.not_registered(self.service.name, group, error.message))
            return
        self._say(ecs_events.registered(self.service.name, len(places), group))
        for task_id, port in places:
            self._change_place(task_id, port, group, state="initial")

    def _deregister(self, group: str, places: Sequence[tuple[str, int]]) -> None:
        """What somebody else took out has gone already."""
        for place in places:
            request = {"TargetGroupArn": group, "Targets": self._targets([place])}
            try:
                self._cx.invoke("elbv2", "DeregisterTargets", request)
            except AwsError as error:
                if error.code not in ("TargetGroupNotFound", "InvalidTarget"):
                    raise
                self._change_place(*place, group, state="gone", left=self._cx.now)
            else:
                self._change_place(*place, group, state="draining", left=self._cx.now)

    def _shift(self, action: actions.Shift) -> None:
        """Say to the load balancer how to split the traffic; a refusal is the planner's to judge."""
        try:
            shift_traffic(self._cx, action)
        except AwsError as error:
            self.retry_at = self._cx.now + _SHIFT_AGAIN
            primary = attrs.evolve(self.service.primary, traffic_error=error.message)
            self.service = attrs.evolve(self.service, deployments=(primary, *self.service.deployments[1:]))

    def _targets(self, places: Sequence[tuple[str, int]]) -> list[Json]:
        return [{"Id": self.tasks[task_id].attachment.ip, "Port": port} for task_id, port in places]

    def _change_place(self, task_id: str, port: int, group: str, **members: Any) -> None:
        task = self.tasks[task_id]
        targets = tuple(
            attrs.evolve(place, **members) if (place.group, place.port) == (group, port) else place
            for place in task.targets
        )
        self.keep(attrs.evolve(task, targets=targets))

    # -- Service Connect -------------------------------------------------------------------------------------

    def keep_endpoints(self, before: Service) -> None:
        """After a rollback the endpoints are those of the deployment gone back to; after the end there are none."""
        if self.service.status == "INACTIVE":
            service_connect.withdraw(self._cx, self.service)
            return
        primary = self.service.primary
        definition = self._cx.tx.get(TaskDefinition, definition_key_of(primary.task_definition))
        if primary.service_connect == before.primary.service_connect or definition is None:
            return
        try:
            service_connect.offer(self._cx, self.service, definition)
        except AwsError as error:
            self._say_rarely(ecs_events.not_offered(self.service.name, error.message))

    # -- Cloud Map -------------------------------------------------------------------------------------------

    def _discover(self, action: actions.Discover) -> None:
        task = self.tasks[action.task]
        try:
            discovery.join(self._cx, task, action.registry, action.healthy)
        except AwsError as error:
            self.retry_at = self._cx.now + _REGISTER_AGAIN
            self._say_rarely(ecs_events.not_discovered(self.service.name, action.registry, error.message))
            return
        self._change_registration(task, action.registry, state="in", healthy=action.healthy)

    def _forget(self, action: actions.Forget) -> None:
        task = self.tasks[action.task]
        discovery.leave(self._cx, task, action.registry)
        self._change_registration(task, action.registry, state="gone")

    def _change_registration(self, task: Task, registry: str, **members: Any) -> None:
        places = tuple(
            attrs.evolve(place, **members) if place.registry == registry else place
            for place in task.registrations
        )
        self.keep(attrs.evolve(task, registrations=places))

    # -- events ----------------------------------------------------------------------------------------------

    def _say_rarely(self, message: str) -> None:
        """Say what ECS repeats every six hours at most."""
        said = self.service.said.get(message)
        if said is None or self._cx.now - said >= actions.REPEAT:
            recent = {
                what: at for what, at in self.service.said.items() if self._cx.now - at < actions.REPEAT
            }
            self.service = attrs.evolve(self.service, said={**recent, message: self._cx.now})
            self._say(message)

    def _say(self, message: str) -> None:
        body = {"id": self._cx.ids.uuid(), "message": message}
        self._cx.tx.append(SERVICE_EVENTS, self.service.key, body)
