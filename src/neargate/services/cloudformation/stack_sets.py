"""StackSets with self-managed permissions: real stacks, `StackSet-NAME-UUID`, in other accounts and regions.

Every instance of an operation begins at once, whatever the order and concurrency that OperationPreferences ask for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from neargate.model.cloudformation import Stack, StackInput, key_of
from neargate.model.errors import AwsError, not_implemented
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.model.stack_sets import Action, StackInstance, StackSet, StackSetOperation, StackSetResult
from neargate.model.tags import from_list, upper
from neargate.services.cloudformation import inputs
from neargate.services.cloudformation.stack_set_operations import instances_of, running

_NO_UPDATES = "No updates are to be performed."
_MANAGED = (
    "You must be the management account or delegated admin account of an organization before operating a "
    "SERVICE_MANAGED stack set"
)


def find(cx: Context, name: str) -> StackSet | None:
    """The set of that name or id."""
    found = cx.tx.get(StackSet, cx.caller.scope(name.partition(":")[0]))
    return found if found is not None and name in {found.name, found.id} else None


def required(cx: Context, name: str) -> StackSet:
    found = find(cx, name)
    if found is None:
        raise AwsError("StackSetNotFoundException", f"StackSet {name} not found", status=404)
    return found


def refuse_unhonoured(request: Mapping[str, Any]) -> None:
    """Members that need an organization, or that change what happens and are not honoured."""
    if request.get("PermissionModel") == "SERVICE_MANAGED" or request.get("CallAs") == "DELEGATED_ADMIN":
        raise AwsError("ValidationError", _MANAGED)
    for member in ("StackId", "AutoDeployment", "DeploymentTargets"):
        if request.get(member):
            raise not_implemented(f"cloudformation: {member} of a StackSet", "cloudformation")


@operation("cloudformation", "CreateStackSet")
def create_stack_set(cx: Context, request: Json) -> Json:
    """Keep a template for many accounts and regions. It makes no stack yet."""
    refuse_unhonoured(request)
    name = request["StackSetName"]
    if find(cx, name) is not None:
        raise AwsError("NameAlreadyExistsException", f"StackSet {name} already exists", status=409)
    made = StackSet(cx.account, cx.region, name, cx.ids.uuid(), "", cx.now)
    made = _described_by(cx, made, request)
    cx.tx.put(made)
    return {"StackSetId": made.id}


def _described_by(cx: Context, known: StackSet, request: Mapping[str, Any]) -> StackSet:
    """The set as a create or update call wants it. What an update does not name stays, parameters apart."""
    text = inputs.template_text(cx, request, StackInput(known.template))
    template = inputs.parsed(text)
    inputs.check_types(cx, template, None)
    capabilities = list(request.get("Capabilities") or known.capabilities)
    inputs.check_capabilities(template, capabilities)
    parameters = _parameters(request.get("Parameters"), known.parameters)
    unknown = [name for name in parameters if name not in template.parameters]
    if unknown:
        raise AwsError("ValidationError", f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    tags = request.get("Tags")
    managed = request.get("ManagedExecution")
    return attrs.evolve(
        known,
        template=text,
        parameters=parameters,
        capabilities=capabilities,
        tags=known.tags if tags is None else from_list(tags),
        description=request.get("Description") or known.description or template.description,
        administration_role=request.get("AdministrationRoleARN") or known.administration_role,
        execution_role=request.get("ExecutionRoleName") or known.execution_role,
        managed_execution=known.managed_execution if managed is None else bool(managed.get("Active")),
    )


def _parameters(given: Any, known: Mapping[str, str]) -> dict[str, str]:
    return {
        p["ParameterKey"]: known.get(p["ParameterKey"], "")
        if p.get("UsePreviousValue")
        else p.get("ParameterValue", "")
        for p in given or ()
    }


@operation("cloudformation", "UpdateStackSet")
def update_stack_set(cx: Context, request: Json) -> Json:
    """Change the set, and the stacks of all its instances or of those that the call names."""
    refuse_unhonoured(request)
    known = required(cx, request["StackSetName"])
    _check_idle(cx, known)
    changed = _described_by(cx, known, request)
    cx.tx.put(changed)
    accounts, regions = request.get("Accounts"), request.get("Regions")
    targets = [
        instance
        for instance in instances_of(cx, changed)
        if (not accounts or instance.account in accounts) and (not regions or instance.region in regions)
    ]
    return _operate(cx, changed, "UPDATE", targets, request)


@operation("cloudformation", "DeleteStackSet")
def delete_stack_set(cx: Context, request: Json) -> Json:
    """Forget a set without instances. One that does not exist is deleted already."""
    found = find(cx, request["StackSetName"])
    if found is None:
        return {}
    _check_idle(cx, found)
    if instances_of(cx, found):
        raise AwsError("StackSetNotEmptyException", "StackSet is not empty", status=409)
    for kind in (StackInstance, StackSetOperation):
        for record in cx.tx.scan(kind, found.key + "/"):
            cx.tx.delete(kind, record.key)
    cx.tx.delete(StackSet, found.key)
    return {}


@operation("cloudformation", "CreateStackInstances")
def create_stack_instances(cx: Context, request: Json) -> Json:
    """Make the set's stack in every account and region named; where it is already, bring it up to date."""
    refuse_unhonoured(request)
    found = required(cx, request["StackSetName"])
    _check_idle(cx, found)
    overrides = _parameters(request.get("ParameterOverrides"), {})
    targets = [
        attrs.evolve(_instance(cx, found, account, region), overrides=overrides)
        for account, region in _places(request)
    ]
    return _operate(cx, found, "CREATE", targets, request)


def _places(request: Mapping[str, Any]) -> list[tuple[str, str]]:
    accounts, regions = request.get("Accounts"), request.get("Regions") or ()
    if not accounts:
        raise AwsError("ValidationError", "Accounts must be specified for a SELF_MANAGED stack set")
    return [(account, region) for region in regions for account in accounts]


def _instance(cx: Context, stack_set: StackSet, account: str, region: str) -> StackInstance:
    known = next((i for i in instances_of(cx, stack_set) if (i.account, i.region) == (account, region)), None)
    return known or StackInstance(stack_set.key, account, region, "")


@operation("cloudformation", "UpdateStackInstances")
def update_stack_instances(cx: Context, request: Json) -> Json:
    """Change the parameters that instances have of their own."""
    refuse_unhonoured(request)
    found = required(cx, request["StackSetName"])
    _check_idle(cx, found)
    targets = []
    for account, region in _places(request):
        instance = _known(cx, found, account, region)
        overrides = _parameters(request.get("ParameterOverrides"), instance.overrides)
        targets.append(attrs.evolve(instance, overrides=overrides))
    return _operate(cx, found, "UPDATE", targets, request)


def _known(cx: Context, stack_set: StackSet, account: str, region: str) -> StackInstance:
    for instance in instances_of(cx, stack_set):
        if (instance.account, instance.region) == (account, region):
            return instance
    raise AwsError(
        "StackInstanceNotFoundException",
        f"Stack instance for stack set {stack_set.id}, account {account} and region {region} not found",
        status=404,
    )


@operation("cloudformation", "DeleteStackInstances")
def delete_stack_instances(cx: Context, request: Json) -> Json:
    """Delete instances with their stacks, or let the stacks be."""
    refuse_unhonoured(request)
    found = required(cx, request["StackSetName"])
    _check_idle(cx, found)
    wanted = set(_places(request))
    targets = [i for i in instances_of(cx, found) if (i.account, i.region) in wanted]
    return _operate(cx, found, "DELETE", targets, request)


# -- operations --------------------------------------------------------------------------------------------


def _check_idle(cx: Context, stack_set: StackSet) -> None:
    busy = running(cx, stack_set)
    if busy is not None:
        raise AwsError(
            "OperationInProgressException",
            f"Another Operation on StackSet {stack_set.id} is in progress: {busy.id}",
            status=409,
        )


def _operate(
    cx: Context, stack_set: StackSet, action: Action, targets: list[StackInstance], request: Mapping[str, Any]
) -> Json:
    """Begin one operation on every target; its id."""
    identity = request.get("OperationId") or cx.ids.uuid()
    if cx.tx.get(StackSetOperation, f"{stack_set.key}/{identity}") is not None:
        raise AwsError(
            "OperationIdAlreadyExistsException", f"Operation {identity} already exists", status=409
        )
    retain = bool(request.get("RetainStacks")) if action == "DELETE" else None
    results = []
    for target in targets:
        result = _begun(cx, stack_set, action, target, retain=bool(retain))
        results.append(result)
        stack_id = result.stack_id or target.stack_id
        cx.tx.put(attrs.evolve(target, operation=identity, stack_id=stack_id))
    cx.tx.put(
        StackSetOperation(
            stack_set=stack_set.key,
            stack_set_id=stack_set.id,
            id=identity,
            action=action,
            created=cx.now,
            results=results,
            preferences=dict(request.get("OperationPreferences") or {}),
            retain=retain,
        )
    )
    return {"OperationId": identity}


def _begun(
    cx: Context, stack_set: StackSet, action: Action, target: StackInstance, *, retain: bool
) -> StackSetResult:
    """Begin on one instance, in the execution role of its account. What is refused there is the result."""
    result = StackSetResult(target.account, target.region, target.stack_id)
    role = f"arn:aws:iam::{target.account}:role/{stack_set.execution_role}"

    def call(name: str, request: Json) -> Json:
        return cx.invoke("cloudformation", name, request, role=role, region=target.region)

    try:
        if action == "DELETE":
            return result if retain or target.stack_id is None else _deletion(cx, call, result)
        if target.stack_id is not None:
            answer = call("UpdateStack", {"StackName": target.stack_id, **_given(stack_set, target)})
        else:
            name = f"StackSet-{stack_set.name}-{cx.ids.uuid()}"
            answer = call("CreateStack", {"StackName": name, **_given(stack_set, target)})
    except AwsError as error:
        if error.message == _NO_UPDATES:
            return result
        return attrs.evolve(result, refusal=error.message)
    return attrs.evolve(result, stack_id=answer["StackId"], stack_operation=answer["OperationId"])


def _deletion(cx: Context, call: Any, result: StackSetResult) -> StackSetResult:
    assert result.stack_id is not None
    call("DeleteStack", {"StackName": result.stack_id})
    stack = cx.tx.get(Stack, key_of(result.stack_id))
    under_way = None if stack is None else stack.operation
    return attrs.evolve(result, stack_operation=None if under_way is None else under_way.id)


def _given(stack_set: StackSet, target: StackInstance) -> Json:
    values = {**stack_set.parameters, **target.overrides}
    return {
        "TemplateBody": stack_set.template,
        "Parameters": [{"ParameterKey": k, "ParameterValue": v} for k, v in values.items()],
        "Capabilities": stack_set.capabilities,
        "Tags": upper(stack_set.tags),
    }
