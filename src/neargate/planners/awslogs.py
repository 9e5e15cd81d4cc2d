"""The awslogs driver's options, and how it makes events of a container's lines.

As Docker's driver does it, which Fargate runs (daemon/logger/awslogs/cloudwatchlogs.go): the texts, the table of
datetime directives, multi-line events whose lines each keep their end, empty lines left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import attrs

from neargate.model.runtime import LogLine

LONGEST_EVENT = 262_144 - 26
"""Bytes of an event's message; a longer one is split."""

PUBLISH_EVERY = 5.0
"""Seconds after which an unfinished multi-line event is sent, because nothing says that it goes on."""

_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False", ""})
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([kKmMgGtTpP]?)([iI]?[bB])?\Z", re.ASCII)

_DIRECTIVES = {
    "%a": "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)",
    "%A": "(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)",
    "%w": "[0-6]",
    "%d": "(?:0[1-9]|[1,2][0-9]|3[0,1])",
    "%b": "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)",
    "%B": "(?:January|February|March|April|May|June|July|August|September|October|November|December)",
    "%m": "(?:0[1-9]|1[0-2])",
    "%Y": r"\d{4}",
    "%y": r"\d{2}",
    "%H": "(?:[0,1][0-9]|2[0-3])",
    "%I": "(?:0[0-9]|1[0-2])",
    "%p": "[A,P]M",
    "%M": "[0-5][0-9]",
    "%S": "[0-5][0-9]",
    "%f": r"\d{6}",
    "%z": r"[+-]\d{4}",
    "%Z": "[A-Z]{1,4}T",
    "%j": "(?:0[0-9][1-9]|[1,2][0-9][0-9]|3[0-5][0-9]|36[0-6])",
    "%L": r"\.\d{3}",
}


class InvalidOption(ValueError):
    """The driver does not start with these options; the message is its own."""


@attrs.frozen
class LogOptions:
    """Where a container's lines go, and how. `starts` is what the first line of a multi-line event matches."""

    group: str
    region: str
    prefix: str
    create_group: bool
    starts: re.Pattern[str] | None

    @classmethod
    def read(cls, options: Mapping[str, str]) -> LogOptions:
        """Raises InvalidOption in the driver's words."""
        _check_mode(options)
        return cls(
            group=options["awslogs-group"],
            region=options["awslogs-region"],
            prefix=options["awslogs-stream-prefix"],
            create_group=_boolean(options.get("awslogs-create-group", "")),
            starts=_first_line(options),
        )


def _check_mode(options: Mapping[str, str]) -> None:
    mode, size = options.get("mode", ""), options.get("max-buffer-size")
    if mode not in {"", "blocking", "non-blocking"}:
        raise InvalidOption(f"logger: logging mode not supported: {mode}")
    if size is None:
        return
    if mode == "blocking":
        raise InvalidOption("logger: max-buffer-size option is only supported with 'mode=non-blocking'")
    if not _SIZE.match(size):
        raise InvalidOption(f"error parsing option max-buffer-size: invalid size: '{size}'")


def _boolean(text: str) -> bool:
    if text not in _TRUE | _FALSE:
        raise InvalidOption(f'strconv.ParseBool: parsing "{text}": invalid syntax')
    return text in _TRUE


def _first_line(options: Mapping[str, str]) -> re.Pattern[str] | None:
    """Of both options the datetime format counts. A directive that the driver does not know is left out."""
    if "awslogs-datetime-format" in options:
        text = options["awslogs-datetime-format"]
        pattern = re.sub("%.", lambda found: _DIRECTIVES.get(found[0], ""), text)
    elif "awslogs-multiline-pattern" in options:
        text = pattern = options["awslogs-multiline-pattern"]
    else:
        return None
    try:
        return _go_regex(pattern)
    except InvalidOption as error:
        raise InvalidOption(f'awslogs could not parse multiline pattern key "{pattern}": {error}') from None


# -- Go's regular expressions ----------------------------------------------------------------------------------

_POSIX = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "digit": "0-9",
    "lower": "a-z",
    "punct": r"!-/:-@\[-`{-~",
    "space": r"\t\n\v\f\r ",
    "upper": "A-Z",
    "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}
_PERL_ONLY = re.compile(r"(?<!\\)(?:\\\\)*(\(\?(?:[=!]|<[=!]|P=|#|\())")
_BACK_REFERENCE = re.compile(r"(?<!\\)(?:\\\\)*(\\[1-9])")
_TROUBLE = (
    ("missing ), unterminated", "missing closing )", None),
    ("unterminated character set", "missing closing ]", None),
    ("nothing to repeat", "missing argument to repetition operator", 1),
    ("multiple repeat", "invalid nested repetition operator", 1),
    ("unbalanced parenthesis", "unexpected )", None),
    ("bad escape (end", "trailing backslash at end of expression", None),
    ("bad escape", "invalid escape sequence", 2),
    ("bad character range", "invalid character class range", 3),
)
"""What Python says, what Go says, and how many characters of the pattern Go shows (None: the rest of it)."""


def _go_regex(pattern: str) -> re.Pattern[str]:
    """The pattern for Python. Raises InvalidOption as Go's regexp package words it."""
    foreign = _PERL_ONLY.search(pattern)
    if foreign is not None:
        raise InvalidOption(f"error parsing regexp: invalid or unsupported Perl syntax: `{foreign[1]}`")
    reference = _BACK_REFERENCE.search(pattern)
    if reference is not None:
        raise InvalidOption(f"error parsing regexp: invalid escape sequence: `{reference[1]}`")
    translated = re.sub(r"\[:(\w+):\]", lambda found: _POSIX.get(found[1], found[0]), pattern)
    translated = re.sub(r"\\Q(.*?)(?:\\E|$)", lambda found: re.escape(found[1]), translated)
    try:
        return re.compile(translated.replace(r"\z", r"\Z"), re.ASCII)
    except (re.error, OverflowError) as error:
        raise InvalidOption(f"error parsing regexp: {_in_gos_words(error, pattern)}") from None


def _in_gos_words(error: Exception, pattern: str) -> str:
    position = getattr(error, "pos", None) or 0
    for beginning, words, shown in _TROUBLE:
        if str(error).startswith(beginning):
            if words in {"missing closing )", "unexpected )"}:
                position = 0
            return (
                f"{words}: `{pattern[position:] if shown is None else pattern[position : position + shown]}`"
            )
    return f"{error}: `{pattern}`"


# -- events ----------------------------------------------------------------------------------------------------

Event = tuple[int, str]
"""Timestamp in epoch milliseconds, message."""


class EventAssembler:
    """Lines to events: one each, or several together where the options say how a multi-line event starts."""

    def __init__(self, starts: re.Pattern[str] | None) -> None:
        self._starts = starts
        self._lines: list[str] = []
        self._bytes = 0
        self.began: int | None = None
        """The timestamp (ns) of the first line of an event that may go on."""

    def add(self, lines: Iterable[LogLine]) -> list[Event]:
        """The events that are complete with these lines."""
        if self._starts is None:
            return [
                event
                for line in lines
                if line.text
                for event in _parts(line.timestamp // 1_000_000, line.text)
            ]
        found: list[Event] = []
        for line in lines:
            size = len(line.text.encode()) + 1
            if self._starts.search(line.text) or self._bytes + size > LONGEST_EVENT:
                found += self.flush()
            if self.began is None:
                self.began = line.timestamp
            self._lines.append(line.text)
            self._bytes += size
        return found

    def flush(self) -> list[Event]:
        """The event that may go on, as it is."""
        if self.began is None:
            return []
        text, at = "\n".join([*self._lines, ""]), self.began // 1_000_000
        self._lines, self._bytes, self.began = [], 0, None
        return _parts(at, text)


def _parts(at: int, text: str) -> list[Event]:
    """One event, or as many as its length takes, cut between characters."""
    if len(text) * 4 <= LONGEST_EVENT:
        return [(at, text)]
    data, parts = text.encode(), []
    while len(data) > LONGEST_EVENT:
        end = LONGEST_EVENT
        while data[end] & 0xC0 == 0x80:
            end -= 1
        parts.append((at, data[:end].decode()))
        data = data[end:]
    return [*parts, (at, data.decode())]
