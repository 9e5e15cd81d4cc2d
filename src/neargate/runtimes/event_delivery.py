"""Events that are put on a bus go to the targets of the rules that match them.

moto keeps buses, rules and patterns. The targets are called here, as any client would call them: queues, topics,
streams, other buses, and what Neargate itself has: log groups, tasks, pipelines, builds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import attrs
import structlog

from neargate import wire
from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.model.records import Json
from neargate.planners.event_input import target_input
from neargate.wire import timestamps

log = structlog.get_logger()

_ARCHIVE = "Events-Archive-"
_REQUIRED = {"Source": "source", "DetailType": "detail-type", "Detail": "detail"}


def put_events(cx: Context, backend: Any, request: Json) -> Json:
    """`events:PutEvents`. `backend` is moto's EventBridge of the caller's account and region."""
    entries = [_put(cx, backend, entry) for entry in request["Entries"]]
    return {"FailedEntryCount": sum("ErrorCode" in entry for entry in entries), "Entries": entries}


def _put(cx: Context, backend: Any, entry: Json) -> Json:
    for name in _REQUIRED:
        if not entry.get(name):
            return _refused(
                "InvalidArgument", f"Parameter {name} is not valid. Reason: {name} is a required argument."
            )
    try:
        detail = json.loads(entry["Detail"])
    except ValueError:
        detail = None
    if not isinstance(detail, dict):
        return _refused("MalformedDetail", "Detail is malformed.")
    bus = backend.event_buses.get(str(entry.get("EventBusName") or "default").rpartition("/")[2])
    event = {
        "version": "0",
        "id": cx.ids.uuid(),
        "detail-type": entry["DetailType"],
        "source": entry["Source"],
        "account": cx.account,
        "time": timestamps.iso8601(int(entry.get("Time") or cx.now)),
        "region": cx.region,
        "resources": entry.get("Resources") or [],
        "detail": detail,
    }
    if bus is not None:
        _spread(cx, backend, bus, event)
    return {"EventId": event["id"]}


def _refused(code: str, message: str) -> Json:
    return {"ErrorCode": code, "ErrorMessage": message}


def _spread(cx: Context, backend: Any, bus: Any, event: Json) -> None:
    for rule in list(bus.rules.values()):
        if rule.state == "DISABLED" or not rule.event_pattern.get_pattern():
            continue
        if not _matches(rule, event):
            continue
        if rule.managed_by is not None:
            _archive(backend, rule, event)
            continue
        for target in rule.targets:
            _deliver(cx, target, target_input(target, event, rule.name, rule.arn), event)


def _matches(rule: Any, event: Json) -> bool:
    """moto takes patterns that AWS refuses (`{"numeric": [">", "10"]}`) and stumbles over them here."""
    try:
        return bool(rule.event_pattern.matches_event(event))
    except (TypeError, ValueError, AttributeError) as wrong:
        log.warning("events.pattern", rule=rule.arn, error=str(wrong))
        return False


def _archive(backend: Any, rule: Any, event: Json) -> None:
    archive = backend.archives.get(rule.name.removeprefix(_ARCHIVE))
    if archive is not None:
        archive.events.append(event)


def _deliver(cx: Context, target: Json, text: str, event: Json) -> None:
    """Whoever puts events does not learn what a target made of them: failures go to the dead-letter queue."""
    arn, dead = str(target["Arn"]), (target.get("DeadLetterConfig") or {}).get("Arn")
    try:
        _send(cx, arn, target, text, event)
    except AwsError as error:
        log.warning("events.undelivered", target=arn, code=error.code, message=error.message)
        if dead:
            _deliver(cx, {"Arn": dead}, text, event)


def _send(cx: Context, arn: str, settings: Json, text: str, event: Json) -> None:
    service, region, account, resource = arn.split(":", 5)[2:]
    requests = _SENDERS.get(service)
    if requests is None:
        raise AwsError("NotImplemented", f"Events do not reach targets of {service} in Neargate")
    for operation, request in requests(_Target(arn, account, resource, settings, text, event)):
        cx.invoke(service, operation, request, region=region or None)


@attrs.frozen
class _Target:
    """One target, and what it is sent. `resource` is the last part of its ARN, `settings` what the rule says of it."""

    arn: str
    account: str
    resource: str
    settings: Json
    text: str
    event: Json

    @property
    def name(self) -> str:
        """`orders` of `stream/orders`."""
        return self.resource.rpartition("/")[2]


Requests = list[tuple[str, Json]]  # operations and what they are asked, in order


def _queue(target: _Target) -> Requests:
    request: Json = {
        "QueueUrl": f"https://sqs.amazonaws.com/{target.account}/{target.resource}",
        "MessageBody": target.text,
    }
    group = (target.settings.get("SqsParameters") or {}).get("MessageGroupId")
    if group:
        request["MessageGroupId"] = group
    return [("SendMessage", request)]


def _topic(target: _Target) -> Requests:
    return [("Publish", {"TopicArn": target.arn, "Message": target.text})]


def _log_group(target: _Target) -> Requests:
    group = target.resource.removeprefix("log-group:").removesuffix(":*")
    place = {"logGroupName": group, "logStreamName": str(target.event["id"])}
    line = {"timestamp": int(timestamps.parse(target.event["time"]) * 1000), "message": target.text}
    return [("CreateLogStream", place), ("PutLogEvents", {**place, "logEvents": [line]})]


def _bus(target: _Target) -> Requests:
    event = target.event
    entry = {
        "Source": event["source"],
        "DetailType": event["detail-type"],
        "Detail": json.dumps(event["detail"]),
        "Resources": event["resources"],
        "EventBusName": target.arn,
    }
    return [("PutEvents", {"Entries": [entry]})]


def _stream(target: _Target) -> Requests:
    record = {
        "StreamName": target.name,
        "Data": target.text.encode(),
        "PartitionKey": str(target.event["id"]),
    }
    return [("PutRecord", record)]


def _delivery_stream(target: _Target) -> Requests:
    return [("PutRecord", {"DeliveryStreamName": target.name, "Record": {"Data": target.text.encode()}})]


def _task(target: _Target) -> Requests:
    """Tasks of the cluster that is the target. The target's input may hold their overrides."""
    asked = target.settings.get("EcsParameters") or {}
    request = wire.recase(
        {
            "Cluster": target.arn,
            "TaskDefinition": asked.get("TaskDefinitionArn"),
            "Count": asked.get("TaskCount", 1),
            **{name: asked[name] for name in _TASK if asked.get(name)},
        },
        wire.input_shape("ecs", "RunTask"),
    )
    overrides = _overrides(target.settings)
    if overrides:
        request["overrides"] = overrides
    return [("RunTask", request)]


_TASK = (
    "CapacityProviderStrategy EnableECSManagedTags EnableExecuteCommand Group LaunchType NetworkConfiguration "
    "PlatformVersion PropagateTags Tags"
).split()


def _overrides(settings: Mapping[str, Any]) -> Json:
    try:
        found = json.loads(settings.get("Input") or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) and "containerOverrides" in found else {}


def _pipeline(target: _Target) -> Requests:
    return [("StartPipelineExecution", {"name": target.resource})]


def _build(target: _Target) -> Requests:
    return [("StartBuild", {"projectName": target.name})]


_SENDERS: dict[str, Callable[[_Target], Requests]] = {
    "codebuild": _build,
    "codepipeline": _pipeline,
    "ecs": _task,
    "events": _bus,
    "firehose": _delivery_stream,
    "kinesis": _stream,
    "logs": _log_group,
    "sns": _topic,
    "sqs": _queue,
}
