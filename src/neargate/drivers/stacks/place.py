"""Where a stack stands, and its template opened against what has been made of it so far."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from neargate.model.cloudformation import DELETED, Made, Stack, StackOperation, StackResource
from neargate.model.ec2 import zones_with_default_subnet
from neargate.model.operations import Caller
from neargate.model.records import Reader
from neargate.resources import evaluation

SERVICE = "cloudformation.amazonaws.com"


def caller_of(stack: Stack) -> Caller:
    """CloudFormation, acting for whoever called it."""
    return Caller(account=stack.account, region=stack.region, principal=stack.principal, via=SERVICE)


def exports_of(view: Reader, stack: Stack) -> dict[str, str]:
    """What the stacks of the same account and region export."""
    return {
        name: value
        for other in view.scan(Stack, f"{stack.account}/{stack.region}/")
        if other.status != DELETED
        for name, value in other.exports.items()
    }


def place_of(stack: Stack, read: Callable[[Callable[[Reader], Any]], Any]) -> evaluation.Place:
    """`read` runs its argument on a view of the store: once for the exports of all stacks, if the template imports
    something, and for the zones, if it asks for some."""
    known: Callable[[], Mapping[str, str]] = cache(lambda: read(lambda view: exports_of(view, stack)))
    return evaluation.Place(
        account=stack.account,
        region=stack.region,
        stack_name=stack.name,
        stack_id=stack.id,
        zones=lambda region: read(lambda view: zones_with_default_subnet(view, stack.account, region)),
        export=lambda name: known().get(name),
        notification_arns=tuple(stack.notification_arns),
    )


def place_in(view: Reader, stack: Stack) -> evaluation.Place:
    """The place as one view of the store shows it."""
    return place_of(stack, lambda work: work(view))


def opened_for(
    operation: StackOperation, place: evaluation.Place, resources: Mapping[str, StackResource]
) -> evaluation.Opened:
    """The wanted template; what this operation has settled, now or later, answers its references."""
    assert operation.wanted is not None
    return evaluation.open_stack(operation.wanted, place, Settled(operation.id, resources))


class Settled(Mapping[str, Made]):
    """What references may see: the resources that an operation has completed, as `resources` says at that time."""

    def __init__(self, operation: str, resources: Mapping[str, StackResource]) -> None:
        self._operation = operation
        self._resources = resources

    def __getitem__(self, name: str) -> Made:
        resource = self._resources[name]
        if resource.made is None or not self._is_settled(resource):
            raise KeyError(name)
        return resource.made

    def __iter__(self) -> Iterator[str]:
        return (name for name, r in self._resources.items() if r.made is not None and self._is_settled(r))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _is_settled(self, resource: StackResource) -> bool:
        return resource.operation == self._operation and resource.status.endswith("_COMPLETE")
