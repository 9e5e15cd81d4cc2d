"""Drift: whether resources still are what their stack made them. Detection reads every resource's own service."""

from __future__ import annotations

import json
from collections.abc import Iterable

import attrs

from neargate.model.cloudformation import DriftDetection, ResourceDrift, Stack, StackResource
from neargate.model.errors import AwsError
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.resources import drift, evaluation, registry, states
from neargate.resources.carrying import carry_out
from neargate.services.cloudformation import inputs
from neargate.services.cloudformation.describe import page
from neargate.services.cloudformation.lookup import required, resources

_PAGE = 100
_DRIFTED = frozenset({"MODIFIED", "DELETED"})
_STANDING = frozenset(
    {"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_FAILED"}
    | {"IMPORT_COMPLETE", "IMPORT_ROLLBACK_COMPLETE"}
)


@operation("cloudformation", "DetectStackDrift")
def detect_stack_drift(cx: Context, request: Json) -> Json:
    """Compare a stack's resources, or some of them. The result is there at once."""
    stack = _standing(cx, request["StackName"])
    names = request.get("LogicalResourceIds")
    looked_at = [r for r in _made(cx, stack) if names is None or r.logical_id in names]
    missing = sorted(set(names or ()) - {r.logical_id for r in looked_at})
    if missing:
        raise AwsError("ValidationError", f"Resource {missing[0]} does not exist for stack {stack.name}")
    found = [_detect(cx, stack, resource) for resource in looked_at]
    detection = DriftDetection(
        account=stack.account,
        region=stack.region,
        id=cx.ids.uuid(),
        stack_id=stack.id,
        status=_status(found),
        drifted=len([each for each in found if each.status in _DRIFTED]),
        at=cx.now,
    )
    cx.tx.put(detection)
    cx.tx.put(attrs.evolve(stack, drift=detection.status, drift_checked=cx.now))
    return {"StackDriftDetectionId": detection.id}


def _standing(cx: Context, name: str) -> Stack:
    stack = required(cx, name)
    if stack.status not in _STANDING:
        raise AwsError(
            "ValidationError",
            f"Drift detection cannot be performed on stack [{stack.name}] while it is in {stack.status} state.",
        )
    return stack


def _made(cx: Context, stack: Stack) -> list[StackResource]:
    return [resource for resource in resources(cx, stack) if resource.made is not None]


def _status(found: Iterable[ResourceDrift]) -> str:
    statuses = {each.status for each in found}
    if statuses & _DRIFTED:
        return "DRIFTED"
    return "UNKNOWN" if "UNKNOWN" in statuses else "IN_SYNC"


@operation("cloudformation", "DetectStackResourceDrift")
def detect_stack_resource_drift(cx: Context, request: Json) -> Json:
    """Compare one resource."""
    stack = _standing(cx, request["StackName"])
    name = request["LogicalResourceId"]
    for resource in _made(cx, stack):
        if resource.logical_id == name:
            found = _detect(cx, stack, resource)
            if found.status == "NOT_CHECKED":
                raise AwsError(
                    "ValidationError", f"Drift detection is not supported for resource type {resource.type}"
                )
            return {"StackResourceDrift": _described(found)}
    raise AwsError("ValidationError", f"Resource {name} does not exist for stack {stack.name}")


def _detect(cx: Context, stack: Stack, resource: StackResource) -> ResourceDrift:
    """Read the resource, compare, and keep the result. One of a type without a reader is not checked."""
    made = resource.made
    assert made is not None
    found = ResourceDrift(
        stack=stack.key,
        stack_id=stack.id,
        logical_id=resource.logical_id,
        physical_id=made.physical_id,
        type=resource.type,
        status="NOT_CHECKED",
        at=cx.now,
    )
    read = states.reader(resource.type)
    if read is None:
        return found
    place = inputs.place_for(cx, stack.name, stack.id, stack.notification_arns)
    existing = evaluation.existing(made, resource.logical_id, place)
    try:
        state = carry_out(read(existing), cx, stack.role_arn)
    except AwsError as error:
        code = registry.find(resource.type).error("Read", error)[1]
        gone = attrs.evolve(found, status="DELETED", expected=made.properties)
        found = gone if code == "NotFound" else attrs.evolve(found, status="UNKNOWN", reason=error.message)
    else:
        found = _compared(found, drift.compare(resource.type, existing, state))
    cx.tx.put(found)
    return found


def _compared(found: ResourceDrift, comparison: drift.Comparison) -> ResourceDrift:
    differences = [difference.to_wire() for difference in comparison.differences]
    return attrs.evolve(
        found,
        status="MODIFIED" if differences else "IN_SYNC",
        expected=comparison.expected,
        actual=comparison.actual,
        differences=differences,
    )


@operation("cloudformation", "DescribeStackDriftDetectionStatus", reads=True)
def describe_stack_drift_detection_status(cx: Context, request: Json) -> Json:
    """What a detection found."""
    name = request["StackDriftDetectionId"]
    found = cx.tx.get(DriftDetection, cx.caller.scope(name))
    if found is None:
        raise AwsError("ValidationError", f"Drift detection with id {name} does not exist")
    return {
        "StackId": found.stack_id,
        "StackDriftDetectionId": found.id,
        "StackDriftStatus": found.status,
        "DetectionStatus": "DETECTION_COMPLETE",
        "DriftedStackResourceCount": found.drifted,
        "Timestamp": found.at,
    }


@operation("cloudformation", "DescribeStackResourceDrifts", reads=True)
def describe_stack_resource_drifts(cx: Context, request: Json) -> Json:
    """The last results for a stack's resources."""
    stack = required(cx, request["StackName"])
    wanted = set(request.get("StackResourceDriftStatusFilters") or ())
    there = {r.logical_id for r in _made(cx, stack)}
    found = [
        each
        for each in cx.tx.scan(ResourceDrift, stack.key + "/")
        if each.logical_id in there and (not wanted or each.status in wanted)
    ]
    shown, token = page(found, request.get("NextToken"), request.get("MaxResults") or _PAGE)
    answer: Json = {"StackResourceDrifts": [_described(each) for each in shown]}
    return {**answer, "NextToken": token} if token is not None else answer


def _described(found: ResourceDrift) -> Json:
    shown: Json = {
        "StackId": found.stack_id,
        "LogicalResourceId": found.logical_id,
        "PhysicalResourceId": found.physical_id,
        "ResourceType": found.type,
        "StackResourceDriftStatus": found.status,
        "DriftStatusReason": found.reason,
        "Timestamp": found.at,
    }
    if found.status in {"IN_SYNC", "MODIFIED", "DELETED"}:
        shown["ExpectedProperties"] = _compact(found.expected)
        shown["PropertyDifferences"] = found.differences
    if found.status in {"IN_SYNC", "MODIFIED"}:
        shown["ActualProperties"] = _compact(found.actual)
    return {name: value for name, value in shown.items() if value is not None}


def _compact(properties: Json) -> str:
    return json.dumps(properties, separators=(",", ":"))
