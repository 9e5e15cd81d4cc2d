"""What ECS says of one service: where it is, and why its tasks stop."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from neargate.cli.cloud import Cloud, Json, Refused

_OWN_FAULT = ("EssentialContainerExited", "TaskFailedToStart")


def cluster_of(service_arn: str) -> str:
    """The cluster in `arn:aws:ecs:REGION:ACCOUNT:service/CLUSTER/NAME`."""
    parts = service_arn.split("/")
    return parts[1] if len(parts) == 3 else "default"


def last_stop(cloud: Cloud, service_arn: str, since: datetime) -> str:
    """Why the newest task that was created `since` then, and stopped by itself, stopped; "" where none did."""
    cluster, name = cluster_of(service_arn), service_arn.rsplit("/", 1)[-1]
    try:
        arns = cloud.call("ecs", "ListTasks", cluster=cluster, serviceName=name, desiredStatus="STOPPED")[
            "taskArns"
        ]
        tasks = cloud.call("ecs", "DescribeTasks", cluster=cluster, tasks=arns[:100])["tasks"] if arns else []
    except Refused as error:
        if error.code in ("ClusterNotFoundException", "ServiceNotFoundException"):
            return ""  # it is just being made, or removed
        raise
    return stop_sentence(task for task in tasks if task["createdAt"] >= since)


def stop_sentence(tasks: Iterable[Json]) -> str:
    """`a task stopped: REASON (CONTAINER, exit code 1)`, of the newest that nobody asked to stop."""
    own = [task for task in tasks if task.get("stopCode") in _OWN_FAULT]
    if not own:
        return ""
    newest = max(own, key=lambda task: task["createdAt"])
    why = newest.get("stoppedReason", "")
    details = [_container(c, known=why) for c in newest["containers"] if c.get("exitCode") != 0]
    said = f" ({'; '.join(details)})" if details else ""
    return f"a task stopped: {why}{said}"


def _container(container: Json, *, known: str) -> str:
    """`NAME, exit code 1: REASON`, without the reason where it is `known` from the task."""
    code = f", exit code {container['exitCode']}" if "exitCode" in container else ""
    reason = f": {container['reason']}" if container.get("reason") not in (None, "", known) else ""
    return f"{container['name']}{code}{reason}"
