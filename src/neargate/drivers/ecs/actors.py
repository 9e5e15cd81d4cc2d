"""As whom ECS acts: the service under its service-linked role, a task's start under its execution role."""

from __future__ import annotations

from neargate.model.ecs import Task
from neargate.model.operations import Caller
from neargate.services.ecs.roles import SERVICE_ROLE, service_role_arn

TASKS = "ecs-tasks.amazonaws.com"


def scheduler(account: str, region: str) -> Caller:
    """ECS itself, in AWSServiceRoleForECS: it makes interfaces and looks subnets up."""
    return Caller(
        account=account,
        region=region,
        principal=f"arn:aws:sts::{account}:assumed-role/{SERVICE_ROLE}/ecs-service-scheduler",
        role=service_role_arn(account),
        via="ecs.amazonaws.com",
    )


def execution(task: Task, region: str | None = None) -> Caller:
    """Fargate's agent in the task's execution role: it pulls images and writes logs."""
    role = task.execution_role
    session = f"arn:aws:sts::{task.account}:assumed-role/{(role or 'none').rsplit('/', 1)[-1]}/{task.id}"
    return Caller(
        account=task.account,
        region=region or task.region,
        principal=session if role else f"arn:aws:iam::{task.account}:root",
        role=role,
        via=TASKS,
    )


def in_role(task: Task, role: str) -> Caller:
    """What runs inside a task, in the task's own role."""
    return Caller(
        account=task.account,
        region=task.region,
        principal=f"arn:aws:sts::{task.account}:assumed-role/{role.rsplit('/', 1)[-1]}/{task.id}",
        role=role,
    )
