"""AWS::Events::Connection and ApiDestination: HTTP endpoints that rules send to."""

from __future__ import annotations

from collections.abc import Callable

from neargate.model.errors import AwsError
from neargate.model.records import Json
from neargate.resources.declaration import (
    Call,
    Desired,
    Existing,
    Identity,
    Naming,
    ResourceType,
    Steps,
)
from neargate.resources.shapes import call, must_not_exist, pick

_MISSING = "ResourceNotFoundException"
_AUTHORIZATION = ("AuthParameters", "AuthorizationType")
_DESTINATION = ("ConnectionArn", "HttpMethod", "InvocationEndpoint", "InvocationRateLimitPerSecond")
_RATE = 300  # requests a second that EventBridge sends at most where nobody says otherwise

ErrorWords = Callable[[str, AwsError], tuple[str, str]]


def _for_policies(arn: str) -> str:
    """The ARN without the id at its end: what policies name, as it outlives a replacement."""
    return arn.rpartition("/")[0]


# -- connection --------------------------------------------------------------------------------------------


def _create_connection(want: Desired) -> Steps[Identity]:
    yield from must_not_exist(Call("events", "DescribeConnection", {"Name": want.name}), _MISSING)
    members = pick(want.properties, ("Description", *_AUTHORIZATION))
    yield call("events", "CreateConnection", {"Name": want.name, **members})
    return Identity(want.name or "")


def _update_connection(old: Existing, want: Desired) -> Steps[None]:
    members = {"Description": "", **pick(want.properties, ("Description", *_AUTHORIZATION))}
    yield call("events", "UpdateConnection", {"Name": old.id, **members})


def _read_connection(existing: Existing) -> Steps[Json]:
    answer = yield Call("events", "DescribeConnection", {"Name": existing.id})
    arn = answer["ConnectionArn"]
    return {"Arn": arn, "ArnForPolicy": _for_policies(arn), "SecretArn": answer["SecretArn"]}


def _delete_connection(existing: Existing) -> Steps[None]:
    yield Call("events", "DeleteConnection", {"Name": existing.id})


def connection(error: ErrorWords) -> ResourceType:
    return ResourceType(
        type="AWS::Events::Connection",
        honoured=frozenset({*_AUTHORIZATION, "Description", "Name"}),
        naming=Naming("Name", max_length=64),
        create=_create_connection,
        read=_read_connection,
        update=_update_connection,
        delete=_delete_connection,
        error=error,
    )


# -- destination -------------------------------------------------------------------------------------------


def _create_destination(want: Desired) -> Steps[Identity]:
    yield from must_not_exist(Call("events", "DescribeApiDestination", {"Name": want.name}), _MISSING)
    members = pick(want.properties, ("Description", *_DESTINATION))
    yield call("events", "CreateApiDestination", {"Name": want.name, **members})
    return Identity(want.name or "")


def _update_destination(old: Existing, want: Desired) -> Steps[None]:
    before = {"Description": "", "InvocationRateLimitPerSecond": _RATE}
    members = {**before, **pick(want.properties, ("Description", *_DESTINATION))}
    yield call("events", "UpdateApiDestination", {"Name": old.id, **members})


def _read_destination(existing: Existing) -> Steps[Json]:
    answer = yield Call("events", "DescribeApiDestination", {"Name": existing.id})
    arn = answer["ApiDestinationArn"]
    return {"Arn": arn, "ArnForPolicy": _for_policies(arn)}


def _delete_destination(existing: Existing) -> Steps[None]:
    yield Call("events", "DeleteApiDestination", {"Name": existing.id})


def destination(error: ErrorWords) -> ResourceType:
    return ResourceType(
        type="AWS::Events::ApiDestination",
        honoured=frozenset({*_DESTINATION, "Description", "Name"}),
        naming=Naming("Name", max_length=64),
        create=_create_destination,
        read=_read_destination,
        update=_update_destination,
        delete=_delete_destination,
        error=error,
    )
