"""Making, changing, deleting and restoring secrets."""

from __future__ import annotations

import attrs

from neargate.model.errors import AwsError, not_implemented
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.model.secretsmanager import Secret, SecretValue
from neargate.model.tags import from_list
from neargate.services.secretsmanager.lookup import (
    any_secret,
    check_name,
    invalid_parameter,
    invalid_request,
    marked,
    secret_or_none,
    the_secret,
)
from neargate.services.secretsmanager.versions import (
    add_version,
    client_token,
    drop_values,
    given_value,
)

_SUFFIX = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_DAY = 86_400.0
_WINDOW = (7, 30)


@operation("secretsmanager", "CreateSecret")
def create_secret(cx: Context, request: Json) -> Json:
    """Without a value it has no version until one is put."""
    name = request["Name"]
    check_name(name)
    token = client_token(request)
    for member in ("AddReplicaRegions", "CrossAccountPrimaryARN"):
        if request.get(member):
            raise not_implemented(f"secretsmanager:CreateSecret with {member}", "secretsmanager")
    existing = cx.tx.get(Secret, cx.caller.scope(name))
    if existing is not None and not existing.is_gone(cx.now):
        return _made_before(cx, existing, request, token)
    if existing is not None:
        drop_values(cx, existing)
    secret = Secret(
        account=cx.account,
        region=cx.region,
        name=name,
        suffix=cx.ids.letters(6, _SUFFIX),
        created=cx.now,
        changed=cx.now,
        description=request.get("Description") or "",
        kms_key=request.get("KmsKeyId") or None,
        type=request.get("Type") or None,
        tags=from_list(request["Tags"]) if request.get("Tags") else None,
    )
    value = given_value(request)
    if value is None:
        cx.tx.put(secret)
        return {"ARN": secret.arn, "Name": secret.name}
    secret = add_version(cx, secret, token, value, ())
    return {"ARN": secret.arn, "Name": secret.name, "VersionId": token}


def _made_before(cx: Context, secret: Secret, request: Json, token: str) -> Json:
    """A repeated call with the same token and value succeeds; any other is refused."""
    if secret.deletion is not None:
        raise invalid_request(
            "You can't create this secret because a secret with this name is already scheduled for deletion."
        )
    held = cx.tx.get(SecretValue, secret.value_key(token))
    value = given_value(request)
    if held is None or value is None or (held.text, held.binary) != value:
        raise AwsError(
            "ResourceExistsException",
            f"The operation failed because the secret {secret.name} already exists.",
        )
    return {"ARN": secret.arn, "Name": secret.name, "VersionId": token}


@operation("secretsmanager", "UpdateSecret")
def update_secret(cx: Context, request: Json) -> Json:
    """A value makes a new version that becomes AWSCURRENT; the rest is changed in place."""
    token = client_token(request)
    secret = the_secret(cx, request["SecretId"])
    members = {"description": "Description", "kms_key": "KmsKeyId", "type": "Type"}
    changes = {field: request[member] for field, member in members.items() if request.get(member) is not None}
    secret = attrs.evolve(secret, changed=cx.now, **changes)
    value = given_value(request)
    if value is None:
        cx.tx.put(secret)
        return {"ARN": secret.arn, "Name": secret.name}
    secret = add_version(cx, secret, token, value, ())
    return {"ARN": secret.arn, "Name": secret.name, "VersionId": token}


@operation("secretsmanager", "DeleteSecret")
def delete_secret(cx: Context, request: Json) -> Json:
    """Marks it for deletion, or deletes it at once. A forced deletion of what is not there succeeds."""
    force, days = request.get("ForceDeleteWithoutRecovery", False), request.get("RecoveryWindowInDays")
    if force and days is not None:
        raise invalid_parameter(
            "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays."
        )
    if days is not None and not _WINDOW[0] <= days <= _WINDOW[1]:
        raise invalid_parameter("The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).")
    if force:
        return _delete_now(cx, request["SecretId"])
    secret = any_secret(cx, request["SecretId"])
    if secret.deletion is not None:
        raise marked()
    secret = attrs.evolve(secret, deletion=cx.now + (days or _WINDOW[1]) * _DAY)
    cx.tx.put(secret)
    return {"ARN": secret.arn, "Name": secret.name, "DeletionDate": secret.deletion}


def _delete_now(cx: Context, text: str) -> Json:
    secret = secret_or_none(cx, text)
    if secret is None:
        name = text.rpartition(":secret:")[2]
        arn = cx.caller.arn("secretsmanager", f"secret:{name}-{cx.ids.letters(6, _SUFFIX)}")
        return {"ARN": arn, "Name": name, "DeletionDate": cx.now}
    drop_values(cx, secret)
    cx.tx.delete(Secret, secret.key)
    return {"ARN": secret.arn, "Name": secret.name, "DeletionDate": cx.now}


@operation("secretsmanager", "RestoreSecret")
def restore_secret(cx: Context, request: Json) -> Json:
    secret = attrs.evolve(any_secret(cx, request["SecretId"]), deletion=None)
    cx.tx.put(secret)
    return {"ARN": secret.arn, "Name": secret.name}


@operation("secretsmanager", "TagResource")
def tag_resource(cx: Context, request: Json) -> Json:
    secret = the_secret(cx, request["SecretId"])
    cx.tx.put(attrs.evolve(secret, tags={**(secret.tags or {}), **from_list(request["Tags"])}))
    return {}


@operation("secretsmanager", "UntagResource")
def untag_resource(cx: Context, request: Json) -> Json:
    secret = the_secret(cx, request["SecretId"])
    kept = {key: value for key, value in (secret.tags or {}).items() if key not in request["TagKeys"]}
    cx.tx.put(attrs.evolve(secret, tags=kept))
    return {}
