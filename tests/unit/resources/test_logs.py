"""AWS::Logs' types, as stacks make, change and remove them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.resources.stacks import Stacks

pytestmark = pytest.mark.anyio

KEY = "arn:aws:kms:us-east-1:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab"


def resource(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": f"AWS::Logs::{kind}", "Properties": properties}


GROUP = resource("LogGroup", LogGroupName="web")


async def the_group(stacks: Stacks) -> dict[str, Any]:
    (group,) = (await stacks.call("logs", "DescribeLogGroups"))["logGroups"]
    return dict(group)


async def test_a_groups_settings_come_and_go(stacks: Stacks) -> None:
    full = resource(
        "LogGroup", LogGroupName="web", KmsKeyId=KEY, RetentionInDays="14", DeletionProtectionEnabled="true"
    )
    await stacks.make(Group=full)
    group = await the_group(stacks)
    assert (group["kmsKeyId"], group["retentionInDays"], group["deletionProtectionEnabled"]) == (
        KEY,
        14,
        True,
    )
    await stacks.change(Group=GROUP)
    group = await the_group(stacks)
    assert (group["kmsKeyId"], group["retentionInDays"], group["deletionProtectionEnabled"]) == (
        None,
        None,
        False,
    )
    await stacks.change(Group=full)
    assert (await the_group(stacks))["kmsKeyId"] == KEY


async def test_a_stream_is_known_by_its_name(stacks: Stacks) -> None:
    await stacks.make(Group=GROUP, Stream=resource("LogStream", LogGroupName={"Ref": "Group"}))
    name = await stacks.physical("Stream")
    streams = (await stacks.call("logs", "DescribeLogStreams", logGroupName="web"))["logStreams"]
    assert [stream["logStreamName"] for stream in streams] == [name]
    assert name.startswith("net-Stream-")
    await stacks.change(Group=GROUP)
    assert (await stacks.call("logs", "DescribeLogStreams", logGroupName="web"))["logStreams"] == []


async def test_a_metric_filter(stacks: Stacks) -> None:
    def errors(pattern: str, **more: Any) -> dict[str, Any]:
        counted = {"MetricName": "errors", "MetricNamespace": "shop", "MetricValue": 1, **more}
        return resource(
            "MetricFilter",
            LogGroupName={"Ref": "Group"},
            FilterPattern=pattern,
            MetricTransformations=[counted],
        )

    await stacks.make(Group=GROUP, Errors=errors("ERROR", DefaultValue="0"))
    assert (await the_group(stacks))["metricFilterCount"] == 1
    await stacks.change(Group=GROUP, Errors=errors("?WARN", Dimensions=[{"Key": "host", "Value": "$.host"}]))
    (found,) = (await stacks.call("logs", "DescribeMetricFilters", logGroupName="web"))["metricFilters"]
    assert (found["filterName"], found["filterPattern"]) == (await stacks.physical("Errors"), "?WARN")
    assert found["metricTransformations"] == [
        {
            "metricName": "errors",
            "metricNamespace": "shop",
            "metricValue": "1",
            "dimensions": {"host": "$.host"},
        }
    ]
    await stacks.remove()
    assert (await stacks.call("logs", "DescribeMetricFilters"))["metricFilters"] == []


async def test_a_metric_filter_that_cannot_be_read_fails(stacks: Stacks) -> None:
    broken = resource(
        "MetricFilter",
        LogGroupName={"Ref": "Group"},
        FilterPattern="{ $.level",
        MetricTransformations=[{"MetricName": "m", "MetricNamespace": "n", "MetricValue": "1"}],
    )
    stack = await stacks.carry_out("CreateStack", Group=GROUP, Broken=broken)
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert any("must end with '}'" in reason for reason in await stacks.reasons())


async def test_a_subscription_filter(stacks: Stacks) -> None:
    def subscription(pattern: str) -> dict[str, Any]:
        stream = "arn:aws:kinesis:us-east-1:000000000000:stream/all"
        return resource(
            "SubscriptionFilter", LogGroupName={"Ref": "Group"}, FilterPattern=pattern, DestinationArn=stream
        )

    await stacks.make(Group=GROUP, All=subscription(""))
    await stacks.change(Group=GROUP, All=subscription("ERROR"))
    found = await stacks.call("logs", "DescribeSubscriptionFilters", logGroupName="web")
    (one,) = found["subscriptionFilters"]
    assert (one["filterPattern"], one["distribution"]) == ("ERROR", "ByLogStream")
    await stacks.change(Group=GROUP)
    found = await stacks.call("logs", "DescribeSubscriptionFilters", logGroupName="web")
    assert found["subscriptionFilters"] == []


async def test_a_resource_policy(stacks: Stacks) -> None:
    def policy(action: str) -> dict[str, Any]:
        statement = {"Effect": "Allow", "Principal": {"Service": "es.amazonaws.com"}, "Action": action}
        document = {"Version": "2012-10-17", "Statement": [{**statement, "Resource": "*"}]}
        return resource("ResourcePolicy", PolicyName="es", PolicyDocument=str(document).replace("'", '"'))

    await stacks.make(Policy=policy("logs:PutLogEvents"))
    await stacks.change(Policy=policy("logs:CreateLogStream"))
    (found,) = (await stacks.call("logs", "DescribeResourcePolicies"))["resourcePolicies"]
    assert "logs:CreateLogStream" in found["policyDocument"]
    await stacks.remove()
    assert (await stacks.call("logs", "DescribeResourcePolicies"))["resourcePolicies"] == []


async def test_a_saved_query(stacks: Stacks) -> None:
    def query(text: str) -> dict[str, Any]:
        return resource("QueryDefinition", Name="errors", QueryString=text, LogGroupNames=["web"])

    await stacks.make(Query=query("fields @message"))
    await stacks.change(Query=query("fields @timestamp"))
    (found,) = (await stacks.call("logs", "DescribeQueryDefinitions"))["queryDefinitions"]
    assert found["queryDefinitionId"] == await stacks.physical("Query")
    assert (found["queryString"], found["logGroupNames"]) == ("fields @timestamp", ["web"])
    await stacks.remove()
    assert (await stacks.call("logs", "DescribeQueryDefinitions"))["queryDefinitions"] == []
