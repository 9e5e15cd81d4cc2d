"""CloudFormation's API. It validates and records; `drivers/stacks` carries out."""

from neargate.services.cloudformation import (
    change_sets,
    describe,
    drift,
    operation_events,
    policies,
    rollbacks,
    signals,
    stack_set_views,
    stack_sets,
    stacks,
    templates,
)

__all__ = [
    "change_sets",
    "describe",
    "drift",
    "operation_events",
    "policies",
    "rollbacks",
    "signals",
    "stack_set_views",
    "stack_sets",
    "stacks",
    "templates",
]
