"""AWS::SecretsManager::Secret and ResourcePolicy."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from neargate.model.errors import AwsError
from neargate.model.records import Json
from neargate.model.tags import upper
from neargate.resources.declaration import (
    Call,
    Desired,
    Existing,
    Identity,
    Naming,
    ResourceType,
    Steps,
    handler_code,
    sdk_error,
)
from neargate.resources.shapes import call, missing_is_fine, pick

_GENERATE = "GenerateSecretString"


def _error(verb: str, error: AwsError) -> tuple[str, str]:
    code = "AlreadyExists" if error.code == "ResourceExistsException" else handler_code(error)
    return sdk_error("SecretsManager", error), code


def _invalid(message: str) -> AwsError:
    return AwsError("InvalidRequest", message)


# -- secrets -------------------------------------------------------------------------------------------------


def _create(want: Desired) -> Steps[Identity]:
    request: Json = {"Name": want.name, "ClientRequestToken": _token(want)}
    request |= pick(want.properties, ("Description", "KmsKeyId", "Type"))
    if want.all_tags:
        request["Tags"] = upper(want.all_tags)
    text = yield from _text(want)
    if text is not None:
        request["SecretString"] = text
    answer = yield Call("secretsmanager", "CreateSecret", request)
    return Identity(answer["ARN"])


def _token(want: Desired) -> str:
    """The version's id: the same for every try of the same change, in a uuid's form."""
    digits = hashlib.sha256(want.token.encode()).hexdigest()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:32]))


def _text(want: Desired) -> Steps[str | None]:
    """The value that the template gives or has generated; None for a secret without one."""
    given = want.properties.get("SecretString")
    if _GENERATE not in want.properties:
        return None if given is None else str(given)
    if given is not None:
        raise _invalid("You can't specify both SecretString and GenerateSecretString.")
    wanted: Json = dict(want.properties[_GENERATE] or {})
    template, key = wanted.pop("SecretStringTemplate", None), wanted.pop("GenerateStringKey", None)
    answer = yield call("secretsmanager", "GetRandomPassword", wanted)
    password: str = answer["RandomPassword"]
    if template is None and key is None:
        return password
    return _filled(template, key, password)


def _filled(template: Any, key: Any, password: str) -> str:
    """The template's JSON object with the password under the key."""
    if template is None or not key:
        raise _invalid("You must specify both SecretStringTemplate and GenerateStringKey, or neither.")
    try:
        document = json.loads(template) if isinstance(template, str) else template
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise _invalid("Could not parse SecretStringTemplate JSON")
    return json.dumps({**document, str(key): password}, separators=(",", ":"), ensure_ascii=False)


def _update(old: Existing, want: Desired) -> Steps[None]:
    """A changed SecretString or GenerateSecretString makes a new value; leaving both out keeps the one there is."""
    before = old.desired.properties
    request: Json = {"SecretId": old.id, "ClientRequestToken": _token(want)}
    request |= {
        name: want.properties.get(name, "")
        for name in ("Description", "KmsKeyId", "Type")
        if want.properties.get(name) != before.get(name)
    }
    if any(want.properties.get(name) != before.get(name) for name in ("SecretString", _GENERATE)):
        text = yield from _text(want)
        if text is not None:
            request["SecretString"] = text
    yield Call("secretsmanager", "UpdateSecret", request)
    gone = sorted(old.desired.all_tags.keys() - want.all_tags.keys())
    if gone:
        yield Call("secretsmanager", "UntagResource", {"SecretId": old.id, "TagKeys": gone})
    if want.all_tags != old.desired.all_tags and want.all_tags:
        yield Call("secretsmanager", "TagResource", {"SecretId": old.id, "Tags": upper(want.all_tags)})


def _read(existing: Existing) -> Steps[Json]:
    answer = yield Call("secretsmanager", "DescribeSecret", {"SecretId": existing.id})
    return {"Id": answer["ARN"], "Name": answer["Name"]}


def _delete(existing: Existing) -> Steps[None]:
    yield Call(
        "secretsmanager", "DeleteSecret", {"SecretId": existing.id, "ForceDeleteWithoutRecovery": True}
    )


# -- resource policies ---------------------------------------------------------------------------------------


def _put_policy(want: Desired) -> Steps[Json]:
    answer = yield call("secretsmanager", "PutResourcePolicy", want.properties)
    return answer


def _create_policy(want: Desired) -> Steps[Identity]:
    answer = yield from _put_policy(want)
    return Identity(answer["ARN"])


def _update_policy(old: Existing, want: Desired) -> Steps[None]:
    yield from _put_policy(want)


def _read_policy(existing: Existing) -> Steps[Json]:
    answer = yield Call("secretsmanager", "GetResourcePolicy", {"SecretId": existing.id})
    return {"Id": answer["ARN"]}


def _delete_policy(existing: Existing) -> Steps[None]:
    yield from missing_is_fine(
        Call("secretsmanager", "DeleteResourcePolicy", {"SecretId": existing.id}), "ResourceNotFoundException"
    )


TYPES = {
    "AWS::SecretsManager::Secret": ResourceType(
        type="AWS::SecretsManager::Secret",
        honoured=frozenset({"Name", "Description", "KmsKeyId", "Type", "SecretString", _GENERATE, "Tags"}),
        naming=Naming("Name", max_length=512, style="stackless", taken="service"),
        create=_create,
        read=_read,
        update=_update,
        delete=_delete,
        error=_error,
    ),
    "AWS::SecretsManager::ResourcePolicy": ResourceType(
        type="AWS::SecretsManager::ResourcePolicy",
        honoured=frozenset({"SecretId", "ResourcePolicy", "BlockPublicPolicy"}),
        create=_create_policy,
        read=_read_policy,
        update=_update_policy,
        delete=_delete_policy,
        error=_error,
    ),
}
