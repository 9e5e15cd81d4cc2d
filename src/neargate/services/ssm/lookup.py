"""Names: which are allowed, and which parameter and version a name, `name:selector` or ARN means."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from typing import TypeVar

import attrs

from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.model.ssm import Parameter, PastVersion, Version, of_arn, parameter_key, version_key

T = TypeVar("T")

MAX_LEVELS = 15
_NAME = re.compile(r"[\w.-]+|(/[\w.-]+)+", re.ASCII)
_NAME_RULE = (
    "If formed as a path, it can consist of sub-paths divided by slash symbol; each sub-path can be formed as a mix "
    "of letters, numbers and the following 3 symbols .-_"
)


def invalid(message: str) -> AwsError:
    return AwsError("ValidationException", message)


def not_found() -> AwsError:
    """AWS gives no text with this code."""
    return AwsError("ParameterNotFound", "")


def check_readable(name: str) -> None:
    """A name that no parameter can have is refused with its rule, not looked up."""
    if not _NAME.fullmatch(name):
        raise invalid(f'Parameter name: can\'t be prefixed with "ssm" (case-insensitive). {_NAME_RULE}')


def check_new(name: str) -> None:
    """Raises what PutParameter says of a name that a new parameter may not have."""
    first = name.removeprefix("/").lower()
    if first.startswith("aws"):
        if name.startswith("/"):
            raise AwsError("AccessDeniedException", f"No access to reserved parameter name: {name}.")
        raise invalid('Parameter name: can\'t be prefixed with "aws" or "ssm" (case-insensitive).')
    if first.startswith("ssm"):
        raise invalid(f'Parameter name: can\'t be prefixed with "ssm" (case-insensitive). {_NAME_RULE}')
    if "/" in name and not name.startswith("/"):
        raise invalid("Parameter name must be a fully qualified name.")
    check_readable(name)
    if name.count("/") > MAX_LEVELS:
        raise AwsError(
            "HierarchyLevelLimitExceededException",
            f"A hierarchy can have a maximum of {MAX_LEVELS} levels: {name} has {name.count('/')}.",
        )


@attrs.frozen
class Found:
    """A parameter's version as somebody asked for it. `name` is what to call it, `selector` `:3`, `:label` or ""."""

    parameter: Parameter
    version: Version
    name: str
    selector: str = ""


def find(cx: Context, text: str) -> Found:
    """What a name, `name:version`, `name:label` or ARN means. Raises ParameterNotFound, ParameterVersionNotFound or
    ValidationException."""
    parameter, name, selector = _split(cx, text)
    if parameter is None:
        raise not_found()
    version = parameter.current if not selector else _selected(cx, parameter, selector[1:])
    if version is None:
        raise version_not_found(parameter.name, selector[1:])
    return Found(parameter, version, name, selector)


def _split(cx: Context, text: str) -> tuple[Parameter | None, str, str]:
    """(the parameter, the name it was called by, the selector with its colon)."""
    named = of_arn(text)
    if named is not None:
        account, region, name, selector = named
        parameter = cx.tx.get(Parameter, parameter_key(account, region, name))
        return parameter, parameter.name if parameter else name, selector
    name, colon, selector = text.partition(":")
    check_readable(name)
    return cx.tx.get(Parameter, parameter_key(cx.account, cx.region, name)), name, colon + selector


def the_parameter(cx: Context, name: str) -> Parameter:
    """The parameter of a name or ARN, without a selector. Raises ParameterNotFound."""
    parameter, _, selector = _split(cx, name)
    if parameter is None or selector:
        raise not_found()
    return parameter


def version_not_found(name: str, selector: str) -> AwsError:
    return AwsError(
        "ParameterVersionNotFound",
        f"Systems Manager could not find version {selector} of {name}. Verify the version and try again.",
    )


def numbered(cx: Context, parameter: Parameter, number: int) -> Version | None:
    """The version of that number, or None."""
    if number == parameter.current.number:
        return parameter.current
    past = cx.tx.get(PastVersion, version_key(parameter.key, number))
    return None if past is None else past.version


def _selected(cx: Context, parameter: Parameter, selector: str) -> Version | None:
    number = int(selector) if selector.isdecimal() else parameter.labels.get(selector)
    return None if number is None else numbered(cx, parameter, number)


def history(cx: Context, parameter: Parameter) -> list[Version]:
    """All versions, oldest first."""
    past = cx.tx.scan(PastVersion, parameter.key + "\n")
    return [each.version for each in past] + [parameter.current]


def page(
    items: Sequence[T], name: Callable[[T], str], token: str | None, limit: int
) -> tuple[Sequence[T], str | None]:
    """The next `limit` of items that are sorted by `name`, and the token behind them."""
    after = None if not token else _decoded(token)
    rest = [item for item in items if after is None or name(item) > after]
    if len(rest) <= limit:
        return rest, None
    return rest[:limit], base64.urlsafe_b64encode(name(rest[limit - 1]).encode()).decode()


def _decoded(token: str) -> str:
    try:
        return base64.b64decode(token.encode(), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise AwsError("InvalidNextToken", "The specified token is not valid.") from None
