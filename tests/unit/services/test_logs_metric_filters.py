"""Metric filters publish what they count."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.services.cloud import Cloud, cloud


@pytest.fixture
def aws() -> Iterator[Cloud]:
    with cloud() as made:
        made.call("logs", "CreateLogGroup", logGroupName="g")
        made.call("logs", "CreateLogStream", logGroupName="g", logStreamName="s")
        yield made


def put_filter(aws: Cloud, pattern: str, value: str = "1", **transformation: Any) -> None:
    made = {"metricName": "m", "metricNamespace": "app", "metricValue": value, **transformation}
    aws.call(
        "logs",
        "PutMetricFilter",
        logGroupName="g",
        filterName="f",
        filterPattern=pattern,
        metricTransformations=[made],
    )


def put(aws: Cloud, *texts: str) -> None:
    now = int(aws.clock.now() * 1000)
    events = [{"timestamp": now, "message": text} for text in texts]
    aws.call("logs", "PutLogEvents", logGroupName="g", logStreamName="s", logEvents=events)


def measured(aws: Cloud, **dimensions: str) -> tuple[float, float] | None:
    """(Number of data points' samples, their sum) of the last hour."""
    found = aws.call(
        "cloudwatch",
        "GetMetricStatistics",
        Namespace="app",
        MetricName="m",
        Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
        StartTime=aws.clock.now() - 3600,
        EndTime=aws.clock.now() + 3600,
        Period=3600,
        Statistics=["SampleCount", "Sum"],
    )["Datapoints"]
    return (found[0]["SampleCount"], found[0]["Sum"]) if found else None


def test_matching_events_are_counted(aws: Cloud) -> None:
    put_filter(aws, "ERROR")
    put(aws, "ERROR 1", "fine", "ERROR 2")
    put(aws, "ERROR 3")
    put(aws, "fine")
    assert measured(aws) == (3, 3)


def test_a_field_is_the_value_and_others_are_dimensions(aws: Cloud) -> None:
    put_filter(aws, "{ $.ms = * }", "$.ms", dimensions={"Path": "$.path"}, unit="Milliseconds")
    put(aws, '{"ms": 5, "path": "/a"}', '{"ms": 7.5, "path": "/a"}', '{"ms": 1, "path": "/b"}')
    put(aws, '{"ms": 3}', '{"ms": "slow", "path": "/a"}')
    assert measured(aws, Path="/a") == (2, 12.5)
    assert measured(aws, Path="/b") == (1, 1)
    assert measured(aws) is None


def test_a_column_is_the_value(aws: Cloud) -> None:
    put_filter(aws, "[path, status = 5*, size]", "$size")
    put(aws, "/a 500 10", "/b 200 20", "/c 503 30")
    assert measured(aws) == (2, 40)


def test_without_a_match_the_default_is_published(aws: Cloud) -> None:
    put_filter(aws, "ERROR", defaultValue=0.0)
    put(aws, "fine", "fine too")
    assert measured(aws) == (1, 0)


def test_a_pattern_is_tried_on_messages(aws: Cloud) -> None:
    answer = aws.call(
        "logs", "TestMetricFilter", filterPattern="[..., size > 5]", logEventMessages=["a 1", "b 9", "c d 10"]
    )
    assert answer["matches"] == [
        {"eventNumber": 2, "eventMessage": "b 9", "extractedValues": {"$1": "b", "$size": "9"}},
        {
            "eventNumber": 3,
            "eventMessage": "c d 10",
            "extractedValues": {"$1": "c", "$2": "d", "$size": "10"},
        },
    ]
