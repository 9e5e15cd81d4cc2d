"""AWS::Kinesis::Stream, StreamConsumer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neargate.model.records import Json
from neargate.resources.declaration import (
    Call,
    Desired,
    Existing,
    Identity,
    Naming,
    ResourceType,
    Steps,
)
from neargate.resources.shapes import by_name, call, changed, errors_of, or_undone, pick
from neargate.resources.tagging import Tagging

_TAGGING = Tagging("kinesis", "StreamName", form=dict, tag="AddTagsToStream", untag="RemoveTagsFromStream")
_error = errors_of("Kinesis", {"ResourceInUseException": "AlreadyExists"})
_DAY = 24  # hours that a stream keeps records where nobody says longer
_BLANK = Desired("", {}, None, "", "", "", "", "")


def _arn(want: Desired) -> str:
    return f"arn:aws:kinesis:{want.region}:{want.account}:stream/{want.name}"


def _mode(properties: Mapping[str, Any]) -> str:
    return str((properties.get("StreamModeDetails") or {}).get("StreamMode", "PROVISIONED"))


def _shards(properties: Mapping[str, Any]) -> Json:
    """How many shards a provisioned stream has, 1 where nobody says; AWS counts those of an on-demand one."""
    return {"ShardCount": properties.get("ShardCount", 1)} if _mode(properties) == "PROVISIONED" else {}


# -- stream ------------------------------------------------------------------------------------------------


def _create_stream(want: Desired) -> Steps[Identity]:
    p = want.properties
    members = {**_shards(p), **pick(p, ("StreamModeDetails",))}
    yield call("kinesis", "CreateStream", {"StreamName": want.name, **members})
    identity = want.name or ""
    undo = _delete_stream(Existing(identity, want))
    yield from or_undone(_settings(Existing(identity, _BLANK), want), undo)
    return Identity(identity)


def _settings(old: Existing, want: Desired) -> Steps[None]:
    """What has operations of its own, where it differs."""
    was, now, stream = old.desired.properties, want.properties, {"StreamName": old.id}
    before, hours = int(was.get("RetentionPeriodHours", _DAY)), int(now.get("RetentionPeriodHours", _DAY))
    if hours != before:
        verb = "Increase" if hours > before else "Decrease"
        request = {**stream, "RetentionPeriodHours": hours}
        yield Call("kinesis", f"{verb}StreamRetentionPeriod", request)
    if changed(was, now, "StreamEncryption"):
        if now.get("StreamEncryption"):
            yield call("kinesis", "StartStreamEncryption", {**stream, **now["StreamEncryption"]})
        else:
            yield call("kinesis", "StopStreamEncryption", {**stream, **was["StreamEncryption"]})
    metrics, wanted = was.get("DesiredShardLevelMetrics") or [], now.get("DesiredShardLevelMetrics") or []
    gone = [name for name in metrics if name not in wanted]
    fresh = [name for name in wanted if name not in metrics]
    if gone:
        yield Call("kinesis", "DisableEnhancedMonitoring", {**stream, "ShardLevelMetrics": gone})
    if fresh:
        yield Call("kinesis", "EnableEnhancedMonitoring", {**stream, "ShardLevelMetrics": fresh})
    yield from _TAGGING.change(old, want)


def _update_stream(old: Existing, want: Desired) -> Steps[None]:
    was, now = old.desired.properties, want.properties
    if _mode(was) != _mode(now):
        mode = {"StreamMode": _mode(now)}
        yield Call("kinesis", "UpdateStreamMode", {"StreamARN": _arn(want), "StreamModeDetails": mode})
    if _shards(now) and _shards(was) != _shards(now):
        request = {
            "StreamName": old.id,
            "TargetShardCount": _shards(now)["ShardCount"],
            "ScalingType": "UNIFORM_SCALING",
        }
        yield call("kinesis", "UpdateShardCount", request)
    yield from _settings(old, want)


def _read_stream(existing: Existing) -> Steps[Json]:
    answer = yield Call("kinesis", "DescribeStreamSummary", {"StreamName": existing.id})
    return {"Arn": answer["StreamDescriptionSummary"]["StreamARN"]}


def _delete_stream(existing: Existing) -> Steps[None]:
    request = {"StreamName": existing.id, "EnforceConsumerDeletion": True}
    yield Call("kinesis", "DeleteStream", request)


# -- consumer ----------------------------------------------------------------------------------------------


def _create_consumer(want: Desired) -> Steps[Identity]:
    members = pick(want.properties, ("ConsumerName", "StreamARN"))
    answer = yield Call("kinesis", "RegisterStreamConsumer", members)
    return Identity(answer["Consumer"]["ConsumerARN"])


def _read_consumer(existing: Existing) -> Steps[Json]:
    answer = yield Call("kinesis", "DescribeStreamConsumer", {"ConsumerARN": existing.id})
    consumer = answer["ConsumerDescription"]
    return {
        **pick(consumer, ("ConsumerARN", "ConsumerName", "ConsumerStatus", "StreamARN")),
        "ConsumerCreationTimestamp": str(int(consumer["ConsumerCreationTimestamp"])),
    }


def _delete_consumer(existing: Existing) -> Steps[None]:
    yield Call("kinesis", "DeregisterStreamConsumer", {"ConsumerARN": existing.id})


TYPES = by_name(
    ResourceType(
        type="AWS::Kinesis::Stream",
        honoured=frozenset(
            "DesiredShardLevelMetrics Name RetentionPeriodHours ShardCount StreamEncryption StreamModeDetails "
            "Tags".split()
        ),
        naming=Naming("Name", max_length=128),
        create=_create_stream,
        read=_read_stream,
        update=_update_stream,
        delete=_delete_stream,
        error=_error,
    ),
    ResourceType(
        type="AWS::Kinesis::StreamConsumer",
        honoured=frozenset({"ConsumerName", "StreamARN"}),
        create=_create_consumer,
        read=_read_consumer,
        delete=_delete_consumer,
        error=_error,
    ),
)
