"""A task's life as a pure function: `plan(task, definition, seen, now)`.

`seen` is what was observed of the outside world and what is under way there; the plan answers the record as it is
to be, and what to do next. States go PROVISIONING, PENDING, RUNNING, STOPPING, DEPROVISIONING, STOPPED, some may
be skipped, never back. Every action may be carried out twice without harm.

Containers are created as soon as there is a sandbox and an image, and started when the network is attached and
what they depend on has got so far. They stop in the reverse order: SIGTERM (or the image's STOPSIGNAL), after
stopTimeout SIGKILL.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import attrs

from neargate.model.ecs import KEPT_AFTER_END, TASK_STATUSES, Task, TaskContainer, TaskDefinition, TaskStatus
from neargate.model.records import Json
from neargate.planners import ecs_events as words
from neargate.planners.task_order import Blocked, blocked_by, may_restart, may_stop

STOP_TIMEOUT = 30.0
"""Seconds between the stop signal and SIGKILL where the container definition says nothing."""

UNCHECKED = 40.0
"""Seconds after RUNNING from which a task without health check counts as healthy, on AWS and at the latest here."""

_KILL_AGAIN = 5.0


@attrs.frozen
class Preparation:
    """Something that is being made ready. `reason` is the stoppedReason where it failed."""

    state: Literal["absent", "busy", "ready", "failed"] = "absent"
    reason: str = ""


ABSENT = Preparation()


@attrs.frozen
class ContainerSeen:
    """A container outside. `busy` while it is being created or started; `failure` is why that did not work."""

    state: Literal["absent", "busy", "created", "running", "exited"] = "absent"
    runtime_id: str = ""
    exit_code: int | None = None
    out_of_memory: bool = False
    started: float | None = None
    finished: float | None = None
    failure: str = ""
    vanished: bool = False
    """It was there and somebody has removed it."""
    signalled: bool = False
    health: str | None = None


@attrs.frozen
class ImageSeen:
    preparation: Preparation = ABSENT
    id: str = ""
    digest: str = ""
    stop_signal: str = ""


@attrs.frozen
class Seen:
    """All that is known of a task outside the records."""

    sandbox: Preparation = ABSENT
    network: Preparation = ABSENT
    logs: Preparation = ABSENT
    release: Preparation = ABSENT
    images: Mapping[str, ImageSeen] = attrs.field(factory=dict)
    containers: Mapping[str, ContainerSeen] = attrs.field(factory=dict)
    listening: frozenset[int] = frozenset()
    pull_started: float | None = None
    pull_stopped: float | None = None

    def container(self, name: str) -> ContainerSeen:
        return self.containers.get(name, ContainerSeen())

    def image(self, name: str) -> ImageSeen:
        return self.images.get(name, ImageSeen())


@attrs.frozen
class SetUpNetwork:
    """Make the sandbox, allocate the interface, plug it in."""


@attrs.frozen
class OpenLogs:
    """Make the log streams of all containers."""


@attrs.frozen
class FetchImage:
    container: str


@attrs.frozen
class Create:
    container: str


@attrs.frozen
class Start:
    container: str


@attrs.frozen
class Restart:
    """Start a container again that has exited, as its restart policy says."""

    container: str


@attrs.frozen
class WatchPorts:
    """Tell when the ports in `ports` are listened on."""

    ports: frozenset[int]


@attrs.frozen
class Signal:
    container: str
    signal: str


@attrs.frozen
class Kill:
    container: str


@attrs.frozen
class Release:
    """Remove containers, sandbox and interface, whatever of them is there."""


@attrs.frozen
class Forget:
    """The record has been visible long enough."""


Action = (
    SetUpNetwork
    | OpenLogs
    | FetchImage
    | Create
    | Start
    | Restart
    | WatchPorts
    | Signal
    | Kill
    | Release
    | Forget
)


@attrs.frozen
class Plan:
    task: Task
    actions: tuple[Action, ...]
    waiting_for: str
    wake_at: float | None = None


def plan(task: Task, definition: TaskDefinition, seen: Seen, now: float, pace: str = "local") -> Plan:
    """What comes next for a task."""
    if task.status == "STOPPED":
        until = (task.stopped or now) + KEPT_AFTER_END
        return Plan(task, (Forget(),), "", None) if now >= until else Plan(task, (), "", until)
    before = task
    if task.status != "DEPROVISIONING":
        task = _observed(_restarted(task, definition, seen, now), seen, now)
        task = _brought_forward(task, seen, now)
        if task.desired_status == "RUNNING":
            task = _ended_by_itself(task, definition, seen, now)
    if task.desired_status == "RUNNING":
        made = _bring_up(task, definition, seen, now, pace)
    else:
        made = _take_down(task, definition, seen, now)
    if made.task != before:
        made = attrs.evolve(made, task=attrs.evolve(made.task, version=before.version + 1))
    return made


def forward(task: Task, status: TaskStatus) -> Task:
    """The task in that status; as it is where it has got further already."""
    if TASK_STATUSES.index(status) <= TASK_STATUSES.index(task.status):
        return task
    return attrs.evolve(task, status=status)


# -- what was seen ---------------------------------------------------------------------------------------------


def _observed(task: Task, seen: Seen, now: float) -> Task:
    wanted = task.desired_status == "RUNNING"
    containers = tuple(
        container
        if wanted and _awaits_restart(container, seen.container(container.name))
        else _container_observed(container, seen.container(container.name), seen.image(container.name), now)
        for container in task.containers
    )
    return task if containers == task.containers else attrs.evolve(task, containers=containers)


def _restarted(task: Task, definition: TaskDefinition, seen: Seen, now: float) -> Task:
    """The task with the decisions to start containers again that have just exited. Each exit is decided once: what
    ended before the last restart is that restart's."""
    if task.desired_status != "RUNNING" or not any(c.get("restartPolicy") for c in definition.containers):
        return task
    containers = tuple(
        attrs.evolve(
            c,
            restarts=c.restarts + 1,
            restarted=max(now, seen.container(c.name).finished or now),
            health="UNKNOWN",
        )
        if _is_to_restart(c, definition, seen.container(c.name))
        else c
        for c in task.containers
    )
    return task if containers == task.containers else attrs.evolve(task, containers=containers)


def _is_to_restart(container: TaskContainer, definition: TaskDefinition, found: ContainerSeen) -> bool:
    if container.status != "RUNNING" or found.state != "exited" or found.finished is None:
        return False
    if found.failure or _awaits_restart(container, found):
        return False
    return may_restart(definition.container(container.name), container, found.exit_code, found.finished)


def _awaits_restart(container: TaskContainer, found: ContainerSeen) -> bool:
    """Its restart is decided, and what is seen is still the end that led to it."""
    if container.restarted is None or found.state != "exited" or found.failure:
        return False
    return found.finished is not None and found.finished <= container.restarted


def _container_observed(
    container: TaskContainer, found: ContainerSeen, image: ImageSeen, now: float
) -> TaskContainer:
    if container.status == "STOPPED":
        return container
    if image.preparation.state == "failed":
        return attrs.evolve(container, status="STOPPED", reason=image.preparation.reason)
    if found.failure:
        return attrs.evolve(
            _imaged(container, image), status="STOPPED", reason=found.failure, runtime_id=found.runtime_id
        )
    if found.vanished:
        reason = "CannotInspectContainerError: the container was removed from outside."
        return attrs.evolve(container, status="STOPPED", reason=reason, stopped=now)
    if found.state == "running":
        return attrs.evolve(
            _imaged(container, image),
            status="RUNNING",
            runtime_id=found.runtime_id,
            started=container.started or found.started or now,
            health=found.health or container.health,
            health_since=container.health_since if found.health in (None, container.health) else now,
        )
    if found.state == "exited":
        return attrs.evolve(
            _imaged(container, image),
            status="STOPPED",
            runtime_id=found.runtime_id,
            started=container.started or found.started or found.finished or now,
            stopped=found.finished or now,
            exit_code=found.exit_code,
            reason=words.OUT_OF_MEMORY if found.out_of_memory else container.reason,
        )
    return container


def _imaged(container: TaskContainer, image: ImageSeen) -> TaskContainer:
    if container.image_id or not image.id:
        return container
    return attrs.evolve(
        container, image_id=image.id, image_digest=image.digest, stop_signal=image.stop_signal
    )


def _brought_forward(task: Task, seen: Seen, now: float) -> Task:
    """PENDING once it has its network, RUNNING once every container has started."""
    if task.status == "PROVISIONING" and seen.network.state == "ready":
        task = forward(
            attrs.evolve(
                task,
                connected=now,
                pull_started=seen.pull_started,
                attachment=attrs.evolve(task.attachment, status="ATTACHED"),
            ),
            "PENDING",
        )
    if task.status in ("PENDING", "ACTIVATING"):
        if task.pull_stopped is None and seen.pull_stopped is not None:
            task = attrs.evolve(task, pull_stopped=seen.pull_stopped)
        started = [c.started is not None or c.status == "STOPPED" for c in task.containers]
        if (
            all(started)
            and any(c.started is not None for c in task.containers)
            and task.desired_status == "RUNNING"
        ):
            if _joins_first(task):
                return forward(task, "ACTIVATING")
            task = forward(attrs.evolve(task, started=now), "RUNNING")
    return task


def _joins_first(task: Task) -> bool:
    """A task of several target groups, or of a Cloud Map service, is RUNNING only once it is registered there."""
    if any(not place.state for place in task.registrations):
        return True
    return len(task.targets) > 1 and any(not target.state for target in task.targets)


def _leaves_first(task: Task) -> bool:
    """A task that could still serve leaves Cloud Map and its target groups, and is drained, before its containers
    stop."""
    return (
        task.stop_code not in ("EssentialContainerExited", "TaskFailedToStart")
        and (any(t.is_in for t in task.targets) or any(place.is_in for place in task.registrations))
        and all(c.status == "RUNNING" for c in task.containers if c.essential)
    )


def stopping(task: Task, code: str, reason: str, now: float) -> Task:
    """The task with the decision to stop it; the first such decision holds."""
    if task.desired_status == "STOPPED":
        return task
    return attrs.evolve(task, desired_status="STOPPED", stop_code=code, stopped_reason=reason, stopping=now)


def _ended_by_itself(task: Task, definition: TaskDefinition, seen: Seen, now: float) -> Task:
    """Failures to start, and essential containers that exited."""
    for preparation in (seen.sandbox, seen.network, seen.logs):
        if preparation.state == "failed" and task.status != "RUNNING":
            return stopping(task, "TaskFailedToStart", preparation.reason, now)
    for container in task.containers:
        if container.status != "STOPPED" or container.started is not None:
            continue
        pulled = seen.image(container.name).preparation.state != "failed"
        if container.essential or not pulled:
            return stopping(task, "TaskFailedToStart", container.reason, now)
    if any(container.essential and container.status == "STOPPED" for container in task.containers):
        return stopping(task, "EssentialContainerExited", words.ESSENTIAL_EXITED, now)
    if all(container.status == "STOPPED" for container in task.containers):
        return stopping(task, "EssentialContainerExited", words.ESSENTIAL_EXITED, now)
    for blocked in _blocked(task, definition, now):
        if blocked.failure:
            return _dependency_failed(task, blocked, now)
    return task


def _dependency_failed(task: Task, blocked: Blocked, now: float) -> Task:
    containers = tuple(
        attrs.evolve(c, status="STOPPED", reason=blocked.failure) if c.name == blocked.container else c
        for c in task.containers
    )
    reason = f"TaskDependencyError: Task dependencies cannot be resolved, taskArn: {task.arn}"
    return stopping(attrs.evolve(task, containers=containers), "TaskFailedToStart", reason, now)


def _blocked(task: Task, definition: TaskDefinition, now: float) -> list[Blocked]:
    states = {container.name: container for container in task.containers}
    found = (
        blocked_by(definition, states, container.name, task.pull_stopped or task.created, now)
        for container in task.containers
        if container.status == "PENDING"
    )
    return [blocked for blocked in found if blocked is not None]


# -- upwards ---------------------------------------------------------------------------------------------------


def _bring_up(task: Task, definition: TaskDefinition, seen: Seen, now: float, pace: str) -> Plan:
    actions: list[Action] = []
    if seen.network.state == "absent":
        actions.append(SetUpNetwork())
    if seen.logs.state == "absent":
        actions.append(OpenLogs())
    blocked = {found.container: found for found in _blocked(task, definition, now)}
    for container in task.containers:
        if container.status == "PENDING":
            actions += _start_container(container, seen, container.name in blocked)
        elif container.status == "RUNNING" and _awaits_restart(container, seen.container(container.name)):
            actions.append(Restart(container.name))
    if task.status == "ACTIVATING":
        return Plan(
            task, tuple(actions), "its registration with the service's load balancers and in Cloud Map"
        )
    if task.status != "RUNNING":
        moments = [found.wake_at for found in blocked.values() if found.wake_at is not None]
        return Plan(task, tuple(actions), _missing(task, seen, blocked), min(moments, default=None))
    if task.ready is not None:
        return Plan(task, tuple(actions), "")
    return _await_ready(task, definition, seen, actions, now, pace)


def _start_container(container: TaskContainer, seen: Seen, is_blocked: bool) -> Iterable[Action]:
    found, image = seen.container(container.name), seen.image(container.name)
    if image.preparation.state == "absent" and found.state in ("absent", "created"):
        yield FetchImage(container.name)
    elif found.state == "absent" and _all_ready(seen.sandbox, seen.logs, image.preparation):
        yield Create(container.name)
    elif found.state == "created" and _all_ready(seen.network, seen.logs) and not is_blocked:
        yield Start(container.name)


def _all_ready(*preparations: Preparation) -> bool:
    return all(preparation.state == "ready" for preparation in preparations)


def _missing(task: Task, seen: Seen, blocked: Mapping[str, Blocked]) -> str:
    """A sentence's end, for `waiting for …`."""
    for container in task.containers:
        if seen.image(container.name).preparation.state in ("absent", "busy"):
            return f"the image {container.image}"
    if seen.network.state != "ready":
        return "the task's network interface"
    for found in blocked.values():
        return found.waiting_for
    return "the containers to start"


def declared_ports(definition: TaskDefinition) -> frozenset[int]:
    """The TCP ports that the essential containers declare."""
    return frozenset(
        mapping["containerPort"]
        for container in definition.containers
        if container["essential"]
        for mapping in container.get("portMappings") or ()
        if mapping.get("protocol", "tcp") == "tcp" and "containerPort" in mapping
    )


def _await_ready(
    task: Task, definition: TaskDefinition, seen: Seen, actions: list[Action], now: float, pace: str
) -> Plan:
    """When it begins to count as healthy: see the module `rollout` for what that decides."""
    started = task.started or now
    checked = {c["name"] for c in definition.containers if c["essential"] and has_health_check(c)}
    healthy = {c.name for c in task.containers if c.health == "HEALTHY"}
    if checked - healthy:
        return Plan(task, tuple(actions), f"the health check of {', '.join(sorted(checked - healthy))}")
    if any(target.state != "healthy" for target in task.targets):
        return Plan(task, tuple(actions), "the load balancer to find it healthy")
    if checked or task.targets:
        return Plan(attrs.evolve(task, ready=now), tuple(actions), "")
    ports = declared_ports(definition)
    if now >= started + UNCHECKED or (pace == "local" and ports and ports <= seen.listening):
        return Plan(attrs.evolve(task, ready=now), tuple(actions), "")
    if ports and pace == "local":
        actions.append(WatchPorts(ports))
        silent = ", ".join(str(port) for port in sorted(ports - seen.listening))
        return Plan(task, tuple(actions), f"something to listen on port {silent}", started + UNCHECKED)
    return Plan(task, tuple(actions), f"{UNCHECKED:.0f} s without an exit", started + UNCHECKED)


def has_health_check(container: Json) -> bool:
    """A check that is to run: `NONE` switches it off."""
    check = container.get("healthCheck") or {}
    return bool(check) and list(check["command"]) != ["NONE"]


# -- downwards -------------------------------------------------------------------------------------------------


def _take_down(task: Task, definition: TaskDefinition, seen: Seen, now: float) -> Plan:
    if task.status == "DEPROVISIONING":
        return _deprovision(task, seen, now)
    if task.stopping is None:
        task = attrs.evolve(task, stopping=now)
    if _leaves_first(task):
        return Plan(forward(task, "DEACTIVATING"), (), "the load balancer to drain its connections")
    task = forward(task, "STOPPING")
    found = {container.name: seen.container(container.name) for container in task.containers}
    if any(container.state == "busy" for container in found.values()):
        return Plan(task, (), "a container that is just being started")
    running = [c for c in task.containers if found[c.name].state == "running"]
    if not running:
        task = attrs.evolve(task, containers=tuple(_ended(c) for c in task.containers))
        if any(container.started is not None for container in task.containers):
            task = attrs.evolve(task, execution_stopped=now)
        return _deprovision(forward(task, "DEPROVISIONING"), seen, now)
    actions: list[Action] = []
    containers = {container.name: container for container in task.containers}
    moments: list[float] = []
    names = {container.name for container in running}
    for container in running:
        if not may_stop(definition, container.name, names):
            continue
        signalled = container.signalled if container.signalled is not None else now
        containers[container.name] = attrs.evolve(container, signalled=signalled)
        deadline = signalled + stop_timeout(definition.container(container.name))
        if now >= deadline:
            actions.append(Kill(container.name))
            moments.append(now + _KILL_AGAIN)
            continue
        if not found[container.name].signalled:
            actions.append(Signal(container.name, container.stop_signal or "SIGTERM"))
        moments.append(deadline)
    task = attrs.evolve(task, containers=tuple(containers.values()))
    waiting_for = f"{', '.join(sorted(names))} to stop"
    return Plan(task, tuple(actions), waiting_for, min(moments, default=None))


def _ended(container: TaskContainer) -> TaskContainer:
    return container if container.status == "STOPPED" else attrs.evolve(container, status="STOPPED")


def stop_timeout(container: Json) -> float:
    """Seconds between its stop signal and SIGKILL."""
    value = container.get("stopTimeout")
    return STOP_TIMEOUT if value is None else float(value)


def _deprovision(task: Task, seen: Seen, now: float) -> Plan:
    if seen.release.state == "absent":
        return Plan(task, (Release(),), "its network interface to be released")
    if seen.release.state == "busy":
        return Plan(task, (), "its network interface to be released")
    gone = attrs.evolve(task, stopped=now, attachment=attrs.evolve(task.attachment, status="DELETED"))
    return Plan(forward(gone, "STOPPED"), (), "", now + KEPT_AFTER_END)
