"""AWS::SSM::PatchBaseline, MaintenanceWindow, MaintenanceWindowTarget and MaintenanceWindowTask.

An update sends everything that the template says with Replace, so that what it no longer says goes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from neargate.model.errors import AwsError
from neargate.model.records import Json
from neargate.model.tags import upper
from neargate.resources.declaration import (
    Call,
    Desired,
    Existing,
    Identity,
    ResourceType,
    Steps,
    handler_code,
    sdk_error,
)
from neargate.resources.shapes import call, missing_is_fine, without

_GONE = "DoesNotExistException"


def _error(verb: str, error: AwsError) -> tuple[str, str]:
    code = "NotFound" if error.code == _GONE else handler_code(error)
    return sdk_error("Ssm", error), code


def _retag(kind: str, old: Existing, want: Desired) -> Steps[None]:
    resource = {"ResourceType": kind, "ResourceId": old.id}
    gone = sorted(old.desired.all_tags.keys() - want.all_tags.keys())
    if gone:
        yield Call("ssm", "RemoveTagsFromResource", {**resource, "TagKeys": gone})
    if want.all_tags and want.all_tags != old.desired.all_tags:
        yield Call("ssm", "AddTagsToResource", {**resource, "Tags": upper(want.all_tags)})


def _tags(want: Desired) -> list[dict[str, str]] | None:
    return upper(want.all_tags) or None


# -- patch baselines -----------------------------------------------------------------------------------------


def _create_baseline(want: Desired) -> Steps[Identity]:
    own = without(want.properties, "PatchGroups", "Tags")
    answer = yield call("ssm", "CreatePatchBaseline", own, Tags=_tags(want))
    yield from _join(answer["BaselineId"], set(want.properties.get("PatchGroups") or ()))
    return Identity(answer["BaselineId"])


def _join(baseline: str, groups: set[str]) -> Steps[None]:
    for group in sorted(groups):
        request = {"BaselineId": baseline, "PatchGroup": group}
        yield Call("ssm", "RegisterPatchBaselineForPatchGroup", request)


def _leave(baseline: str, groups: set[str]) -> Steps[None]:
    for group in sorted(groups):
        request = {"BaselineId": baseline, "PatchGroup": group}
        yield from missing_is_fine(Call("ssm", "DeregisterPatchBaselineForPatchGroup", request), _GONE)


def _update_baseline(old: Existing, want: Desired) -> Steps[None]:
    own = without(want.properties, "PatchGroups", "Tags", "OperatingSystem")
    yield call("ssm", "UpdatePatchBaseline", own, BaselineId=old.id, Replace=True)
    before = set(old.desired.properties.get("PatchGroups") or ())
    after = set(want.properties.get("PatchGroups") or ())
    yield from _leave(old.id, before - after)
    yield from _join(old.id, after - before)
    yield from _retag("PatchBaseline", old, want)


def _read_baseline(existing: Existing) -> Steps[Json]:
    answer = yield Call("ssm", "GetPatchBaseline", {"BaselineId": existing.id})
    return {"Id": answer["BaselineId"]}


def _delete_baseline(existing: Existing) -> Steps[None]:
    yield from _leave(existing.id, set(existing.desired.properties.get("PatchGroups") or ()))
    yield Call("ssm", "DeletePatchBaseline", {"BaselineId": existing.id})


# -- maintenance windows -------------------------------------------------------------------------------------


def _create_window(want: Desired) -> Steps[Identity]:
    own = without(want.properties, "Tags")
    answer = yield call("ssm", "CreateMaintenanceWindow", own, Tags=_tags(want))
    return Identity(answer["WindowId"])


def _update_window(old: Existing, want: Desired) -> Steps[None]:
    own = without(want.properties, "Tags")
    yield call("ssm", "UpdateMaintenanceWindow", own, WindowId=old.id, Replace=True)
    yield from _retag("MaintenanceWindow", old, want)


def _read_window(existing: Existing) -> Steps[Json]:
    answer = yield Call("ssm", "GetMaintenanceWindow", {"WindowId": existing.id})
    return {"WindowId": answer["WindowId"]}


def _delete_window(existing: Existing) -> Steps[None]:
    yield Call("ssm", "DeleteMaintenanceWindow", {"WindowId": existing.id})


# -- their targets and tasks ---------------------------------------------------------------------------------

_INVOCATIONS = {
    "MaintenanceWindowAutomationParameters": "Automation",
    "MaintenanceWindowLambdaParameters": "Lambda",
    "MaintenanceWindowRunCommandParameters": "RunCommand",
    "MaintenanceWindowStepFunctionsParameters": "StepFunctions",
}
_LOGGING = {"S3Bucket": "S3BucketName", "S3Prefix": "S3KeyPrefix", "Region": "S3Region"}


def _as_request(properties: Mapping[str, Any]) -> dict[str, Any]:
    """A task's properties under the API's names."""
    renamed = dict(properties)
    for name, names in (("TaskInvocationParameters", _INVOCATIONS), ("LoggingInfo", _LOGGING)):
        if isinstance(renamed.get(name), Mapping):
            renamed[name] = {names.get(key, key): value for key, value in renamed[name].items()}
    return renamed


def _part(noun: Literal["Target", "Task"], fixed: str, honoured: str) -> ResourceType:
    """The type of what is registered with a window. `fixed` is the property that the API changes in none."""
    member = f"Window{noun}Id"

    def create(want: Desired) -> Steps[Identity]:
        answer = yield call("ssm", f"Register{noun}WithMaintenanceWindow", _as_request(want.properties))
        return Identity(answer[member])

    def update(old: Existing, want: Desired) -> Steps[None]:
        if want.properties.get(fixed) != old.desired.properties.get(fixed):
            raise AwsError("InvalidRequest", f"{fixed} cannot be changed.")
        more = {member: old.id, "Replace": True}
        own = without(_as_request(want.properties), fixed)
        yield call("ssm", f"UpdateMaintenanceWindow{noun}", own, **more)

    def read(existing: Existing) -> Steps[Json]:
        request: Json = {"WindowId": existing.desired.properties["WindowId"]}
        while True:
            answer = yield Call("ssm", f"DescribeMaintenanceWindow{noun}s", request)
            if existing.id in [each[member] for each in answer[f"{noun}s"]]:
                return {member: existing.id}
            if "NextToken" not in answer:
                raise AwsError(_GONE, f"The {noun.lower()} {existing.id} is not registered.")
            request = {**request, "NextToken": answer["NextToken"]}

    def delete(existing: Existing) -> Steps[None]:
        request = {"WindowId": existing.desired.properties["WindowId"], member: existing.id}
        yield Call("ssm", f"Deregister{noun}FromMaintenanceWindow", request)

    return ResourceType(
        type=f"AWS::SSM::MaintenanceWindow{noun}",
        honoured=frozenset(honoured.split()),
        create=create,
        update=update,
        read=read,
        delete=delete,
        error=_error,
    )


TYPES = {
    declared.type: declared
    for declared in (
        ResourceType(
            type="AWS::SSM::PatchBaseline",
            honoured=frozenset(
                "ApprovalRules ApprovedPatches ApprovedPatchesComplianceLevel ApprovedPatchesEnableNonSecurity "
                "AvailableSecurityUpdatesComplianceStatus Description GlobalFilters Name OperatingSystem PatchGroups "
                "RejectedPatches RejectedPatchesAction Sources Tags".split()
            ),
            create=_create_baseline,
            update=_update_baseline,
            read=_read_baseline,
            delete=_delete_baseline,
            error=_error,
        ),
        ResourceType(
            type="AWS::SSM::MaintenanceWindow",
            honoured=frozenset(
                "AllowUnassociatedTargets Cutoff Description Duration EndDate Name Schedule ScheduleOffset "
                "ScheduleTimezone StartDate Tags".split()
            ),
            create=_create_window,
            update=_update_window,
            read=_read_window,
            delete=_delete_window,
            error=_error,
        ),
        _part("Target", "ResourceType", "Description Name OwnerInformation ResourceType Targets WindowId"),
        _part(
            "Task",
            "TaskType",
            "CutoffBehavior Description LoggingInfo MaxConcurrency MaxErrors Name Priority ServiceRoleArn Targets "
            "TaskArn TaskInvocationParameters TaskParameters TaskType WindowId",
        ),
    )
}
