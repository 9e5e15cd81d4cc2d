"""Scheduled actions: at these times, this band."""

from __future__ import annotations

import attrs

from neargate.model.application_autoscaling import ScheduledAction
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.planners.schedule_expression import ScheduleError, parse
from neargate.services.application_autoscaling.lookup import (
    check_place,
    invalid,
    key_of,
    missing,
    page,
    prefix_of,
    the_target,
)


@operation("application-autoscaling", "PutScheduledAction")
def put_scheduled_action(cx: Context, request: Json) -> Json:
    """Create, or change what is given."""
    check_place(request)
    target = the_target(cx, request)
    before = cx.tx.get(ScheduledAction, f"{target.key}\n{request['ScheduledActionName']}")
    schedule = request.get("Schedule") or (before.schedule if before else None)
    if schedule is None:
        raise invalid("Schedule is required to create a scheduled action")
    wanted = before or ScheduledAction(
        account=cx.account,
        region=cx.region,
        namespace=target.namespace,
        resource=target.resource,
        dimension=target.dimension,
        name=request["ScheduledActionName"],
        id=cx.ids.uuid(),
        schedule=schedule,
        created=cx.now,
    )
    band = request.get("ScalableTargetAction") or {}
    wanted = attrs.evolve(
        wanted,
        schedule=schedule,
        timezone=request.get("Timezone", wanted.timezone),
        start=request.get("StartTime", wanted.start),
        end=request.get("EndTime", wanted.end),
        minimum=band.get("MinCapacity", None if band else wanted.minimum),
        maximum=band.get("MaxCapacity", None if band else wanted.maximum),
    )
    _check(wanted, cx.now)
    cx.tx.put(attrs.evolve(wanted, due=next_run(wanted, cx.now)))
    return {}


@operation("application-autoscaling", "DeleteScheduledAction")
def delete_scheduled_action(cx: Context, request: Json) -> Json:
    check_place(request)
    key = f"{key_of(cx, request)}\n{request['ScheduledActionName']}"
    if not cx.tx.delete(ScheduledAction, key):
        name = request["ScheduledActionName"]
        raise missing("No scheduled action found", request, scheduled_action_name=name)
    return {}


@operation("application-autoscaling", "DescribeScheduledActions", reads=True)
def describe_scheduled_actions(cx: Context, request: Json) -> Json:
    if request["ServiceNamespace"] == "ecs":
        check_place(request)
    wanted = request.get("ScheduledActionNames")
    found = [
        action
        for action in cx.tx.scan(ScheduledAction, prefix_of(cx, request))
        if (not wanted or action.name in wanted or action.arn in wanted)
        and request.get("ResourceId") in {None, action.resource}
    ]
    shown, token = page(found, lambda action: action.key, request)
    return {"ScheduledActions": [_described(action) for action in shown], **token}


def next_run(action: ScheduledAction, now: float) -> float | None:
    """When an action runs after `now`: within its start and end."""
    schedule = parse(action.schedule, action.timezone)
    begin = action.start if action.start is not None else action.created
    due = schedule.following(max(now, begin - 1e-3) if action.start is not None else now, begin)
    return None if due is None or (action.end is not None and due > action.end) else due


def _check(action: ScheduledAction, now: float) -> None:
    if action.minimum is None and action.maximum is None:
        raise invalid("At least one of minimum capacity and maximum capacity should be provided")
    if action.minimum is not None and action.maximum is not None and action.maximum < action.minimum:
        raise invalid("Maximum capacity cannot be less than minimum capacity")
    if min(action.minimum or 0, action.maximum or 0) < 0:
        raise invalid("Minimum capacity and maximum capacity must be greater than or equal to 0")
    if action.start is not None and action.end is not None and action.end <= action.start:
        raise invalid("End time must be after start time")
    try:
        schedule = parse(action.schedule, action.timezone)
    except ScheduleError as error:
        raise invalid(str(error)) from None
    if schedule.at is not None and schedule.at <= now:
        raise invalid("Scheduled time must be in the future")


def _described(action: ScheduledAction) -> Json:
    band = {"MinCapacity": action.minimum, "MaxCapacity": action.maximum}
    shown: Json = {
        "ScheduledActionName": action.name,
        "ScheduledActionARN": action.arn,
        "ServiceNamespace": action.namespace,
        "Schedule": action.schedule,
        "Timezone": action.timezone,
        "ResourceId": action.resource,
        "ScalableDimension": action.dimension,
        "StartTime": action.start,
        "EndTime": action.end,
        "ScalableTargetAction": {name: value for name, value in band.items() if value is not None},
        "CreationTime": action.created,
    }
    return {name: value for name, value in shown.items() if value is not None}
