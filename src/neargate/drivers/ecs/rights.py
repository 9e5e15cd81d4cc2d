"""What a task's execution role may do, asked before Fargate's agent does it: a missing permission stops the task."""

from __future__ import annotations

from neargate.drivers.ecs import actors
from neargate.model.ecr import Reference
from neargate.model.ecs import Task
from neargate.model.errors import AwsError
from neargate.services.dispatch import Dispatcher


class ExecutionRights:
    """Asks IAM about the execution role of a task."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher

    async def require(self, task: Task, action: str, resource: str) -> None:
        """Raises AccessDeniedException with IAM's text (facts 5.2) where the role's policies do not allow it."""
        role = task.execution_role
        if role is None:
            return
        caller = actors.execution(task)
        answer = await self._dispatcher.call(
            caller,
            "iam",
            "SimulatePrincipalPolicy",
            {
                "PolicySourceArn": role,
                "ActionNames": [action],
                "ResourceArns": [resource],
                "ContextEntries": [_entry("aws:RequestedRegion", task.region)],
            },
        )
        decision = answer["EvaluationResults"][0]["EvalDecision"]
        if decision == "allowed":
            return
        because = (
            "with an explicit deny in an identity-based policy"
            if decision == "explicitDeny"
            else f"because no identity-based policy allows the {action} action"
        )
        raise AwsError(
            "AccessDeniedException",
            f"User: {caller.principal} is not authorized to perform: {action} on resource: {resource} {because}",
        )

    async def require_pull(self, task: Task, image: Reference) -> str:
        """The reason, in Fargate's words, why the role may not pull an image of ECR; "" where it may."""
        try:
            await self.require(task, "ecr:GetAuthorizationToken", "*")
        except AwsError as denied:
            return (
                "ResourceInitializationError: unable to pull secrets or registry auth: execution resource "
                "retrieval failed: unable to retrieve ecr registry auth: service call has been retried 1 time(s): "
                f"{denied.code}: {denied.message}"
            )
        registry = image.registry
        repository = f"arn:aws:ecr:{registry.region}:{registry.account}:repository/{image.repository}"
        for action in ("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"):
            try:
                await self.require(task, action, repository)
            except AwsError as denied:
                return (
                    "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve "
                    f"ref {registry.host}/{image.repository}: unexpected status from HEAD request to "
                    f"https://{registry.host}/v2/{image.repository}/manifests: 403 Forbidden: {denied.message}"
                )
        return ""


def _entry(key: str, value: str) -> dict[str, object]:
    return {"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": "string"}
