"""The check that CloudFormation makes after it has accepted a call: AWS-typed parameters name things that exist."""

from __future__ import annotations

import attrs

from neargate.drivers.stacks import finish
from neargate.drivers.stacks.journal import stack_event
from neargate.drivers.stacks.place import place_in
from neargate.model.cloudformation import Stack, StackInput, StackOperation
from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.model.records import Json
from neargate.planners import template as language
from neargate.planners.template import references
from neargate.resources import evaluation, lookups
from neargate.runtimes.public_parameters import is_image

# AWS type of a parameter -> the EC2 operation and the request member that takes its value
_LOOKUPS: dict[str, tuple[str, str, str]] = {
    "AWS::EC2::VPC::Id": ("ec2", "DescribeVpcs", "VpcIds"),
    "AWS::EC2::Subnet::Id": ("ec2", "DescribeSubnets", "SubnetIds"),
    "AWS::EC2::SecurityGroup::Id": ("ec2", "DescribeSecurityGroups", "GroupIds"),
    "AWS::EC2::SecurityGroup::GroupName": ("ec2", "DescribeSecurityGroups", "GroupNames"),
    "AWS::EC2::KeyPair::KeyName": ("ec2", "DescribeKeyPairs", "KeyNames"),
    "AWS::EC2::AvailabilityZone::Name": ("ec2", "DescribeAvailabilityZones", "ZoneNames"),
}


def validate(cx: Context, stack: Stack, operation: StackOperation) -> None:
    """Go on to `apply`, or fail the operation with CloudFormation's text."""
    wanted = operation.wanted
    assert wanted is not None
    if wanted.failure:
        stack_event(cx, stack, stack.status, wanted.failure)
        finish.apply_impossible(cx, stack, operation, wanted.failure)
        return
    template = language.parse(wanted.template)
    missing = [
        f"parameter value {value} for parameter name {name} does not exist"
        for name, type_name, value in language.typed_references(
            template, {**wanted.parameters, **wanted.resolved}
        )
        if not _exists(cx, type_name, value)
    ]
    if missing:
        reason = "Parameter validation failed: " + ", ".join(missing)
        finish.apply_impossible(cx, stack, operation, reason)
        return
    unknown = _unknown_imports(cx, stack, wanted)
    if unknown:
        finish.apply_impossible(cx, stack, operation, f"No export named {unknown[0]} found")
        return
    wrong = _misplaced(cx, stack, wanted)
    if wrong is not None:
        stack_event(cx, stack, stack.status, wrong)
        finish.apply_impossible(cx, stack, operation, wrong)
        return
    cx.tx.put(attrs.evolve(stack, operation=attrs.evolve(operation, phase="apply")))


def _misplaced(cx: Context, stack: Stack, wanted: StackInput) -> str | None:
    """What is wrong with references to secure parameters that name no version: AWS looks at these only now."""
    if "resolve:ssm-secure" not in wanted.template:
        return None
    place = place_in(cx.tx, stack)
    opened = evaluation.open_stack(wanted, place, {})
    return references.misplaced(list(lookups.places(opened)), versioned=False)


def _unknown_imports(cx: Context, stack: Stack, wanted: StackInput) -> list[str]:
    place = place_in(cx.tx, stack)
    opened = evaluation.open_stack(wanted, place, {})
    return sorted(
        name for name in language.imports(opened.template, opened.scope) if place.export(name) is None
    )


def _exists(cx: Context, type_name: str, value: str) -> bool:
    if type_name == language.SSM_NAME:
        return bool(value) and lookups.parameter(cx.invoke, value, None) is not None
    if type_name == "AWS::EC2::Image::Id":
        return is_image(cx.region, value)
    lookup = _LOOKUPS.get(type_name)
    if lookup is None:
        return False  # nothing of that kind can exist here
    if not value:
        return False
    service, name, member = lookup
    request: Json = {member: [value]}
    try:
        cx.invoke(service, name, request)
    except AwsError as error:
        if error.code == "NotImplemented":
            raise
        return False
    return True
