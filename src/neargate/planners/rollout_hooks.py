"""Lifecycle hooks of the kind PAUSE: a deployment waits at a stage until ContinueServiceDeployment, or too long."""

from __future__ import annotations

import attrs

from neargate.model.ecs import Deployment, Service
from neargate.model.ecs_services import Hook
from neargate.model.records import Json
from neargate.planners.rollout_monitors import Failure

BEFORE_SHIFT = "PRE_PRODUCTION_TRAFFIC_SHIFT"
_PRODUCTION = "PRODUCTION_TRAFFIC_SHIFT"
_MINUTES = 1440


def continue_or_pause(service: Service, deployment: Deployment, following: str, now: float) -> Deployment:
    """The deployment with the hooks of the stage that it is about to leave, those that were answered ended.

    A hook waits at the end of its stage: the stage has done what it is for.
    """
    marks = [deployment.stage] if following != deployment.stage else []
    if following == _PRODUCTION:
        marks.append(BEFORE_SHIFT)
    hooks = [_settled(hook, now) for hook in deployment.hooks]
    for stage in marks:
        for number, wanted in enumerate(_configured(service, stage)):
            name = f"{stage}-{number}" + (f"-{deployment.weight:g}" if stage == BEFORE_SHIFT else "")
            if any(hook.id == _id(deployment, name) for hook in hooks):
                continue
            timeout = wanted.get("timeoutConfiguration") or {}
            hooks.append(
                Hook(
                    id=_id(deployment, name),
                    stage=stage,
                    expires=now + 60.0 * timeout.get("timeoutInMinutes", _MINUTES),
                    timeout_action=timeout.get("action", "ROLLBACK"),
                )
            )
    return deployment if tuple(hooks) == deployment.hooks else attrs.evolve(deployment, hooks=tuple(hooks))


def _configured(service: Service, stage: str) -> list[Json]:
    hooks = service.deployment_configuration.get("lifecycleHooks") or ()
    return [hook for hook in hooks if stage in hook.get("lifecycleStages", ())]


def _id(deployment: Deployment, name: str) -> str:
    return f"{deployment.service_deployment_id}-{name}".lower()


def _settled(hook: Hook, now: float) -> Hook:
    if hook.status != "AWAITING_ACTION":
        return hook
    if hook.answer:
        return attrs.evolve(hook, status="SUCCEEDED" if hook.answer == "CONTINUE" else "FAILED")
    if now >= hook.expires:
        return attrs.evolve(hook, status="TIMED_OUT")
    return hook


def hook_failure(deployment: Deployment, now: float) -> Failure | None:
    """Why a hook rolls its deployment back; None where none does."""
    for hook in (_settled(hook, now) for hook in deployment.hooks):
        timed_out = hook.status == "TIMED_OUT" and hook.timeout_action == "ROLLBACK"
        if hook.status == "FAILED" or timed_out:
            why = "timed out" if timed_out else "was rolled back by the user"
            status = (
                f"Service deployment rolled back because {hook.stage} lifecycle hook(s) failed. The hook {hook.id} "
                f"{why}."
            )
            return Failure(
                monitor="hook",
                said=status.rstrip("."),
                reason=f"ECS deployment failed: {hook.stage} lifecycle hook(s) failed.",
                status=status,
                back="ECS deployment lifecycle hook",
                rolls_back=True,
            )
    return None
