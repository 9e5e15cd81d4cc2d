"""Tags of roles, users, managed policies, instance profiles, server certificates and identity providers."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from neargate.model import tags
from neargate.model.errors import AwsError
from neargate.model.iam import InstanceProfile, OpenIdProvider, Policy, Role, ServerCertificate, User
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.services.iam.lookup import (
    limit_exceeded,
    page,
    require_openid_provider,
    require_policy,
    require_profile,
    require_role,
    require_server_certificate,
    require_user,
)

Tagged = Role | User | Policy | InstanceProfile | ServerCertificate | OpenIdProvider


def given(request: Json) -> tags.Tags:
    """The request's tags, checked."""
    items = request.get("Tags") or []
    return merged({}, items)


def merged(old: tags.Tags, items: list[dict[str, str]]) -> tags.Tags:
    """The old tags with the given ones put over them; keys differ without case."""
    keys = [item["Key"].lower() for item in items]
    if len(set(keys)) != len(keys):
        raise AwsError(
            "InvalidInput",
            "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
        )
    for item in items:
        if item["Key"].lower().startswith("aws:"):
            raise AwsError(
                "InvalidInput",
                "Tag keys starting with 'aws:' are reserved for system use and cannot be specified.",
            )
    kept = {key: value for key, value in old.items() if key.lower() not in keys}
    result = {**kept, **tags.from_list(items)}
    if len(result) > 50:
        raise limit_exceeded("The number of tags has reached the maximum limit.")
    return result


def _declare(word: str, member: str, require: Callable[[Context, str], Tagged]) -> None:
    """Tag…, Untag… and List…Tags for one kind of entity, named by the request's `member`."""

    def tag(cx: Context, request: Json) -> Json:
        entity = require(cx, request[member])
        cx.tx.put(attrs.evolve(entity, tags=merged(entity.tags, request["Tags"])))
        return {}

    def untag(cx: Context, request: Json) -> Json:
        entity = require(cx, request[member])
        gone = {key.lower() for key in request["TagKeys"]}
        kept = {key: value for key, value in entity.tags.items() if key.lower() not in gone}
        cx.tx.put(attrs.evolve(entity, tags=kept))
        return {}

    def list_tags(cx: Context, request: Json) -> Json:
        entity = require(cx, request[member])
        return page(request, "Tags", tags.upper(entity.tags), dict)

    operation("iam", f"Tag{word}")(tag)
    operation("iam", f"Untag{word}")(untag)
    operation("iam", f"List{word}Tags", reads=True)(list_tags)


_declare("Role", "RoleName", require_role)
_declare("User", "UserName", require_user)
_declare("Policy", "PolicyArn", require_policy)
_declare("InstanceProfile", "InstanceProfileName", require_profile)
_declare("ServerCertificate", "ServerCertificateName", require_server_certificate)
_declare("OpenIDConnectProvider", "OpenIDConnectProviderArn", require_openid_provider)
