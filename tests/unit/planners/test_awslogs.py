"""The awslogs driver: its options, in its words, and lines to events."""

from __future__ import annotations

import re
from typing import Any

import pytest

from neargate.model.runtime import LogLine
from neargate.planners.awslogs import LONGEST_EVENT, EventAssembler, InvalidOption, LogOptions

PLACE = {"awslogs-group": "g", "awslogs-region": "eu-west-1", "awslogs-stream-prefix": "p"}


def read(**options: str) -> LogOptions:
    return LogOptions.read({**PLACE, **{name.replace("_", "-"): value for name, value in options.items()}})


def lines(*texts: str) -> list[LogLine]:
    return [LogLine("stdout", (n + 1) * 1_000_000, text) for n, text in enumerate(texts)]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"mode": "quick"}, "logger: logging mode not supported: quick"),
        (
            {"mode": "blocking", "max_buffer_size": "4m"},
            "logger: max-buffer-size option is only supported with 'mode=non-blocking'",
        ),
        (
            {"mode": "non-blocking", "max_buffer_size": "much"},
            "error parsing option max-buffer-size: invalid size: 'much'",
        ),
        ({"awslogs_create_group": "yes"}, 'strconv.ParseBool: parsing "yes": invalid syntax'),
        (
            {"awslogs_multiline_pattern": "^(a"},
            'awslogs could not parse multiline pattern key "^(a": error parsing regexp: missing closing ): `^(a`',
        ),
        (
            {"awslogs_multiline_pattern": "a[b"},
            'awslogs could not parse multiline pattern key "a[b": error parsing regexp: missing closing ]: `[b`',
        ),
        (
            {"awslogs_multiline_pattern": "*a"},
            'awslogs could not parse multiline pattern key "*a": '
            "error parsing regexp: missing argument to repetition operator: `*`",
        ),
        (
            {"awslogs_multiline_pattern": "(?=a)"},
            'awslogs could not parse multiline pattern key "(?=a)": '
            "error parsing regexp: invalid or unsupported Perl syntax: `(?=`",
        ),
        (
            {"awslogs_multiline_pattern": r"(a)\1"},
            r'awslogs could not parse multiline pattern key "(a)\1": '
            r"error parsing regexp: invalid escape sequence: `\1`",
        ),
    ],
)
def test_options_that_the_driver_refuses(options: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidOption, match=f"^{re.escape(text)}$"):
        read(**options)


def test_what_the_options_say() -> None:
    assert read(mode="non-blocking", max_buffer_size="25m", awslogs_create_group="true").create_group
    plain = read(mode="blocking")
    assert (plain.group, plain.region, plain.prefix, plain.create_group, plain.starts) == (
        "g",
        "eu-west-1",
        "p",
        False,
        None,
    )


@pytest.mark.parametrize(
    ("form", "starts", "goes_on"),
    [
        ("%Y-%m-%d %H:%M:%S", "2026-11-23 10:11:12 x", "2026-13-23 10:11:12"),
        ("[%b %d, %Y %H:%M:%S]", "[Nov 23, 2026 10:11:12] x", "Nov 23"),
        ("%I:%M:%S %p", "11:59:59 PM", "13:59:59 PM"),
        ("%H:%M:%S%L%z", "10:11:12.345+0100", "10:11:12 +0100"),
        ("%a %A %y %f %Z %j", "Mon Monday 26 123456 CET 011", "Mon Monday 26 1234 CET 011"),
        ("%q%Y", "2026", "year"),
    ],
)
def test_a_datetime_format_says_how_an_event_starts(form: str, starts: str, goes_on: str) -> None:
    if form.startswith("["):
        form = form.replace("[", r"\[").replace("]", r"\]")
    pattern = read(awslogs_datetime_format=form, awslogs_multiline_pattern="never").starts
    assert pattern is not None
    assert pattern.search("  at " + starts)
    assert not pattern.search(goes_on)


def test_gos_character_classes_are_understood() -> None:
    pattern = read(awslogs_multiline_pattern=r"^[[:upper:]]+\Q(x)\E").starts
    assert pattern is not None
    assert pattern.search("ERROR(x)")
    assert not pattern.search("error(x)")


def test_without_a_pattern_each_line_is_an_event_and_an_empty_one_is_none() -> None:
    assembler = EventAssembler(None)
    assert assembler.add(lines("a", "", "b")) == [(1, "a"), (3, "b")]
    assert assembler.began is None


def test_lines_that_do_not_match_belong_to_the_event_before() -> None:
    assembler = EventAssembler(re.compile("^E"))
    assert assembler.add(lines("lost start", "E one", " at x", "", "E two")) == [
        (1, "lost start\n"),
        (2, "E one\n at x\n\n"),
    ]
    assert assembler.began == 5_000_000
    assert assembler.add(lines("")[:0]) == []
    assert assembler.flush() == [(5, "E two\n")]
    assert assembler.flush() == []
    assert assembler.began is None


def test_an_event_is_no_longer_than_cloudwatch_takes() -> None:
    assert [len(text) for _, text in EventAssembler(None).add(lines("x" * (LONGEST_EVENT + 5)))] == [
        LONGEST_EVENT,
        5,
    ]
    (_, first), (_, second) = EventAssembler(None).add(lines("ü" * (LONGEST_EVENT // 2) + "€"))
    assert (len(first.encode()), second) == (LONGEST_EVENT, "€")
    assembler = EventAssembler(re.compile("^E"))
    half = "y" * (LONGEST_EVENT // 2)
    found = assembler.add(lines("E", half, half, "end")) + assembler.flush()
    assert [text for _, text in found] == [f"E\n{half}\n", f"{half}\nend\n"]
