"""AWS::Events::Rule, EventBus, EventBusPolicy, Archive. Connections and destinations are in `events_http`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neargate.model.errors import AwsError
from neargate.model.records import Json
from neargate.resources import events_http
from neargate.resources.declaration import (
    Call,
    Desired,
    Existing,
    Identity,
    Naming,
    ResourceType,
    Steps,
)
from neargate.resources.shapes import (
    by_name,
    call,
    changed,
    document,
    errors_of,
    missing_is_fine,
    must_not_exist,
    or_undone,
    pick,
)
from neargate.resources.tagging import Tagging

_MISSING = "ResourceNotFoundException"
_TAGGING = Tagging("events", "ResourceARN", at_creation="Tags")
_error = errors_of("EventBridge")


def _bus(properties: Mapping[str, Any]) -> str:
    """The name of a rule's bus, which a template may give as an ARN."""
    return str(properties.get("EventBusName") or "default").rpartition("/")[2]


# -- rule --------------------------------------------------------------------------------------------------


def _named(existing: Existing) -> tuple[str, str]:
    """A rule's name and its bus's. The physical id is `bus|name`, or the name alone on the default bus."""
    bus, _, name = existing.id.rpartition("|")
    return name, bus or "default"


def _rule(want: Desired) -> Json:
    p = want.properties
    members: Json = pick(p, ("Description", "RoleArn", "ScheduleExpression", "State"))
    if p.get("EventPattern"):
        members["EventPattern"] = document(p["EventPattern"])
    return {"Name": want.name, "EventBusName": _bus(p), **members}


def _create_rule(want: Desired) -> Steps[Identity]:
    bus = _bus(want.properties)
    named = {"Name": want.name, "EventBusName": bus}
    yield from must_not_exist(Call("events", "DescribeRule", named), _MISSING)
    yield call("events", "PutRule", {**_rule(want), **_TAGGING.at_create(want)})
    identity = want.name or "" if bus == "default" else f"{bus}|{want.name}"
    undo = _delete_rule(Existing(identity, want))
    yield from or_undone(_put_targets(want), undo)
    return Identity(identity)


def _put_targets(want: Desired) -> Steps[None]:
    targets = want.properties.get("Targets")
    if not targets:
        return
    request = {"Rule": want.name, "EventBusName": _bus(want.properties), "Targets": targets}
    answer = yield call("events", "PutTargets", request)
    for failed in answer.get("FailedEntries") or ():
        raise AwsError(failed["ErrorCode"], f"{failed['TargetId']}: {failed['ErrorMessage']}")


def _update_rule(old: Existing, want: Desired) -> Steps[None]:
    was, now = old.desired.properties, want.properties
    name, bus = _named(old)
    if changed(was, now, "Description", "EventPattern", "RoleArn", "ScheduleExpression", "State"):
        yield call("events", "PutRule", _rule(want))
    kept = {one["Id"] for one in now.get("Targets") or ()}
    gone = [one["Id"] for one in was.get("Targets") or () if one["Id"] not in kept]
    if gone:
        yield Call("events", "RemoveTargets", {"Rule": name, "EventBusName": bus, "Ids": gone})
    if changed(was, now, "Targets"):
        yield from _put_targets(want)
    rule = name if bus == "default" else f"{bus}/{name}"
    yield from _TAGGING.change(old, want, f"arn:aws:events:{want.region}:{want.account}:rule/{rule}")


def _read_rule(existing: Existing) -> Steps[Json]:
    name, bus = _named(existing)
    answer = yield Call("events", "DescribeRule", {"Name": name, "EventBusName": bus})
    return {"Arn": answer["Arn"], "RuleName": name}


def _delete_rule(existing: Existing) -> Steps[None]:
    name, bus = _named(existing)
    listed = yield Call("events", "ListTargetsByRule", {"Rule": name, "EventBusName": bus})
    ids = [one["Id"] for one in listed["Targets"]]
    if ids:
        yield Call("events", "RemoveTargets", {"Rule": name, "EventBusName": bus, "Ids": ids})
    yield Call("events", "DeleteRule", {"Name": name, "EventBusName": bus})


def _moved(was: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    return _bus(was) != _bus(now)


# -- bus ---------------------------------------------------------------------------------------------------

_BUS = ("DeadLetterConfig", "Description", "KmsKeyIdentifier")


def _create_bus(want: Desired) -> Steps[Identity]:
    p = want.properties
    members = {"Name": want.name, **pick(p, ("EventSourceName", *_BUS)), **_TAGGING.at_create(want)}
    yield call("events", "CreateEventBus", members)
    undo = _delete_bus(Existing(want.name or "", want))
    yield from or_undone(_permit(want.name or "", p.get("Policy")), undo)
    return Identity(want.name or "")


def _permit(bus: str, policy: Any) -> Steps[None]:
    if policy:
        yield Call("events", "PutPermission", {"EventBusName": bus, "Policy": document(policy)})


def _update_bus(old: Existing, want: Desired) -> Steps[None]:
    was, now = old.desired.properties, want.properties
    if changed(was, now, *_BUS):
        yield call("events", "UpdateEventBus", {"Name": old.id, **pick(now, _BUS)})
    if changed(was, now, "Policy"):
        if was.get("Policy"):
            remove = {"EventBusName": old.id, "RemoveAllPermissions": True}
            yield Call("events", "RemovePermission", remove)
        yield from _permit(old.id, now.get("Policy"))
    arn = f"arn:aws:events:{want.region}:{want.account}:event-bus/{old.id}"
    yield from _TAGGING.change(old, want, arn)


def _read_bus(existing: Existing) -> Steps[Json]:
    answer = yield Call("events", "DescribeEventBus", {"Name": existing.id})
    return {**existing.desired.properties, "Arn": answer["Arn"], "Name": existing.id}


def _delete_bus(existing: Existing) -> Steps[None]:
    yield Call("events", "DeleteEventBus", {"Name": existing.id})


# -- bus policy --------------------------------------------------------------------------------------------


def _put_permission(want: Desired) -> Steps[None]:
    p, bus = want.properties, _bus(want.properties)
    if "Statement" in p:
        statement = {"Sid": p["StatementId"], **p["Statement"]}
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        yield Call("events", "PutPermission", {"EventBusName": bus, "Policy": document(policy)})
    else:
        members = pick(p, ("StatementId", "Action", "Principal", "Condition"))
        yield call("events", "PutPermission", {"EventBusName": bus, **members})


def _create_bus_policy(want: Desired) -> Steps[Identity]:
    yield from _put_permission(want)
    return Identity(f"{_bus(want.properties)}|{want.properties['StatementId']}")


def _update_bus_policy(old: Existing, want: Desired) -> Steps[None]:
    yield from _put_permission(want)


def _read_bus_policy(existing: Existing) -> Steps[Json]:
    yield from ()
    return {}


def _delete_bus_policy(existing: Existing) -> Steps[None]:
    bus, _, statement = existing.id.rpartition("|")
    request = {"EventBusName": bus, "StatementId": statement}
    yield from missing_is_fine(Call("events", "RemovePermission", request), _MISSING)


# -- archive -----------------------------------------------------------------------------------------------


def _archive(want: Desired) -> Json:
    p = want.properties
    members: Json = {"ArchiveName": want.name, "Description": "", "RetentionDays": 0}
    members |= pick(p, ("Description", "RetentionDays"))
    if p.get("EventPattern"):
        members["EventPattern"] = document(p["EventPattern"])
    return members


def _create_archive(want: Desired) -> Steps[Identity]:
    yield call("events", "CreateArchive", {**_archive(want), "EventSourceArn": want.properties["SourceArn"]})
    return Identity(want.name or "")


def _update_archive(old: Existing, want: Desired) -> Steps[None]:
    if changed(old.desired.properties, want.properties, "EventPattern"):
        raise AwsError(
            "NotImplemented",
            "A change of an archive's EventPattern is not implemented by Neargate yet",
        )
    yield call("events", "UpdateArchive", _archive(want))


def _read_archive(existing: Existing) -> Steps[Json]:
    answer = yield Call("events", "DescribeArchive", {"ArchiveName": existing.id})
    return {"Arn": answer["ArchiveArn"], "ArchiveName": existing.id}


def _delete_archive(existing: Existing) -> Steps[None]:
    yield Call("events", "DeleteArchive", {"ArchiveName": existing.id})


TYPES = by_name(
    ResourceType(
        type="AWS::Events::Rule",
        honoured=frozenset(
            "Description EventBusName EventPattern Name RoleArn ScheduleExpression State Tags Targets".split()
        ),
        naming=Naming("Name", max_length=64),
        replaces=_moved,
        create=_create_rule,
        read=_read_rule,
        update=_update_rule,
        delete=_delete_rule,
        error=_error,
    ),
    ResourceType(
        type="AWS::Events::EventBus",
        honoured=frozenset({*_BUS, "EventSourceName", "Name", "Policy", "Tags"}),
        naming=Naming("Name"),
        create=_create_bus,
        read=_read_bus,
        update=_update_bus,
        delete=_delete_bus,
        error=_error,
    ),
    ResourceType(
        type="AWS::Events::EventBusPolicy",
        honoured=frozenset({"Action", "Condition", "EventBusName", "Principal", "Statement", "StatementId"}),
        create=_create_bus_policy,
        read=_read_bus_policy,
        update=_update_bus_policy,
        delete=_delete_bus_policy,
        error=_error,
    ),
    ResourceType(
        type="AWS::Events::Archive",
        honoured=frozenset({"ArchiveName", "Description", "EventPattern", "RetentionDays", "SourceArn"}),
        naming=Naming("ArchiveName", max_length=48),
        create=_create_archive,
        read=_read_archive,
        update=_update_archive,
        delete=_delete_archive,
        error=_error,
    ),
    events_http.connection(_error),
    events_http.destination(_error),
)
