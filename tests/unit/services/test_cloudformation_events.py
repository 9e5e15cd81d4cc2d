"""Stack events: their ids, their order, their pages, and DescribeEvents."""

from __future__ import annotations

import json
from collections.abc import Iterator

import attrs
import pytest

from neargate.model.cloudformation import Stack
from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.model.records import Tx
from neargate.services.cloudformation.events import append, stack_event
from tests.unit.services.cloud import Cloud, cloud

TEMPLATE = json.dumps({"Resources": {"Log": {"Type": "AWS::Logs::LogGroup"}}})


@pytest.fixture
def aws() -> Iterator[Cloud]:
    with cloud() as made:
        made.call("cloudformation", "CreateStack", StackName="x", TemplateBody=TEMPLATE)
        yield made


def context(aws: Cloud, tx: Tx) -> Context:
    return aws.dispatcher.context(tx, aws.caller)


def log_events(aws: Cloud, statuses: list[str]) -> None:
    """One event of the resource Log for each status, all in one transaction."""

    def write(tx: Tx) -> None:
        (stack,) = tx.scan(Stack)
        for status in statuses:
            body = {
                "LogicalResourceId": "Log",
                "PhysicalResourceId": "",
                "ResourceType": "AWS::Logs::LogGroup",
                "ResourceStatus": status,
            }
            append(context(aws, tx), stack, body, None)

    aws.write(write)


def end(aws: Cloud, status: str) -> None:
    def write(tx: Tx) -> None:
        (stack,) = tx.scan(Stack)
        stack_event(context(aws, tx), attrs.evolve(stack, operation=None), status)

    aws.write(write)


def test_events_of_one_moment_have_times_and_ids_of_their_own(aws: Cloud) -> None:
    log_events(aws, ["CREATE_IN_PROGRESS", "CREATE_IN_PROGRESS", "CREATE_COMPLETE"])
    events = aws.call("cloudformation", "DescribeStackEvents", StackName="x")["StackEvents"]
    assert [e["EventId"] for e in events[:3]] == [
        "Log-CREATE_COMPLETE-2026-01-01T00:00:00.003Z",
        "Log-CREATE_IN_PROGRESS-2026-01-01T00:00:00.002Z",
        "Log-CREATE_IN_PROGRESS-2026-01-01T00:00:00.001Z",
    ]
    assert [e["Timestamp"] for e in events] == sorted((e["Timestamp"] for e in events), reverse=True)


def test_a_hundred_events_are_a_page(aws: Cloud) -> None:
    log_events(aws, ["CREATE_IN_PROGRESS"] * 150)
    first = aws.call("cloudformation", "DescribeStackEvents", StackName="x")
    log_events(aws, ["CREATE_COMPLETE"])  # what comes later does not shift the pages
    second = aws.call("cloudformation", "DescribeStackEvents", StackName="x", NextToken=first["NextToken"])
    assert (len(first["StackEvents"]), len(second["StackEvents"])) == (100, 51)
    assert "NextToken" not in second
    assert second["StackEvents"][-1]["ResourceStatusReason"] == "User Initiated"
    with pytest.raises(AwsError, match="NextToken is not valid"):
        aws.call("cloudformation", "DescribeStackEvents", StackName="x", NextToken="soon")


def test_events_by_operation(aws: Cloud) -> None:
    log_events(aws, ["CREATE_IN_PROGRESS", "CREATE_FAILED"])
    (stack,) = aws.call("cloudformation", "DescribeStackEvents", StackName="x")["StackEvents"][2:]
    shown = aws.call("cloudformation", "DescribeEvents", OperationId=stack["OperationId"])
    events = shown["OperationEvents"]
    assert [e["EventType"] for e in events] == ["PROVISIONING_ERROR", "PROGRESS_EVENT", "STACK_EVENT"]
    assert {e["OperationType"] for e in events} == {"CREATE_STACK"}
    assert events[-1]["OperationStatus"] == "IN_PROGRESS"
    (failed,) = aws.call("cloudformation", "DescribeEvents", StackName="x", Filters={"FailedEvents": True})[
        "OperationEvents"
    ]
    assert failed["ResourceStatus"] == "CREATE_FAILED"
    end(aws, "CREATE_COMPLETE")
    with pytest.raises(AwsError, match="must be specified as input"):
        aws.call("cloudformation", "DescribeEvents")


def test_a_stack_is_known_by_its_id_for_ninety_days(aws: Cloud) -> None:
    identity = aws.call("cloudformation", "DescribeStacks", StackName="x")["Stacks"][0]["StackId"]

    def delete(tx: Tx) -> None:
        (stack,) = tx.scan(Stack)
        gone = attrs.evolve(stack, operation=None, deleted=aws.clock.now())
        stack_event(context(aws, tx), gone, "DELETE_COMPLETE")

    aws.write(delete)
    aws.clock.advance(89 * 86400)
    (shown,) = aws.call("cloudformation", "DescribeStacks", StackName=identity)["Stacks"]
    assert shown["StackStatus"] == "DELETE_COMPLETE"
    assert not {"ChangeSetId", "EnableTerminationProtection"} & shown.keys()
    aws.clock.advance(2 * 86400)
    with pytest.raises(AwsError, match="does not exist"):
        aws.call("cloudformation", "DescribeStacks", StackName=identity)
    assert aws.call("cloudformation", "ListStacks")["StackSummaries"] == []
