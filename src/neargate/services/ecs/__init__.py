"""ECS: clusters, task definitions, services and tasks, validated and recorded; the drivers run them."""

from neargate.services.ecs import (
    account_settings,
    clusters,
    container_instances,
    deployments,
    execute_command,
    services,
    tagging,
    task_definitions,
    task_protection,
    tasks,
)

__all__ = [
    "account_settings",
    "clusters",
    "container_instances",
    "deployments",
    "execute_command",
    "services",
    "tagging",
    "task_definitions",
    "task_protection",
    "tasks",
]
