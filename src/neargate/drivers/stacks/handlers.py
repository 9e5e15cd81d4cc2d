"""Running a resource type's handlers: generators of calls, answered inside one transaction."""

from __future__ import annotations

from uuid import NAMESPACE_URL, uuid5

import attrs

from neargate.model.cloudformation import Made
from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.model.records import Json
from neargate.resources import schemas
from neargate.resources.carrying import carry_out as carry_out
from neargate.resources.declaration import Desired, Existing, Failed, Readiness, Ready, ResourceType


class HandlerFailed(Exception):
    """A handler's failure as CloudFormation reports it in an event. `properties` are those that were wanted."""

    def __init__(self, reason: str, code: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code
        self.properties: Json | None = None


def failure(declared: ResourceType, verb: str, error: AwsError, token: str) -> HandlerFailed:
    """The event text for an API error that a handler met."""
    message, code = declared.error(verb, error)
    return failure_text(declared, message, code, token)


def failure_text(declared: ResourceType, message: str, code: str, token: str) -> HandlerFailed:
    """`token` names the try; shown as the uuid that AWS's handlers get."""
    if declared.handlerless:
        return HandlerFailed(message, code)
    shown = uuid5(NAMESPACE_URL, token)
    return HandlerFailed(
        f'Resource handler returned message: "{message}" (RequestToken: {shown}, HandlerErrorCode: {code})',
        code,
    )


def not_stabilised(declared: ResourceType, seen: Failed, token: str) -> HandlerFailed:
    """The event text for a resource that will never be ready, or never be gone."""
    return failure_text(declared, seen.message, seen.code, token)


def make(declared: ResourceType, want: Desired, needs: list[str], cx: Context, role: str | None) -> Made:
    """Create the resource and read it back."""
    identity = carry_out(declared.create(want), cx, role)
    made = Made(
        physical_id=identity.id,
        properties=want.properties,
        name=want.name,
        tags=want.tags,
        system_tags=want.system_tags,
        needs=needs,
        attributes=identity.attributes,
    )
    return read(declared, made, Existing(identity.id, want), cx, role)


def makes_way(type_name: str) -> bool:
    """Whether a replacement of this type comes after its predecessor has gone."""
    return (
        schemas.exists(type_name) and schemas.schema(type_name).replacement_strategy == "delete_then_create"
    )


def remove(declared: ResourceType, existing: Existing, cx: Context, role: str | None) -> None:
    """Delete it; one that is gone already is as wanted."""
    try:
        carry_out(declared.delete(existing), cx, role)
    except AwsError as error:
        if declared.error("Delete", error)[1] != "NotFound":
            raise


def read(declared: ResourceType, made: Made, existing: Existing, cx: Context, role: str | None) -> Made:
    """Fill in the attributes, over those that are known already, and what Ref returns."""
    attributes = {**made.attributes, **carry_out(declared.read(existing), cx, role)}
    return attrs.evolve(made, attributes=attributes, ref=declared.ref(existing, attributes))


def readiness(declared: ResourceType, existing: Existing, cx: Context, role: str | None) -> Readiness:
    """Has it stabilised? Types without a `ready` are ready once made."""
    if declared.ready is None:
        return Ready()
    return carry_out(declared.ready(existing), cx, role)


def absence(declared: ResourceType, existing: Existing, cx: Context, role: str | None) -> Readiness:
    """Is it gone? Types without a `gone` are gone once their delete returned."""
    if declared.gone is None:
        return Ready()
    return carry_out(declared.gone(existing), cx, role)
