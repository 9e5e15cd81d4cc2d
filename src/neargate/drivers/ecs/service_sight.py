"""What the service driver sees of a service: its tasks, what load balancers say of them, its alarms."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from neargate.model.cloudwatch import Alarm
from neargate.model.ecs import Service, ServiceTask, Task, TaskTarget
from neargate.model.elbv2 import Listener, Rule, Target, key_of
from neargate.model.records import Json, Reader
from neargate.planners.rollout_monitors import AlarmSeen, alarm_names
from neargate.planners.rollout_shift import concerns
from neargate.planners.rollout_targets import TargetSeen, observed
from neargate.planners.rollout_traffic import Rules, Weights, routes

_PERIOD = 60.0  # seconds; where an alarm's settings name none


@attrs.frozen
class Sight:
    """`tasks` are those that live or whose end was not settled yet, as the load balancers see them now; `stale` are
    the records that say something else."""

    service: Service
    tasks: list[Task]
    stale: frozenset[str]
    alarms: Mapping[str, AlarmSeen]
    rules: Rules
    awaited: tuple[str, ...]
    """The keys of the targets and alarms whose changes matter to it."""


def look(view: Reader, key: str, now: float) -> Sight | None:
    """The service of that key; None where there is none. Its own tasks and their targets are read, nothing else."""
    service = view.get(Service, key)
    if service is None:
        return None
    links = view.scan(ServiceTask, key + "/")
    recorded = [task for link in links if (task := view.get(Task, link.task_key)) is not None]
    tasks = [observed(task, lambda of, place: _target(view, of, place), now) for task in recorded]
    stale = frozenset(task.id for task, was in zip(tasks, recorded, strict=True) if task is not was)
    awaited = [target_key(task, place) for task in tasks for place in task.targets if task.attachment.ip]
    watched = (*awaited, *alarm_keys(service))
    return Sight(service, tasks, stale, _alarms(view, service), _rules(view, service), watched)


def target_key(task: Task, place: TaskTarget) -> str:
    """Where the record of a task's place in a target group lies."""
    return f"{key_of(place.group)}/{task.attachment.ip}:{place.port}"


def _target(view: Reader, task: Task, place: TaskTarget) -> TargetSeen | None:
    target = view.get(Target, target_key(task, place))
    if target is None:
        return None
    return TargetSeen(target.state, target.description, target.registered)


def alarm_keys(service: Service) -> list[str]:
    """The keys of the alarms that a deployment under way watches."""
    if not service.deployments or service.primary.rollout_state != "IN_PROGRESS":
        return []
    return [service.scope(name) for name in alarm_names(service)]


def _alarms(view: Reader, service: Service) -> dict[str, AlarmSeen]:
    found = (view.get(Alarm, key) for key in alarm_keys(service))
    return {alarm.name: AlarmSeen(alarm.state, _window(alarm)) for alarm in found if alarm is not None}


def _window(alarm: Alarm) -> float:
    settings = alarm.settings
    periods = [settings.get("Period"), *(query.get("Period") for query in settings.get("Metrics") or ())]
    stats = [(query.get("MetricStat") or {}).get("Period") for query in settings.get("Metrics") or ()]
    period = max((float(one) for one in (*periods, *stats) if one), default=_PERIOD)
    return period * float(settings.get("EvaluationPeriods") or 1)


def _rules(view: Reader, service: Service) -> dict[str, Weights | None]:
    """What the listener rules do between which a deployment shifts the traffic now."""
    if not service.deployments or not concerns(service):
        return {}
    arns = {
        arn
        for deployment in service.deployments
        for route in routes(deployment)
        for arn in (route.production, route.test)
        if arn
    }
    return {arn: weights_of(view, arn) for arn in sorted(arns)}


def weights_of(view: Reader, arn: str) -> Weights | None:
    """The target groups that a rule or a listener forwards to, with their weights; None where it is gone."""
    actions = forwarding(view, arn)
    if actions is None:
        return None
    return tuple(
        (group["TargetGroupArn"], int(group.get("Weight", 1)))
        for action in actions
        if action["Type"] == "forward"
        for group in action["ForwardConfig"]["TargetGroups"]
    )


def forwarding(view: Reader, arn: str) -> tuple[Json, ...] | None:
    """The actions of a rule, a default rule or a listener; None where there is none of that ARN."""
    key = key_of(arn)
    if ":listener/" in arn:
        listener = view.get(Listener, key)
        return listener.default_actions if listener is not None else None
    rule = view.get(Rule, key)
    if rule is not None:
        return rule.actions
    listener = view.get(Listener, key.rsplit("/", 1)[0])
    return listener.default_actions if listener is not None and listener.default_rule_arn == arn else None
