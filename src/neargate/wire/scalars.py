"""Scalars as text: how query forms, XML, headers and URIs write them, both ways."""

from __future__ import annotations

import base64
import binascii
import math
import re
from typing import Any

from neargate.wire import timestamps
from neargate.wire.aws_models import Shape

_INTEGER = re.compile(r"[+-]?\d{1,19}\Z", re.ASCII)
_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
LIMITS = {"integer": 2**31, "long": 2**63}


class Mistyped(ValueError):
    """A text that is not a value of the shape. `expected` is the type's name: Integer, Boolean, …"""

    def __init__(self, text: str, expected: str) -> None:
        super().__init__(f"{text!r} is not of type {expected}")
        self.text = text
        self.expected = expected


def read(shape: Shape, text: str) -> Any:
    """The value that a text means under a scalar shape. Raises Mistyped."""
    kind = shape.type_name
    try:
        if kind == "boolean":
            return _BOOLEANS[text.strip().lower()]
        if kind in LIMITS:
            return _integer(text.strip(), LIMITS[kind])
        if kind in {"float", "double"}:
            return _SPECIAL[text] if text in _SPECIAL else _float(text)
        if kind == "timestamp":
            return timestamps.parse(text)
        if kind == "blob":
            return base64.b64decode(text, validate=True)
    except (KeyError, ValueError, binascii.Error) as error:
        raise Mistyped(text, kind.capitalize()) from error
    return text


_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}


def _integer(text: str, limit: int) -> int:
    if not _INTEGER.match(text):
        raise ValueError(text)
    value = int(text)
    if not -limit <= value < limit:
        raise ValueError(text)
    return value


def _float(text: str) -> float:
    if "_" in text:
        raise ValueError(text)
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def write(shape: Shape, value: Any, timestamp_form: str) -> str:
    """A value's text. `timestamp_form` holds where the model names no timestampFormat of the member's own."""
    kind = shape.type_name
    if kind == "boolean":
        return "true" if value else "false"
    if kind in {"float", "double"}:
        return write_float(value)
    if kind == "timestamp":
        return str(timestamps.written(value, shape.serialization.get("timestampFormat", timestamp_form)))
    if kind == "blob":
        return base64.b64encode(value).decode("ascii")
    return str(value)


def write_float(value: float) -> str:
    """A float's text; the three special values as AWS spells them."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return str(value)
