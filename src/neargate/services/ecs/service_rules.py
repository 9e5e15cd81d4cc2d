"""What CreateService and UpdateService refuse, and the deployment configuration with its defaults."""

from __future__ import annotations

import re
from collections.abc import Sequence

from neargate.model.errors import not_implemented
from neargate.model.records import Json
from neargate.services.ecs.lookup import invalid, refuse_members

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,255}\Z")
_LATER = (
    "volumeConfigurations",
    "vpcLatticeConfigurations",
    "gatewayConnectors",
    "monitoring",
)
_LONGEST_BAKE = 1440
_BAKE = 15
"""Minutes, for strategies that shift traffic."""
_INSTEAD = {
    "CODE_DEPLOY": " (use controller ECS with deploymentConfiguration.strategy BLUE_GREEN, which needs no CodeDeploy)",
    "EXTERNAL": " (use controller ECS: there are no task sets that something else could shift traffic between)",
}
_HOOKED = (
    "RECONCILE_SERVICE",
    "PRE_SCALE_UP",
    "POST_SCALE_UP",
    "POST_TEST_TRAFFIC_SHIFT",
    "PRE_PRODUCTION_TRAFFIC_SHIFT",
    "POST_PRODUCTION_TRAFFIC_SHIFT",
)
"""Where a PAUSE hook can wait."""


def check_name(name: str) -> None:
    if not _NAME.match(name):
        raise invalid("Service name contains invalid characters.")


def refuse_later(operation: str, request: Json) -> None:
    """Refuse by name what Neargate does not do yet."""
    refuse_members(operation, request, _LATER)
    controller = (request.get("deploymentController") or {}).get("type") or "ECS"
    if controller != "ECS":
        advice = _INSTEAD.get(controller, "")
        raise not_implemented(f"ecs:{operation} deploymentController {controller}{advice}", "ecs")
    for hook in (request.get("deploymentConfiguration") or {}).get("lifecycleHooks") or ():
        if (hook.get("targetType") or "AWS_LAMBDA") != "PAUSE":
            raise not_implemented(
                f"ecs:{operation} deploymentConfiguration.lifecycleHooks with targetType AWS_LAMBDA", "ecs"
            )


def check_role(request: Json) -> None:
    """On Fargate the service-linked role is the one."""
    if request.get("role"):
        raise invalid("You cannot specify an IAM role for services that require a service linked role.")


def check_scheduling(request: Json) -> None:
    """REPLICA only, with a desired count, and without placement: Fargate has no instances to choose from."""
    if request.get("schedulingStrategy") == "DAEMON":
        if request.get("desiredCount") is not None:
            raise invalid(
                "The daemon scheduling strategy does not support a desired count for services. "
                "Remove the desired count value and try again"
            )
        raise invalid("The daemon scheduling strategy is not supported with the FARGATE launch type.")
    if request.get("desiredCount") is None:
        raise invalid("The replica scheduling strategy requires a desired count. Specify one and try again.")
    check_count(request["desiredCount"])
    check_placement(request)


def check_count(desired: int) -> None:
    if desired < 0:
        raise invalid("desiredCount cannot be negative.")


def check_placement(request: Json) -> None:
    if request.get("placementConstraints") or request.get("placementStrategy"):
        raise invalid("Placement constraints and strategies are not supported with FARGATE launch type.")


def deployment_configuration(given: Json | None, current: Json | None = None) -> Json:
    """The deployment configuration as DescribeServices shows it: what is given over what was, over defaults."""
    defaults: Json = {
        "deploymentCircuitBreaker": {"enable": False, "rollback": False},
        "maximumPercent": 200,
        "minimumHealthyPercent": 100,
        "strategy": "ROLLING",
    }
    answer = {**defaults, **(current or {}), **(given or {})}
    minimum, maximum = answer["minimumHealthyPercent"], answer["maximumPercent"]
    if minimum < 0 or maximum < 0:
        raise invalid("minimumHealthyPercent and maximumPercent cannot be negative.")
    if maximum < minimum or maximum == 0:
        raise invalid("maximumPercent must be greater than 0 and not less than minimumHealthyPercent.")
    answer["deploymentCircuitBreaker"] = _breaker(answer["deploymentCircuitBreaker"])
    alarms = answer.get("alarms") or {}
    if alarms.get("enable") and not alarms["alarmNames"]:
        raise invalid("alarmNames cannot be empty when deployment alarms are enabled.")
    bake = answer.get("bakeTimeInMinutes")
    if bake is None and answer["strategy"] != "ROLLING":
        answer["bakeTimeInMinutes"] = bake = _BAKE
    _check_minutes("bakeTimeInMinutes", bake)
    _check_early_success(answer)
    _check_steps(answer)
    _check_hooks(answer.get("lifecycleHooks") or ())
    return answer


def _check_minutes(member: str, value: int | None) -> None:
    if value is not None and not 0 <= value <= _LONGEST_BAKE:
        raise invalid(f"{member} must be between 0 and {_LONGEST_BAKE}.")


def _check_steps(configuration: Json) -> None:
    """canaryConfiguration and linearConfiguration: each for its own strategy, with AWS's defaults."""
    strategy = configuration["strategy"]
    for member, owner, percent, minutes, least in (
        ("canaryConfiguration", "CANARY", "canaryPercent", "canaryBakeTimeInMinutes", 0.1),
        ("linearConfiguration", "LINEAR", "stepPercent", "stepBakeTimeInMinutes", 3.0),
    ):
        given = configuration.get(member)
        if given and strategy != owner:
            raise invalid(f"{member} is only valid when the deployment strategy is {owner}.")
        if strategy != owner:
            continue
        defaults = {percent: 5.0, minutes: 10} if owner == "CANARY" else {percent: 10.0, minutes: 6}
        filled = {**defaults, **(given or {})}
        tenths = filled[percent] * 10
        if not least <= filled[percent] <= 100 or abs(tenths - round(tenths)) > 1e-6:
            raise invalid(f"{percent} must be a multiple of 0.1 between {least} and 100.0.")
        _check_minutes(minutes, filled[minutes])
        configuration[member] = filled


def _check_hooks(hooks: Sequence[Json]) -> None:
    for hook in hooks:
        stages = hook.get("lifecycleStages") or ()
        if not stages:
            raise invalid("lifecycleStages cannot be empty for a deployment lifecycle hook.")
        for stage in stages:
            if stage not in _HOOKED:
                raise invalid(f"PAUSE hooks cannot be configured at the {stage} stage.")
        _check_minutes("timeoutInMinutes", (hook.get("timeoutConfiguration") or {}).get("timeoutInMinutes"))


def _breaker(breaker: Json) -> Json:
    """One that is switched on is shown with what it does with a healthy task."""
    threshold = breaker.get("thresholdConfiguration")
    if threshold is not None and threshold["value"] < 1:
        raise invalid("The value of thresholdConfiguration must be greater than 0.")
    return {"resetOnHealthyTask": True, **breaker} if breaker.get("enable") else breaker


def _check_early_success(configuration: Json) -> None:
    early = configuration.get("earlySuccessCriteria") or {}
    if not early.get("enable"):
        return
    if configuration["strategy"] != "ROLLING":
        raise invalid("earlySuccessCriteria is only supported with the ROLLING deployment strategy.")
    if early.get("healthyPercent") is None or not early.get("sourceServiceRevisionCleanup"):
        raise invalid(
            "healthyPercent and sourceServiceRevisionCleanup are required when earlySuccessCriteria is enabled."
        )
    if not configuration["minimumHealthyPercent"] <= early["healthyPercent"] <= 100:
        raise invalid(
            "healthyPercent must be between minimumHealthyPercent and 100 when earlySuccessCriteria is enabled."
        )
