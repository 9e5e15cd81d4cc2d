"""Where a stack stands, and its template opened against what has been made of it so far."""

from __future__ import annotations

from collections.abc import Mapping

from neargate.model.cloudformation import DELETED, Made, Stack, StackOperation, StackResource
from neargate.model.operations import Caller
from neargate.model.records import Reader
from neargate.resources import evaluation

SERVICE = "cloudformation.amazonaws.com"


def caller_of(stack: Stack) -> Caller:
    """CloudFormation, acting for whoever called it."""
    return Caller(account=stack.account, region=stack.region, principal=stack.principal, via=SERVICE)


def place_of(view: Reader, stack: Stack) -> evaluation.Place:
    exports = {
        name: value
        for other in view.scan(Stack, f"{stack.account}/{stack.region}/")
        if other.status != DELETED
        for name, value in other.exports.items()
    }
    return evaluation.Place(
        account=stack.account,
        region=stack.region,
        stack_name=stack.name,
        stack_id=stack.id,
        zones=evaluation.zone_names,
        export=exports.get,
        notification_arns=tuple(stack.notification_arns),
    )


def opened_for(
    stack: Stack, operation: StackOperation, place: evaluation.Place, resources: Mapping[str, StackResource]
) -> evaluation.Opened:
    """The wanted template; what this operation has settled already answers its references."""
    assert operation.wanted is not None
    return evaluation.open_stack(operation.wanted, place, settled(operation, resources))


def settled(operation: StackOperation, resources: Mapping[str, StackResource]) -> dict[str, Made]:
    """What references may see: resources that this operation has completed."""
    return {
        name: r.made
        for name, r in resources.items()
        if r.made is not None and r.operation == operation.id and r.status.endswith("_COMPLETE")
    }
