"""The roles that ECS works under: its own service-linked one, and those it hands to tasks."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote

from neargate.model.ecs import TaskDefinition
from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.services.ecs.lookup import client_error

SERVICE_ROLE = "AWSServiceRoleForECS"
ECS, ECS_TASKS = "ecs.amazonaws.com", "ecs-tasks.amazonaws.com"


def service_role_arn(account: str) -> str:
    return f"arn:aws:iam::{account}:role/aws-service-role/ecs.amazonaws.com/{SERVICE_ROLE}"


def ensure_service_linked_role(cx: Context) -> None:
    """Make AWSServiceRoleForECS where the account has none yet."""
    try:
        cx.invoke("iam", "GetRole", {"RoleName": SERVICE_ROLE})
    except AwsError as error:
        if error.code != "NoSuchEntity":
            raise
        cx.invoke("iam", "CreateServiceLinkedRole", {"AWSServiceName": "ecs.amazonaws.com"})


def role_arn(cx: Context, name_or_arn: str | None) -> str | None:
    """A task definition may name a role by its bare name."""
    if not name_or_arn or name_or_arn.startswith("arn:"):
        return name_or_arn or None
    return f"arn:aws:iam::{cx.account}:role/{name_or_arn}"


def check_assumable(cx: Context, definition: TaskDefinition, overrides: dict[str, Any]) -> None:
    """Refuse, with ECS's text, a task whose roles do not exist or do not trust ecs-tasks.amazonaws.com."""
    wanted = (
        overrides.get("taskRoleArn") or definition.task_role,
        overrides.get("executionRoleArn") or definition.execution_role,
    )
    for given in wanted:
        arn = role_arn(cx, given)
        if arn is not None and not is_assumable(cx, arn, ECS_TASKS):
            raise client_error(
                f"ECS was unable to assume the role '{arn}' that was provided for this task. Please verify "
                "that the role being passed has the proper trust relationship and permissions and that your "
                "IAM user has permissions to pass this role."
            )


def is_assumable(cx: Context, arn: str, service: str) -> bool:
    """Whether a role of this account exists and trusts that service."""
    if arn.count(":") < 5 or arn.split(":")[4] != cx.account:
        return False
    try:
        role = cx.invoke("iam", "GetRole", {"RoleName": arn.rsplit("/", 1)[-1]})["Role"]
    except AwsError as error:
        if error.code != "NoSuchEntity":
            raise
        return False
    return role["Arn"] == arn and _trusts(json.loads(unquote(role["AssumeRolePolicyDocument"])), service)


def _trusts(document: dict[str, Any], wanted: str) -> bool:
    for statement in _listed(document.get("Statement")):
        principal = statement.get("Principal")
        services = _listed(principal.get("Service")) if isinstance(principal, dict) else _listed(principal)
        actions = _listed(statement.get("Action"))
        if (
            statement.get("Effect") == "Allow"
            and any(service in (wanted, "*") for service in services)
            and any(action in ("sts:AssumeRole", "sts:*", "*") for action in actions)
        ):
            return True
    return False


def _listed(value: Any) -> Iterable[Any]:
    if value is None:
        return ()
    return value if isinstance(value, list) else (value,)
