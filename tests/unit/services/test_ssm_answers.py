"""Answers about windows and baselines that have every setting fit the shapes of AWS's model."""

from __future__ import annotations

from typing import Any

from neargate import wire
from neargate.wire import Target
from tests.unit.services.cloud import cloud


def test_every_answer_about_a_window_with_every_setting_can_be_encoded() -> None:
    with cloud() as aws:

        def call(operation: str, **request: Any) -> dict[str, Any]:
            answer = aws.call("ssm", operation, **request)
            wire.encode(Target("ssm", operation, "json", json_version="1.1"), answer, "request")
            return answer

        window = call(
            "CreateMaintenanceWindow", Name="name", Description="what", Schedule="rate(1 day)",
            ScheduleTimezone="UTC", ScheduleOffset=1, StartDate="2026-01-01T00:00:00Z",
            EndDate="2027-01-01T00:00:00Z", Duration=2, Cutoff=1, AllowUnassociatedTargets=True,
            ClientToken="token", Tags=[{"Key": "a", "Value": "b"}],
        )["WindowId"]  # fmt: skip
        target = call(
            "RegisterTargetWithMaintenanceWindow", WindowId=window, ResourceType="INSTANCE",
            Targets=[{"Key": "InstanceIds", "Values": ["i-0"]}], OwnerInformation="o", Name="target", Description="d",
        )["WindowTargetId"]  # fmt: skip
        task = call(
            "RegisterTaskWithMaintenanceWindow", WindowId=window, TaskArn="AWS-RunShellScript",
            Targets=[{"Key": "WindowTargetIds", "Values": [target]}], TaskType="RUN_COMMAND", Priority=1,
            ServiceRoleArn="arn:aws:iam::000000000000:role/x", MaxConcurrency="1", MaxErrors="1", Name="task",
            Description="d", TaskInvocationParameters={"RunCommand": {"Comment": "c"}},
            TaskParameters={"a": {"Values": ["b"]}}, CutoffBehavior="CONTINUE_TASK",
        )["WindowTaskId"]  # fmt: skip
        call("GetMaintenanceWindow", WindowId=window)
        (shown,) = call("DescribeMaintenanceWindows")["WindowIdentities"]
        assert (shown["Name"], shown["Cutoff"]) == ("name", 1)
        call("DescribeMaintenanceWindowTargets", WindowId=window)
        call("DescribeMaintenanceWindowTasks", WindowId=window)
        call("GetMaintenanceWindowTask", WindowId=window, WindowTaskId=task)
        call("UpdateMaintenanceWindow", WindowId=window, Name="other")
        call("UpdateMaintenanceWindowTarget", WindowId=window, WindowTargetId=target, Name="other")
        assert (
            call("UpdateMaintenanceWindowTask", WindowId=window, WindowTaskId=task, Priority=2)["Priority"]
            == 2
        )
        baseline = call(
            "CreatePatchBaseline", Name="base", OperatingSystem="AMAZON_LINUX_2", ApprovedPatches=["a"],
            RejectedPatches=["b"], Description="d",
        )["BaselineId"]  # fmt: skip
        call("GetPatchBaseline", BaselineId=baseline)
        call("DescribePatchBaselines")
        call("UpdatePatchBaseline", BaselineId=baseline, Name="other")
