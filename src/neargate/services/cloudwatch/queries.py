"""GetMetricData."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from neargate.model.operations import Context, operation
from neargate.model.paging import encoded
from neargate.model.records import Json
from neargate.services.cloudwatch.checks import check_queries
from neargate.services.cloudwatch.lookup import decoded, invalid
from neargate.services.cloudwatch.reading import Answer, Range, answers

_MOST_QUERIES = 500
_MOST_POINTS = 100_800


@attrs.frozen
class _Line:
    """One time series of the answer, its points in the order that was asked for."""

    query: str
    label: str
    points: tuple[tuple[int, float], ...]
    messages: tuple[Json, ...] = ()


@operation("cloudwatch", "GetMetricData", heavy=True)
def get_metric_data(cx: Context, request: Json) -> Json:
    """Newest first unless asked otherwise; a page holds MaxDatapoints of all series together."""
    queries = request["MetricDataQueries"]
    start, end = request["StartTime"], request["EndTime"]
    if start >= end:
        raise invalid("The parameter StartTime must be less than the parameter EndTime.")
    if len(queries) > _MOST_QUERIES:
        raise invalid(f"The collection MetricDataQueries must not have a size greater than {_MOST_QUERIES}.")
    check_queries(queries, cx.account)
    asked = Range(int(start), int(-(-end // 1)))
    found = answers(cx.tx, cx.account, cx.region, queries, asked)
    ascending = request.get("ScanBy") == "TimestampAscending"
    shown = [query for query in queries if query.get("ReturnData", True)]
    labels = _labels(shown)
    lines = [
        line
        for query in shown
        for line in _lines(query["Id"], labels[query["Id"]], found[query["Id"]], ascending)
    ]
    return _page(lines, request)


def _lines(name: str, label: str, answer: Answer, ascending: bool) -> list[_Line]:
    messages: list[Json] = []
    if len(answer.units) > 1:
        units = ", ".join(answer.units)
        messages.append({"Code": "MultipleUnits", "Value": f"Multiple units returned: '[{units}]'"})
    if answer.error:
        messages.append({"Code": "ArithmeticError", "Value": answer.error})
    every = answer.series or ({},)
    return [
        _Line(
            name,
            label,
            tuple(sorted(series.items(), reverse=not ascending)),
            tuple(messages),
        )
        for series in every
    ]


def _labels(queries: Sequence[Json]) -> dict[str, str]:
    """What tells the series apart: the metric's name, with the statistic and the period where these differ."""
    stats = [query["MetricStat"] for query in queries if query.get("MetricStat")]
    several_statistics = len({stat["Stat"] for stat in stats}) > 1
    several_periods = len({stat["Period"] for stat in stats}) > 1
    labels = {}
    for query in queries:
        stat = query.get("MetricStat")
        if query.get("Label"):
            labels[query["Id"]] = query["Label"]
        elif stat is None:
            labels[query["Id"]] = query["Id"]
        else:
            parts = [stat["Metric"].get("MetricName", "")]
            parts += [stat["Stat"]] if several_statistics else []
            parts += [str(stat["Period"])] if several_periods else []
            labels[query["Id"]] = " ".join(parts)
    return labels


def _page(lines: Sequence[_Line], request: Json) -> Json:
    """Of each series the points after the position in the token, until the page is full."""
    token = request.get("NextToken")
    position = 0
    if token is not None:
        text = decoded(token)
        position = int(text) if text.isdecimal() else 0
    most = min(request.get("MaxDatapoints") or _MOST_POINTS, _MOST_POINTS)
    results: list[Json] = []
    seen, end = 0, position + most
    for line in lines:
        first, last = max(position - seen, 0), min(end - seen, len(line.points))
        seen += len(line.points)
        if first > 0 and first >= len(line.points):
            continue
        points = line.points[first : max(last, first)]
        results.append(
            {
                "Id": line.query,
                "Label": line.label,
                "Timestamps": [float(at) for at, _ in points],
                "Values": [value for _, value in points],
                "StatusCode": "Complete" if last >= len(line.points) else "PartialData",
                **({"Messages": list(line.messages)} if line.messages else {}),
            }
        )
    answer: Json = {"MetricDataResults": results, "Messages": []}
    if seen > end:
        answer["NextToken"] = encoded(str(end))
    return answer
