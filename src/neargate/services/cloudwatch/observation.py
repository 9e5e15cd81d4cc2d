"""What a metric alarm looks at, at a moment: its rule and the periods before."""

from __future__ import annotations

from neargate.model.cloudwatch import Alarm
from neargate.model.records import Json, Reader
from neargate.planners.alarm_evaluation import Seen, Watch
from neargate.planners.metric_statistics import extended, value_of
from neargate.services.cloudwatch.reading import Range, answers, measured, metric_from


def watch_of(alarm: Alarm) -> Watch:
    """The rule of a metric alarm."""
    settings = alarm.settings
    statistic = settings.get("Statistic") or settings.get("ExtendedStatistic") or ""
    return Watch(
        comparison=settings["ComparisonOperator"],
        threshold=float(settings["Threshold"]),
        periods=int(settings["EvaluationPeriods"]),
        period=period_of(alarm),
        datapoints=settings.get("DatapointsToAlarm"),
        missing=settings.get("TreatMissingData") or "missing",
        statistic=statistic,
        unit=settings.get("Unit") or "",
        fewest_samples=_fewest_samples(settings, statistic),
    )


def period_of(alarm: Alarm) -> int:
    """The period of a metric alarm in seconds."""
    if "Period" in alarm.settings:
        return int(alarm.settings["Period"])
    queries = alarm.settings["Metrics"]
    own = (query["MetricStat"]["Period"] for query in queries if query.get("MetricStat"))
    return int(next(own, 60))


def boundary(alarm: Alarm, now: float) -> int:
    """The end of the last complete data point: alarms look every minute, those with short periods every ten s."""
    step = cadence(alarm)
    return int(now - now % step)


def cadence(alarm: Alarm) -> int:
    """How often an alarm looks, in seconds."""
    return 60 if period_of(alarm) >= 60 else 10


def observed(view: Reader, alarm: Alarm, watch: Watch, end: int) -> list[Seen]:
    """The periods that end at `end`, as many as the alarm looks back, oldest first."""
    period, start = watch.period, end - watch.range * watch.period
    asked = Range(start, end, anchor=end % period)
    values: dict[int, tuple[float | None, float]] = {}
    if "Metrics" in alarm.settings:
        queries = alarm.settings["Metrics"]
        shown = next(query["Id"] for query in queries if query.get("ReturnData", True))
        found = answers(view, alarm.account, alarm.region, queries, asked)[shown].series
        if found:
            values = {at: (value, 0.0) for at, value in found[0].items()}
    else:
        data = measured(
            view,
            alarm.account,
            alarm.region,
            metric_from(alarm.settings),
            period,
            asked,
            alarm.settings.get("Unit"),
        )
        values = {at: (value_of(one, watch.statistic), one.count) for at, one in data.points.items()}
    return [Seen(at, *values.get(at, (None, 0.0))) for at in range(start, end, period)]


def _fewest_samples(settings: Json, statistic: str) -> float:
    """How many samples make a percentile significant: 10/(1-p) above the median, 10/p below."""
    asked = extended(statistic)
    if settings.get("EvaluateLowSampleCountPercentile") != "ignore" or asked is None or asked.kind != "p":
        return 0.0
    share = (asked.high or 0.0) / 100
    distance = 1 - share if share >= 0.5 else share
    return 10 / distance if distance else 0.0
