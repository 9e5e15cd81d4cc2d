"""Finding the group or stream that a request names, and paging by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TypeVar

from neargate.model import paging
from neargate.model.errors import AwsError, not_implemented
from neargate.model.logs import LogFilter, LogGroup, LogStream, filter_key
from neargate.model.operations import Context
from neargate.model.records import Json

T = TypeVar("T")

_GROUP_ARN = re.compile(r"arn:aws:logs:([^:]*):(\d{12}):log-group:([^:]+)(?::\*)?\Z")


def invalid(message: str) -> AwsError:
    return AwsError("InvalidParameterException", message)


def bad_token() -> AwsError:
    return invalid("The specified nextToken is invalid.")


def the_group(cx: Context, name: str) -> LogGroup:
    """Raises ResourceNotFoundException."""
    group = cx.tx.get(LogGroup, cx.caller.scope(name))
    if group is None:
        raise AwsError("ResourceNotFoundException", "The specified log group does not exist.")
    return group


def the_stream(cx: Context, group: LogGroup, name: str) -> LogStream:
    """Raises ResourceNotFoundException."""
    stream = cx.tx.get(LogStream, group.stream_key(name))
    if stream is None:
        raise AwsError("ResourceNotFoundException", "The specified log stream does not exist.")
    return stream


def filters_of(cx: Context, kind: str, group: str | None, prefix: str = "") -> list[LogFilter]:
    """The filters of a kind (`metric`, `subscription`) in a group, or in all, by group and name."""
    found = cx.tx.scan(LogFilter, filter_key(cx.account, cx.region, kind, group or "", prefix))
    return [one for one in found if one.name.startswith(prefix)]


def named_group(cx: Context, request: Json) -> LogGroup:
    """The group of `logGroupName` or `logGroupIdentifier`, which is a name or an ARN."""
    name, identifier = request.get("logGroupName"), request.get("logGroupIdentifier")
    if name and identifier:
        raise AwsError(
            "ValidationException", "LogGroup name and LogGroup ARN are mutually exclusive parameters."
        )
    if name:
        return the_group(cx, name)
    if not identifier:
        raise AwsError("ValidationException", "Either LogGroup name or LogGroup ARN must be specified.")
    return group_of_arn(cx, identifier) if identifier.startswith("arn:") else the_group(cx, identifier)


def group_of_arn(cx: Context, arn: str) -> LogGroup:
    """The group of an ARN in the caller's account and region, with or without the trailing `:*`."""
    found = _GROUP_ARN.match(arn)
    if found is None:
        raise invalid(f"The specified ARN is not a valid log group ARN: {arn}")
    region, account, name = found.groups()
    if account != cx.account:
        raise not_implemented("reading another account's log group by its ARN (logs)", "logs")
    if region != cx.region:
        raise AwsError("ResourceNotFoundException", "The specified log group does not exist.")
    return the_group(cx, name)


def page(
    items: Iterable[T], name: Callable[[T], str], token: str | None, most: int
) -> tuple[list[T], str | None]:
    """A page as `paging.page` has it. Raises InvalidParameterException."""
    try:
        return paging.page(items, name, token, most)
    except ValueError:
        raise bad_token() from None


def decoded(token: str) -> str:
    """What `paging.encoded` was given. Raises InvalidParameterException for anything else."""
    try:
        return paging.decoded(token)
    except ValueError:
        raise bad_token() from None
