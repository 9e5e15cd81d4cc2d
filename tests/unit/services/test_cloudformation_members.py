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
        ("CreateStack", {"TemplateBody": TEMPLATE, "RetainExceptOnCreate": True}),
        ("UpdateStack", {"TemplateBody": TEMPLATE, "StackPolicyDuringUpdateBody": "{}"}),
        ("DeleteStack", {"DeletionMode": "FORCE_DELETE_STACK"}),
        (
            "CreateChangeSet",
            {"TemplateBody": TEMPLATE, "ChangeSetName": "c", "DeploymentMode": "REVERT_DRIFT"},
        ),
        ("ExecuteChangeSet", {"ChangeSetName": "c", "RetainExceptOnCreate": True}),
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


def test_their_defaults_are_fine(aws: Cloud) -> None:
    aws.call(
        "cloudformation", "CreateStack", StackName="app", TemplateBody=TEMPLATE, RetainExceptOnCreate=False
    )
    aws.call("cloudformation", "DeleteStack", StackName="app", DeletionMode="STANDARD")
    status = aws.call("cloudformation", "DescribeStacks", StackName="app")["Stacks"][0]["StackStatus"]
    assert status == "DELETE_IN_PROGRESS"
