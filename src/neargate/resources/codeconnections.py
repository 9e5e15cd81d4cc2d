"""AWS::CodeConnections::Connection and AWS::CodeStarConnections::Connection."""

from __future__ import annotations

from neargate.model.records import Json
from neargate.resources.declaration import Call, Desired, Existing, Identity, ResourceType, Steps
from neargate.resources.shapes import by_name, call, errors_of, pick
from neargate.resources.tagging import Tagging


def _connection(type_name: str, service: str, sdk: str) -> ResourceType:
    tagging = Tagging(service, "ResourceArn")

    def create(want: Desired) -> Steps[Identity]:
        given = pick(want.properties, ("ConnectionName", "HostArn", "ProviderType"))
        answer = yield call(service, "CreateConnection", given, **tagging.at_create(want))
        return Identity(answer["ConnectionArn"])

    def update(old: Existing, want: Desired) -> Steps[None]:
        yield from tagging.change(old, want)

    def read(existing: Existing) -> Steps[Json]:
        found = (yield Call(service, "GetConnection", {"ConnectionArn": existing.id}))["Connection"]
        return {name: found[name] for name in ("ConnectionArn", "ConnectionStatus", "OwnerAccountId")}

    def delete(existing: Existing) -> Steps[None]:
        yield Call(service, "DeleteConnection", {"ConnectionArn": existing.id})

    return ResourceType(
        type=type_name,
        honoured=frozenset({"ConnectionName", "HostArn", "ProviderType", "Tags"}),
        create=create,
        read=read,
        update=update,
        delete=delete,
        error=errors_of(sdk),
    )


TYPES = by_name(
    _connection("AWS::CodeConnections::Connection", "codeconnections", "CodeConnections"),
    _connection("AWS::CodeStarConnections::Connection", "codestar-connections", "CodeStarConnections"),
)
