"""Maintenance windows with their targets and tasks. They are kept; no window opens, for there are no machines."""

from __future__ import annotations

from typing import TypeVar

import attrs

from neargate.model.errors import AwsError, not_implemented
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.model.ssm_fleet import MaintenanceWindow, WindowTarget, WindowTask
from neargate.model.tags import from_list
from neargate.services.ssm.lookup import page
from neargate.services.ssm.patching import settings_of

Part = TypeVar("Part", WindowTarget, WindowTask)


def _window(cx: Context, id: str) -> MaintenanceWindow:
    found = cx.tx.get(MaintenanceWindow, cx.caller.scope(id))
    if found is None:
        raise AwsError("DoesNotExistException", f"Maintenance window {id} does not exist")
    return found


@operation("ssm", "CreateMaintenanceWindow")
def create_maintenance_window(cx: Context, request: Json) -> Json:
    window = MaintenanceWindow(
        account=cx.account,
        region=cx.region,
        id=f"mw-{cx.ids.hex(17)}",
        created=cx.now,
        modified=cx.now,
        settings={"Enabled": True, **settings_of(request, "ClientToken", "Tags")},
        tags=from_list(request.get("Tags")),
    )
    cx.tx.put(window)
    return {"WindowId": window.id}


@operation("ssm", "GetMaintenanceWindow", reads=True)
def get_maintenance_window(cx: Context, request: Json) -> Json:
    """Without a NextExecutionTime: there is none."""
    window = _window(cx, request["WindowId"])
    return {
        "WindowId": window.id,
        **window.settings,
        "CreatedDate": window.created,
        "ModifiedDate": window.modified,
    }


@operation("ssm", "UpdateMaintenanceWindow")
def update_maintenance_window(cx: Context, request: Json) -> Json:
    """With Replace, the optional members that the call leaves out are dropped."""
    old = _window(cx, request["WindowId"])
    kept = {"Enabled": old.settings["Enabled"]} if request.get("Replace") else old.settings
    settings = {**kept, **settings_of(request, "WindowId", "Replace")}
    cx.tx.put(attrs.evolve(old, modified=cx.now, settings=settings))
    return {"WindowId": old.id, **settings}


@operation("ssm", "DeleteMaintenanceWindow")
def delete_maintenance_window(cx: Context, request: Json) -> Json:
    """With it go its targets and tasks. One that is not there is deleted already."""
    key = cx.caller.scope(request["WindowId"])
    for target in cx.tx.scan(WindowTarget, key + "/"):
        cx.tx.delete(WindowTarget, target.key)
    for task in cx.tx.scan(WindowTask, key + "/"):
        cx.tx.delete(WindowTask, task.key)
    cx.tx.delete(MaintenanceWindow, key)
    return {"WindowId": request["WindowId"]}


_IDENTITY = frozenset(
    "Name Description Enabled Duration Cutoff Schedule ScheduleTimezone ScheduleOffset EndDate StartDate".split()
)
"""What a list shows of a window; the rest is GetMaintenanceWindow's."""


@operation("ssm", "DescribeMaintenanceWindows", reads=True)
def describe_maintenance_windows(cx: Context, request: Json) -> Json:
    if request.get("Filters"):
        raise not_implemented("ssm:DescribeMaintenanceWindows with Filters", "ssm")
    windows = cx.tx.scan(MaintenanceWindow, cx.caller.scope(""))
    shown, token = page(
        windows, lambda each: each.key, request.get("NextToken"), request.get("MaxResults", 50)
    )
    identities = [
        {"WindowId": each.id, **{name: value for name, value in each.settings.items() if name in _IDENTITY}}
        for each in shown
    ]
    return {"WindowIdentities": identities, **({"NextToken": token} if token else {})}


# -- targets -------------------------------------------------------------------------------------------------


@operation("ssm", "RegisterTargetWithMaintenanceWindow")
def register_target_with_maintenance_window(cx: Context, request: Json) -> Json:
    window = _window(cx, request["WindowId"])
    settings = settings_of(request, "WindowId", "ClientToken")
    target = WindowTarget(window=window.key, id=cx.ids.uuid(), settings=settings)
    cx.tx.put(target)
    return {"WindowTargetId": target.id}


@operation("ssm", "UpdateMaintenanceWindowTarget")
def update_maintenance_window_target(cx: Context, request: Json) -> Json:
    old = _part(cx, WindowTarget, request["WindowId"], request["WindowTargetId"])
    changes = settings_of(request, "WindowId", "WindowTargetId", "Replace")
    kept = {"ResourceType": old.settings["ResourceType"]} if request.get("Replace") else old.settings
    cx.tx.put(attrs.evolve(old, settings={**kept, **changes}))
    shown = {name: value for name, value in {**kept, **changes}.items() if name != "ResourceType"}
    return {"WindowId": request["WindowId"], "WindowTargetId": old.id, **shown}


@operation("ssm", "DeregisterTargetFromMaintenanceWindow")
def deregister_target_from_maintenance_window(cx: Context, request: Json) -> Json:
    """Safe: not while a task uses it."""
    target = _part(cx, WindowTarget, request["WindowId"], request["WindowTargetId"])
    tasks = cx.tx.scan(WindowTask, target.window + "/") if request.get("Safe") else []
    if any(
        target.id in each.get("Values", ()) for task in tasks for each in task.settings.get("Targets", ())
    ):
        raise AwsError(
            "TargetInUseException", f"The target {target.id} is still used by a task of the window."
        )
    cx.tx.delete(WindowTarget, target.key)
    return {"WindowId": request["WindowId"], "WindowTargetId": target.id}


@operation("ssm", "DescribeMaintenanceWindowTargets", reads=True)
def describe_maintenance_window_targets(cx: Context, request: Json) -> Json:
    return _listed(cx, WindowTarget, request, "Targets", "WindowTargetId")


# -- tasks ---------------------------------------------------------------------------------------------------


@operation("ssm", "RegisterTaskWithMaintenanceWindow")
def register_task_with_maintenance_window(cx: Context, request: Json) -> Json:
    window = _window(cx, request["WindowId"])
    settings = {"Priority": 0, **settings_of(request, "WindowId", "ClientToken")}
    task = WindowTask(window=window.key, id=cx.ids.uuid(), settings=settings)
    cx.tx.put(task)
    return {"WindowTaskId": task.id}


@operation("ssm", "GetMaintenanceWindowTask", reads=True)
def get_maintenance_window_task(cx: Context, request: Json) -> Json:
    task = _part(cx, WindowTask, request["WindowId"], request["WindowTaskId"])
    return {"WindowId": request["WindowId"], "WindowTaskId": task.id, **task.settings}


@operation("ssm", "UpdateMaintenanceWindowTask")
def update_maintenance_window_task(cx: Context, request: Json) -> Json:
    old = _part(cx, WindowTask, request["WindowId"], request["WindowTaskId"])
    changes = settings_of(request, "WindowId", "WindowTaskId", "Replace")
    kept = {"TaskType": old.settings["TaskType"]} if request.get("Replace") else old.settings
    cx.tx.put(attrs.evolve(old, settings={**kept, **changes}))
    shown = {name: value for name, value in {**kept, **changes}.items() if name != "TaskType"}
    return {"WindowId": request["WindowId"], "WindowTaskId": old.id, **shown}


@operation("ssm", "DeregisterTaskFromMaintenanceWindow")
def deregister_task_from_maintenance_window(cx: Context, request: Json) -> Json:
    task = _part(cx, WindowTask, request["WindowId"], request["WindowTaskId"])
    cx.tx.delete(WindowTask, task.key)
    return {"WindowId": request["WindowId"], "WindowTaskId": task.id}


@operation("ssm", "DescribeMaintenanceWindowTasks", reads=True)
def describe_maintenance_window_tasks(cx: Context, request: Json) -> Json:
    listed = _listed(cx, WindowTask, request, "Tasks", "WindowTaskId")
    for task in listed["Tasks"]:
        task["Type"] = task.pop("TaskType")
        task.pop("TaskInvocationParameters", None)
    return listed


# -- both ----------------------------------------------------------------------------------------------------


def _part(cx: Context, kind: type[Part], window_id: str, id: str) -> Part:
    window = _window(cx, window_id)
    found = cx.tx.get(kind, f"{window.key}/{id}")
    if found is None:
        noun = "target" if kind is WindowTarget else "task"
        raise AwsError(
            "DoesNotExistException", f"Maintenance window {noun} {id} does not exist in window {window_id}"
        )
    return found


def _listed(cx: Context, kind: type[Part], request: Json, member: str, id_member: str) -> Json:
    if request.get("Filters"):
        raise not_implemented(f"ssm:DescribeMaintenanceWindow{member} with Filters", "ssm")
    parts = cx.tx.scan(kind, _window(cx, request["WindowId"]).key + "/")
    shown, token = page(parts, lambda each: each.key, request.get("NextToken"), request.get("MaxResults", 50))
    listed = [{"WindowId": request["WindowId"], id_member: each.id, **each.settings} for each in shown]
    return {member: listed, **({"NextToken": token} if token else {})}
