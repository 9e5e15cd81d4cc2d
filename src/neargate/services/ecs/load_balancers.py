"""The load balancers of a service: what CreateService and UpdateService check, and where a task joins.

Only the target groups of Application and Network Load Balancers: Fargate's tasks have no place in a Classic one.
"""

from __future__ import annotations

from collections.abc import Sequence

from neargate.model.ecs import Deployment, TaskDefinition, TaskTarget
from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.model.records import Json
from neargate.services.ecs.lookup import invalid

_MOST = 5
_RULES = ("productionListenerRule", "testListenerRule")


def checked(
    cx: Context, given: Sequence[Json] | None, definition: TaskDefinition, strategy: str = "ROLLING"
) -> tuple[Json, ...]:
    """The load balancers of a request; InvalidParameterException in ECS's words."""
    items = tuple(dict(item) for item in given or ())
    if len(items) > _MOST:
        raise invalid(f"loadBalancers can have at most {_MOST} items.")
    _check_kinds(items)
    _check_advanced(items, strategy)
    for item in items:
        _check_container(item, definition)
        _check_group(cx, item["targetGroupArn"])
        if strategy != "ROLLING":
            _check_shift(cx, item)
    return items


def check_definition(load_balancers: Sequence[Json], definition: TaskDefinition) -> None:
    """A task definition must have the containers and ports that the service's load balancers name."""
    for item in load_balancers:
        _check_container(item, definition)


def places_of(deployment: Deployment) -> tuple[TaskTarget, ...]:
    """Where a deployment's tasks join target groups."""
    return tuple(
        TaskTarget(
            group=item["targetGroupArn"], container=item["containerName"], port=int(item["containerPort"])
        )
        for item in deployment.load_balancers
    )


def joined(items: Sequence[Json], before: Deployment | None, traffic: str) -> tuple[Json, ...]:
    """The load balancers of a new deployment: `targetGroupArn` is the group that its tasks join, the alternate the
    other one. One that takes over traffic joins the group that the deployment before it is not in; one that rolls
    stays in the group that serves."""
    served = {item["targetGroupArn"] for item in before.load_balancers} if before is not None else set()
    return tuple(_joined(item, served, traffic) for item in items)


def _joined(item: Json, served: set[str], traffic: str) -> Json:
    advanced = item.get("advancedConfiguration") or {}
    first, second = item["targetGroupArn"], advanced.get("alternateTargetGroupArn")
    if not second:
        return item
    swaps = first in served if traffic != "ROLLING" else second in served
    if not swaps:
        return item
    return {
        **item,
        "targetGroupArn": second,
        "advancedConfiguration": {**advanced, "alternateTargetGroupArn": first},
    }


def _check_kinds(items: Sequence[Json]) -> None:
    for item in items:
        if bool(item.get("loadBalancerName")) == bool(item.get("targetGroupArn")):
            raise invalid(
                "All loadBalancers must be strictly either ELBv1 (defining loadBalancerName) or ELBv2 "
                "(defining targetGroupArn)"
            )
    classic = [item for item in items if item.get("loadBalancerName")]
    if classic and any(item.get("advancedConfiguration") for item in classic):
        raise invalid("advancedConfiguration field is not allowed with ELBv1 loadBalancers")
    if classic and len(classic) < len(items):
        raise invalid(
            "All loadBalancers must be strictly either ELBv1 (defining loadBalancerName) or ELBv2 (defining "
            "targetGroupArn)"
        )
    if classic:
        raise invalid("Classic Load Balancers are not supported with the awsvpc network mode.")
    seen: set[str] = set()
    for item in items:
        if item["targetGroupArn"] in seen:
            raise invalid(f"Duplicate targetGroupArn found: {item['targetGroupArn']}")
        seen.add(item["targetGroupArn"])


def _check_container(item: Json, definition: TaskDefinition) -> None:
    name, port = item.get("containerName"), item.get("containerPort")
    try:
        container = definition.container(name or "")
    except KeyError:
        raise invalid(f"The container {name} does not exist in the task definition.") from None
    ports = {mapping.get("containerPort") for mapping in container.get("portMappings") or ()}
    if port not in ports:
        raise invalid(f"The container {name} did not have a container port {port} defined.")


def _check_group(cx: Context, arn: str) -> None:
    group = _group(cx, arn)
    if group["TargetType"] != "ip":
        raise invalid(
            f"The provided target group {arn} has target type {group['TargetType']}, which is incompatible with "
            "the awsvpc network mode specified in the task definition."
        )
    if not group.get("LoadBalancerArns"):
        raise invalid(
            f"The target group with targetGroupArn {arn} does not have an associated load balancer."
        )


def _group(cx: Context, arn: str) -> Json:
    try:
        found: list[Json] = cx.invoke("elbv2", "DescribeTargetGroups", {"TargetGroupArns": [arn]})[
            "TargetGroups"
        ]
    except AwsError:
        raise invalid(f"The target group {arn} does not exist.") from None
    return found[0]


# -- blue/green ------------------------------------------------------------------------------------------------


def _check_advanced(items: Sequence[Json], strategy: str) -> None:
    advanced = [item for item in items if item.get("advancedConfiguration")]
    if strategy != "ROLLING" and len(advanced) < len(items):
        raise invalid(
            "advancedConfiguration field is required for all loadBalancers when using a non-ROLLING deployment "
            "strategy"
        )
    if advanced and len(advanced) < len(items):
        raise invalid(
            "Either all or none of the provided loadBalancers must have advancedConfiguration defined"
        )
    rules = [item["advancedConfiguration"] for item in advanced]
    production = {rule["productionListenerRule"] for rule in rules if rule.get("productionListenerRule")}
    both = sorted(production & {rule.get("testListenerRule") for rule in rules})
    if both:
        raise invalid(
            f"The following rules cannot be used as both production and test listener rules: {', '.join(both)}"
        )


def _check_shift(cx: Context, item: Json) -> None:
    """What a strategy that shifts traffic needs: a second group, a role, and listeners or rules that name both."""
    advanced = item["advancedConfiguration"]
    for member in ("alternateTargetGroupArn", "productionListenerRule", "roleArn"):
        if not advanced.get(member):
            raise invalid(f"advancedConfiguration.{member} should not be null or empty.")
    if advanced["alternateTargetGroupArn"] == item["targetGroupArn"]:
        raise invalid(f"Duplicate targetGroupArn found: {item['targetGroupArn']}")
    group = _group(cx, advanced["alternateTargetGroupArn"])
    if group["TargetType"] != "ip":
        _check_group(cx, advanced["alternateTargetGroupArn"])
    for member in _RULES:
        arn = advanced.get(member)
        if arn and not (":listener-rule/app/" in arn or ":listener/net/" in arn):
            raise invalid(
                f"{member} has an invalid ARN format. Must be RuleArn for ALB or ListenerArn for NLB. Got: {arn}"
            )
    if "/app/" in advanced["productionListenerRule"] and not advanced.get("testListenerRule"):
        groups = _groups_of_rule(cx, advanced["productionListenerRule"])
        if groups is not None and not {item["targetGroupArn"], advanced["alternateTargetGroupArn"]} <= groups:
            raise invalid(
                "For Application LoadBalancer, testListenerRule is required when productionListenerRule is not "
                "associated with both targetGroup and alternateTargetGroup"
            )


def _groups_of_rule(cx: Context, arn: str) -> set[str] | None:
    """The target groups that a rule forwards to; None where there is no such rule, which the deployment finds."""
    try:
        (rule,) = cx.invoke("elbv2", "DescribeRules", {"RuleArns": [arn]})["Rules"]
    except AwsError:
        return None
    forwards = [action["ForwardConfig"] for action in rule["Actions"] if action["Type"] == "forward"]
    return {group["TargetGroupArn"] for forward in forwards for group in forward["TargetGroups"]}
