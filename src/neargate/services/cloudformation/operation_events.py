"""DescribeEvents: what happened, by operation instead of by stack.

An operation's own first and last events are its STACK_EVENTs, a resource's events are PROGRESS_EVENTs, its failure is a
PROVISIONING_ERROR, or a VALIDATION_ERROR where its properties do not fit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from neargate.model.cloudformation import EVENTS, Stack
from neargate.model.errors import AwsError
from neargate.model.operations import Context, operation
from neargate.model.records import Entry, Json
from neargate.services.cloudformation.describe import EVENTS_PAGE, page
from neargate.services.cloudformation.events import STACK_TYPE
from neargate.services.cloudformation.lookup import all_stacks, change_set, required


@operation("cloudformation", "DescribeEvents", heavy=True)
def describe_events(cx: Context, request: Json) -> Json:
    """The events of a stack, of one operation or of a change set, newest first; on demand only the failures."""
    name, wanted = request.get("StackName"), request.get("OperationId")
    if request.get("ChangeSetName"):
        stacks: Iterable[Stack] = [required(cx, change_set(cx, request).stack_id)]
    elif name:
        stacks = [required(cx, name, "Stack [{}] does not exist")]
    elif wanted:
        stacks = all_stacks(cx)
    else:
        raise AwsError(
            "ValidationError", "One of ChangeSetName, OperationId or StackName must be specified as input."
        )
    found = [event for stack in stacks for event in _events(cx, stack, wanted)]
    if (request.get("Filters") or {}).get("FailedEvents"):
        found = [event for event in found if _is_failure(event)]
    shown, token = page(found, request.get("NextToken"), EVENTS_PAGE)
    answer: Json = {"OperationEvents": list(shown)}
    if token is not None:
        answer["NextToken"] = token
    return answer


def _events(cx: Context, stack: Stack, wanted: str | None) -> list[Json]:
    entries = [
        entry
        for entry in cx.tx.entries(EVENTS, stack.key, newest_first=True)
        if "OperationId" in entry.body and wanted in (None, entry.body["OperationId"])
    ]
    ends: dict[str, Entry] = {}
    for entry in entries:  # the newest of each operation
        ends.setdefault(entry.body["OperationId"], entry)
    return [_event(stack, entry, ends[entry.body["OperationId"]]) for entry in entries]


def _event(stack: Stack, entry: Entry, end: Entry) -> Json:
    body = entry.body
    event: Json = {"StackId": stack.id, "EventType": _event_type(body), **body}
    kinds = {identity: kind for kind, identity in stack.tokens.values()}
    kinds.update({identity: kind for kind, identity in stack.last_operations})
    if body["OperationId"] in kinds:
        event["OperationType"] = kinds[body["OperationId"]]
    if event["EventType"] == "STACK_EVENT":
        event["OperationStatus"] = _status(stack, body["OperationId"], end.body)
    return event


def _event_type(body: Mapping[str, Any]) -> str:
    if body.get("DetailedStatus") == "VALIDATION_FAILED":
        return "VALIDATION_ERROR"
    if body["ResourceType"] == STACK_TYPE and body["PhysicalResourceId"].startswith("arn:"):
        return "STACK_EVENT"
    return "PROVISIONING_ERROR" if _is_failure(body) else "PROGRESS_EVENT"


def _is_failure(body: Mapping[str, Any]) -> bool:
    return str(body["ResourceStatus"]).endswith("_FAILED")


def _status(stack: Stack, operation_id: str, last: Mapping[str, Any]) -> str:
    if stack.operation is not None and stack.operation.id == operation_id:
        return "IN_PROGRESS"
    status = str(last["ResourceStatus"])
    return "FAILED" if status.endswith("_FAILED") or "ROLLBACK" in status else "SUCCEEDED"
