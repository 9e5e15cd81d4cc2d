"""Schedule expressions of scheduled actions: `at(…)`, `rate(…)`, `cron(…)`, in a time zone.

cron has minutes, hours, day of month, month, day of week and year, with `*`, `?`, `,`, `-`, `/`, and `L`, `W`, `#`
where AWS has them.
"""

from __future__ import annotations

import calendar
import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import attrs

_AT = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)")
_RATE = re.compile(r"rate\((\d+) +(minute|hour|day)(s?)\)")
_CRON = re.compile(r"cron\((.+)\)")
_SECONDS = {"minute": 60, "hour": 3600, "day": 86_400}
_MONTHS = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split()
_DAYS = "SUN MON TUE WED THU FRI SAT".split()
_FARTHEST = 366 * 9  # days: the longest way to a 29 February


class ScheduleError(Exception):
    """An expression or time zone that is none; the text says which."""


@attrs.frozen
class Schedule:
    """A parsed expression. One of `at` (epoch s), `every` (s) and `fields` (cron's) is set."""

    zone: tzinfo
    at: float | None = None
    every: int | None = None
    fields: tuple[str, ...] = ()

    def following(self, after: float, begin: float) -> float | None:
        """The first time after `after`, or None. A rate counts from `begin`."""
        if self.at is not None:
            return self.at if self.at > after else None
        if self.every is not None:
            passed = max(int((after - begin) // self.every), 0)
            return begin + (passed + 1) * self.every if after >= begin else begin
        return self._cron(after)

    def _cron(self, after: float) -> float | None:
        minutes, hours = (_numbers(self.fields[0], 0, 59), _numbers(self.fields[1], 0, 23))
        local = datetime.fromtimestamp(after, self.zone)
        day = local.date()
        for _ in range(_FARTHEST):
            if self._fits(day):
                for hour in hours:
                    for minute in minutes:
                        moment = datetime(day.year, day.month, day.day, hour, minute, tzinfo=self.zone)
                        if moment.timestamp() > after:
                            return moment.timestamp()
            if day == date.max:
                return None
            day += timedelta(days=1)
        return None

    def _fits(self, day: date) -> bool:
        _, _, of_month, month, of_week, year = self.fields
        return (
            day.year in _numbers(year, 1970, 2199)
            and day.month in _numbers(month, 1, 12, _MONTHS)
            and _fits_month(of_month, day)
            and _fits_week(of_week, day)
        )


def parse(expression: str, timezone: str | None = None) -> Schedule:
    """Raises ScheduleError."""
    try:
        zone: tzinfo = ZoneInfo(timezone) if timezone else UTC
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ScheduleError(f"Invalid time zone: {timezone}") from None
    text = expression.strip()
    if match := _AT.fullmatch(text):
        try:
            moment = datetime.fromisoformat(match[1]).replace(tzinfo=zone)
        except ValueError:
            raise ScheduleError(f"Invalid schedule expression: {expression}") from None
        return Schedule(zone, at=moment.timestamp())
    if match := _RATE.fullmatch(text):
        count = int(match[1])
        if count == 0 or (count == 1) == bool(match[3]):
            raise ScheduleError(f"Invalid schedule expression: {expression}")
        return Schedule(zone, every=count * _SECONDS[match[2]])
    match = _CRON.fullmatch(text)
    fields = match[1].upper().split() if match else []
    if len(fields) != 6 or (fields[2] == "?") == (fields[4] == "?"):
        raise ScheduleError(f"Invalid schedule expression: {expression}")
    schedule = Schedule(zone, fields=tuple(fields))
    try:
        schedule.following(0.0, 0.0)
        _numbers(fields[3], 1, 12, _MONTHS)
        _fits_month(fields[2], date(2024, 2, 29))
        _fits_week(fields[4], date(2024, 2, 29))
    except (ValueError, OverflowError):
        raise ScheduleError(f"Invalid schedule expression: {expression}") from None
    return schedule


def _numbers(field: str, low: int, high: int, names: list[str] | None = None) -> list[int]:
    """The numbers of a field, in order. Raises ValueError."""
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        if span in {"*", "?"}:
            first, last = low, high
        elif "-" in span:
            first, last = (_number(one, low, names) for one in span.split("-", 1))
        else:
            first = _number(span, low, names)
            last = high if step else first
        if not low <= first <= last <= high or (step and int(step) < 1):
            raise ValueError(field)
        found.update(range(first, last + 1, int(step) if step else 1))
    return sorted(found)


def _number(text: str, low: int, names: list[str] | None) -> int:
    return names.index(text) + low if names and text in names else int(text)


def _fits_month(field: str, day: date) -> bool:
    """`L` is the last day, `15W` the weekday nearest to the 15th, `LW` the last weekday."""
    if field == "?":
        return True
    last = calendar.monthrange(day.year, day.month)[1]
    if field == "L":
        return day.day == last
    if field == "LW":
        return day.day == _nearest_weekday(day, last, last)
    if field.endswith("W"):
        wanted = int(field[:-1])
        return 1 <= wanted <= last and day.day == _nearest_weekday(day, wanted, last)
    return day.day in _numbers(field, 1, 31)


def _nearest_weekday(day: date, wanted: int, last: int) -> int:
    weekday = date(day.year, day.month, wanted).weekday()
    if weekday == 5:
        return wanted - 1 if wanted > 1 else wanted + 2
    if weekday == 6:
        return wanted + 1 if wanted < last else wanted - 2
    return wanted


def _fits_week(field: str, day: date) -> bool:
    """Sunday is 1. `6L` is the month's last Friday, `3#2` its second Tuesday."""
    if field == "?":
        return True
    number = day.isoweekday() % 7 + 1
    if "#" in field:
        wanted, nth = field.split("#", 1)
        return number == _number(wanted, 1, _DAYS) and (day.day - 1) // 7 + 1 == int(nth)
    if field == "L":
        return number == 7
    if field.endswith("L"):
        last = calendar.monthrange(day.year, day.month)[1]
        return number == _number(field[:-1], 1, _DAYS) and day.day > last - 7
    return number in _numbers(field, 1, 7, _DAYS)
