"""Logs Insights' language, on a handful of events."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neargate.planners.insights import Event, MalformedQuery, UnknownCommand, compile_query

MINUTE = 60_000
START = 1_767_225_600_000  # 2026-01-01T00:00:00Z

REQUESTS = [
    {"path": "/a", "status": 200, "ms": 12, "user": {"name": "ann", "tags": ["x", "y"]}},
    {"path": "/b", "status": 500, "ms": 250.5, "user": {"name": "bob"}},
    {"path": "/a", "status": 404, "ms": 3, "user": {"name": "ann"}},
    {"path": "/c d", "status": 200, "ms": 70},
]


def events(messages: list[str]) -> list[Event]:
    """The newest first, a minute apart."""
    return [
        Event(START + n * MINUTE, START + n * MINUTE + 5, message, "s", "0:g", f"p{n}")
        for n, message in reversed(list(enumerate(messages)))
    ]


def run(query: str, messages: list[str] | None = None, limit: int | None = None) -> list[dict[str, str]]:
    found = compile_query(query).run(
        events([json.dumps(request) for request in REQUESTS] if messages is None else messages), limit
    )
    return [{field.name: field.text for field in line if field.name != "@ptr"} for line in found]


def column(query: str, name: str, messages: list[str] | None = None) -> list[str]:
    return [line.get(name, "-") for line in run(query, messages)]


def test_fields_come_newest_first_with_the_pointer() -> None:
    lines = list(compile_query("fields @timestamp, @message").run(events(["a", "b"]), None))
    assert [[(field.name, field.text) for field in line] for line in lines] == [
        [("@timestamp", "2026-01-01 00:01:00.000"), ("@message", "b"), ("@ptr", "p1")],
        [("@timestamp", "2026-01-01 00:00:00.000"), ("@message", "a"), ("@ptr", "p0")],
    ]
    assert run("filter @message = 'b'", ["a", "b"]) == [
        {"@timestamp": "2026-01-01 00:01:00.000", "@message": "b"}
    ]


def test_the_fields_of_json_are_found() -> None:
    assert run("fields path, user.name as who, user.tags.1, nothing | sort ms | limit 2") == [
        {"path": "/a", "who": "ann"},
        {"path": "/a", "who": "ann", "user.tags.1": "y"},
    ]
    assert column("fields `user.name`, ms * 2 + 1 as more | filter status >= 400", "more") == ["7", "502"]
    assert run("display path | limit 1") == [{"path": "/c d"}]


@pytest.mark.parametrize(
    ("condition", "paths"),
    [
        ("status = 200", ["/c d", "/a"]),
        ("status != 200", ["/a", "/b"]),
        ("status in [404, 500]", ["/a", "/b"]),
        ("status not in [404, 500]", ["/c d", "/a"]),
        ("path like 'c'", ["/c d"]),
        ("path like /^.a$/", ["/a", "/a"]),
        ("path =~ /B/", []),
        ("path like /(?i)B/", ["/b"]),
        ("path not like /a/", ["/c d", "/b"]),
        ("not path = '/a'", ["/c d", "/b"]),
        ("ms > 10 and ms < 100", ["/c d", "/a"]),
        ("status = 500 or (ms = 3 and user.name = 'ann')", ["/a", "/b"]),
        ("ispresent(user.name) and not ispresent(user.tags.0)", ["/a", "/b"]),
        ("strcontains(path, ' ')", ["/c d"]),
        ("isempty(user.name)", ["/c d"]),
        ("nothing > 1 or nothing = 1", []),
        ("ms % 2 = 0 && ms / 0 = 1 || path = '/b'", ["/b"]),
    ],
)
def test_filters(condition: str, paths: list[str]) -> None:
    assert column(f"fields path | filter {condition}", "path") == paths


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("abs(-3)", "3"),
        ("ceil(1.2) + floor(1.8)", "3"),
        ("sqrt(9) ^ 2", "9"),
        ("greatest(1, 7, 'x') - least(4, 2)", "5"),
        ("log(0)", "-"),
        ("concat('a', 1, 2.50)", "a12.5"),
        ("toupper(trim('  x '))", "X"),
        ("ltrim('xxa', 'x')", "a"),
        ("rtrim('axx', 'x')", "a"),
        ("tolower('ÄB')", "äb"),
        ("strlen('four')", "4"),
        ("substr('abcdef', 2, 3)", "cde"),
        ("replace('a-b', '-', '+')", "a+b"),
        ("coalesce(nothing, 'b')", "b"),
        ("isblank(' ')", "1"),
        ("isValidIp('10.0.0.1')", "1"),
        ("isValidIpv6('10.0.0.1')", "0"),
        ("isIpv4InSubnet('10.0.3.1', '10.0.0.0/16')", "1"),
        ("bin(1h)", "2026-01-01 00:00:00.000"),
        ("datefloor(@timestamp, 1d)", "2026-01-01 00:00:00.000"),
        ("dateceil(@timestamp, 30 minutes)", "malformed"),
        ("dateceil(@ingestionTime, 30minutes)", "2026-01-01 00:30:00.000"),
        ("fromMillis(1767225600123)", "2026-01-01 00:00:00.123"),
        ("toMillis(@timestamp)", str(START)),
        ("10 / 4", "2.5"),
        ("2 + 3 * 4", "14"),
        ("(2 + 3) * 4", "20"),
    ],
)
def test_functions(written: str, text: str) -> None:
    if text == "malformed":
        with pytest.raises(MalformedQuery):
            run(f"fields {written} as x")
    else:
        assert column(f"fields {written} as x", "x", ["m"]) == [text]


def test_parse_takes_fields_out_of_text() -> None:
    messages = ["user=ann took 12 ms", "user=bob took 7 ms", "else"]
    globs = "parse @message 'user=* took * ms' as who, ms"
    assert run(f"{globs} | display who, ms | sort ms", messages) == [
        {},
        {"who": "bob", "ms": "7"},
        {"who": "ann", "ms": "12"},
    ]
    assert column(f"{globs} | filter ms > 10", "who", messages) == ["ann"]
    regular = r"parse /user=(?<who>\w+) took (?<ms>\d+)/ | stats sum(ms) as total by who | sort who desc"
    assert run(regular, messages)[:2] == [{"who": "bob", "total": "7"}, {"who": "ann", "total": "12"}]
    assert column("parse 'user=* ' as who | filter ispresent(who)", "who", messages) == ["bob", "ann"]


def test_stats_of_everything() -> None:
    query = (
        "stats count(*), count(user.name) as named, count_distinct(path) as paths, sum(ms) as total, avg(ms) as mean, "
        "min(ms) as low, max(ms) as high, pct(ms, 50) as middle, earliest(path) as first, latest(path) as last, "
        "sortsFirst(path) as a, stddev(status) as spread"
    )
    assert run(query) == [
        {
            "count(*)": "4",
            "named": "3",
            "paths": "3",
            "total": "335.5",
            "mean": "83.875",
            "low": "3",
            "high": "250.5",
            "middle": "41",
            "first": "/a",
            "last": "/c d",
            "a": "/a",
            "spread": "130.4914",
        }
    ]
    assert run("filter status = 1 | stats count(*) as n, sum(ms)") == [{"n": "0"}]


def test_stats_by_fields_and_by_time() -> None:
    assert run("stats count(*) as n by path, status > 300 as bad | sort n desc, path asc, bad") == [
        {"path": "/a", "bad": "0", "n": "1"},
        {"path": "/a", "bad": "1", "n": "1"},
        {"path": "/b", "bad": "1", "n": "1"},
        {"path": "/c d", "bad": "0", "n": "1"},
    ]
    assert run("stats max(ms) by bin(2m)") == [
        {"bin(2m)": "2026-01-01 00:02:00.000", "max(ms)": "70"},
        {"bin(2m)": "2026-01-01 00:00:00.000", "max(ms)": "250.5"},
    ]
    assert run("stats count(*) as n by path | stats max(n) as most") == [{"most": "2"}]


def test_dedup_and_limits() -> None:
    assert column("fields path | dedup path", "path") == ["/c d", "/a", "/b"]
    assert len(run("fields path", limit=3)) == 3
    assert len(run("fields path | limit 2", limit=3)) == 2
    assert len(run("fields path # a comment\n| filter 1 = 1", limit=None)) == 4


@pytest.mark.parametrize(
    ("query", "message", "start", "end"),
    [
        ("bad", "unexpected symbol found bad at line 1 and position 1", 0, 3),
        (
            "fields @message\n| nonsense x",
            "unexpected symbol found nonsense at line 2 and position 3",
            18,
            26,
        ),
        ("fields", "unexpected end of query", 6, 6),
        ("fields a | filter a ==", "unexpected symbol found = at line 1 and position 22", 21, 22),
        ("fields §", "unexpected symbol found § at line 1 and position 8", 7, 8),
        ("fields nofunction(a)", "unknown function: nofunction", 7, 17),
        ("stats total(a)", "unknown function: total", 6, 11),
        ("fields concat()", "wrong number of arguments for concat", 7, 13),
        ("limit 0", "limit must be between 1 and 10000", 6, 7),
        ("parse 'a*b*' as x", "the number of wildcards (2) and of fields (1) differ", 6, 12),
        ("filter a like /(/", "invalid regular expression /(/: ", 14, 17),
        ("filter bin(5z) = 1", "unexpected symbol found 5z at line 1 and position 12", 11, 13),
    ],
)
def test_what_is_malformed(query: str, message: str, start: int, end: int) -> None:
    with pytest.raises(MalformedQuery, match=f"^{re.escape(message)}") as caught:
        compile_query(query)
    assert (caught.value.start, caught.value.end) == (start, end)


def test_a_command_that_is_missing_is_named() -> None:
    with pytest.raises(UnknownCommand) as caught:
        compile_query("fields a | pattern @message")
    assert caught.value.name == "pattern"


_WORDS = st.sampled_from(
    "fields filter stats sort limit parse dedup display by as like in not and or | , ( ) [ ] = != < + - * / % ^ "
    "@message a b.c count(*) sum(a) bin(5m) 'x' /x/ 5 2.5 5m `q q` avg concat( ispresent( desc # §".split()
)


@given(st.lists(_WORDS, max_size=12))
def test_any_words_are_a_query_that_runs_or_are_malformed(words: list[str]) -> None:
    try:
        query = compile_query(" ".join(words))
    except MalformedQuery:
        return
    list(query.run(events(['{"a": 1, "b": {"c": "x"}}', "text", '{"a": "1e999"}']), None))
