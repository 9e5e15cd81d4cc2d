"""The stack policy, asked before an update touches a resource."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from neargate.drivers.stacks import handlers
from neargate.model.cloudformation import StackOperation, StackResource
from neargate.planners import stack_policy


def check(policy: str | None, action: str, resource: StackResource) -> None:
    """Raises HandlerFailed where the policy forbids `action`."""
    denied = stack_policy.denial(policy, action, resource.logical_id, resource.type)
    if denied is not None:
        raise handlers.HandlerFailed(denied, "AccessDenied")


def protected_from_removal(
    operation: StackOperation, resources: Mapping[str, StackResource], live: Iterable[str]
) -> dict[str, tuple[StackResource, handlers.HandlerFailed]]:
    """What the update would remove although the policy forbids it, by logical id."""
    found: dict[str, tuple[StackResource, handlers.HandlerFailed]] = {}
    if operation.policy is None or operation.kind != "UPDATE":
        return found
    wanted = set(live)
    for name, resource in resources.items():
        if name in wanted or resource.made is None:
            continue
        try:
            check(operation.policy, "Update:Delete", resource)
        except handlers.HandlerFailed as denied:
            denied.properties = resource.made.shown
            found[name] = (resource, denied)
    return found
