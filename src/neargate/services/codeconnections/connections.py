"""Connections. On AWS somebody completes each in the console; here nobody can, so one stays PENDING.

Pipelines do not ask it: a source stands for a git repository of this server, whatever connection it names.
"""

from __future__ import annotations

import attrs

from neargate.model import tags
from neargate.model.codeconnections import Connection
from neargate.model.errors import AwsError, not_implemented
from neargate.model.operations import Context, Handler, operation
from neargate.model.records import Json

SERVICES = ("codeconnections", "codestar-connections")
_PAGE = 100


def _create(service: str) -> Handler:
    def create_connection(cx: Context, request: Json) -> Json:
        provider, host = request.get("ProviderType"), request.get("HostArn")
        if (provider is None) == (host is None):
            raise AwsError(
                "InvalidInputException", "Exactly one of ProviderType and HostArn must be specified"
            )
        if host is not None:
            raise not_implemented(f"{service}:CreateConnection with HostArn", service)
        connection = Connection(
            account=cx.account,
            region=cx.region,
            service=service,
            id=cx.ids.uuid(),
            name=request["ConnectionName"],
            provider=provider,
            tags=tags.from_list(request.get("Tags")),
        )
        cx.tx.put(connection)
        return {"ConnectionArn": connection.arn, "Tags": tags.upper(connection.tags)}

    return create_connection


def _get(cx: Context, request: Json) -> Json:
    return {"Connection": _described(_required(cx, request["ConnectionArn"]))}


def _list(cx: Context, request: Json) -> Json:
    """By id, which is the order of their keys; the token is the last id shown."""
    wanted, after = request.get("ProviderTypeFilter"), request.get("NextToken", "")
    found = [
        one
        for one in cx.tx.scan(Connection, cx.caller.scope(""))
        if wanted in (None, one.provider) and one.id > after and not request.get("HostArnFilter")
    ]
    limit = request.get("MaxResults") or _PAGE
    answer: Json = {"Connections": [_described(one) for one in found[:limit]]}
    if len(found) > limit:
        answer["NextToken"] = found[limit - 1].id
    return answer


def _delete(cx: Context, request: Json) -> Json:
    cx.tx.delete(Connection, _required(cx, request["ConnectionArn"]).key)
    return {}


def _tag(cx: Context, request: Json) -> Json:
    connection = _required(cx, request["ResourceArn"])
    cx.tx.put(attrs.evolve(connection, tags={**connection.tags, **tags.from_list(request["Tags"])}))
    return {}


def _untag(cx: Context, request: Json) -> Json:
    connection = _required(cx, request["ResourceArn"])
    kept = {key: value for key, value in connection.tags.items() if key not in request["TagKeys"]}
    cx.tx.put(attrs.evolve(connection, tags=kept))
    return {}


def _list_tags(cx: Context, request: Json) -> Json:
    return {"Tags": tags.upper(_required(cx, request["ResourceArn"]).tags)}


def _required(cx: Context, arn: str) -> Connection:
    found = cx.tx.get(Connection, cx.caller.scope(arn.rpartition("/")[2]))
    if found is None or found.arn != arn:
        raise AwsError("ResourceNotFoundException", f"Connection not found: {arn}")
    return found


def _described(connection: Connection) -> Json:
    return {
        "ConnectionName": connection.name,
        "ConnectionArn": connection.arn,
        "ProviderType": connection.provider,
        "OwnerAccountId": connection.account,
        "ConnectionStatus": "PENDING",
    }


for _service in SERVICES:
    operation(_service, "CreateConnection")(_create(_service))
    operation(_service, "GetConnection", reads=True)(_get)
    operation(_service, "ListConnections", reads=True)(_list)
    operation(_service, "DeleteConnection")(_delete)
    operation(_service, "TagResource")(_tag)
    operation(_service, "UntagResource")(_untag)
    operation(_service, "ListTagsForResource", reads=True)(_list_tags)
