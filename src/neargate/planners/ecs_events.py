"""The sentences that ECS writes into a service's events, and its reasons (facts 3.5, 3.9)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

SCALE_IN_CODE = "ServiceSchedulerInitiated"
FAILED_CONTAINER_HEALTH_CHECKS = "Task failed container health checks"
ESSENTIAL_EXITED = "Essential container in task exited"
ALARM_DETECTED = "alarm detected"
BREAKER_STATUS = "Service deployment rolled back because the circuit breaker threshold was exceeded."
NO_ROLLBACK_CANDIDATE = "No rollback candidate was found to run the rollback."
STOPPED_STATUS = "Service deployment stopped because the user requested it."
ROLLED_BACK_STATUS = "Service deployment rolled back because the user requested it."
OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"


def started(service: str, tasks: Sequence[str], replaced: int = 0, zone: str = "") -> str:
    """`tasks` are task ids; `replaced` of them stand in for unhealthy ones; `zone` is where they balance zones."""
    where = f" in {zone} to AZ Rebalance" if zone else ""
    sentence = f"(service {service}) has started {len(tasks)} tasks{where}: {_named(tasks)}."
    if replaced:
        sentence += f" Amazon ECS replaced {replaced} tasks due to an unhealthy status."
    return sentence


def stopped_running(service: str, tasks: Sequence[str], zone: str = "") -> str:
    """`zone` is the one that had too many tasks."""
    where = f" in {zone} due to AZ rebalancing" if zone else ""
    return f"(service {service}) has stopped {len(tasks)} running tasks{where}: {_named(tasks)}."


def stopped_pending(service: str, count: int) -> str:
    return f"(service {service}) stopped {count} pending tasks."


def steady(service: str) -> str:
    return f"(service {service}) has reached a steady state."


def completed(service: str, deployment: str) -> str:
    return f"(service {service}) (deployment {deployment}) deployment completed."


def failed(service: str, deployment: str, why: str = "tasks failed to start") -> str:
    return f"(service {service}) (deployment {deployment}) deployment failed: {why}."


def rolling_back(service: str, deployment: str) -> str:
    return f"(service {service}) rolling back to deployment {deployment}."


def cannot_start(service: str) -> str:
    return f"(service {service}) is unable to consistently start tasks successfully."


def not_placed(service: str, reason: str) -> str:
    return f"(service {service}) was unable to place a task. Reason: {reason}"


def launch_failed(service: str, error: str) -> str:
    return f"(service {service}) failed to launch a task with (error {error})."


def registered(service: str, count: int, group: str) -> str:
    return f"(service {service}) registered {count} targets in (target-group {group})"


def not_registered(service: str, group: str, error: str) -> str:
    return f"(service {service}) failed to register targets in (target-group {group}) with (error {error})"


def not_offered(service: str, error: str) -> str:
    """Neargate's own words."""
    return f"(service {service}) failed to restore its Service Connect endpoints with (error {error})"


def not_discovered(service: str, registry: str, error: str) -> str:
    """Neargate's own words."""
    return (
        f"(service {service}) failed to register a task in (service-registry {registry}) with (error {error})"
    )


def deregistered(service: str, count: int, group: str) -> str:
    return f"(service {service}) deregistered {count} targets in (target-group {group})"


def draining(service: str, count: int) -> str:
    return f"(service {service}) has begun draining connections on {count} tasks."


def unhealthy_target(service: str, task: str, port: int, group: str, reason: str) -> str:
    return (
        f"(service {service}) (task {task}) (port {port}) is unhealthy in (target-group {group}) due to "
        f"(reason {reason})."
    )


def failed_elb_checks(group: str) -> str:
    return f"Task failed ELB health checks in (target-group {group})"


def zones_balanced(service: str, counts: Mapping[str, int]) -> str:
    return f"(service {service}) is AZ balanced with {_zones(counts)}."


def zones_not_balanced(service: str, counts: Mapping[str, int]) -> str:
    return f"(service {service}) is not AZ balanced with {_zones(counts)}. AZ Rebalancing in progress."


def protected(service: str, deployment: str, count: int) -> str:
    return (
        f"(service {service}) was unable to reach steady state because (taskSet {deployment}) was unable to "
        f"scale in due to (reason {count} tasks under protection)"
    )


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


def alarm_reason() -> str:
    return f"ECS deployment failed: {ALARM_DETECTED}."


def alarm_status(alarms: Sequence[str]) -> str:
    """The statusReason of a service deployment that alarms (their names) rolled back."""
    return f"Service deployment rolled back because of alarms in ALARM state: {', '.join(alarms)}."


def stopped_reason(deployment: str) -> str:
    return f"ECS deployment {deployment} was stopped by the user."


def scaling_reason(deployment: str) -> str:
    """The stoppedReason of a task that a deployment no longer needs."""
    return f"Scaling activity initiated by (deployment {deployment})"


def _zones(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} tasks in {zone}" for zone, count in counts.items())


def _named(tasks: Sequence[str]) -> str:
    return " ".join(f"(task {task})" for task in tasks)
