"""Finding load balancers, listeners, rules and target groups by the ARNs that callers give, and pages of them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable
from typing import TypeVar

from neargate.model.elbv2 import Listener, LoadBalancer, Rule, TargetGroup, key_of
from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.model.records import Json

T = TypeVar("T")
E = TypeVar("E", LoadBalancer, Listener, Rule, TargetGroup)

_PAGE = 400
_WORDS: dict[type, tuple[str, str]] = {
    LoadBalancer: ("loadbalancer", "load balancer"),
    Listener: ("listener", "listener"),
    Rule: ("listener-rule", "listener rule"),
    TargetGroup: ("targetgroup", "target group"),
}
_MISSING: dict[type, tuple[str, str]] = {
    LoadBalancer: ("LoadBalancerNotFound", "Load balancer '{}' not found"),
    Listener: ("ListenerNotFound", "Listener '{}' not found"),
    Rule: ("RuleNotFound", "Rule '{}' not found"),
    TargetGroup: ("TargetGroupNotFound", "Target groups '{}' not found"),
}


def invalid(message: str) -> AwsError:
    return AwsError("ValidationError", message)


def misconfigured(message: str) -> AwsError:
    return AwsError("InvalidConfigurationRequest", message)


def find(cx: Context, kind: type[E], arn: str) -> E | None:
    """The record that an ARN names. Raises ValidationError where the text is no ARN of that kind, or one of another
    account or region."""
    resource, words = _WORDS[kind]
    parts = arn.split(":", 5)
    here = parts[3:5] == [cx.region, cx.account]
    if not here or not key_of(arn) or parts[5].partition("/")[0] != resource:
        raise invalid(f"'{arn}' is not a valid {words} ARN")
    return cx.tx.get(kind, key_of(arn))


def require(cx: Context, kind: type[E], arn: str) -> E:
    """The record that an ARN names; else ValidationError or the kind's own NotFound."""
    found = find(cx, kind, arn)
    if found is None:
        raise missing(kind, arn)
    return found


def missing(kind: type[E], arn: str) -> AwsError:
    code, text = _MISSING[kind]
    return AwsError(code, text.format(arn))


def described_all(cx: Context, kind: type[E], arns: Iterable[str]) -> list[E]:
    """The records that a Describe call names, each once; it words NotFound in a way of its own."""
    code, words = _MISSING[kind][0], _WORDS[kind][1].removeprefix("listener ")
    found = [find(cx, kind, arn) for arn in dict.fromkeys(arns)]
    there = [one for one in found if one is not None]
    if len(there) < len(found):
        raise AwsError(code, f"One or more {words}s not found")
    return there


def everything(cx: Context, kind: type[E]) -> list[E]:
    """All of this account and region, in the order in which they were made."""
    return sorted(cx.tx.scan(kind, cx.caller.scope("")), key=lambda one: one.created)


def listeners_of(cx: Context, balancer: LoadBalancer) -> list[Listener]:
    """In the order of their ports."""
    return sorted(cx.tx.scan(Listener, balancer.key + "/"), key=lambda one: one.port)


def rules_of(cx: Context, listener: Listener) -> list[Rule]:
    """By priority, without the default one."""
    return sorted(cx.tx.scan(Rule, listener.key + "/"), key=lambda one: one.priority)


def page(request: Json, member: str, items: list[T], render: Callable[[T], Json]) -> Json:
    """A page of the items from Marker on, PageSize long."""
    start = _position(request.get("Marker"))
    end = start + (request.get("PageSize") or _PAGE)
    answer: Json = {member: [render(item) for item in items[start:end]]}
    if end < len(items):
        answer["NextMarker"] = base64.b64encode(f"from:{end}".encode()).decode()
    return answer


def _position(marker: str | None) -> int:
    if not marker:
        return 0
    try:
        return int(base64.b64decode(marker, validate=True).decode().removeprefix("from:"))
    except (binascii.Error, ValueError):
        raise invalid("Invalid marker") from None
