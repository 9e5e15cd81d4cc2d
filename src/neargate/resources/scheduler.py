"""AWS::Scheduler::Schedule, ScheduleGroup."""

from __future__ import annotations

from neargate.model.records import Json
from neargate.resources.declaration import (
    Call,
    Desired,
    Existing,
    Identity,
    Naming,
    ResourceType,
    Steps,
)
from neargate.resources.shapes import by_name, call, errors_of, pick
from neargate.resources.tagging import Tagging
from neargate.wire import timestamps

_TAGGING = Tagging("scheduler", "ResourceArn")
_error = errors_of("Scheduler", {"ConflictException": "AlreadyExists"})
_SCHEDULE = (
    "Description EndDate FlexibleTimeWindow GroupName KmsKeyArn ScheduleExpression ScheduleExpressionTimezone "
    "StartDate State Target"
).split()


# -- schedule ----------------------------------------------------------------------------------------------


def _schedule(want: Desired) -> Json:
    """Everything that a schedule is: an update takes back what is not said."""
    return {"Name": want.name, "State": "ENABLED", **pick(want.properties, _SCHEDULE)}


def _named(existing: Existing) -> Json:
    return {"Name": existing.id, **pick(existing.desired.properties, ("GroupName",))}


def _create_schedule(want: Desired) -> Steps[Identity]:
    yield call("scheduler", "CreateSchedule", _schedule(want))
    return Identity(want.name or "")


def _update_schedule(old: Existing, want: Desired) -> Steps[None]:
    yield call("scheduler", "UpdateSchedule", _schedule(want))


def _read_schedule(existing: Existing) -> Steps[Json]:
    answer = yield Call("scheduler", "GetSchedule", _named(existing))
    return {"Arn": answer["Arn"]}


def _delete_schedule(existing: Existing) -> Steps[None]:
    yield Call("scheduler", "DeleteSchedule", _named(existing))


# -- group -------------------------------------------------------------------------------------------------


def _create_group(want: Desired) -> Steps[Identity]:
    yield Call("scheduler", "CreateScheduleGroup", {"Name": want.name, **_TAGGING.at_create(want)})
    return Identity(want.name or "")


def _update_group(old: Existing, want: Desired) -> Steps[None]:
    arn = f"arn:aws:scheduler:{want.region}:{want.account}:schedule-group/{old.id}"
    yield from _TAGGING.change(old, want, arn)


def _read_group(existing: Existing) -> Steps[Json]:
    answer = yield Call("scheduler", "GetScheduleGroup", {"Name": existing.id})
    return {
        "Arn": answer["Arn"],
        "CreationDate": timestamps.iso8601(answer["CreationDate"]),
        "LastModificationDate": timestamps.iso8601(answer["LastModificationDate"]),
        "State": answer["State"],
    }


def _delete_group(existing: Existing) -> Steps[None]:
    yield Call("scheduler", "GetScheduleGroup", {"Name": existing.id})  # NotFound where it is gone
    yield Call("scheduler", "DeleteScheduleGroup", {"Name": existing.id})


TYPES = by_name(
    ResourceType(
        type="AWS::Scheduler::Schedule",
        honoured=frozenset({*_SCHEDULE, "Name"}),
        naming=Naming("Name", max_length=64),
        create=_create_schedule,
        read=_read_schedule,
        update=_update_schedule,
        delete=_delete_schedule,
        error=_error,
    ),
    ResourceType(
        type="AWS::Scheduler::ScheduleGroup",
        honoured=frozenset({"Name", "Tags"}),
        naming=Naming("Name", max_length=64),
        create=_create_group,
        read=_read_group,
        update=_update_group,
        delete=_delete_group,
        error=_error,
    ),
)
