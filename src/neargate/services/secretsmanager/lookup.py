"""Finding the secret that a name or ARN means, and its versions."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from typing import TypeVar

from neargate.model.errors import AwsError, not_implemented
from neargate.model.operations import Context
from neargate.model.secretsmanager import CURRENT, Secret, Version, of_arn

T = TypeVar("T")

_NAME = re.compile(r"[A-Za-z0-9/_+=.@!-]+")


def invalid_request(message: str) -> AwsError:
    return AwsError("InvalidRequestException", message)


def invalid_parameter(message: str) -> AwsError:
    return AwsError("InvalidParameterException", message)


def marked() -> AwsError:
    return invalid_request(
        "You can't perform this operation on the secret because it was marked for deletion."
    )


def check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise AwsError(
            "ValidationException",
            "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!",
        )


def any_secret(cx: Context, text: str) -> Secret:
    """The secret of a name, ARN or partial ARN, also one marked for deletion. Raises ResourceNotFoundException."""
    secret = secret_or_none(cx, text)
    if secret is None:
        raise AwsError("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
    return secret


def secret_or_none(cx: Context, text: str) -> Secret | None:
    """As `any_secret`; None where there is none."""
    suffix: str | None = None
    named = of_arn(text)
    if named is None:
        check_name(text)
        key = cx.caller.scope(text)
    else:
        account, region, name, suffix = named
        if account != cx.account:
            raise not_implemented("using another account's secret (secretsmanager)", "secretsmanager")
        key = f"{account}/{region}/{name}"
    secret = cx.tx.get(Secret, key)
    if secret is None or secret.is_gone(cx.now) or suffix not in (None, secret.suffix):
        return None
    return secret


def the_secret(cx: Context, text: str) -> Secret:
    """As `any_secret`; raises InvalidRequestException where it is marked for deletion."""
    secret = any_secret(cx, text)
    if secret.deletion is not None:
        raise marked()
    return secret


def wanted_version(secret: Secret, id: str | None, stage: str | None) -> Version:
    """The version of an id, a stage or both; AWSCURRENT where neither is given. Raises in AWS's words."""
    if id is None:
        stage = stage or CURRENT
        staged = secret.staged(stage)
        if staged is None:
            raise _no_value(f"staging label: {stage}")
        return staged
    version = secret.version(id)
    if version is None:
        raise _no_value(f"VersionId: {id}")
    if stage is not None and stage not in version.stages:
        raise invalid_request("You provided a VersionStage that is not associated to the provided VersionId.")
    return version


def _no_value(which: str) -> AwsError:
    return AwsError(
        "ResourceNotFoundException", f"Secrets Manager can't find the specified secret value for {which}"
    )


def page(items: Sequence[T], token: str | None, limit: int) -> tuple[Sequence[T], str | None]:
    """The next `limit` items behind the token's position, and the token that goes on."""
    start = 0 if not token else _position(token)
    end = start + limit
    return items[start:end], base64.b64encode(str(end).encode()).decode() if len(items) > end else None


def _position(token: str) -> int:
    try:
        return int(base64.b64decode(token, validate=True))
    except (binascii.Error, ValueError):
        raise AwsError("InvalidNextTokenException", "Invalid pagination token.") from None
