"""Rules: which requests a listener treats otherwise than by its default actions."""

from __future__ import annotations

import attrs

from neargate.model.elbv2 import Listener, LoadBalancer, Rule, groups_of
from neargate.model.errors import AwsError, not_implemented
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.services.elbv2 import tagging
from neargate.services.elbv2.actions import completed
from neargate.services.elbv2.conditions import completed_conditions
from neargate.services.elbv2.listeners import require_balancer
from neargate.services.elbv2.lookup import find, invalid, listeners_of, page, require, rules_of
from neargate.services.elbv2.usage import refresh

MOST = 100


@operation("elbv2", "CreateRule")
def create_rule(cx: Context, request: Json) -> Json:
    listener = require(cx, Listener, request["ListenerArn"])
    balancer = require_balancer(cx, listener)
    _require_application(balancer)
    _refuse_transforms("CreateRule", request)
    rules = rules_of(cx, listener)
    priority = request["Priority"]
    if any(rule.priority == priority for rule in rules):
        raise _in_use(priority)
    if sum(len(rules_of(cx, one)) for one in listeners_of(cx, balancer)) >= MOST:
        raise AwsError("TooManyRules", "You've reached the limit on the number of rules per load balancer")
    rule = Rule(
        account=listener.account,
        region=listener.region,
        listener=f"{listener.balancer}/{listener.id}",
        id=cx.ids.hex(16),
        priority=priority,
        conditions=completed_conditions(request["Conditions"]),
        actions=completed(cx, balancer, listener.protocol, request["Actions"]),
        created=cx.now,
        tags=tagging.given(cx, request),
    )
    cx.tx.put(rule)
    refresh(cx, balancer, groups_of(rule.actions))
    return {"Rules": [described(rule)]}


def _require_application(balancer: LoadBalancer) -> None:
    if balancer.type != "application":
        raise invalid(f"Rules are not supported for listeners of load balancers of type '{balancer.type}'")


def _refuse_transforms(operation: str, request: Json) -> None:
    if request.get("Transforms"):
        raise not_implemented(f"elbv2:{operation} Transforms", "elbv2")


def _in_use(priority: int) -> AwsError:
    return AwsError("PriorityInUse", f"Priority '{priority}' is currently in use")


@operation("elbv2", "ModifyRule")
def modify_rule(cx: Context, request: Json) -> Json:
    """What is not named stays."""
    _refuse_default(cx, request["RuleArn"], "modified")
    rule = require(cx, Rule, request["RuleArn"])
    _refuse_transforms("ModifyRule", request)
    if not request.get("Conditions") and not request.get("Actions") and not request.get("ResetTransforms"):
        raise invalid("Either conditions or actions must be specified")
    listener = _listener_of(cx, rule)
    balancer = require_balancer(cx, listener)
    before = groups_of(rule.actions)
    if request.get("Conditions"):
        rule = attrs.evolve(rule, conditions=completed_conditions(request["Conditions"]))
    if request.get("Actions"):
        actions = completed(cx, balancer, listener.protocol, request["Actions"])
        rule = attrs.evolve(rule, actions=actions)
    cx.tx.put(rule)
    refresh(cx, balancer, (*before, *groups_of(rule.actions)))
    return {"Rules": [described(rule)]}


def _listener_of(cx: Context, rule: Rule) -> Listener:
    listener = cx.tx.get(Listener, rule.listener_key)
    if listener is None:
        raise LookupError(f"rule {rule.key} has no listener")
    return listener


@operation("elbv2", "DeleteRule")
def delete_rule(cx: Context, request: Json) -> Json:
    """The default rule goes with its listener only."""
    _refuse_default(cx, request["RuleArn"], "deleted")
    rule = require(cx, Rule, request["RuleArn"])
    balancer = require_balancer(cx, _listener_of(cx, rule))
    cx.tx.delete(Rule, rule.key)
    refresh(cx, balancer, groups_of(rule.actions))
    return {}


def _refuse_default(cx: Context, arn: str, done: str) -> None:
    if find(cx, Rule, arn) is None and default_of(cx, arn) is not None:
        raise AwsError("OperationNotPermitted", f"Default rule '{arn}' cannot be {done}")


def default_of(cx: Context, arn: str) -> Listener | None:
    """The listener whose default rule this ARN names; None where it names none."""
    listener_arn = arn.rpartition("/")[0].replace(":listener-rule/", ":listener/")
    if ":listener-rule/" not in arn or listener_arn.count("/") != 4:
        return None
    listener = find(cx, Listener, listener_arn)
    return listener if listener is not None and listener.default_rule_arn == arn else None


@operation("elbv2", "SetRulePriorities")
def set_rule_priorities(cx: Context, request: Json) -> Json:
    """All at once, so that two rules can change places."""
    wanted: dict[str, int] = {}
    for item in request["RulePriorities"]:
        arn, priority = item.get("RuleArn") or "", item.get("Priority") or 0
        if arn in wanted:
            raise invalid(f"Rule '{arn}' was provided multiple times")
        if priority in wanted.values():
            raise invalid(f"Priority '{priority}' was provided multiple times")
        wanted[arn] = priority
    for arn in wanted:
        _refuse_default(cx, arn, "modified")
    moved = [attrs.evolve(require(cx, Rule, arn), priority=priority) for arn, priority in wanted.items()]
    if len({rule.listener for rule in moved}) > 1:
        raise invalid("All rules must belong to the same listener")
    for rule in moved:
        for other in cx.tx.scan(Rule, rule.listener_key + "/"):
            if other.priority == rule.priority and other.arn not in wanted:
                raise _in_use(rule.priority)
    for rule in moved:
        cx.tx.put(rule)
    return {"Rules": [described(rule) for rule in moved]}


@operation("elbv2", "DescribeRules", reads=True)
def describe_rules(cx: Context, request: Json) -> Json:
    arns, listener_arn = request.get("RuleArns"), request.get("ListenerArn")
    if arns and listener_arn:
        raise invalid("Listener rule ARNs and a listener ARN cannot be specified at the same time")
    if not arns and not listener_arn:
        raise invalid("You must specify either listener rule ARNs or a listener ARN")
    if listener_arn:
        listener = require(cx, Listener, listener_arn)
        found = [*map(described, rules_of(cx, listener)), described_default(listener)]
    else:
        found = [_named(cx, arn) for arn in dict.fromkeys(arns or ())]
    return page(request, "Rules", found, dict)


def _named(cx: Context, arn: str) -> Json:
    rule = find(cx, Rule, arn)
    if rule is not None:
        return described(rule)
    listener = default_of(cx, arn)
    if listener is None:
        raise AwsError("RuleNotFound", "One or more rules not found")
    return described_default(listener)


def described(rule: Rule) -> Json:
    return {
        "RuleArn": rule.arn,
        "Priority": str(rule.priority),
        "Conditions": list(rule.conditions),
        "Actions": list(rule.actions),
        "IsDefault": False,
        "Transforms": [],
    }


def described_default(listener: Listener) -> Json:
    return {
        "RuleArn": listener.default_rule_arn,
        "Priority": "default",
        "Conditions": [],
        "Actions": list(listener.default_actions),
        "IsDefault": True,
        "Transforms": [],
    }
