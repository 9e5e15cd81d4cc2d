"""What state a metric alarm is in, from its data points, and how CloudWatch words why.

The rules are those of CloudWatch's user guide ("How alarm state is evaluated when data is missing"). An alarm looks
at more periods than EvaluationPeriods: where enough real data points are among them, the newest of those decide.
Else the missing ones are filled as TreatMissingData says, and as few of them as possible. With `missing`, the alarm
also goes to ALARM when its oldest data point breaches, is at least DatapointsToAlarm periods old, and everything
after it breaches or is missing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime

import attrs

from neargate.model.cloudwatch import ALARM, INSUFFICIENT_DATA, OK
from neargate.model.records import Json

EXTRA_PERIODS = 2
"""How many periods an alarm looks back beyond EvaluationPeriods (the user guide's tables: 5 for 3)."""

_WORDS = {
    "GreaterThanOrEqualToThreshold": "greater than or equal to",
    "GreaterThanThreshold": "greater than",
    "LessThanThreshold": "less than",
    "LessThanOrEqualToThreshold": "less than or equal to",
}
COMPARISONS = tuple(_WORDS)
_SHOWN = 5  # data points that a reason quotes at most


@attrs.frozen
class Watch:
    """What an alarm compares. `datapoints` is DatapointsToAlarm, None where it was not given.

    `missing` is TreatMissingData. `fewest_samples` is how many samples a data point needs to count: what
    EvaluateLowSampleCountPercentile `ignore` asks of a percentile.
    """

    comparison: str
    threshold: float
    periods: int
    period: int
    datapoints: int | None = None
    missing: str = "missing"
    statistic: str = ""
    unit: str = ""
    fewest_samples: float = 0.0

    @property
    def needed(self) -> int:
        return self.datapoints or self.periods

    @property
    def range(self) -> int:
        """How many periods it looks back."""
        return self.periods + EXTRA_PERIODS

    def breached(self, value: float) -> bool:
        return {
            "GreaterThanOrEqualToThreshold": value >= self.threshold,
            "GreaterThanThreshold": value > self.threshold,
            "LessThanThreshold": value < self.threshold,
            "LessThanOrEqualToThreshold": value <= self.threshold,
        }[self.comparison]


@attrs.frozen
class Seen:
    """What a period (its begin, epoch seconds) showed; `value` is None where there was nothing."""

    at: int
    value: float | None = None
    samples: float = 0.0


@attrs.frozen
class Outcome:
    """The state that an alarm goes to, and why; `data` is StateReasonData."""

    state: str
    reason: str
    data: str


def evaluate(watch: Watch, seen: Sequence[Seen], state: str, now: float) -> Outcome | None:
    """The new state, or None where the alarm stays as it is. `seen` has `watch.range` periods, oldest first."""
    real = [one for one in seen if one.value is not None]
    if any(one.samples < watch.fewest_samples for one in real[-watch.periods :]):
        return None
    if len(real) >= watch.periods:
        used, filled = real[-watch.periods :], 0
    else:
        used, filled = real, watch.periods - len(real)
    new = _state(watch, seen, used, filled)
    if new is None or new == state:
        return None
    treated = filled if watch.missing in {"breaching", "notBreaching"} else 0
    if new == INSUFFICIENT_DATA:
        missing = f"{watch.periods} datapoint{_s(watch.periods)} {_were(watch.periods)} unknown"
        return Outcome(new, f"Insufficient Data: {missing}.", _data(watch, (), seen, now))
    return Outcome(new, _reason(watch, used, treated, new), _data(watch, used, seen, now))


def _state(watch: Watch, seen: Sequence[Seen], used: Sequence[Seen], filled: int) -> str | None:
    breaching = sum(1 for one in used if watch.breached(one.value or 0.0))
    if filled and watch.missing == "breaching":
        breaching += filled
    elif filled and watch.missing != "notBreaching":
        if not used:
            return INSUFFICIENT_DATA if watch.missing == "missing" else None
        if breaching == len(used) and breaching < watch.needed:
            return ALARM if watch.missing == "missing" and _old_enough(watch, seen) else None
    return ALARM if breaching >= watch.needed else OK


def _old_enough(watch: Watch, seen: Sequence[Seen]) -> bool:
    """Whether the oldest data point is at least DatapointsToAlarm periods old."""
    return any(one.value is not None for one in seen[: len(seen) - watch.needed + 1])


# -- words -------------------------------------------------------------------------------------------------


def _reason(watch: Watch, used: Sequence[Seen], treated: int, state: str) -> str:
    shown = [one for one in reversed(used) if watch.breached(one.value or 0.0) == (state == ALARM)]
    treatment = f"[{'Breaching' if watch.missing == 'breaching' else 'NonBreaching'}]"
    missing = f"{treated} missing datapoint{_s(treated)} {_were(treated)} treated as {treatment}"
    if not shown:
        nothing = f"no datapoints were received for {treated} period{_s(treated)}"
        return f"Threshold Crossed: {nothing} and {missing}."
    count = f"{len(shown)} datapoint{_s(len(shown))}"
    if watch.datapoints is not None:
        count = f"{len(shown)} out of the last {len(used)} datapoints"
    values = ", ".join(f"{number(one.value or 0.0)} ({_short(one.at)})" for one in shown[:_SHOWN])
    crossed = f"{'' if state == ALARM else 'not '}{_WORDS[watch.comparison]}"
    verdict = f"{_were(len(shown))} {crossed} the threshold ({number(watch.threshold)})"
    if len(shown) > _SHOWN:
        text = f"{count} {verdict}. The most recent datapoints which crossed the threshold: [{values}]"
    else:
        text = f"{count} [{values}] {verdict}"
    if treated:
        text += f" and {missing}"
    if watch.datapoints is not None:
        fewest = watch.needed if state == ALARM else watch.periods - watch.needed + 1
        change = "OK -> ALARM" if state == ALARM else "ALARM -> OK"
        text += f" (minimum {fewest} datapoint{_s(fewest)} for {change} transition)"
    return f"Threshold Crossed: {text}."


def _data(watch: Watch, used: Sequence[Seen], seen: Sequence[Seen], now: float) -> str:
    evaluated: list[Json] = [
        {"timestamp": stamp(one.at), "sampleCount": one.samples, "value": one.value} for one in reversed(used)
    ]
    if not used:
        evaluated = [{"timestamp": stamp(one.at)} for one in reversed(seen[-watch.periods :])]
    data: Json = {"version": "1.0", "queryDate": stamp(now)}
    if used:
        data["startDate"] = stamp(used[0].at)
    if watch.unit:
        data["unit"] = watch.unit
    if watch.statistic:
        data["statistic"] = watch.statistic
    data |= {
        "period": watch.period,
        "recentDatapoints": [one.value for one in used],
        "threshold": watch.threshold,
        "evaluatedDatapoints": evaluated,
    }
    return json.dumps(data, separators=(",", ":"))


def stamp(at: float) -> str:
    """`2024-04-05T11:28:00.000+0000`, as CloudWatch writes a time inside its documents."""
    return (
        datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{int(at * 1000) % 1000:03d}+0000"
    )


def number(value: float) -> str:
    """A number as Java writes a double: 5.0, 1.0E7."""
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return repr(float(value))
    written = (f"{value:.{digits}e}" for digits in range(1, 17))
    mantissa, _, exponent = next(text for text in written if float(text) == value).partition("e")
    return f"{mantissa}E{int(exponent)}"


def _short(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%d/%m/%y %H:%M:%S")


def _s(count: int) -> str:
    return "" if count == 1 else "s"


def _were(count: int) -> str:
    return "was" if count == 1 else "were"
