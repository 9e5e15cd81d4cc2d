"""The sentences that ECS writes into a service's events, and its reasons (facts 3.5, 3.9)."""

from __future__ import annotations

from collections.abc import Sequence

SCALE_IN_CODE = "ServiceSchedulerInitiated"
FAILED_CONTAINER_HEALTH_CHECKS = "Task failed container health checks"
ESSENTIAL_EXITED = "Essential container in task exited"
OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"


def started(service: str, tasks: Sequence[str], replaced: int = 0) -> str:
    """`tasks` are task ids; `replaced` of them stand in for unhealthy ones."""
    sentence = f"(service {service}) has started {len(tasks)} tasks: {_named(tasks)}."
    if replaced:
        sentence += f" Amazon ECS replaced {replaced} tasks due to an unhealthy status."
    return sentence


def stopped_running(service: str, tasks: Sequence[str]) -> str:
    return f"(service {service}) has stopped {len(tasks)} running tasks: {_named(tasks)}."


def stopped_pending(service: str, count: int) -> str:
    return f"(service {service}) stopped {count} pending tasks."


def steady(service: str) -> str:
    return f"(service {service}) has reached a steady state."


def completed(service: str, deployment: str) -> str:
    return f"(service {service}) (deployment {deployment}) deployment completed."


def failed(service: str, deployment: str) -> str:
    return f"(service {service}) (deployment {deployment}) deployment failed: tasks failed to start."


def rolling_back(service: str, deployment: str) -> str:
    return f"(service {service}) rolling back to deployment {deployment}."


def cannot_start(service: str) -> str:
    return f"(service {service}) is unable to consistently start tasks successfully."


def not_placed(service: str, reason: str) -> str:
    return f"(service {service}) was unable to place a task. Reason: {reason}"


def launch_failed(service: str, error: str) -> str:
    return f"(service {service}) failed to launch a task with (error {error})."


def failed_health_checks(service: str, task: str) -> str:
    return f"(service {service}) (task {task}) failed container health checks."


def blocked(service: str) -> str:
    return (
        f"(service {service}) was unable to stop or start tasks during a deployment because of the service "
        "deployment configuration. Update the minimumHealthyPercent or maximumPercent value and try again."
    )


def in_progress_reason(deployment: str) -> str:
    return f"ECS deployment {deployment} in progress."


def completed_reason(deployment: str) -> str:
    return f"ECS deployment {deployment} completed."


def failed_reason() -> str:
    return "ECS deployment circuit breaker: tasks failed to start."


def rolling_back_reason(deployment: str) -> str:
    return f"ECS deployment circuit breaker: rolling back to deploymentId {deployment}."


def scaling_reason(deployment: str) -> str:
    """The stoppedReason of a task that a deployment no longer needs."""
    return f"Scaling activity initiated by (deployment {deployment})"


def _named(tasks: Sequence[str]) -> str:
    return " ".join(f"(task {task})" for task in tasks)
