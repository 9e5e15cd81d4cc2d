"""AWS::KMS::Key, ReplicaKey, Alias."""

from __future__ import annotations

from typing import Any

from neargate.model.errors import AwsError
from neargate.model.records import Json
from neargate.model.tags import Tags
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
    missing_is_fine,
    or_undone,
    pick,
)
from neargate.resources.tagging import Tagging

_DEFAULT_WINDOW = 30  # days that a deleted key can be taken back
_GONE = ("NotFoundException", "KMSInvalidStateException")  # the latter: its deletion is scheduled already


def _spelled(tags: Tags) -> list[Json]:
    return [{"TagKey": key, "TagValue": value} for key, value in tags.items()]


_TAGGING = Tagging("kms", "KeyId", form=_spelled)
_error = errors_of("Kms", {"NotUpdatable": "NotUpdatable"})


def _policy(document_or_text: Any) -> Json:
    return {"Policy": document(document_or_text)} if document_or_text else {}


# -- key ---------------------------------------------------------------------------------------------------

_LASTING = ("KeySpec", "KeyUsage", "MultiRegion", "Origin")


def _create_key(want: Desired) -> Steps[Identity]:
    p = want.properties
    members = {
        **pick(p, ("Description", *_LASTING)),
        **_policy(p.get("KeyPolicy")),
        **_TAGGING.at_create(want),
    }
    answer = yield call("kms", "CreateKey", members)
    identity = str(answer["KeyMetadata"]["KeyId"])
    undo = _delete_key(Existing(identity, want))
    yield from or_undone(_switch(identity, {}, p), undo)
    return Identity(identity)


def _switch(key: str, was: Json, now: Json) -> Steps[None]:
    """Rotation and use, where they differ. Rotation is set while the key is enabled: KMS refuses it of others."""
    named = {"KeyId": key}
    enabled, enabled_before = flag(now.get("Enabled", True)), flag(was.get("Enabled", True))
    rotates, rotated = flag(now.get("EnableKeyRotation", False)), flag(was.get("EnableKeyRotation", False))
    if enabled and not enabled_before:
        yield Call("kms", "EnableKey", named)
    if rotates != rotated:
        yield Call("kms", "EnableKeyRotation" if rotates else "DisableKeyRotation", named)
    if enabled_before and not enabled:
        yield Call("kms", "DisableKey", named)


def _update_key(old: Existing, want: Desired) -> Steps[None]:
    was, now = old.desired.properties, want.properties
    for name in _LASTING:
        if changed(was, now, name):
            raise AwsError("NotUpdatable", f"You cannot change the {name} of an existing KMS key")
    yield from _describe_anew(old, want)
    yield from _switch(old.id, was, now)
    yield from _TAGGING.change(old, want)


def _describe_anew(old: Existing, want: Desired) -> Steps[None]:
    was, now = old.desired.properties, want.properties
    if changed(was, now, "Description"):
        request = {"KeyId": old.id, "Description": now.get("Description", "")}
        yield Call("kms", "UpdateKeyDescription", request)
    if changed(was, now, "KeyPolicy") and now.get("KeyPolicy"):
        request = {"KeyId": old.id, "PolicyName": "default", **_policy(now["KeyPolicy"])}
        yield Call("kms", "PutKeyPolicy", request)


def _read_key(existing: Existing) -> Steps[Json]:
    answer = yield Call("kms", "DescribeKey", {"KeyId": existing.id})
    metadata = answer["KeyMetadata"]
    return {"Arn": metadata["Arn"], "KeyId": metadata["KeyId"]}


def _delete_key(existing: Existing) -> Steps[None]:
    window = int(existing.desired.properties.get("PendingWindowInDays", _DEFAULT_WINDOW))
    request = {"KeyId": existing.id, "PendingWindowInDays": window}
    yield from missing_is_fine(Call("kms", "ScheduleKeyDeletion", request), *_GONE)


# -- replica key -------------------------------------------------------------------------------------------


def _create_replica(want: Desired) -> Steps[Identity]:
    p = want.properties
    primary = str(p["PrimaryKeyArn"]).split(":")
    if len(primary) < 6:
        raise AwsError("ValidationException", f"Invalid ARN {p['PrimaryKeyArn']}")
    request = {"KeyId": primary[5].removeprefix("key/"), "ReplicaRegion": want.region}
    yield Call("kms", "ReplicateKey", {**request, **_policy(p["KeyPolicy"])}, primary[3])
    identity = request["KeyId"]
    undo = _delete_key(Existing(identity, want))
    yield from or_undone(_complete_replica(identity, want), undo)
    return Identity(identity)


def _complete_replica(key: str, want: Desired) -> Steps[None]:
    p = want.properties
    yield Call("kms", "PutKeyPolicy", {"KeyId": key, "PolicyName": "default", **_policy(p["KeyPolicy"])})
    yield Call("kms", "UpdateKeyDescription", {"KeyId": key, "Description": p.get("Description", "")})
    if want.all_tags:
        yield Call("kms", "TagResource", {"KeyId": key, **_TAGGING.at_create(want)})
    yield from _switch(key, {}, p)


def _update_replica(old: Existing, want: Desired) -> Steps[None]:
    yield from _describe_anew(old, want)
    yield from _switch(old.id, old.desired.properties, want.properties)
    yield from _TAGGING.change(old, want)


# -- alias -------------------------------------------------------------------------------------------------


def _target(want: Desired) -> Json:
    return pick(want.properties, ("AliasName", "TargetKeyId"))


def _create_alias(want: Desired) -> Steps[Identity]:
    yield Call("kms", "CreateAlias", _target(want))
    return Identity(str(want.properties["AliasName"]))


def _update_alias(old: Existing, want: Desired) -> Steps[None]:
    yield Call("kms", "UpdateAlias", _target(want))


def _read_alias(existing: Existing) -> Steps[Json]:
    yield from ()
    return {}


def _delete_alias(existing: Existing) -> Steps[None]:
    yield from missing_is_fine(Call("kms", "DeleteAlias", {"AliasName": existing.id}), "NotFoundException")


TYPES = by_name(
    ResourceType(
        type="AWS::KMS::Key",
        honoured=frozenset(
            "BypassPolicyLockoutSafetyCheck Description EnableKeyRotation Enabled KeyPolicy KeySpec KeyUsage "
            "MultiRegion Origin PendingWindowInDays Tags".split()
        ),
        create=_create_key,
        read=_read_key,
        update=_update_key,
        delete=_delete_key,
        error=_error,
    ),
    ResourceType(
        type="AWS::KMS::ReplicaKey",
        honoured=frozenset(
            {"Description", "Enabled", "KeyPolicy", "PendingWindowInDays", "PrimaryKeyArn", "Tags"}
        ),
        create=_create_replica,
        read=_read_key,
        update=_update_replica,
        delete=_delete_key,
        error=_error,
    ),
    ResourceType(
        type="AWS::KMS::Alias",
        honoured=frozenset({"AliasName", "TargetKeyId"}),
        naming=Naming("AliasName"),
        create=_create_alias,
        read=_read_alias,
        update=_update_alias,
        delete=_delete_alias,
        error=_error,
    ),
)
