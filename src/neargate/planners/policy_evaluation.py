"""IAM's decision: what a set of identity policies says of one action on one resource (facts 5.2).

    decide(policies, Request("logs:CreateLogStream", "arn:aws:logs:…", {"aws:RequestedRegion": ("us-east-1",)}))

An explicit Deny wins; an Allow is needed; nothing else counts. A permissions boundary is asked in the same way and
must allow as well.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal

import attrs

from neargate.planners.policy_document import Condition, Document, Statement, Strings

Decision = Literal["allowed", "explicitDeny", "implicitDeny"]

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_LITERALS = {"*": "*", "?": "?", "$": "$"}


@attrs.frozen
class Request:
    """What is asked: `service:Action`, an ARN or `*`, and the context keys (any case) with their values."""

    action: str
    resource: str
    context: Mapping[str, Strings] = attrs.field(factory=dict)

    def values(self, key: str) -> Strings | None:
        """The values of a context key, whose case does not matter; None where it is absent."""
        lowered = key.lower()
        return next((tuple(v) for name, v in self.context.items() if name.lower() == lowered), None)


def decide(policies: Iterable[Document], request: Request) -> Decision:
    """The union of the policies. The order does not matter."""
    allowed = False
    for policy in policies:
        for statement in policy.statements:
            if applies(statement, request, policy.version):
                if not statement.allow:
                    return "explicitDeny"
                allowed = True
    return "allowed" if allowed else "implicitDeny"


def applies(statement: Statement, request: Request, version: str = "2012-10-17") -> bool:
    """Whether a statement speaks of this request: action, resource and every condition. Principals are not asked."""
    fill = _filler(request) if version != "2008-10-17" else _as_it_is
    return (
        _named(statement.actions, statement.not_actions, lambda p: like(p, request.action, any_case=True))
        and _named(statement.resources, statement.not_resources, lambda p: like(fill(p), request.resource))
        and all(holds(condition, request, fill) for condition in statement.conditions)
    )


def _named(wanted: Strings | None, unwanted: Strings | None, matches: Callable[[str], bool]) -> bool:
    if wanted is not None:
        return any(map(matches, wanted))
    return unwanted is None or not any(map(matches, unwanted))


def like(pattern: str, text: str, *, any_case: bool = False) -> bool:
    """IAM's wildcards: `*` any characters, also `/` and `:`; `?` one."""
    return _expression(pattern, any_case).fullmatch(text) is not None


@lru_cache(maxsize=4096)
def _expression(pattern: str, any_case: bool) -> re.Pattern[str]:
    text = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.compile(text, re.DOTALL | (re.IGNORECASE if any_case else 0))


# -- policy variables -------------------------------------------------------------------------------------------------


def _as_it_is(text: str) -> str:
    return text


def _filler(request: Request) -> Callable[[str], str]:
    """`${aws:username}` and `${key, 'default'}` filled in; what is unknown matches nothing."""

    def value(found: re.Match[str]) -> str:
        key, _, default = found[1].partition(",")
        if key.strip() in _LITERALS:
            return _LITERALS[key.strip()]
        known = request.values(key.strip())
        if known is not None and len(known) == 1:
            return known[0]
        return default.strip().strip("'") if default else "\0"

    return lambda text: _VARIABLE.sub(value, text) if "${" in text else text


# -- conditions -------------------------------------------------------------------------------------------------------


def holds(condition: Condition, request: Request, fill: Callable[[str], str] = _as_it_is) -> bool:
    """Whether a condition is met. One whose operator or value nobody understands is not."""
    operator = condition.operator.lower()
    every, some = operator.startswith("forallvalues:"), operator.startswith("foranyvalue:")
    operator = operator.rpartition(":")[2]
    lenient = operator.endswith("ifexists")
    operator = operator.removesuffix("ifexists")
    asked = request.values(condition.key)
    if operator == "null":
        return any((asked is None) == (value.lower() == "true") for value in condition.values)
    test, negated = _test(operator)
    if test is None:
        return False
    if asked is None:
        return lenient or every or (negated and not some)
    values = [fill(value) for value in condition.values]

    def met(one: str) -> bool:
        return any(_safely(test, value, one) for value in values) != negated

    return any(map(met, asked)) if some else all(map(met, asked))


def _safely(test: Callable[[str, str], bool], value: str, asked: str) -> bool:
    try:
        return test(value, asked)
    except ValueError:
        return False


def _test(operator: str) -> tuple[Callable[[str, str], bool] | None, bool]:
    """(value of the policy, value of the request) -> met; and whether the operator is the negation of that."""
    negated = "not" in operator
    return _TESTS.get(operator.replace("not", "")), negated


def _moment(text: str) -> float:
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    found = datetime.fromisoformat(text)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _inside(network: str, address: str) -> bool:
    return ipaddress.ip_address(address) in ipaddress.ip_network(network, strict=False)


def _same_arn(pattern: str, arn: str) -> bool:
    """ARNs are compared part by part: a `*` does not reach over a colon of the first five."""
    left, right = pattern.split(":", 5), arn.split(":", 5)
    return len(left) == len(right) == 6 and all(map(like, left, right))


_TESTS: dict[str, Callable[[str, str], bool]] = {
    "stringequals": lambda value, asked: value == asked,
    "stringequalsignorecase": lambda value, asked: value.lower() == asked.lower(),
    "stringlike": like,
    "numericequals": lambda value, asked: float(asked) == float(value),
    "numericlessthan": lambda value, asked: float(asked) < float(value),
    "numericlessthanequals": lambda value, asked: float(asked) <= float(value),
    "numericgreaterthan": lambda value, asked: float(asked) > float(value),
    "numericgreaterthanequals": lambda value, asked: float(asked) >= float(value),
    "dateequals": lambda value, asked: _moment(asked) == _moment(value),
    "datelessthan": lambda value, asked: _moment(asked) < _moment(value),
    "datelessthanequals": lambda value, asked: _moment(asked) <= _moment(value),
    "dategreaterthan": lambda value, asked: _moment(asked) > _moment(value),
    "dategreaterthanequals": lambda value, asked: _moment(asked) >= _moment(value),
    "bool": lambda value, asked: value.lower() == asked.lower(),
    "binaryequals": lambda value, asked: value == asked,
    "ipaddress": _inside,
    "arnequals": _same_arn,
    "arnlike": _same_arn,
}
