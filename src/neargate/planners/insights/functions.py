"""The functions of expressions, by their names in lower case: how many arguments they take, and what they do."""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Callable

import attrs

from neargate.planners.insights.records import Moment, Value, number_of, text_of

_UNITS = {
    1: "ms millisecond milliseconds msec",
    1_000: "s sec secs second seconds",
    60_000: "m min mins minute minutes",
    3_600_000: "h hr hrs hour hours",
    86_400_000: "d day days",
    604_800_000: "w week weeks",
    2_592_000_000: "mo mon month months",
    7_776_000_000: "q quarter quarters",
    31_536_000_000: "y yr year years",
}
_MILLISECONDS = {name: size for size, names in _UNITS.items() for name in names.split()}


@attrs.frozen
class Function:
    """`most` None: any number of arguments."""

    least: int
    most: int | None
    apply: Callable[..., Value]


def period(text: str) -> int | None:
    """Milliseconds of `5m`; None where it is no period."""
    digits = text.rstrip("abcdefghijklmnopqrstuvwxyz")
    unit = _MILLISECONDS.get(text[len(digits) :])
    return None if unit is None or not int(digits) else int(digits) * unit


def _numeric(work: Callable[[float], float | int]) -> Callable[[Value], Value]:
    def apply(value: Value) -> Value:
        number = number_of(value)
        if number is None:
            return None
        try:
            return work(number)
        except (ValueError, OverflowError):
            return None

    return apply


def _textual(work: Callable[[str], Value]) -> Callable[[Value], Value]:
    return lambda value: None if value is None else work(text_of(value))


def _extreme(pick: Callable[[list[float]], float]) -> Callable[..., Value]:
    def apply(*values: Value) -> Value:
        numbers = [number for value in values if (number := number_of(value)) is not None]
        return pick(numbers) if numbers else None

    return apply


def floor(value: Value, step: Value) -> Value:
    """`datefloor` and `bin`: the period that a moment lies in."""
    moment, size = number_of(value), number_of(step)
    if moment is None or not size:
        return None
    return Moment(int(moment // size * size))


def _ceil(value: Value, step: Value) -> Value:
    moment, size = number_of(value), number_of(step)
    if moment is None or not size:
        return None
    return Moment(int(-(-moment // size) * size))


def _substr(value: Value, start: Value, length: Value = None) -> Value:
    begin, count = number_of(start), number_of(length)
    if value is None or begin is None:
        return None
    text = text_of(value)[int(begin) :]
    return text if count is None else text[: int(count)]


def _replace(value: Value, old: Value, new: Value) -> Value:
    return None if value is None else text_of(value).replace(text_of(old), text_of(new))


def _trim(side: Callable[[str, str | None], str]) -> Callable[..., Value]:
    def apply(value: Value, characters: Value = None) -> Value:
        if value is None:
            return None
        return side(text_of(value), None if characters is None else text_of(characters))

    return apply


def _address(*kinds: type) -> Callable[[Value], Value]:
    def apply(value: Value) -> Value:
        try:
            return isinstance(ipaddress.ip_address(text_of(value)), kinds)
        except ValueError:
            return False

    return apply


def _in_subnet(*kinds: type) -> Callable[[Value, Value], Value]:
    def apply(value: Value, subnet: Value) -> Value:
        try:
            address = ipaddress.ip_address(text_of(value))
            return isinstance(address, kinds) and address in ipaddress.ip_network(
                text_of(subnet), strict=False
            )
        except ValueError:
            return False

    return apply


def _coalesce(*values: Value) -> Value:
    return next((value for value in values if value is not None), None)


def _moment(value: Value) -> Value:
    number = number_of(value)
    return None if number is None else Moment(int(number))


_V4, _V6 = ipaddress.IPv4Address, ipaddress.IPv6Address

FUNCTIONS: dict[str, Function] = {
    "abs": Function(1, 1, _numeric(abs)),
    "ceil": Function(1, 1, _numeric(math.ceil)),
    "floor": Function(1, 1, _numeric(math.floor)),
    "log": Function(1, 1, _numeric(math.log)),
    "sqrt": Function(1, 1, _numeric(math.sqrt)),
    "greatest": Function(1, None, _extreme(max)),
    "least": Function(1, None, _extreme(min)),
    "datefloor": Function(2, 2, floor),
    "dateceil": Function(2, 2, _ceil),
    "frommillis": Function(1, 1, _moment),
    "tomillis": Function(1, 1, _numeric(int)),
    "ispresent": Function(1, 1, lambda value: value is not None),
    "coalesce": Function(1, None, _coalesce),
    "isempty": Function(1, 1, lambda value: value is None or text_of(value) == ""),
    "isblank": Function(1, 1, lambda value: value is None or not text_of(value).strip()),
    "concat": Function(1, None, lambda *values: "".join(text_of(value) for value in values)),
    "trim": Function(1, 2, _trim(str.strip)),
    "ltrim": Function(1, 2, _trim(str.lstrip)),
    "rtrim": Function(1, 2, _trim(str.rstrip)),
    "strlen": Function(1, 1, _textual(len)),
    "toupper": Function(1, 1, _textual(str.upper)),
    "tolower": Function(1, 1, _textual(str.lower)),
    "substr": Function(2, 3, _substr),
    "replace": Function(3, 3, _replace),
    "strcontains": Function(2, 2, lambda value, part: int(text_of(part) in text_of(value))),
    "isvalidip": Function(1, 1, _address(_V4, _V6)),
    "isvalidipv4": Function(1, 1, _address(_V4)),
    "isvalidipv6": Function(1, 1, _address(_V6)),
    "isipinsubnet": Function(2, 2, _in_subnet(_V4, _V6)),
    "isipv4insubnet": Function(2, 2, _in_subnet(_V4)),
    "isipv6insubnet": Function(2, 2, _in_subnet(_V6)),
}
