"""AWS::DynamoDB::Table, GlobalTable."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from neargate.model.errors import AwsError
from neargate.model.records import Json
from neargate.model.tags import from_list
from neargate.resources.declaration import (
    Call,
    Desired,
    Existing,
    Identity,
    Naming,
    ResourceType,
    Steps,
)
from neargate.resources.shapes import (
    by_name,
    call,
    changed,
    document,
    errors_of,
    flag,
    only,
    or_undone,
    pick,
    without,
)
from neargate.resources.tagging import Tagging

_TAGGING = Tagging("dynamodb", "ResourceArn")
_error = errors_of("DynamoDb", {"ResourceInUseException": "AlreadyExists"})
_NAMING = Naming("TableName", max_length=255)
_INDEX = ("IndexName", "KeySchema", "Projection", "ProvisionedThroughput", "WarmThroughput")
_KINESIS = "KinesisStreamSpecification"
_INSIGHTS = "ContributorInsightsSpecification"
# properties that the create request spells as the template does
_PLAIN = (
    "AttributeDefinitions BillingMode DeletionProtectionEnabled KeySchema LocalSecondaryIndexes ProvisionedThroughput "
    "WarmThroughput"
).split()


def _arn(want: Desired) -> str:
    return f"arn:aws:dynamodb:{want.region}:{want.account}:table/{want.name}"


# -- create ------------------------------------------------------------------------------------------------


def _create(want: Desired) -> Steps[Identity]:
    p = want.properties
    members: Json = {"TableName": want.name, **pick(p, _PLAIN), **_TAGGING.at_create(want)}
    indexes = p.get("GlobalSecondaryIndexes")
    if indexes:
        members["GlobalSecondaryIndexes"] = [_index(one) for one in indexes]
    if p.get("StreamSpecification"):
        members["StreamSpecification"] = _stream(p["StreamSpecification"])
    if p.get("SSESpecification"):
        members["SSESpecification"] = _encryption(p["SSESpecification"])
    yield call("dynamodb", "CreateTable", members)
    identity = want.name or ""
    nothing = Existing(identity, attrs.evolve(want, properties={}))
    yield from or_undone(_settings(nothing, want), _delete(nothing))
    return Identity(identity)


def _index(index: Mapping[str, Any]) -> Json:
    return only(without(index, _INSIGHTS), _INDEX, "GlobalSecondaryIndexes", "dynamodb")


def _stream(stream: Mapping[str, Any]) -> Json:
    kept = only(stream, ("StreamViewType",), "StreamSpecification", "dynamodb")
    return {"StreamEnabled": True, **kept}


def _encryption(encryption: Mapping[str, Any]) -> Json:
    renamed = {"Enabled": encryption.get("SSEEnabled", True)}
    return {**renamed, **pick(encryption, ("SSEType", "KMSMasterKeyId"))}


def _settings(old: Existing, want: Desired) -> Steps[None]:
    """What has operations of its own, where it differs: expiry, recovery, policy, Kinesis, insights."""
    was, now, table = old.desired.properties, want.properties, {"TableName": old.id}
    if changed(was, now, "TimeToLiveSpecification"):
        for request in _time_to_live(was.get("TimeToLiveSpecification"), now.get("TimeToLiveSpecification")):
            yield call("dynamodb", "UpdateTimeToLive", {**table, "TimeToLiveSpecification": request})
    if changed(was, now, "PointInTimeRecoverySpecification"):
        asked = now.get("PointInTimeRecoverySpecification") or {"PointInTimeRecoveryEnabled": False}
        request = {**table, "PointInTimeRecoverySpecification": asked}
        yield call("dynamodb", "UpdateContinuousBackups", request)
    if changed(was, now, "ResourcePolicy"):
        policy = (now.get("ResourcePolicy") or {}).get("PolicyDocument")
        if policy:
            request = {"ResourceArn": _arn(want), "Policy": document(policy)}
            yield Call("dynamodb", "PutResourcePolicy", request)
        else:
            yield Call("dynamodb", "DeleteResourcePolicy", {"ResourceArn": _arn(want)})
    yield from _streaming(old.id, was.get(_KINESIS), now.get(_KINESIS))
    before = _insights(was)
    for index, enabled in _insights(now).items():
        if enabled != before.get(index, False):
            named = {**table, "IndexName": index} if index else table
            action = {"ContributorInsightsAction": "ENABLE" if enabled else "DISABLE"}
            yield Call("dynamodb", "UpdateContributorInsights", {**named, **action})


def _streaming(table: str, was: Json | None, now: Json | None) -> Steps[None]:
    """From one Kinesis stream to another; an earlier one is left first."""
    before, after = (
        only(one or {}, ("StreamArn",), _KINESIS, "dynamodb").get("StreamArn") for one in (was, now)
    )
    if before == after:
        return
    if before:
        yield Call(
            "dynamodb", "DisableKinesisStreamingDestination", {"TableName": table, "StreamArn": before}
        )
    if after:
        yield Call("dynamodb", "EnableKinesisStreamingDestination", {"TableName": table, "StreamArn": after})


def _insights(properties: Mapping[str, Any]) -> dict[str, bool]:
    """Whether Contributor Insights watches the table (under "") and each of its indexes (under its name)."""
    watched = {"": properties.get(_INSIGHTS)}
    watched |= {
        one["IndexName"]: one.get(_INSIGHTS) for one in properties.get("GlobalSecondaryIndexes") or ()
    }
    for specification in watched.values():
        only(specification or {}, ("Enabled",), _INSIGHTS, "dynamodb")
    return {name: flag((specification or {}).get("Enabled")) for name, specification in watched.items()}


def _time_to_live(was: Json | None, now: Json | None) -> list[Json]:
    """The requests that lead from one specification to the other: an attribute goes before another comes."""
    requests = []
    enabled = was is not None and flag(was.get("Enabled"))
    if was and enabled and (not now or was["AttributeName"] != now.get("AttributeName")):
        requests.append({**was, "Enabled": False})
        enabled = False
    if now and flag(now.get("Enabled")) != enabled:
        requests.append(now)
    return requests


# -- update ------------------------------------------------------------------------------------------------


def _update(old: Existing, want: Desired) -> Steps[None]:
    was, now, table = old.desired.properties, want.properties, {"TableName": old.id}
    if changed(was, now, "SSESpecification"):
        raise AwsError("NotImplemented", "A change of SSESpecification is not implemented by Neargate yet")
    if changed(was, now, "BillingMode", "ProvisionedThroughput", "WarmThroughput"):
        members = pick(now, ("ProvisionedThroughput", "WarmThroughput"))
        members["BillingMode"] = now.get("BillingMode", "PROVISIONED")
        yield call("dynamodb", "UpdateTable", {**table, **members})
    if changed(was, now, "DeletionProtectionEnabled"):
        asked = now.get("DeletionProtectionEnabled", False)
        yield call("dynamodb", "UpdateTable", {**table, "DeletionProtectionEnabled": asked})
    if changed(was, now, "StreamSpecification"):
        if was.get("StreamSpecification"):
            off = {"StreamEnabled": False}
            yield Call("dynamodb", "UpdateTable", {**table, "StreamSpecification": off})
        if now.get("StreamSpecification"):
            on = _stream(now["StreamSpecification"])
            yield Call("dynamodb", "UpdateTable", {**table, "StreamSpecification": on})
    yield from _change_indexes(old.id, was, now)
    yield from _settings(old, want)
    yield from _TAGGING.change(old, want, _arn(want))


def _change_indexes(table: str, was: Json, now: Json) -> Steps[None]:
    """One index with each call, as DynamoDB takes them: first those that go, then those that change or come."""
    before, after = _by_index(was.get("GlobalSecondaryIndexes")), _by_index(now.get("GlobalSecondaryIndexes"))
    updates: list[Json] = []
    for name, index in before.items():
        if name not in after or changed(index, after[name], "KeySchema", "Projection"):
            updates.append({"Delete": {"IndexName": name}})
    for name, index in after.items():
        known = before.get(name)
        if known is None or changed(known, index, "KeySchema", "Projection"):
            updates.append({"Create": index})
        elif known != index:
            throughput = pick(index, ("ProvisionedThroughput", "WarmThroughput"))
            updates.append({"Update": {"IndexName": name, **throughput}})
    definitions = now.get("AttributeDefinitions") or []
    for update in updates:
        request = {
            "TableName": table,
            "AttributeDefinitions": definitions,
            "GlobalSecondaryIndexUpdates": [update],
        }
        yield call("dynamodb", "UpdateTable", request)


def _rekeyed(was: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """What DynamoDB cannot change of a table."""
    return changed(was, now, "KeySchema", "LocalSecondaryIndexes")


def _by_index(indexes: Iterable[Mapping[str, Any]] | None) -> dict[str, Json]:
    return {str(one["IndexName"]): _index(one) for one in indexes or ()}


# -- read and delete ---------------------------------------------------------------------------------------


def _read(existing: Existing) -> Steps[Json]:
    answer = yield Call("dynamodb", "DescribeTable", {"TableName": existing.id})
    table = answer["Table"]
    found = {"Arn": table["TableArn"]}
    if "StreamSpecification" in table:
        found["StreamArn"] = table["LatestStreamArn"]
    if "TableId" in table:
        found["TableId"] = table["TableId"]
    return found


def _delete(existing: Existing) -> Steps[None]:
    yield Call("dynamodb", "DeleteTable", {"TableName": existing.id})


# -- global table: the table of the stack's own region ------------------------------------------------------

_SHARED = (
    "AttributeDefinitions BillingMode GlobalSecondaryIndexes KeySchema LocalSecondaryIndexes SSESpecification "
    "StreamSpecification TimeToLiveSpecification WarmThroughput"
).split()
_REPLICA = (
    "Region ContributorInsightsSpecification DeletionProtectionEnabled KinesisStreamSpecification "
    "PointInTimeRecoverySpecification ResourcePolicy SSESpecification TableClass Tags"
).split()


def _as_table(want: Desired) -> Desired:
    """The wish for the replica here. Raises AwsError for replicas elsewhere, which nothing would keep equal."""
    p = want.properties
    (replica, *others) = p["Replicas"]
    if others or replica.get("Region") != want.region:
        raise AwsError(
            "NotImplemented",
            "A replica of AWS::DynamoDB::GlobalTable in another region than the stack's is not implemented by Neargate",
        )
    if p.get("BillingMode") != "PAY_PER_REQUEST":
        raise AwsError(
            "NotImplemented",
            "AWS::DynamoDB::GlobalTable with BillingMode PROVISIONED, which scales by itself, is not implemented by "
            "Neargate; PAY_PER_REQUEST is",
        )
    if replica.get("TableClass", "STANDARD") != "STANDARD":
        raise AwsError("NotImplemented", f"TableClass {replica['TableClass']} is not implemented by Neargate")
    own = only(replica, _REPLICA, "Replicas", "dynamodb")
    kept = pick(
        own,
        (
            "DeletionProtectionEnabled",
            "PointInTimeRecoverySpecification",
            "ResourcePolicy",
            _INSIGHTS,
            _KINESIS,
        ),
    )
    properties = {**pick(p, _SHARED), **kept}
    if properties.get("SSESpecification"):
        properties["SSESpecification"] = {**properties["SSESpecification"], **own.get("SSESpecification", {})}
    return attrs.evolve(want, properties=properties, tags={**want.tags, **from_list(own.get("Tags"))})


def _create_global(want: Desired) -> Steps[Identity]:
    return (yield from _create(_as_table(want)))


def _update_global(old: Existing, want: Desired) -> Steps[None]:
    yield from _update(Existing(old.id, _as_table(old.desired)), _as_table(want))


TYPES = by_name(
    ResourceType(
        type="AWS::DynamoDB::Table",
        honoured=frozenset(
            {
                *_PLAIN,
                _INSIGHTS,
                _KINESIS,
                "GlobalSecondaryIndexes",
                "PointInTimeRecoverySpecification",
                "ResourcePolicy",
                "SSESpecification",
                "StreamSpecification",
                "TableName",
                "Tags",
                "TimeToLiveSpecification",
            }
        ),
        naming=_NAMING,
        replaces=_rekeyed,
        create=_create,
        read=_read,
        update=_update,
        delete=_delete,
        error=_error,
    ),
    ResourceType(
        type="AWS::DynamoDB::GlobalTable",
        honoured=frozenset({*_SHARED, "Replicas", "TableName"}),
        naming=_NAMING,
        replaces=_rekeyed,
        create=_create_global,
        read=_read,
        update=_update_global,
        delete=_delete,
        error=_error,
    ),
)
