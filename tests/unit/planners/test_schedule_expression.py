"""Schedule expressions: when they run next, in their time zone."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from neargate.planners.schedule_expression import ScheduleError, parse

NOW = datetime(2026, 1, 1, tzinfo=UTC).timestamp()  # a Thursday


def following(expression: str, zone: str | None = None, count: int = 1) -> list[str]:
    schedule, at, found = parse(expression, zone), NOW, []
    for _ in range(count):
        due = schedule.following(at, NOW)
        if due is None:
            return [*found, "never"]
        at = due
        found.append(datetime.fromtimestamp(due, UTC).strftime("%Y-%m-%dT%H:%M"))
    return found


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("at(2026-03-01T10:00:00)", ["2026-03-01T10:00", "never"]),
        ("rate(5 minutes)", ["2026-01-01T00:05", "2026-01-01T00:10"]),
        ("rate(1 day)", ["2026-01-02T00:00", "2026-01-03T00:00"]),
        ("cron(0 8 ? * MON-FRI *)", ["2026-01-01T08:00", "2026-01-02T08:00", "2026-01-05T08:00"]),
        ("cron(0/30 22-23 * * ? *)", ["2026-01-01T22:00", "2026-01-01T22:30", "2026-01-01T23:00"]),
        ("cron(15 10 L * ? *)", ["2026-01-31T10:15", "2026-02-28T10:15"]),
        ("cron(0 0 15W FEB,AUG ? *)", ["2026-02-16T00:00", "2026-08-14T00:00"]),
        ("cron(0 0 ? * 6L *)", ["2026-01-30T00:00", "2026-02-27T00:00"]),
        ("cron(0 0 ? * 3#2 *)", ["2026-01-13T00:00", "2026-02-10T00:00"]),
        ("cron(0 0 29 2 ? *)", ["2028-02-29T00:00"]),
        ("cron(0 0 1 1 ? 2025)", ["never"]),
    ],
)
def test_when_an_expression_runs(expression: str, expected: list[str]) -> None:
    assert following(expression, count=len(expected)) == expected


def test_the_time_zone_moves_with_its_summer() -> None:
    assert following("cron(0 12 1 1,7 ? *)", "Europe/Berlin", 2) == ["2026-01-01T11:00", "2026-07-01T10:00"]
    assert following("at(2026-07-01T12:00:00)", "America/New_York") == ["2026-07-01T16:00"]


@pytest.mark.parametrize(
    "expression",
    [
        "cron(0 8 * * * *)",
        "cron(0 8 ? * ? *)",
        "cron(60 8 * * ? *)",
        "cron(0 8 * FOO ? *)",
        "cron(0 8 * *)",
        "rate(1 minutes)",
        "rate(2 minute)",
        "rate(0 minutes)",
        "at(2026-13-01T00:00:00)",
        "every day",
    ],
)
def test_what_is_no_expression(expression: str) -> None:
    with pytest.raises(ScheduleError, match="Invalid schedule expression"):
        parse(expression)


def test_a_time_zone_must_exist() -> None:
    with pytest.raises(ScheduleError, match="Invalid time zone: Mars/Base"):
        parse("rate(1 hour)", "Mars/Base")
