"""Shifting a service's traffic: the weights of a listener rule, changed through the API in the role given for it."""

from __future__ import annotations

from neargate.drivers.ecs.service_sight import forwarding
from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.model.records import Json
from neargate.planners.rollout_actions import Shift
from neargate.services.ecs.roles import ECS, is_assumable

_INVALID = "Service deployment rolled back because of invalid networking configuration"


def shift_traffic(cx: Context, shift: Shift) -> None:
    """Let the rule, default rule or listener forward with these weights.

    Raises AwsError with the statusReason of a service deployment for which that does not work.
    """
    if not is_assumable(cx, shift.role, ECS):
        raise AwsError(
            "AccessDenied",
            f"{_INVALID}. ECS was unable to manage the ELB resources due to missing permissions on ECS "
            f"Infrastructure Role '{shift.role}'.",
        )
    actions = forwarding(cx.tx, shift.rule)
    if actions is None:
        raise AwsError("RuleNotFound", f"{_INVALID}. One or more rules not found")
    wanted = [_weighed(action, shift) for action in actions]
    try:
        if ":listener/" in shift.rule:
            cx.invoke(
                "elbv2",
                "ModifyListener",
                {"ListenerArn": shift.rule, "DefaultActions": wanted},
                role=shift.role,
            )
        else:
            _modify_rule(cx, shift, wanted)
    except AwsError as error:
        raise AwsError(error.code, f"{_INVALID}. {error.message}") from None


def _modify_rule(cx: Context, shift: Shift, actions: list[Json]) -> None:
    described = cx.invoke("elbv2", "DescribeRules", {"RuleArns": [shift.rule]}, role=shift.role)
    if described["Rules"][0]["IsDefault"]:
        listener = shift.rule.replace(":listener-rule/", ":listener/").rsplit("/", 1)[0]
        request = {"ListenerArn": listener, "DefaultActions": actions}
        cx.invoke("elbv2", "ModifyListener", request, role=shift.role)
    else:
        cx.invoke("elbv2", "ModifyRule", {"RuleArn": shift.rule, "Actions": actions}, role=shift.role)


def _weighed(action: Json, shift: Shift) -> Json:
    """A forward action with the new weights, its stickiness kept; any other action as it is."""
    if action["Type"] != "forward":
        return dict(action)
    kept = {member: value for member, value in action.items() if member != "TargetGroupArn"}
    groups = [{"TargetGroupArn": group, "Weight": weight} for group, weight in shift.weights]
    return {**kept, "ForwardConfig": {**action["ForwardConfig"], "TargetGroups": groups}}
