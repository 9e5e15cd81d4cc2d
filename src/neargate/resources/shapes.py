"""From CloudFormation properties to an API operation's request, by the operation's own shape."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from neargate import wire
from neargate.model.errors import AwsError
from neargate.model.records import Json
from neargate.resources.declaration import Call, Steps


def call(service: str, operation: str, properties: Mapping[str, Any], /, **members: Any) -> Call:
    """A call whose request is `properties` in the operation's spelling and types, with `members` on top.

    Raises AwsError where a property has no place in the operation: an internal inconsistency, named.
    """
    try:
        request: Json = wire.recase(properties, wire.input_shape(service, operation))
    except wire.UnknownMember as unknown:
        raise AwsError(
            "InvalidRequest", f"Model validation failed (#: extraneous key [{unknown}] is not permitted)"
        ) from unknown
    except wire.WrongType as wrong:
        raise AwsError("InvalidRequest", f"Model validation failed ({wrong})") from wrong
    request.update({name: value for name, value in members.items() if value is not None})
    return Call(service, operation, request)


def pick(properties: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Those of the named properties that are there."""
    return {name: properties[name] for name in names if name in properties}


def without(properties: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """All but the named properties."""
    return {name: value for name, value in properties.items() if name not in names}


def missing_is_fine(call: Call, *codes: str) -> Steps[Json]:
    """Make a call; an error of one of these codes means that there is nothing to do."""
    try:
        answer = yield call
    except AwsError as error:
        if error.code not in codes:
            raise
        return {}
    return answer
