"""From CloudFormation properties to an API operation's request, by the operation's own shape."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from neargate import wire
from neargate.model.errors import AwsError, not_implemented
from neargate.model.records import Json
from neargate.resources.declaration import Call, ResourceType, Steps, handler_code, sdk_error

T = TypeVar("T")


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


def only(properties: Mapping[str, Any], names: Iterable[str], where: str, service: str) -> dict[str, Any]:
    """The inner properties, all of which must be among `names`: another one would have no effect and is refused."""
    for name in properties:
        if name not in names:
            raise not_implemented(f"{where}: {name}", service)
    return dict(properties)


def missing_is_fine(call: Call, *codes: str) -> Steps[Json]:
    """Make a call; an error of one of these codes means that there is nothing to do."""
    try:
        answer = yield call
    except AwsError as error:
        if error.code not in codes:
            raise
        return {}
    return answer


def must_not_exist(look: Call, *codes: str) -> Steps[None]:
    """Fail as handlers do whose create call would take an existing resource over; `codes` say that there is none."""
    try:
        yield look
    except AwsError as error:
        if error.code not in codes:
            raise
        return
    raise AwsError("AlreadyExists", "The resource already exists")


def or_undone(configure: Steps[T], undo: Steps[None]) -> Steps[T]:
    """Complete what a first call made; where a later call fails, take it away again and fail.

    A transaction undoes what Neargate's own services recorded. What another engine made needs this.
    """
    try:
        return (yield from configure)
    except AwsError:
        yield from undo
        raise


def changed(old: Mapping[str, Any], new: Mapping[str, Any], *names: str) -> bool:
    """Whether one of the named properties differs."""
    return any(old.get(name) != new.get(name) for name in names)


def document(value: Any) -> str:
    """A policy or another JSON document as the text that APIs take."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def flag(value: object) -> bool:
    """A boolean as templates write it: true, "true", "True"."""
    return str(value).lower() == "true"


def attribute(value: Any) -> str:
    """A value of a service that keeps attributes as text: `true`, `30`, a JSON document."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return document(value) if isinstance(value, dict | list) else str(value)


def errors_of(
    service: str, codes: Mapping[str, str] | None = None
) -> Callable[[str, AwsError], tuple[str, str]]:
    """A type's `error`: the words of AWS's SDK for `service`; `codes` maps error codes to HandlerErrorCodes."""

    def worded(verb: str, error: AwsError) -> tuple[str, str]:
        return sdk_error(service, error), (codes or {}).get(error.code) or handler_code(error)

    return worded


def by_name(*declared: ResourceType) -> dict[str, ResourceType]:
    """A module's TYPES."""
    return {one.type: one for one in declared}
