"""What CloudWatch's operations share: errors, finding alarms, pages."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import TypeVar

from neargate.model.cloudwatch import Alarm
from neargate.model.errors import AwsError
from neargate.model.operations import Context

T = TypeVar("T")


def invalid_value(message: str) -> AwsError:
    return AwsError("InvalidParameterValueException", message)


def invalid_combination(message: str) -> AwsError:
    return AwsError("InvalidParameterCombinationException", message)


def invalid(message: str) -> AwsError:
    return AwsError("ValidationError", message)


def find_alarm(cx: Context, name: str) -> Alarm | None:
    """The alarm of a name or an ARN in the caller's account and region."""
    prefix = cx.caller.arn("cloudwatch", "alarm:")
    return cx.tx.get(Alarm, cx.caller.scope(name.removeprefix(prefix)))


def the_alarm(cx: Context, name: str) -> Alarm:
    """Raises ResourceNotFound, whose message is empty on AWS."""
    found = find_alarm(cx, name)
    if found is None:
        raise AwsError("ResourceNotFound", "", status=404)
    return found


def page(
    items: Sequence[T], name: Callable[[T], str], token: str | None, most: int
) -> tuple[list[T], str | None]:
    """The next `most` items, which are sorted by `name`, and the token behind them. Raises InvalidNextToken."""
    after = None if token is None else decoded(token)
    rest = [item for item in items if after is None or name(item) > after]
    if len(rest) <= most:
        return rest, None
    return rest[:most], encoded(name(rest[most - 1]))


def encoded(position: str) -> str:
    """An opaque token."""
    return base64.urlsafe_b64encode(position.encode()).decode()


def decoded(token: str) -> str:
    """What `encoded` was given. Raises InvalidNextToken for anything else."""
    try:
        return base64.b64decode(token.encode(), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise AwsError("InvalidNextToken", "The next token specified is invalid.") from None
