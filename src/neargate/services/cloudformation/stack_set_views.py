"""Looking at StackSets, their instances and their operations."""

from __future__ import annotations

from neargate.model.errors import AwsError
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.model.stack_sets import StackInstance, StackSet, StackSetOperation
from neargate.model.tags import upper
from neargate.planners import template as language
from neargate.services.cloudformation.describe import page
from neargate.services.cloudformation.stack_set_operations import instances_of, outcome, overall, standing
from neargate.services.cloudformation.stack_sets import required

_PAGE = 100


def _shown(body: Json) -> Json:
    return {name: value for name, value in body.items() if value is not None}


def _paged(request: Json, member: str, items: list[Json]) -> Json:
    shown, token = page(items, request.get("NextToken"), request.get("MaxResults") or _PAGE)
    return _shown({member: list(shown), "NextToken": token})


@operation("cloudformation", "DescribeStackSet", reads=True)
def describe_stack_set(cx: Context, request: Json) -> Json:
    """One set."""
    found = required(cx, request["StackSetName"])
    template = language.outline(language.read(found.template))
    no_echo = {name for name, parameter in template.parameters.items() if parameter.no_echo}
    body: Json = {
        "StackSetName": found.name,
        "StackSetId": found.id,
        "StackSetARN": f"arn:aws:cloudformation:{found.region}:{found.account}:stackset/{found.id}",
        "Description": found.description,
        "Status": "ACTIVE",
        "TemplateBody": found.template,
        "Parameters": [
            {"ParameterKey": name, "ParameterValue": "****" if name in no_echo else value}
            for name, value in found.parameters.items()
        ],
        "Capabilities": found.capabilities,
        "Tags": upper(found.tags),
        "AdministrationRoleARN": found.administration_role
        or f"arn:aws:iam::{found.account}:role/AWSCloudFormationStackSetAdministrationRole",
        "ExecutionRoleName": found.execution_role,
        "PermissionModel": "SELF_MANAGED",
        "OrganizationalUnitIds": [],
        "ManagedExecution": {"Active": found.managed_execution},
        "Regions": sorted({instance.region for instance in instances_of(cx, found)}),
    }
    return {"StackSet": _shown(body)}


@operation("cloudformation", "ListStackSets", reads=True)
def list_stack_sets(cx: Context, request: Json) -> Json:
    """The sets of this account and region. A deleted one is forgotten."""
    sets = cx.tx.scan(StackSet, cx.caller.scope() + "/") if request.get("Status") != "DELETED" else []
    return _paged(request, "Summaries", [_summary(each) for each in sets])


def _summary(stack_set: StackSet) -> Json:
    return _shown(
        {
            "StackSetName": stack_set.name,
            "StackSetId": stack_set.id,
            "Description": stack_set.description,
            "Status": "ACTIVE",
            "PermissionModel": "SELF_MANAGED",
            "DriftStatus": "NOT_CHECKED",
            "ManagedExecution": {"Active": stack_set.managed_execution},
        }
    )


# -- instances ---------------------------------------------------------------------------------------------


@operation("cloudformation", "DescribeStackInstance", reads=True)
def describe_stack_instance(cx: Context, request: Json) -> Json:
    """One instance."""
    found = required(cx, request["StackSetName"])
    account, region = request["StackInstanceAccount"], request["StackInstanceRegion"]
    for instance in instances_of(cx, found):
        if (instance.account, instance.region) == (account, region):
            body = _instance(cx, found, instance)
            body["ParameterOverrides"] = [
                {"ParameterKey": name, "ParameterValue": value} for name, value in instance.overrides.items()
            ]
            return {"StackInstance": body}
    raise AwsError(
        "StackInstanceNotFoundException",
        f"Stack instance for stack set {found.id}, account {account} and region {region} not found",
        status=404,
    )


@operation("cloudformation", "ListStackInstances", reads=True)
def list_stack_instances(cx: Context, request: Json) -> Json:
    """The instances of a set, or those of an account or region."""
    found = required(cx, request["StackSetName"])
    account, region = request.get("StackInstanceAccount"), request.get("StackInstanceRegion")
    bodies = [
        _instance(cx, found, instance)
        for instance in instances_of(cx, found)
        if account in (None, instance.account) and region in (None, instance.region)
    ]
    for wanted in request.get("Filters") or ():
        values = str(wanted.get("Values", "")).split(",")
        bodies = [body for body in bodies if _member(body, wanted.get("Name")) in values]
    return _paged(request, "Summaries", bodies)


def _member(body: Json, name: str | None) -> str:
    if name == "DETAILED_STATUS":
        return str(body["StackInstanceStatus"]["DetailedStatus"])
    if name == "LAST_OPERATION_ID":
        return str(body["LastOperationId"])
    return str(body["DriftStatus"])


def _instance(cx: Context, stack_set: StackSet, instance: StackInstance) -> Json:
    stands = standing(cx, instance)
    return _shown(
        {
            "StackSetId": stack_set.id,
            "Account": instance.account,
            "Region": instance.region,
            "StackId": instance.stack_id,
            "Status": "CURRENT" if stands.status == "SUCCEEDED" else "OUTDATED",
            "StackInstanceStatus": {"DetailedStatus": stands.status},
            "StatusReason": stands.reason,
            "OrganizationalUnitId": "",
            "DriftStatus": "NOT_CHECKED",
            "LastOperationId": instance.operation,
        }
    )


# -- operations --------------------------------------------------------------------------------------------


def _required_operation(cx: Context, request: Json) -> StackSetOperation:
    found = required(cx, request["StackSetName"])
    operation_id = request["OperationId"]
    known = cx.tx.get(StackSetOperation, f"{found.key}/{operation_id}")
    if known is None:
        raise AwsError("OperationNotFoundException", f"Operation {operation_id} not found", status=404)
    return known


@operation("cloudformation", "DescribeStackSetOperation", reads=True)
def describe_stack_set_operation(cx: Context, request: Json) -> Json:
    """One operation, as its stacks say it stands."""
    found = _required_operation(cx, request)
    stack_set = required(cx, request["StackSetName"])
    body = _operation(cx, found)
    body["StackSetId"] = found.stack_set_id
    body["ExecutionRoleName"] = stack_set.execution_role
    body["AdministrationRoleARN"] = stack_set.administration_role
    body["RetainStacks"] = found.retain
    return {"StackSetOperation": _shown(body)}


def _operation(cx: Context, found: StackSetOperation) -> Json:
    stands = overall(cx, found)
    failed = [r for r in found.results if outcome(cx, found, r).status == "FAILED"]
    return _shown(
        {
            "OperationId": found.id,
            "Action": found.action,
            "Status": stands.status,
            "CreationTimestamp": found.created,
            "EndTimestamp": stands.ended,
            "OperationPreferences": found.preferences,
            "StatusDetails": {"FailedStackInstancesCount": len(failed)},
        }
    )


@operation("cloudformation", "ListStackSetOperations", reads=True)
def list_stack_set_operations(cx: Context, request: Json) -> Json:
    """The operations on a set, newest first."""
    found = required(cx, request["StackSetName"])
    operations = sorted(cx.tx.scan(StackSetOperation, found.key + "/"), key=lambda o: -o.created)
    return _paged(request, "Summaries", [_operation(cx, each) for each in operations])


@operation("cloudformation", "ListStackSetOperationResults", reads=True)
def list_stack_set_operation_results(cx: Context, request: Json) -> Json:
    """What an operation did in each account and region."""
    found = _required_operation(cx, request)
    bodies = []
    for result in found.results:
        stands = outcome(cx, found, result)
        body = {
            "Account": result.account,
            "Region": result.region,
            "Status": stands.status,
            "StatusReason": stands.reason,
            "OrganizationalUnitId": "",
        }
        bodies.append(_shown(body))
    return _paged(request, "Summaries", bodies)
