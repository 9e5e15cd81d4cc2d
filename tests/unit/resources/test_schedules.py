"""AWS::Scheduler and AWS::StepFunctions: schedules, state machines, activities, over moto."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from neargate.model.errors import AwsError
from tests.unit.resources.life import Life
from tests.unit.services.cloud import ACCOUNT, REGION, Cloud, cloud

pytest.importorskip("moto")

ROLE = f"arn:aws:iam::{ACCOUNT}:role/runner"


@pytest.fixture
def aws() -> Iterator[Cloud]:
    with cloud() as made:
        yield made


# -- schedules ---------------------------------------------------------------------------------------------

WANTED: dict[str, Any] = {
    "FlexibleTimeWindow": {"Mode": "OFF"},
    "ScheduleExpression": "rate(1 day)",
    "Target": {"Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:jobs", "RoleArn": ROLE},
}


def test_a_schedule_of_a_group(aws: Cloud) -> None:
    group = Life(aws, "AWS::Scheduler::ScheduleGroup", "Jobs")
    group.create({"team": "shop"})
    assert group.ref == group.id
    assert group.id.startswith("shop-Jobs-")
    assert group.attributes["Arn"] == f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule-group/{group.id}"
    assert group.attributes["State"] == "ACTIVE"
    assert group.attributes["CreationDate"].endswith("Z")
    group.update(Tags=[{"Key": "kind", "Value": "a"}])
    listed = aws.call("scheduler", "ListTagsForResource", ResourceArn=group.attributes["Arn"])["Tags"]
    own = {one["Key"]: one["Value"] for one in listed if not one["Key"].startswith("aws:")}
    assert own == {"kind": "a"}

    schedule = Life(aws, "AWS::Scheduler::Schedule")
    late = {"Description": "mine", "State": "DISABLED", "EndDate": "2030-01-01T00:00:00Z"}
    schedule.create(**WANTED, **late, GroupName=group.id, Name="daily")
    assert schedule.ref == "daily"
    assert schedule.attributes["Arn"].endswith(f":schedule/{group.id}/daily")
    seen = aws.call("scheduler", "GetSchedule", Name="daily", GroupName=group.id)
    assert (seen["Description"], seen["State"], seen["EndDate"]) == ("mine", "DISABLED", 1893456000.0)

    schedule.update(**{**WANTED, "ScheduleExpression": "rate(2 days)"}, GroupName=group.id, Name="daily")
    seen = aws.call("scheduler", "GetSchedule", Name="daily", GroupName=group.id)
    assert (seen["ScheduleExpression"], seen["State"]) == ("rate(2 days)", "ENABLED")
    assert "Description" not in seen
    for made in (schedule, group):
        made.delete()
        with pytest.raises(AwsError) as missing:
            made.delete()
        assert made.declared.error("Delete", missing.value)[1] == "NotFound"


def test_a_schedule_whose_name_is_taken(aws: Cloud) -> None:
    Life(aws, "AWS::Scheduler::Schedule").create(**WANTED, Name="daily")
    second = Life(aws, "AWS::Scheduler::Schedule")
    with pytest.raises(AwsError) as taken:
        second.create(**WANTED, Name="daily")
    assert second.declared.error("Create", taken.value)[1] == "AlreadyExists"


# -- state machines ----------------------------------------------------------------------------------------

DONE: dict[str, Any] = {"StartAt": "S", "States": {"S": {"Type": "Succeed", "Comment": "${word} $${x}"}}}


def machine(aws: Cloud, arn: str) -> dict[str, Any]:
    return aws.call("stepfunctions", "DescribeStateMachine", stateMachineArn=arn)


def comment(aws: Cloud, arn: str) -> str:
    return str(json.loads(machine(aws, arn)["definition"])["States"]["S"]["Comment"])


def test_a_state_machine(aws: Cloud) -> None:
    one = Life(aws, "AWS::StepFunctions::StateMachine", "Flow")
    one.create(
        {"team": "shop"},
        RoleArn=ROLE,
        DefinitionString=json.dumps(DONE),
        DefinitionSubstitutions={"word": "hello"},
        StateMachineType="EXPRESS",
        TracingConfiguration={"Enabled": "true"},
    )
    assert one.ref == one.attributes["Arn"] == one.id
    assert one.attributes["Name"].startswith("Flow-")
    assert one.attributes["StateMachineRevisionId"] == "INITIAL"
    assert one.id == f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{one.attributes['Name']}"
    assert comment(aws, one.id) == "hello $${x}"
    seen = machine(aws, one.id)
    assert (seen["type"], seen["tracingConfiguration"]) == ("EXPRESS", {"enabled": True})
    tags = aws.call("stepfunctions", "ListTagsForResource", resourceArn=one.id)["tags"]
    assert {"key": "team", "value": "shop"} in tags

    log = {"Level": "ALL", "IncludeExecutionData": True}
    one.update(RoleArn=f"{ROLE}2", Definition=DONE, StateMachineType="EXPRESS", LoggingConfiguration=log)
    seen = machine(aws, one.id)
    assert comment(aws, one.id) == "${word} $${x}"
    assert seen["roleArn"] == f"{ROLE}2"
    assert seen["loggingConfiguration"] == {"level": "ALL", "includeExecutionData": True}
    assert seen["tracingConfiguration"] == {"enabled": False}
    tags = aws.call("stepfunctions", "ListTagsForResource", resourceArn=one.id)["tags"]
    assert {"key": "team", "value": "shop"} not in tags

    one.delete()
    one.delete()
    with pytest.raises(AwsError):
        machine(aws, one.id)


@pytest.mark.parametrize(
    ("key", "body"),
    [
        ("flow.json", json.dumps(DONE)),
        ("flow.yml", "StartAt: S\nStates: {S: {Type: Succeed, Comment: '${word}'}}"),
    ],
)
def test_a_definition_in_s3(aws: Cloud, key: str, body: str) -> None:
    aws.call("s3", "CreateBucket", Bucket="flows")
    aws.call("s3", "PutObject", Bucket="flows", Key=key, Body=body.encode())
    one = Life(aws, "AWS::StepFunctions::StateMachine")
    place = {"DefinitionS3Location": {"Bucket": "flows", "Key": key}}
    one.create(RoleArn=ROLE, **place, DefinitionSubstitutions={"word": "hello"})
    assert comment(aws, one.id).startswith("hello")


def test_what_cannot_become_a_state_machine(aws: Cloud) -> None:
    one = Life(aws, "AWS::StepFunctions::StateMachine")
    with pytest.raises(AwsError, match="Definition cannot be empty"):
        one.create(RoleArn=ROLE)
    missing = {"DefinitionS3Location": {"Bucket": "nowhere", "Key": "flow.json"}}
    with pytest.raises(AwsError, match="bucket does not exist"):
        one.create(RoleArn=ROLE, **missing)
    one.create(RoleArn=ROLE, Definition=DONE, StateMachineName="flow")
    with pytest.raises(AwsError) as taken:
        Life(aws, "AWS::StepFunctions::StateMachine").create(
            RoleArn=ROLE, Definition=DONE, StateMachineName="flow"
        )
    assert taken.value.code == "AlreadyExists"


def test_an_activity(aws: Cloud) -> None:
    one = Life(aws, "AWS::StepFunctions::Activity")
    one.create(Name="work")
    assert one.ref == one.attributes["Arn"] == f"arn:aws:states:{REGION}:{ACCOUNT}:activity:work"
    assert one.attributes["Name"] == "work"
    one.update({"team": "shop"}, Name="work")
    tags = aws.call("stepfunctions", "ListTagsForResource", resourceArn=one.id)["tags"]
    assert {"key": "team", "value": "shop"} in tags
    with pytest.raises(AwsError) as taken:
        Life(aws, "AWS::StepFunctions::Activity").create(Name="work")
    assert taken.value.code == "AlreadyExists"
    one.delete()
    assert aws.call("stepfunctions", "ListActivities")["activities"] == []
