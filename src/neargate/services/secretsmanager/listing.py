"""Describing and listing secrets, and reading several at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from neargate.model.errors import AwsError
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.model.secretsmanager import Secret
from neargate.model.tags import upper
from neargate.services.secretsmanager.lookup import (
    any_secret,
    invalid_parameter,
    page,
    the_secret,
    wanted_version,
)
from neargate.services.secretsmanager.versions import shown_value


@operation("secretsmanager", "DescribeSecret", reads=True)
def describe_secret(cx: Context, request: Json) -> Json:
    """Also of a secret that is marked for deletion."""
    secret = any_secret(cx, request["SecretId"])
    stages = _stages(secret)
    return {**_described(secret), **({"VersionIdsToStages": stages} if stages else {})}


def _stages(secret: Secret) -> dict[str, list[str]]:
    return {version.id: list(version.stages) for version in secret.versions if version.stages}


def _described(secret: Secret) -> Json:
    optional = {
        "Type": secret.type,
        "Description": secret.description or None,
        "KmsKeyId": secret.kms_key,
        "LastAccessedDate": secret.accessed,
        "DeletedDate": secret.deletion,
        "Tags": None if secret.tags is None else upper(secret.tags),
    }
    return {
        "ARN": secret.arn,
        "Name": secret.name,
        "CreatedDate": secret.created,
        "LastChangedDate": secret.changed,
        **{name: value for name, value in optional.items() if value is not None},
    }


@operation("secretsmanager", "ListSecrets", reads=True)
def list_secrets(cx: Context, request: Json) -> Json:
    found = _found(cx, request.get("Filters") or (), planned=request.get("IncludePlannedDeletion", False))
    sort_by = request.get("SortBy", "created-date")

    def place(secret: Secret) -> tuple[float | str, str]:
        by: dict[str, float | str] = {
            "name": secret.name,
            "created-date": secret.created,
            "last-accessed-date": secret.accessed or 0.0,
            "last-changed-date": secret.changed,
        }
        return by[sort_by], secret.name

    ordered = sorted(found, key=place, reverse=request.get("SortOrder") == "desc")
    shown, token = page(ordered, request.get("NextToken"), request.get("MaxResults", 100))
    listed = [{**_described(each), "SecretVersionsToStages": _stages(each)} for each in shown]
    return {"SecretList": listed, **({"NextToken": token} if token else {})}


@operation("secretsmanager", "BatchGetSecretValue", reads=True)
def batch_get_secret_value(cx: Context, request: Json) -> Json:
    """Secrets by id or by filters; what cannot be read is listed with its error."""
    ids, filters = request.get("SecretIdList"), request.get("Filters")
    if bool(ids) == bool(filters):
        raise invalid_parameter("Either 'SecretIdList' or 'Filters' must be provided, but not both.")
    if request.get("MaxResults") and not filters:
        raise invalid_parameter(
            "'Filters' not specified. 'Filters' must also be specified when 'MaxResults' is provided."
        )
    token = None
    if filters:
        found = sorted(_found(cx, filters, planned=False), key=lambda secret: secret.created)
        shown, token = page(found, request.get("NextToken"), request.get("MaxResults", 20))
        ids = [secret.arn for secret in shown]
    values: list[Json] = []
    errors: list[Json] = []
    for id in ids or ():
        try:
            secret = the_secret(cx, id)
            values.append(shown_value(cx, secret, wanted_version(secret, None, None)))
        except AwsError as error:
            errors.append({"SecretId": id, "ErrorCode": error.code, "Message": error.message})
    return {"SecretValues": values, "Errors": errors, **({"NextToken": token} if token else {})}


def _found(cx: Context, filters: Iterable[Mapping[str, Any]], *, planned: bool) -> list[Secret]:
    return [
        secret
        for secret in cx.tx.scan(Secret, cx.caller.scope(""))
        if not secret.is_gone(cx.now)
        and (planned or secret.deletion is None)
        and all(_fits(secret, each["Key"], each.get("Values") or ()) for each in filters)
    ]


# -- filters -------------------------------------------------------------------------------------------------


def _fits(secret: Secret, key: str, values: Iterable[str]) -> bool:
    """One of the values fits, and none of those behind `!`."""
    positive = [value for value in values if not value.startswith("!")]
    negative = [value[1:] for value in values if value.startswith("!")]
    if any(_matches(secret, key, value) for value in negative):
        return False
    return not positive or any(_matches(secret, key, value) for value in positive)


def _matches(secret: Secret, key: str, value: str) -> bool:
    """Names and tags by their beginning; descriptions by the beginnings of their words, whatever the case."""
    tags = secret.tags or {}
    if key == "name":
        return secret.name.startswith(value)
    if key == "tag-key":
        return any(tag.startswith(value) for tag in tags)
    if key == "tag-value":
        return any(tag.startswith(value) for tag in tags.values())
    if key in ("primary-region", "owning-service"):
        return False  # there are neither replicas nor secrets that a service owns
    texts = [secret.description]
    if key == "all":
        texts += [secret.name, *tags, *tags.values()]
    words = [word.lower() for text in texts for word in text.split()]
    return all(any(word.startswith(wanted) for word in words) for wanted in value.lower().split())
