"""What a StackSet's operations have come to: read from the stacks that they work on, so that nothing can disagree."""

from __future__ import annotations

import attrs

from neargate.model.cloudformation import DELETED, EVENTS, Stack, key_of
from neargate.model.operations import Context
from neargate.model.records import Entry, Json
from neargate.model.stack_sets import StackInstance, StackSet, StackSetOperation, StackSetResult

RUNNING = "RUNNING"
_GOOD = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", DELETED})


@attrs.frozen
class Outcome:
    """RUNNING, SUCCEEDED or FAILED, when it ended, and why it failed."""

    status: str
    ended: float | None = None
    reason: str | None = None


def outcome(cx: Context, operation: StackSetOperation, result: StackSetResult) -> Outcome:
    """How one instance's part stands."""
    if result.refusal is not None:
        return Outcome("FAILED", operation.created, result.refusal)
    if result.stack_id is None or result.stack_operation is None:
        return Outcome("SUCCEEDED", operation.created)
    stack = cx.tx.get(Stack, key_of(result.stack_id))
    if stack is not None and stack.operation is not None and stack.operation.id == result.stack_operation:
        return Outcome(RUNNING)
    told = [e for e in cx.tx.entries(EVENTS, key_of(result.stack_id)) if _is_of(e, result.stack_operation)]
    of_stack = [e for e in told if e.body["PhysicalResourceId"] == result.stack_id]
    if not of_stack:
        return Outcome("FAILED", operation.created, "The stack's events are no longer known")
    last = of_stack[-1]
    if last.body["ResourceStatus"] in _GOOD:
        return Outcome("SUCCEEDED", last.at)
    return Outcome("FAILED", last.at, _blame(told, result.stack_id) or last.body.get("ResourceStatusReason"))


def _is_of(entry: Entry, operation: str) -> bool:
    return bool(entry.body.get("OperationId") == operation)


def _blame(told: list[Entry], stack_id: str) -> str | None:
    """The first resource that failed, in StackSets' words."""
    for entry in told:
        body = entry.body
        if body["ResourceStatus"].endswith("_FAILED") and body["PhysicalResourceId"] != stack_id:
            return (
                f"ResourceLogicalId:{body['LogicalResourceId']}, ResourceType:{body['ResourceType']}, "
                f"ResourceStatusReason:{body.get('ResourceStatusReason', '')}."
            )
    return None


def overall(cx: Context, operation: StackSetOperation) -> Outcome:
    """RUNNING while a part runs; FAILED where a region has more failures than are tolerated."""
    outcomes = [(result, outcome(cx, operation, result)) for result in operation.results]
    if any(each.status == RUNNING for _, each in outcomes):
        return Outcome(RUNNING)
    ended = max((each.ended or operation.created for _, each in outcomes), default=operation.created)
    by_region: dict[str, list[str]] = {}
    for result, each in outcomes:
        by_region.setdefault(result.region, []).append(each.status)
    failed = any(
        statuses.count("FAILED") > _tolerated(operation.preferences, len(statuses))
        for statuses in by_region.values()
    )
    return Outcome("FAILED" if failed else "SUCCEEDED", ended)


def _tolerated(preferences: Json, instances: int) -> int:
    percentage = preferences.get("FailureTolerancePercentage")
    if percentage is not None:
        return instances * int(percentage) // 100
    return int(preferences.get("FailureToleranceCount") or 0)


def running(cx: Context, stack_set: StackSet) -> StackSetOperation | None:
    """The operation that is under way."""
    operations = cx.tx.scan(StackSetOperation, stack_set.key + "/")
    return next((each for each in operations if overall(cx, each).status == RUNNING), None)


def instances_of(cx: Context, stack_set: StackSet) -> list[StackInstance]:
    """The instances that are there: one whose deletion has succeeded is not."""
    return [each for each in cx.tx.scan(StackInstance, stack_set.key + "/") if not _has_gone(cx, each)]


def _has_gone(cx: Context, instance: StackInstance) -> bool:
    operation = cx.tx.get(StackSetOperation, f"{instance.stack_set}/{instance.operation}")
    if operation is None or operation.action != "DELETE":
        return False
    return standing(cx, instance).status == "SUCCEEDED"


def standing(cx: Context, instance: StackInstance) -> Outcome:
    """How the last operation on an instance stands."""
    operation = cx.tx.get(StackSetOperation, f"{instance.stack_set}/{instance.operation}")
    if operation is None:
        return Outcome("SUCCEEDED")
    for result in operation.results:
        if (result.account, result.region) == (instance.account, instance.region):
            return outcome(cx, operation, result)
    return Outcome("SUCCEEDED")
