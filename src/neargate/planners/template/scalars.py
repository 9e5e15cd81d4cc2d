"""Scalars as CloudFormation reads and writes them.

Reading: a plain YAML scalar is resolved by YAML 1.1 as SnakeYAML does it, without timestamps: `2012-10-17` is text,
`yes` is true, `0755` is 493, `1:30` is 90, and `012345678901` (no octal digits) is a float.
Writing: numbers in texts look as Java prints them, so that last one becomes `1.2345678901E10`, as on AWS.
"""

from __future__ import annotations

import re
from typing import Any

_BOOL = re.compile(r"yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF")
_TRUE = frozenset({"yes", "true", "on"})
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_INT = re.compile(
    r"[-+]?0b[01_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+"
)
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?")
_MAX_DIGITS = 400
_INFINITE = frozenset({float("inf"), float("-inf")})


def plain(text: str) -> Any:
    """The value of an unquoted YAML scalar: str, int, float, bool or None."""
    if text in _NULL:
        return None
    if _BOOL.fullmatch(text):
        return text.lower() in _TRUE
    if len(text) > _MAX_DIGITS:
        return text
    if _INT.fullmatch(text):
        return _integer(text)
    if _FLOAT.fullmatch(text):
        number = float(text.replace("_", ""))
        return text if number in _INFINITE else number
    return text


def _integer(text: str) -> int | str:
    digits = text.replace("_", "")
    sign = -1 if digits.startswith("-") else 1
    digits = digits.lstrip("+-")
    try:
        if ":" in digits:
            total = 0
            for part in digits.split(":"):
                total = total * 60 + int(part)
            return sign * total
        if digits.startswith("0b"):
            return sign * int(digits[2:], 2)
        if digits.startswith("0x"):
            return sign * int(digits[2:], 16)
        if digits.startswith("0") and len(digits) > 1:
            return sign * int(digits, 8)
        return sign * int(digits)
    except ValueError:  # only underscores after a prefix
        return text


def text_of(value: Any) -> str:
    """A scalar as the text that CloudFormation makes of it. Not for lists and maps."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _java_double(value)
    return str(value)


def _java_double(value: float) -> str:
    """`Double.toString`: decimal between 10^-3 and 10^7, scientific with `E` beyond. Finite numbers only."""
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return format(value, "f") if "e" in repr(value) else repr(value)
    mantissa, _, exponent = f"{value!r}".partition("e")
    sign = "-" if mantissa.startswith("-") else ""
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    fraction = "" if fraction == "0" else fraction
    power = int(exponent or 0)
    digits = (whole + fraction).lstrip("0")
    power += (
        len(whole.lstrip("0")) - 1 if whole.strip("0") else -(len(fraction) - len(fraction.lstrip("0"))) - 1
    )
    digits = digits.rstrip("0") or "0"
    return f"{sign}{digits[0]}.{digits[1:] or '0'}E{power}"


def is_scalar(value: Any) -> bool:
    return isinstance(value, (str, int, float, bool))
