"""Patch baselines and maintenance windows: what is kept of them, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from neargate.model.errors import AwsError
from tests.unit.services.cloud import Cloud, cloud

WINDOW = {
    "Name": "w",
    "Schedule": "rate(1 day)",
    "Duration": 2,
    "Cutoff": 1,
    "AllowUnassociatedTargets": True,
}


@pytest.fixture
def aws() -> Iterator[Cloud]:
    with cloud() as made:
        yield made


def ssm(aws: Cloud, operation: str, **request: Any) -> dict[str, Any]:
    return aws.call("ssm", operation, **request)


def refused(aws: Cloud, operation: str, code: str, message: str, **request: Any) -> None:
    with pytest.raises(AwsError) as caught:
        ssm(aws, operation, **request)
    assert (caught.value.code, caught.value.message) == (code, message)


def test_a_group_has_one_baseline_for_each_system(aws: Cloud) -> None:
    windows = ssm(aws, "CreatePatchBaseline", Name="a")["BaselineId"]
    other = ssm(aws, "CreatePatchBaseline", Name="b")["BaselineId"]
    ubuntu = ssm(aws, "CreatePatchBaseline", Name="c", OperatingSystem="UBUNTU")["BaselineId"]
    for baseline in (windows, ubuntu):
        ssm(aws, "RegisterPatchBaselineForPatchGroup", BaselineId=baseline, PatchGroup="g")
    taken = "Patch Group baseline already has a baseline registered for OperatingSystem WINDOWS."
    request = {"BaselineId": other, "PatchGroup": "g"}
    refused(aws, "RegisterPatchBaselineForPatchGroup", "AlreadyExistsException", taken, **request)
    used = f"The patch baseline {windows} is registered for the patch groups g."
    refused(aws, "DeletePatchBaseline", "ResourceInUseException", used, BaselineId=windows)
    ssm(aws, "DeregisterPatchBaselineForPatchGroup", BaselineId=windows, PatchGroup="g")
    ssm(aws, "DeletePatchBaseline", BaselineId=windows)
    listed = ssm(aws, "DescribePatchBaselines")["BaselineIdentities"]
    assert {each["BaselineName"]: each["OperatingSystem"] for each in listed} == {
        "b": "WINDOWS",
        "c": "UBUNTU",
    }


def test_an_update_with_replace_forgets_the_rest(aws: Cloud) -> None:
    id = ssm(aws, "CreatePatchBaseline", Name="a", Description="d", ApprovedPatches=["KB1"])["BaselineId"]
    aws.clock.advance(1.0)
    assert ssm(aws, "UpdatePatchBaseline", BaselineId=id, RejectedPatches=["KB2"])["ApprovedPatches"] == [
        "KB1"
    ]
    replaced = ssm(aws, "UpdatePatchBaseline", BaselineId=id, RejectedPatches=["KB3"], Replace=True)
    assert (replaced["Name"], replaced["ApprovedPatches"], replaced["RejectedPatches"]) == ("a", [], ["KB3"])
    assert "Description" not in replaced
    assert replaced["ModifiedDate"] == replaced["CreatedDate"] + 1.0


def test_a_target_in_use_is_kept_when_asked_to_be_safe(aws: Cloud) -> None:
    window = ssm(aws, "CreateMaintenanceWindow", **WINDOW)["WindowId"]
    where = [{"Key": "InstanceIds", "Values": ["i-1"]}]
    target = ssm(
        aws,
        "RegisterTargetWithMaintenanceWindow",
        WindowId=window,
        ResourceType="INSTANCE",
        Targets=where,
    )["WindowTargetId"]
    uses = [{"Key": "WindowTargetIds", "Values": [target]}]
    task = ssm(
        aws,
        "RegisterTaskWithMaintenanceWindow",
        WindowId=window,
        TaskArn="AWS-RunPatchBaseline",
        TaskType="RUN_COMMAND",
        Targets=uses,
    )["WindowTaskId"]
    used = f"The target {target} is still used by a task of the window."
    request = {"WindowId": window, "WindowTargetId": target, "Safe": True}
    refused(aws, "DeregisterTargetFromMaintenanceWindow", "TargetInUseException", used, **request)
    found = ssm(aws, "GetMaintenanceWindowTask", WindowId=window, WindowTaskId=task)
    assert (found["Priority"], found["Targets"]) == (0, uses)
    ssm(aws, "DeregisterTaskFromMaintenanceWindow", WindowId=window, WindowTaskId=task)
    ssm(aws, "DeregisterTargetFromMaintenanceWindow", **request)
    missing = f"Maintenance window task {task} does not exist in window {window}"
    request = {"WindowId": window, "WindowTaskId": task}
    refused(aws, "GetMaintenanceWindowTask", "DoesNotExistException", missing, **request)


def test_a_window_takes_its_parts_along(aws: Cloud) -> None:
    window = ssm(aws, "CreateMaintenanceWindow", **WINDOW)["WindowId"]
    request = {"WindowId": window, "ResourceType": "INSTANCE", "Targets": []}
    ssm(aws, "RegisterTargetWithMaintenanceWindow", **request)
    assert ssm(aws, "UpdateMaintenanceWindow", WindowId=window, Enabled=False)["Enabled"] is False
    assert "NextExecutionTime" not in ssm(aws, "GetMaintenanceWindow", WindowId=window)
    ssm(aws, "DeleteMaintenanceWindow", WindowId=window)
    gone = f"Maintenance window {window} does not exist"
    refused(aws, "DescribeMaintenanceWindowTargets", "DoesNotExistException", gone, WindowId=window)
