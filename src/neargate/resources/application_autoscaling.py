"""AWS::ApplicationAutoScaling: ScalableTarget with its scheduled actions, ScalingPolicy."""

from __future__ import annotations

from neargate.model.errors import AwsError
from neargate.model.records import Json
from neargate.resources.declaration import Call, Desired, Existing, Identity, ResourceType, Steps
from neargate.resources.shapes import by_name, call, errors_of, pick
from neargate.resources.tagging import Tagging

_SERVICE = "application-autoscaling"
_PLACE = ("ServiceNamespace", "ResourceId", "ScalableDimension")
_BAND = ("MinCapacity", "MaxCapacity", "RoleARN", "SuspendedState")
_CONFIGURATIONS = ("TargetTrackingScalingPolicyConfiguration", "StepScalingPolicyConfiguration")
_SUSPENSIONS = ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended")
_TAGGING = Tagging(_SERVICE, "ResourceARN", form=dict)
_error = errors_of("ApplicationAutoScaling")


# -- scalable target: its id is RESOURCE|DIMENSION|NAMESPACE -----------------------------------------------


def _place(target_id: str) -> Json:
    resource, dimension, namespace = target_id.split("|")
    return {"ServiceNamespace": namespace, "ResourceId": resource, "ScalableDimension": dimension}


def _register(want: Desired, tags: Json) -> Call:
    return call(_SERVICE, "RegisterScalableTarget", {**pick(want.properties, (*_PLACE, *_BAND)), **tags})


def _create_target(want: Desired) -> Steps[Identity]:
    yield _register(want, _TAGGING.at_create(want))
    properties = want.properties
    for action in properties.get("ScheduledActions") or ():
        yield _schedule(properties, action)
    parts = ("ResourceId", "ScalableDimension", "ServiceNamespace")
    return Identity("|".join(str(properties[name]) for name in parts))


def _schedule(properties: Json, action: Json) -> Call:
    return call(_SERVICE, "PutScheduledAction", {**pick(properties, _PLACE), **action})


def _update_target(old: Existing, want: Desired) -> Steps[None]:
    properties = {**want.properties}
    if "SuspendedState" in old.desired.properties:
        suspended = dict.fromkeys(_SUSPENSIONS, False)
        properties["SuspendedState"] = {**suspended, **(properties.get("SuspendedState") or {})}
    yield call(_SERVICE, "RegisterScalableTarget", pick(properties, (*_PLACE, *_BAND)))
    before = {one["ScheduledActionName"]: one for one in old.desired.properties.get("ScheduledActions") or ()}
    after = {one["ScheduledActionName"]: one for one in properties.get("ScheduledActions") or ()}
    for name, action in before.items():
        if after.get(name) != action:
            yield Call(_SERVICE, "DeleteScheduledAction", {**_place(old.id), "ScheduledActionName": name})
    for name, action in after.items():
        if before.get(name) != action:
            yield _schedule(properties, action)
    target = yield from _described(old)
    yield from _TAGGING.change(old, want, target["ScalableTargetARN"])


def _described(existing: Existing) -> Steps[Json]:
    """The target as the API describes it. Raises AwsError (ObjectNotFoundException)."""
    place = _place(existing.id)
    asked = {"ServiceNamespace": place["ServiceNamespace"], "ResourceIds": [place["ResourceId"]]}
    answer = yield Call(_SERVICE, "DescribeScalableTargets", asked)
    for target in answer["ScalableTargets"]:
        found: Json = target
        return found
    raise AwsError("ObjectNotFoundException", f"No scalable target found for {existing.id}")


def _read_target(existing: Existing) -> Steps[Json]:
    yield from _described(existing)
    return {"Id": existing.id}


def _delete_target(existing: Existing) -> Steps[None]:
    yield Call(_SERVICE, "DeregisterScalableTarget", _place(existing.id))


# -- scaling policy: its id is its ARN ---------------------------------------------------------------------


def _place_of_policy(properties: Json) -> Json:
    """Where a policy belongs: as it says itself, or as its scalable target's id does."""
    target = properties.get("ScalingTargetId")
    if not target:
        return pick(properties, _PLACE)
    if target.count("|") != 2:
        raise AwsError("ValidationException", f"ScalingTargetId {target} is not the id of a scalable target")
    return _place(target)


def _put_policy(want: Desired) -> Call:
    members = pick(want.properties, ("PolicyName", "PolicyType", *_CONFIGURATIONS))
    return call(_SERVICE, "PutScalingPolicy", {**_place_of_policy(want.properties), **members})


def _create_policy(want: Desired) -> Steps[Identity]:
    answer = yield _put_policy(want)
    return Identity(answer["PolicyARN"])


def _update_policy(old: Existing, want: Desired) -> Steps[None]:
    yield _put_policy(want)


def _read_policy(existing: Existing) -> Steps[Json]:
    properties = existing.desired.properties
    asked = {**_place_of_policy(properties), "PolicyNames": [properties["PolicyName"]]}
    answer = yield Call(_SERVICE, "DescribeScalingPolicies", asked)
    for policy in answer["ScalingPolicies"]:
        return {"Arn": policy["PolicyARN"]}
    raise AwsError("ObjectNotFoundException", f"No scaling policy found: {existing.id}")


def _delete_policy(existing: Existing) -> Steps[None]:
    properties = existing.desired.properties
    named = {"PolicyName": properties["PolicyName"]}
    yield Call(_SERVICE, "DeleteScalingPolicy", {**_place_of_policy(properties), **named})


TYPES = by_name(
    ResourceType(
        type="AWS::ApplicationAutoScaling::ScalableTarget",
        honoured=frozenset({*_PLACE, *_BAND, "ScheduledActions", "Tags"}),
        create=_create_target,
        read=_read_target,
        update=_update_target,
        delete=_delete_target,
        error=_error,
    ),
    ResourceType(
        type="AWS::ApplicationAutoScaling::ScalingPolicy",
        honoured=frozenset({*_PLACE, "ScalingTargetId", "PolicyName", "PolicyType", *_CONFIGURATIONS}),
        create=_create_policy,
        read=_read_policy,
        update=_update_policy,
        delete=_delete_policy,
        error=_error,
    ),
)
