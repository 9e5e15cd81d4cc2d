"""AddTags, RemoveTags and DescribeTags, for everything that has tags here."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from neargate.model import tags
from neargate.model.elbv2 import Listener, LoadBalancer, Rule, TargetGroup
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.model.tags import Tags
from neargate.services.elbv2 import tagging
from neargate.services.elbv2.lookup import invalid, require
from neargate.services.elbv2.rules import default_of

_MOST_NAMED = 20
_Tagged = LoadBalancer | Listener | Rule | TargetGroup
_Change = Callable[[Tags], Tags]


@operation("elbv2", "AddTags")
def add_tags(cx: Context, request: Json) -> Json:
    for arn in request["ResourceArns"]:
        _retag(cx, arn, lambda have: tagging.checked(cx, request["Tags"], have))
    return {}


@operation("elbv2", "RemoveTags")
def remove_tags(cx: Context, request: Json) -> Json:
    gone = set(request["TagKeys"])
    for arn in request["ResourceArns"]:
        _retag(cx, arn, lambda have: {key: value for key, value in have.items() if key not in gone})
    return {}


@operation("elbv2", "DescribeTags", reads=True)
def describe_tags(cx: Context, request: Json) -> Json:
    arns = request["ResourceArns"]
    if len(arns) > _MOST_NAMED:
        raise invalid(f"Up to {_MOST_NAMED} resources can be described in one call")
    shown = [{"ResourceArn": arn, "Tags": tags.upper(_tags_of(cx, arn))} for arn in arns]
    return {"TagDescriptions": shown}


def _find(cx: Context, arn: str) -> _Tagged:
    """What an ARN names, by its form; the listener where it names a default rule, which has no record."""
    parts = arn.split(":", 5)
    word = parts[5].partition("/")[0] if len(parts) == 6 and parts[2] == "elasticloadbalancing" else ""
    if word == "loadbalancer":
        return require(cx, LoadBalancer, arn)
    if word == "listener":
        return require(cx, Listener, arn)
    if word == "targetgroup":
        return require(cx, TargetGroup, arn)
    if word == "listener-rule":
        return default_of(cx, arn) or require(cx, Rule, arn)
    raise invalid(f"'{arn}' is not a valid ARN")


def _tags_of(cx: Context, arn: str) -> Tags:
    found = _find(cx, arn)
    if isinstance(found, Listener) and found.arn != arn:
        return found.default_rule_tags
    return found.tags


def _retag(cx: Context, arn: str, change: _Change) -> None:
    found, new = _find(cx, arn), change(_tags_of(cx, arn))
    if isinstance(found, Listener) and found.arn != arn:
        cx.tx.put(attrs.evolve(found, default_rule_tags=new))
    else:
        cx.tx.put(attrs.evolve(found, tags=new))
