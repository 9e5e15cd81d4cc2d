"""What CloudWatch's operations share: errors, finding alarms, pages."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from neargate.model import paging
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
    items: Iterable[T], name: Callable[[T], str], token: str | None, most: int
) -> tuple[list[T], str | None]:
    """A page as `paging.page` has it. Raises InvalidNextToken."""
    try:
        return paging.page(items, name, token, most)
    except ValueError:
        raise AwsError("InvalidNextToken", "The next token specified is invalid.") from None


def decoded(token: str) -> str:
    """What `paging.encoded` was given. Raises InvalidNextToken for anything else."""
    try:
        return paging.decoded(token)
    except ValueError:
        raise AwsError("InvalidNextToken", "The next token specified is invalid.") from None
