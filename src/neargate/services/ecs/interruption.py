"""Spot interruptions: AWS takes capacity back when it wants to; here they come when they are asked for.

As on Fargate the warning is SIGTERM, and `stopTimeout` says how long a container gets until SIGKILL.
"""

from __future__ import annotations

from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.model.records import Json
from neargate.services.ecs.lookup import find_task, resource_of
from neargate.services.ecs.tasks import request_stop

SPOT = "FARGATE_SPOT"
_REASON = "Your Spot Task was interrupted."


def interrupt(cx: Context, arn: str) -> Json:
    """Interrupt a task by its ARN; what DescribeTasks will say of it. Raises AwsError for one that is not there,
    does not run on Spot capacity, or stops already."""
    cluster = resource_of(arn, "task").split("/")[0]
    task = find_task(cx, cluster, arn)
    if task is None:
        raise AwsError("InvalidParameterException", "The referenced task was not found.")
    if task.capacity_provider != SPOT:
        raise AwsError(
            "InvalidParameterException",
            f"Only tasks of the capacity provider {SPOT} are interrupted; {task.id} runs on "
            f"{task.capacity_provider or task.launch_type}.",
        )
    if task.desired_status == "STOPPED":
        raise AwsError("InvalidParameterException", f"{task.id} stops already: {task.stopped_reason}")
    task = request_stop(cx, task, "SpotInterruption", _REASON)
    return {"taskArn": task.arn, "stopCode": task.stop_code, "stoppedReason": task.stopped_reason}
