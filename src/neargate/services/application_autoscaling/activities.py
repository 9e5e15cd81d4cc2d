"""DescribeScalingActivities: what was done in the last six weeks, and why."""

from __future__ import annotations

from neargate.model.application_autoscaling import ACTIVITIES_KEPT, ScalingActivity
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.services.application_autoscaling.lookup import check_place, page, prefix_of


@operation("application-autoscaling", "DescribeScalingActivities", reads=True)
def describe_scaling_activities(cx: Context, request: Json) -> Json:
    """Newest first. What was not scaled is told only where it is asked for."""
    if request["ServiceNamespace"] == "ecs":
        check_place(request)
    found = [
        activity
        for activity in cx.tx.scan(ScalingActivity, prefix_of(cx, request))
        if activity.started >= cx.now - ACTIVITIES_KEPT
        and request.get("ResourceId") in {None, activity.resource}
        and (request.get("IncludeNotScaledActivities") or not activity.not_scaled)
    ]
    found.sort(key=lambda activity: (activity.started, activity.id), reverse=True)
    shown, token = page(found, lambda activity: activity.key, request)
    return {"ScalingActivities": [_described(activity) for activity in shown], **token}


def _described(activity: ScalingActivity) -> Json:
    shown: Json = {
        "ActivityId": activity.id,
        "ServiceNamespace": activity.namespace,
        "ResourceId": activity.resource,
        "ScalableDimension": activity.dimension,
        "Description": activity.description,
        "Cause": activity.cause,
        "StartTime": activity.started,
        "EndTime": activity.ended,
        "StatusCode": activity.status,
        "StatusMessage": activity.message or None,
        "NotScaledReasons": list(activity.not_scaled) or None,
    }
    return {name: value for name, value in shown.items() if value is not None}
