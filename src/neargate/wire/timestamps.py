"""Timestamps: float seconds since the epoch inside, AWS's three forms on the wire."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from email.utils import formatdate, parsedate_to_datetime

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST, _LAST = -62135596800, 253402300799  # the years 1 to 9999
_NUMBER = re.compile(r"[+-]?\d{1,15}(\.\d{0,9})?([eE][+]?\d{1,2})?\Z")
_FRACTION = re.compile(r"\.(\d+)")


def parse(value: object) -> float:
    """Seconds since the epoch, from a number, an ISO 8601 text or an RFC 822 date.

    Raises ValueError for anything else, and for instants outside the years 1 to 9999.
    """
    if isinstance(value, bool):
        raise ValueError("a boolean is not a timestamp")
    if isinstance(value, datetime):
        seconds = (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    elif isinstance(value, int | float):
        seconds = _float(value)
    elif isinstance(value, str):
        text = value.strip()
        seconds = float(text) if _NUMBER.match(text) else _parse_date(text)
    else:
        raise ValueError(f"a {type(value).__name__} is not a timestamp")
    if not _FIRST <= seconds <= _LAST:  # NaN compares false
        raise ValueError(f"{value} is out of range")
    return seconds


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError as error:
        raise ValueError("out of range") from error


def _parse_date(text: str) -> float:
    if "," in text:
        try:
            moment = parsedate_to_datetime(text)
        except (TypeError, IndexError, OverflowError) as error:
            raise ValueError(f"{text!r} is not a date") from error
    else:
        # datetime takes at most 6 digits of a fraction.
        moment = datetime.fromisoformat(_FRACTION.sub(lambda digits: "." + digits[1][:6].ljust(6, "0"), text))
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        return (moment - _EPOCH) / timedelta(seconds=1)
    except OverflowError as error:
        raise ValueError(f"{text!r} is out of range") from error


def number(seconds: float) -> int | float:
    """Epoch seconds as JSON writes them: milliseconds kept, whole seconds without a fraction."""
    rounded = round(seconds, 3)
    return int(rounded) if rounded == math.floor(rounded) else rounded


def iso8601(seconds: float) -> str:
    """`2015-10-21T07:28:00Z`, with milliseconds where there are any."""
    milliseconds = round(seconds * 1000)
    moment = _EPOCH + timedelta(milliseconds=milliseconds)
    text = moment.replace(tzinfo=None).isoformat(
        timespec="milliseconds" if milliseconds % 1000 else "seconds"
    )
    return text + "Z"


def rfc822(seconds: float) -> str:
    """`Wed, 21 Oct 2015 07:28:00 GMT`."""
    return formatdate(math.floor(seconds), usegmt=True)


def written(seconds: float, form: str) -> str | int | float:
    """The timestamp in the form that a model's `timestampFormat` names."""
    if form == "iso8601":
        return iso8601(seconds)
    if form == "rfc822":
        return rfc822(seconds)
    return number(seconds)
