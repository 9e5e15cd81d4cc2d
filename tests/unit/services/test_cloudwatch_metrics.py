"""Metric data in and out, as AWS's own clients see it, and in AWS's words where it is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from neargate.drivers.housekeeping import age_metrics
from neargate.model.errors import AwsError
from tests.unit.services.cloud import Cloud, cloud

DAY = 86_400.0


@pytest.fixture
def aws() -> Iterator[Cloud]:
    with cloud() as made:
        yield made


def put(aws: Cloud, *data: dict[str, Any], namespace: str = "Shop") -> None:
    aws.call(
        "cloudwatch",
        "PutMetricData",
        Namespace=namespace,
        MetricData=[{"MetricName": "m", **one} for one in data],
    )


def stat(statistic: str, name: str = "m", period: int = 60, **members: Any) -> dict[str, Any]:
    metric = {"Namespace": "Shop", "MetricName": name, "Dimensions": members.pop("dimensions", [])}
    return {
        "Id": members.pop("id", "q"),
        "MetricStat": {"Metric": metric, "Period": period, "Stat": statistic, **members},
    }


def data(aws: Cloud, *queries: dict[str, Any], back: float = 600.0, **members: Any) -> dict[str, Any]:
    return aws.call(
        "cloudwatch",
        "GetMetricData",
        MetricDataQueries=list(queries),
        StartTime=aws.clock.at - back,
        EndTime=aws.clock.at + 60,
        **members,
    )


def values(aws: Cloud, *queries: dict[str, Any], **members: Any) -> list[list[float]]:
    return [result["Values"] for result in data(aws, *queries, **members)["MetricDataResults"]]


def refusal(aws: Cloud, operation: str, **request: Any) -> str:
    with pytest.raises(AwsError) as refused:
        aws.call("cloudwatch", operation, **request)
    return f"{refused.value.code}: {refused.value.message}"


def test_every_form_of_a_datum_counts(aws: Cloud) -> None:
    put(
        aws,
        {"Value": 4.0},
        {"Values": [1.0, 10.0], "Counts": [2.0, 3.0]},
        {"StatisticValues": {"SampleCount": 2.0, "Sum": 9.0, "Minimum": 4.0, "Maximum": 5.0}},
    )
    shown = [values(aws, stat(one)) for one in ("SampleCount", "Sum", "Minimum", "Maximum", "Average")]
    assert shown == [[[8.0]], [[45.0]], [[1.0]], [[10.0]], [[5.625]]]
    assert values(aws, stat("p50")) == [[]]  # of a statistic set no percentile can be told


def test_percentiles_and_trimmed_statistics(aws: Cloud) -> None:
    put(aws, {"Values": [float(n) for n in range(1, 101)]})
    asked = [
        "p50",
        "p99",
        "p(99.9)",
        "tm50",
        "TM(10%:90%)",
        "TC(20:40)",
        "ts10",
        "PR(:25)",
        "IQM",
        "wm(10%:90%)",
    ]
    found = [values(aws, stat(one))[0][0] for one in asked]
    assert found == [50.0, 99.0, 100.0, 25.5, 50.5, 20.0, 55.0, 25.0, 50.5, 50.5]


def test_newest_first_unless_asked_otherwise_and_in_pages(aws: Cloud) -> None:
    for number in range(5):
        put(aws, {"Value": float(number), "Timestamp": aws.clock.at - 60 * number})
    assert values(aws, stat("Sum")) == [[0.0, 1.0, 2.0, 3.0, 4.0]]
    assert values(aws, stat("Sum"), ScanBy="TimestampAscending") == [[4.0, 3.0, 2.0, 1.0, 0.0]]
    first = data(aws, stat("Sum"), MaxDatapoints=3)
    assert [first["MetricDataResults"][0][name] for name in ("Values", "StatusCode")] == [
        [0.0, 1.0, 2.0],
        "PartialData",
    ]
    second = data(aws, stat("Sum"), MaxDatapoints=3, NextToken=first["NextToken"])
    assert second["MetricDataResults"][0]["Values"] == [3.0, 4.0]
    assert "NextToken" not in second


def test_labels_name_what_differs(aws: Cloud) -> None:
    def labels(*queries: dict[str, Any]) -> list[str]:
        return [one["Label"] for one in data(aws, *queries)["MetricDataResults"]]

    assert labels(stat("Sum", id="a"), stat("Minimum", period=30, id="b")) == ["m Sum 60", "m Minimum 30"]
    assert labels(stat("Sum", id="a"), stat("Sum", "n", id="b")) == ["m", "n"]
    assert labels({**stat("Sum", id="a"), "Label": "mine"}, {"Id": "e", "Expression": "a*2"}) == ["mine", "e"]


def test_units_stay_apart(aws: Cloud) -> None:
    put(
        aws,
        {"Value": 60.0, "Unit": "Seconds"},
        {"Value": 5.0, "Unit": "Count"},
        {"Value": 9.0, "Unit": "Milliseconds"},
    )
    (mixed,) = data(aws, stat("Sum"))["MetricDataResults"]
    assert mixed["Values"] == [5.0]
    assert mixed["Messages"] == [
        {"Code": "MultipleUnits", "Value": "Multiple units returned: '[Count, Milliseconds, Seconds]'"}
    ]
    assert values(aws, stat("Sum", Unit="Seconds")) == [[60.0]]
    assert values(aws, stat("Sum", Unit="Bytes")) == [[]]


def test_metric_math_over_what_was_measured(aws: Cloud) -> None:
    put(aws, {"MetricName": "errors", "Value": 1.0}, {"MetricName": "all", "Value": 4.0})
    queries = [
        {**stat("Sum", "errors", id="errors"), "ReturnData": False},
        {**stat("Sum", "all", id="every"), "ReturnData": False},
        {"Id": "rate", "Expression": "100 * errors / every"},
        {"Id": "both", "Expression": "SUM(METRICS())"},
    ]
    assert values(aws, *queries) == [[25.0], [5.0]]


def test_statistics_of_each_unit_and_period(aws: Cloud) -> None:
    start = aws.clock.at - 600
    put(aws, {"Value": 1.0, "Timestamp": start}, {"Value": 3.0, "Timestamp": start + 70})
    put(aws, {"Value": 7.0, "Timestamp": start + 310})
    answer = aws.call(
        "cloudwatch",
        "GetMetricStatistics",
        Namespace="Shop",
        MetricName="m",
        StartTime=start,
        EndTime=aws.clock.at,
        Period=300,
        Statistics=["Average", "SampleCount"],
    )
    assert answer == {
        "Label": "m",
        "Datapoints": [
            {"Timestamp": start, "Unit": "None", "Average": 2.0, "SampleCount": 2.0},
            {"Timestamp": start + 300, "Unit": "None", "Average": 7.0, "SampleCount": 1.0},
        ],
    }


def test_metrics_are_listed_by_name_and_dimension_for_two_weeks(aws: Cloud) -> None:
    north = [{"Name": "Shop", "Value": "north"}]
    put(aws, {"Value": 1.0, "Dimensions": north}, {"Value": 1.0})
    put(aws, {"Value": 1.0}, namespace="Other")

    def listed(**request: Any) -> list[list[dict[str, str]]]:
        return [one["Dimensions"] for one in aws.call("cloudwatch", "ListMetrics", **request)["Metrics"]]

    assert len(listed()) == 3
    assert sorted(listed(Namespace="Shop"), key=len) == [[], north]
    assert listed(Dimensions=[{"Name": "Shop"}]) == [north]
    assert listed(Dimensions=[{"Name": "Shop", "Value": "south"}]) == []
    aws.clock.advance(4 * 3600)
    assert listed(RecentlyActive="PT3H") == []
    aws.clock.advance(15 * DAY)
    assert listed() == []


def test_data_grows_coarser_with_age_and_goes(aws: Cloud) -> None:
    for minute in range(5):
        put(aws, {"Value": float(minute), "Timestamp": aws.clock.at + 60 * minute})
    begin = aws.clock.at

    def ask(period: int) -> list[float]:
        query = stat("Sum", period=period)
        answer = aws.call(
            "cloudwatch", "GetMetricData", MetricDataQueries=[query], StartTime=begin, EndTime=begin + 600
        )
        return list(answer["MetricDataResults"][0]["Values"])

    assert ask(60) == [4.0, 3.0, 2.0, 1.0, 0.0]
    aws.clock.advance(16 * DAY)
    assert aws.write(lambda tx: age_metrics(tx, aws.clock.at)) == 5
    assert ask(300) == [10.0]
    assert ask(60) == [10.0]
    aws.clock.advance(440 * DAY)
    aws.write(lambda tx: age_metrics(tx, aws.clock.at))
    aws.clock.advance(440 * DAY)
    aws.write(lambda tx: age_metrics(tx, aws.clock.at))
    assert ask(3600) == []


@pytest.mark.parametrize(
    ("datum", "words"),
    [
        (
            {"Value": 1.5, "Values": [1.0]},
            "InvalidParameterCombinationException: The parameters MetricData.member.1.Value and "
            "MetricData.member.1.Values are mutually exclusive and you have specified both.",
        ),
        (
            {
                "Value": 1.5,
                "StatisticValues": {"SampleCount": 1.0, "Sum": 1.0, "Minimum": 1.0, "Maximum": 1.0},
            },
            "InvalidParameterCombinationException: The parameters MetricData.member.1.Value and "
            "MetricData.member.1.StatisticValues are mutually exclusive and you have specified both.",
        ),
        (
            {"Values": [1.0, 10.0], "Counts": [2.0, 4.0, 5.0]},
            "InvalidParameterValueException: The parameters MetricData.member.1.Values and "
            "MetricData.member.1.Counts must be of the same size.",
        ),
        (
            {"Value": float("nan")},
            "InvalidParameterValueException: The value nan for parameter MetricData.member.1.Value is invalid.",
        ),
        (
            {"Value": 1.0, "Timestamp": 1767225600.0 + 3 * 3600},
            "InvalidParameterValueException: The parameter MetricData.member.1.Timestamp must specify a time no "
            "more than two hours in the future.",
        ),
        (
            {"Value": 1.0, "Dimensions": [{"Name": f"d{n}", "Value": "v"} for n in range(31)]},
            "InvalidParameterValueException: The collection MetricData.member.1.Dimensions must not have a size "
            "greater than 30.",
        ),
    ],
)
def test_refused_data(aws: Cloud, datum: dict[str, Any], words: str) -> None:
    request = {"Namespace": "Shop", "MetricData": [{"MetricName": "m", **datum}]}
    assert refusal(aws, "PutMetricData", **request) == words


def test_refused_requests(aws: Cloud) -> None:
    ours = {"MetricName": "m", "Value": 1.0}
    assert refusal(aws, "PutMetricData", Namespace="AWS/ECS", MetricData=[ours]) == (
        "InvalidParameterValueException: The value AWS/ for parameter Namespace is invalid."
    )
    asked: dict[str, Any] = {"Namespace": "n", "MetricName": "m", "Statistics": ["Sum"], "Period": 1}
    assert refusal(aws, "GetMetricStatistics", **asked, StartTime=0.0, EndTime=86400.0) == (
        "InvalidParameterCombinationException: You have requested up to 86400 datapoints, which exceeds the limit of "
        "1440. You may reduce the datapoints requested by increasing Period, or decreasing the time range."
    )
    assert refusal(aws, "GetMetricStatistics", **asked, StartTime=1.0, EndTime=1.0) == (
        "InvalidParameterValueException: The parameter StartTime must be less than the parameter EndTime."
    )
    times = {"StartTime": 0.0, "EndTime": 60.0}
    assert refusal(
        aws, "GetMetricData", MetricDataQueries=[{"Id": "e", "Expression": "nope + 1"}], **times
    ) == ("ValidationError: Error in expression 'e': Unknown identifier 'nope'")
    search = [{"Id": "e", "Expression": "SEARCH('{AWS/ECS}', 'Sum')"}]
    assert refusal(aws, "GetMetricData", MetricDataQueries=search, **times).startswith(
        "NotImplemented: The function SEARCH of metric math (cloudwatch) is not implemented"
    )
    insights = [{"Id": "e", "Expression": 'SELECT AVG(CPU) FROM "AWS/ECS"'}]
    assert refusal(aws, "GetMetricData", MetricDataQueries=insights, **times).startswith(
        "NotImplemented: Metrics Insights queries"
    )
    circle = [{"Id": "a", "Expression": "b+1"}, {"Id": "b", "Expression": "a+1"}]
    assert "Circular reference" in refusal(aws, "GetMetricData", MetricDataQueries=circle, **times)
