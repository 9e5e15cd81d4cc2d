"""What a task's own role may do, asked where the agent of AWS acts in that role."""

from __future__ import annotations

from neargate.drivers.ecs import actors
from neargate.model.ecs import Task
from neargate.model.errors import AwsError
from neargate.model.operations import Caller
from neargate.model.records import Json
from neargate.services.dispatch import Dispatcher


class TaskRights:
    """Asks IAM about the role of a task."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher

    async def require(self, task: Task, action: str, resource: str) -> Caller:
        """The task in its role. Raises AccessDeniedException with IAM's text (facts 5.2) where the role's policies
        do not allow it, and for a task without a role."""
        if task.task_role is None:
            raise AwsError("AccessDeniedException", f"{task.arn} has no task role.")
        caller = actors.in_role(task, task.task_role)
        region: Json = {"ContextKeyName": "aws:RequestedRegion", "ContextKeyValues": [task.region]}
        answer = await self._dispatcher.call(
            actors.scheduler(task.account, task.region),
            "iam",
            "SimulatePrincipalPolicy",
            {
                "PolicySourceArn": task.task_role,
                "ActionNames": [action],
                "ResourceArns": [resource],
                "ContextEntries": [{**region, "ContextKeyType": "string"}],
            },
        )
        decision = answer["EvaluationResults"][0]["EvalDecision"]
        if decision == "allowed":
            return caller
        because = (
            "with an explicit deny in an identity-based policy"
            if decision == "explicitDeny"
            else f"because no identity-based policy allows the {action} action"
        )
        raise AwsError(
            "AccessDeniedException",
            f"User: {caller.principal} is not authorized to perform: {action} on resource: {resource} {because}",
        )
