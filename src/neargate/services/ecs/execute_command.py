"""ECS Exec: a command inside a container of a task that runs, through a session of Session Manager.

The agent that AWS puts into the container is the server itself here. What the agent needs is asked all the same: the
task role must let it open its channels, and it must be able to write its files.

The texts for a container that is not named or not there could not be found in AWS's words.
"""

from __future__ import annotations

from neargate.model.ecs import Cluster, Task, TaskContainer, TaskDefinition, definition_key_of
from neargate.model.errors import AwsError
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.model.ssm_sessions import ECS_DOCUMENT
from neargate.services.ecs.lookup import client_error, find_task, invalid, require_cluster, resource_of

CHANNELS = ("CreateControlChannel", "CreateDataChannel", "OpenControlChannel", "OpenDataChannel")
"""The actions of `ssmmessages` that the task role has to allow."""

_NOT_ENABLED = (
    "The execute command failed because execute command was not enabled when the task was run or the execute command "
    "agent isn’t running. Wait and try again or run a new task with execute command enabled and try again."
)
_MOST_SESSIONS = 2
_ID_LENGTHS = (32, 36)


@operation("ecs", "ExecuteCommand")
def execute_command(cx: Context, request: Json) -> Json:
    if not request["interactive"]:
        raise invalid("Interactive is the only mode supported currently.")
    if not request["command"].strip():
        raise invalid("Command cannot be empty.")
    cluster = require_cluster(cx, request.get("cluster"))
    task = _task(cx, cluster, request["task"])
    if not task.enable_execute_command:
        raise invalid(_NOT_ENABLED)
    container = _container(task, request.get("container"))
    if container.status != "RUNNING" or task.desired_status != "RUNNING":
        raise invalid(_NOT_ENABLED)
    _check_connected(cx, task, container)
    target = f"ecs:{task.cluster}_{task.id}_{container.docker_id}"
    _check_limit(cx, target)
    started = cx.invoke(
        "ssm",
        "StartSession",
        {
            "Target": target,
            "DocumentName": ECS_DOCUMENT,
            "Parameters": {
                "command": [request["command"]],
                **_transcript(cx, cluster, task, container),
            },
        },
    )
    return {
        "clusterArn": cluster.arn,
        "containerArn": task.ecs_arn(f"container/{task.cluster}/{task.id}/{container.id}"),
        "containerName": container.name,
        "interactive": True,
        "session": {
            "sessionId": started["SessionId"],
            "streamUrl": started["StreamUrl"],
            "tokenValue": started["TokenValue"],
        },
        "taskArn": task.arn,
    }


def _task(cx: Context, cluster: Cluster, given: str) -> Task:
    task_id = resource_of(given, "task").split("/")[-1]
    if len(task_id) not in _ID_LENGTHS:
        raise invalid("task length should be one of [32,36]")
    task = find_task(cx, cluster.name, given)
    if task is None:
        raise invalid("The referenced task was not found.")
    return task


def _container(task: Task, name: str | None) -> TaskContainer:
    names = ", ".join(container.name for container in task.containers)
    if name:
        for container in task.containers:
            if container.name == name:
                return container
        raise invalid(f"The container {name} does not exist in the task. Its containers: {names}.")
    if len(task.containers) > 1:
        raise invalid(f"A container name is required for a task with several containers: {names}.")
    return task.containers[0]


def _check_connected(cx: Context, task: Task, container: TaskContainer) -> None:
    """Raises TargetNotConnectedException where AWS's agent could not have reached Session Manager."""
    definition = cx.tx.get(TaskDefinition, definition_key_of(task.task_definition))
    read_only = definition is not None and definition.container(container.name).get("readonlyRootFilesystem")
    if read_only or not _may_open_channels(cx, task) or not _reaches_session_manager(cx, task):
        raise AwsError(
            "TargetNotConnectedException",
            "The execute command failed due to an internal error. Try again later.",
        )


def _may_open_channels(cx: Context, task: Task) -> bool:
    if task.task_role is None:
        return False
    try:
        answer = cx.invoke(
            "iam",
            "SimulatePrincipalPolicy",
            {
                "PolicySourceArn": task.task_role,
                "ActionNames": [f"ssmmessages:{action}" for action in CHANNELS],
                "ResourceArns": ["*"],
                "ContextEntries": [
                    {
                        "ContextKeyName": "aws:RequestedRegion",
                        "ContextKeyValues": [cx.region],
                        "ContextKeyType": "string",
                    }
                ],
            },
        )
    except AwsError as error:
        if error.code != "NoSuchEntity":
            raise
        return False
    return all(result["EvalDecision"] == "allowed" for result in answer["EvaluationResults"])


def _reaches_session_manager(cx: Context, task: Task) -> bool:
    """Whether the task's subnet leads to ssmmessages: a way out, or its VPC endpoint."""
    place = task.attachment
    request = {
        "SubnetId": place.subnet,
        "GroupIds": list(place.groups),
        "PublicIp": place.public_ip,
        "Services": ["ssmmessages"],
    }
    return bool(cx.invoke("ec2.reach", "Reaches", request)["Reached"])


def _check_limit(cx: Context, target: str) -> None:
    active = cx.invoke(
        "ssm", "DescribeSessions", {"State": "Active", "Filters": [{"key": "Target", "value": target}]}
    )
    if len(active["Sessions"]) >= _MOST_SESSIONS:
        raise client_error(
            f"Unable to start new execute sessions because the maximum session limit of {_MOST_SESSIONS} has been "
            "reached."
        )


def _transcript(cx: Context, cluster: Cluster, task: Task, container: TaskContainer) -> dict[str, list[str]]:
    """Where the session's transcript goes: as the cluster says (OVERRIDE), or as the container's log driver does."""
    wanted = (cluster.configuration or {}).get("executeCommandConfiguration") or {}
    logging = wanted.get("logging") or "DEFAULT"
    if logging == "OVERRIDE":
        place = wanted.get("logConfiguration") or {}
        given = {
            "cloudWatchLogGroup": place.get("cloudWatchLogGroupName"),
            "s3BucketName": place.get("s3BucketName"),
            "s3KeyPrefix": place.get("s3KeyPrefix"),
        }
        return {name: [value] for name, value in given.items() if value}
    definition = cx.tx.get(TaskDefinition, definition_key_of(task.task_definition))
    if logging == "NONE" or definition is None:
        return {}
    log = definition.container(container.name).get("logConfiguration") or {}
    group = (log.get("options") or {}).get("awslogs-group")
    return {"cloudWatchLogGroup": [group]} if log.get("logDriver") == "awslogs" and group else {}


def check_task_role(task_role: str | None) -> None:
    """RunTask's refusal of enableExecuteCommand for a task without a role."""
    if not task_role:
        raise invalid(
            "The execute command failed because a valid task role is not being used. Specify a valid task role in "
            "your task definition or as a task override and try again."
        )


def check_service_role(task_role: str | None, verb: str) -> None:
    """The same of CreateService and UpdateService; `verb` is `created` or `updated`."""
    if not task_role:
        raise invalid(
            f"The service couldn't be {verb} because a valid taskRoleArn is not being used. Specify a valid task "
            "role in your task definition and try again."
        )
