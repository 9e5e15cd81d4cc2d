"""Members of CloudFormation's calls that change what happens: honoured or refused, never dropped."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from neargate.model.errors import AwsError
from tests.unit.services.cloud import Cloud, cloud

TEMPLATE = json.dumps({"Resources": {"Log": {"Type": "AWS::Logs::LogGroup"}}})


@pytest.fixture
def aws() -> Iterator[Cloud]:
    with cloud() as made:
        yield made


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        (
            "CreateStack",
            {
                "TemplateBody": TEMPLATE,
                "RollbackConfiguration": {
                    "RollbackTriggers": [
                        {
                            "Arn": "arn:aws:cloudwatch:us-east-1:000000000000:alarm:a",
                            "Type": "AWS::CloudWatch::Alarm",
                        }
                    ]
                },
            },
        ),
        (
            "CreateChangeSet",
            {"TemplateBody": TEMPLATE, "ChangeSetName": "c", "DeploymentMode": "REVERT_DRIFT"},
        ),
    ],
)
def test_what_is_not_honoured_is_refused(aws: Cloud, operation: str, request_: dict[str, Any]) -> None:
    name = "new" if operation == "CreateStack" else "app"
    aws.call("cloudformation", "CreateStack", StackName="app", TemplateBody=TEMPLATE)
    with pytest.raises(AwsError) as refused:
        aws.call("cloudformation", operation, StackName=name, **request_)
    assert refused.value.code == "NotImplemented"
    assert "docs/coverage.md#cloudformation" in refused.value.message
    status = aws.call("cloudformation", "DescribeStacks", StackName="app")["Stacks"][0]["StackStatus"]
    assert status == "CREATE_IN_PROGRESS"


@pytest.mark.parametrize(
    ("trigger", "text"),
    [
        ({"Arn": "a", "Type": "Another"}, "Rollback Trigger Type not supported"),
        (
            {"Arn": "arn:aws:cloudwatch:us-east-1:123456789012:example", "Type": "AWS::CloudWatch::Alarm"},
            "RelativeId of a Rollback Trigger's ARN is incorrect",
        ),
    ],
)
def test_rollback_triggers_that_are_wrong_on_aws_too(aws: Cloud, trigger: dict[str, str], text: str) -> None:
    with pytest.raises(AwsError) as refused:
        aws.call(
            "cloudformation",
            "CreateStack",
            StackName="app",
            TemplateBody=TEMPLATE,
            RollbackConfiguration={"RollbackTriggers": [trigger]},
        )
    assert (refused.value.code, refused.value.message) == ("ValidationError", text)


def test_a_repeated_call_begins_nothing_new(aws: Cloud) -> None:
    def create(token: str) -> dict[str, Any]:
        return aws.call(
            "cloudformation",
            "CreateStack",
            StackName="app",
            TemplateBody=TEMPLATE,
            ClientRequestToken=token,
        )

    first = create("one")
    assert create("one") == first
    with pytest.raises(AwsError) as refused:
        create("two")
    assert refused.value.code == "AlreadyExistsException"
    with pytest.raises(AwsError) as refused:
        aws.call("cloudformation", "DeleteStack", StackName="app", ClientRequestToken="one")
    assert refused.value.code == "TokenAlreadyExistsException"
    (event,) = aws.call("cloudformation", "DescribeStackEvents", StackName="app")["StackEvents"]
    assert (event["ClientRequestToken"], event["OperationId"]) == ("one", first["OperationId"])


def test_their_defaults_are_fine(aws: Cloud) -> None:
    aws.call(
        "cloudformation", "CreateStack", StackName="app", TemplateBody=TEMPLATE, RetainExceptOnCreate=False
    )
    aws.call("cloudformation", "DeleteStack", StackName="app", DeletionMode="STANDARD")
    status = aws.call("cloudformation", "DescribeStacks", StackName="app")["Stacks"][0]["StackStatus"]
    assert status == "DELETE_IN_PROGRESS"
