"""Task scale-in protection: a task of a service says that it must not be stopped for a while."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from neargate.model.ecs import Cluster, Service, Task
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.planners.rollout_health import is_protected
from neargate.services.ecs.lookup import find_task, invalid, missing, require_cluster, resource_of

_MOST_SHOWN, _MOST_CHANGED = 100, 10
_DEFAULT, _LONGEST = 120, 2880  # minutes


@operation("ecs", "GetTaskProtection", reads=True)
def get_task_protection(cx: Context, request: Json) -> Json:
    cluster = require_cluster(cx, request["cluster"])
    found, failures = _tasks(cx, cluster, request.get("tasks") or (), _MOST_SHOWN)
    return {"protectedTasks": [_shown(cx, task) for task in found], "failures": failures}


@operation("ecs", "UpdateTaskProtection")
def update_task_protection(cx: Context, request: Json) -> Json:
    """Protect tasks for some minutes from now on, or not any more.

    While protected tasks hold a deployment up, no more can be protected.
    """
    cluster = require_cluster(cx, request["cluster"])
    minutes = request.get("expiresInMinutes")
    if minutes is not None and not 1 <= minutes <= _LONGEST:
        raise invalid(f"expiresInMinutes must be between 1 and {_LONGEST}.")
    found, failures = _tasks(cx, cluster, request["tasks"], _MOST_CHANGED)
    enabled = request["protectionEnabled"]
    until = cx.now + 60.0 * (minutes or _DEFAULT) if enabled else None
    changed: list[Task] = []
    for task in found:
        service = cx.tx.get(Service, task.service_key)
        if enabled and service is not None and service.held:
            failures.append({"arn": task.arn, "reason": "DEPLOYMENT_BLOCKED"})
            continue
        task = attrs.evolve(task, protected_until=until, version=task.version + 1)
        cx.tx.put(task)
        changed.append(task)
    return {"protectedTasks": [_shown(cx, task) for task in changed], "failures": failures}


def _tasks(cx: Context, cluster: Cluster, wanted: Sequence[str], most: int) -> tuple[list[Task], list[Json]]:
    """The tasks that can be protected, and the failures of the others: MISSING, or no service's running task."""
    if not wanted:
        raise invalid("Tasks cannot be empty.")
    if len(wanted) > most:
        raise invalid(f"Tasks cannot have more than {most} elements.")
    found: list[Task] = []
    failures: list[Json] = []
    for name in wanted:
        task = find_task(cx, cluster.name, name)
        if task is None:
            task_id = resource_of(name, "task").split("/")[-1]
            own = cx.caller.arn("ecs", f"task/{cluster.name}/{task_id}")
            failures.append(missing(name if name.startswith("arn:") else own))
        elif not task.service or task.desired_status != "RUNNING":
            failures.append({"arn": task.arn, "reason": "TASK_NOT_VALID"})
        else:
            found.append(task)
    return found, failures


def _shown(cx: Context, task: Task) -> Json:
    """Protection that has expired is none."""
    shown: Json = {"taskArn": task.arn, "protectionEnabled": is_protected(task, cx.now)}
    if shown["protectionEnabled"]:
        shown["expirationDate"] = task.protected_until
    return shown
