"""Values, their versions, and the stages that name them."""

from __future__ import annotations

import attrs

from neargate.model.errors import AwsError, not_implemented
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.model.secretsmanager import (
    CURRENT,
    PREVIOUS,
    Secret,
    SecretValue,
    Version,
    with_stages,
)
from neargate.services.secretsmanager.lookup import (
    any_secret,
    invalid_parameter,
    invalid_request,
    page,
    the_secret,
    wanted_version,
)

_DAY = 86_400
_MAX_DEPRECATED = 100

Value = tuple[str | None, bytes | None]


def client_token(request: Json) -> str:
    """The ClientRequestToken, which becomes the version's id. SDKs always send one; raw callers must."""
    token = request.get("ClientRequestToken")
    if not token:
        raise invalid_request("You must provide a ClientRequestToken value. We recommend a UUID-type value.")
    return str(token)


def given_value(request: Json) -> Value | None:
    """(text, bytes) of SecretString or SecretBinary; None without either."""
    text, binary = request.get("SecretString"), request.get("SecretBinary")
    if text is not None and binary is not None:
        raise invalid_parameter(
            "You can't specify both a binary secret value and a string secret value in the same secret."
        )
    return None if text is None and binary is None else (text, binary)


def add_version(cx: Context, secret: Secret, id: str, value: Value, stages: tuple[str, ...]) -> Secret:
    """Keep a value as a version with those stages (none: AWSCURRENT); the secret as it is then kept. The same value
    again under the same id makes no other version."""
    held = cx.tx.get(SecretValue, secret.value_key(id))
    if held is not None:
        if (held.text, held.binary) != value:
            raise AwsError(
                "ResourceExistsException",
                f"You can't use ClientRequestToken {id} because that value is already in use for a version of "
                f"secret {secret.arn}.",
            )
        cx.tx.put(secret)
        return secret
    if not secret.versions:
        stages = (*stages, CURRENT)
    secret = attrs.evolve(secret, changed=cx.now, versions=(*secret.versions, Version(id=id, created=cx.now)))
    secret = _forget_oldest(cx, with_stages(secret, id, stages or (CURRENT,)))
    cx.tx.put(SecretValue(key=secret.value_key(id), text=value[0], binary=value[1]))
    cx.tx.put(secret)
    return secret


def _forget_oldest(cx: Context, secret: Secret) -> Secret:
    """Keep a hundred deprecated versions at most."""
    deprecated = [version.id for version in secret.versions if not version.stages]
    gone = frozenset(deprecated[: max(0, len(deprecated) - _MAX_DEPRECATED)])
    for id in gone:
        cx.tx.delete(SecretValue, secret.value_key(id))
    return attrs.evolve(secret, versions=tuple(each for each in secret.versions if each.id not in gone))


def drop_values(cx: Context, secret: Secret) -> None:
    for version in secret.versions:
        cx.tx.delete(SecretValue, secret.value_key(version.id))


@operation("secretsmanager", "PutSecretValue")
def put_secret_value(cx: Context, request: Json) -> Json:
    token = client_token(request)
    secret = the_secret(cx, request["SecretId"])
    if request.get("RotationToken"):
        raise not_implemented("secretsmanager:PutSecretValue with RotationToken", "secretsmanager")
    value = given_value(request)
    if value is None:
        raise invalid_request("You must provide either SecretString or SecretBinary.")
    secret = add_version(cx, secret, token, value, tuple(request.get("VersionStages") or ()))
    version = secret.version(token)
    return {
        "ARN": secret.arn,
        "Name": secret.name,
        "VersionId": token,
        "VersionStages": list(version.stages) if version else [],
    }


@operation("secretsmanager", "GetSecretValue")
def get_secret_value(cx: Context, request: Json) -> Json:
    """Notes the day of the access, which is why it writes: once a day and version."""
    secret = the_secret(cx, request["SecretId"])
    version = wanted_version(secret, request.get("VersionId"), request.get("VersionStage"))
    today = cx.now // _DAY * _DAY
    if version.accessed != today or secret.accessed != today:
        versions = tuple(
            attrs.evolve(each, accessed=today) if each.id == version.id else each for each in secret.versions
        )
        cx.tx.put(attrs.evolve(secret, accessed=today, versions=versions))
    return shown_value(cx, secret, version)


def shown_value(cx: Context, secret: Secret, version: Version) -> Json:
    held = cx.tx.get(SecretValue, secret.value_key(version.id))
    shown: Json = {
        "ARN": secret.arn,
        "Name": secret.name,
        "VersionId": version.id,
        "CreatedDate": version.created,
    }
    if version.stages:
        shown["VersionStages"] = list(version.stages)
    if held is not None and held.text is not None:
        shown["SecretString"] = held.text
    if held is not None and held.binary is not None:
        shown["SecretBinary"] = held.binary
    return shown


@operation("secretsmanager", "UpdateSecretVersionStage")
def update_secret_version_stage(cx: Context, request: Json) -> Json:
    """Move a stage from one version to another, put it on one, or take it off."""
    secret = the_secret(cx, request["SecretId"])
    stage, target, source = (
        request["VersionStage"],
        request.get("MoveToVersionId"),
        request.get("RemoveFromVersionId"),
    )
    for id in (target, source):
        if id is not None and secret.version(id) is None:
            raise AwsError(
                "ResourceNotFoundException",
                f"Secrets Manager can't find the specified secret value for VersionId: {id}",
            )
    _check_source(secret, stage, source)
    if target is not None:
        secret = with_stages(secret, target, (stage,))
    elif stage == CURRENT:
        raise invalid_parameter(
            "You can only move staging label AWSCURRENT to a different secret version. "
            "It can't be completely removed."
        )
    else:
        secret = attrs.evolve(secret, versions=tuple(_without(each, stage) for each in secret.versions))
    cx.tx.put(_forget_oldest(cx, attrs.evolve(secret, changed=cx.now)))
    return {"ARN": secret.arn, "Name": secret.name}


def _check_source(secret: Secret, stage: str, source: str | None) -> None:
    holder = secret.staged(stage)
    if holder is None and source is not None:
        raise invalid_parameter(f"The staging label {stage} is not attached to version {source}.")
    if holder is None or holder.id == source or (source is None and stage == PREVIOUS):
        return
    given = "can't be empty" if source is None else "is not the version that carries the label"
    raise invalid_parameter(
        f"The parameter RemoveFromVersionId {given}. Staging label {stage} is currently attached to version "
        f"{holder.id}, so you must explicitly reference that version in RemoveFromVersionId."
    )


def _without(version: Version, stage: str) -> Version:
    return attrs.evolve(version, stages=tuple(each for each in version.stages if each != stage))


@operation("secretsmanager", "ListSecretVersionIds", reads=True)
def list_secret_version_ids(cx: Context, request: Json) -> Json:
    secret = any_secret(cx, request["SecretId"])
    everything = request.get("IncludeDeprecated", False)
    versions = [version for version in secret.versions if version.stages or everything]
    shown, token = page(versions, request.get("NextToken"), request.get("MaxResults", 100))
    return {
        "Versions": [_listed(secret, version) for version in shown],
        "ARN": secret.arn,
        "Name": secret.name,
        **({"NextToken": token} if token else {}),
    }


def _listed(secret: Secret, version: Version) -> Json:
    shown: Json = {
        "VersionId": version.id,
        "CreatedDate": version.created,
        "KmsKeyIds": [secret.kms_key or "DefaultEncryptionKey"],
    }
    if version.stages:
        shown["VersionStages"] = list(version.stages)
    if version.accessed is not None:
        shown["LastAccessedDate"] = version.accessed
    return shown
