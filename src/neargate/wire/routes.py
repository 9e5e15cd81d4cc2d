"""REST operations found by method and path, as the models' requestUri templates say."""

from __future__ import annotations

import re
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, unquote

import attrs

from neargate.wire import aws_models
from neargate.wire.messages import HttpRequest

_LABEL = re.compile(r"\{([^}]+?)(\+?)\}")


@attrs.frozen
class Route:
    """An operation's template. `queries` are the literal parts of its query string, `needs` what it requires there.

    `needs` holds ("querystring" or "header", wire name) of each required member outside the path and the body.
    """

    operation: str
    method: str
    path: re.Pattern[str]
    weight: int
    labels: tuple[str, ...]
    queries: tuple[tuple[str, str | None], ...]
    needs: tuple[tuple[str, str], ...]
    deprecated: bool


@cache
def routes(service: str) -> tuple[Route, ...]:
    """Every route of a service, compiled once. Raises aws_models.UnknownService."""
    return tuple(_route(aws_models.operation(service, name)) for name in aws_models.operations(service))


@cache
def route(service: str, operation: str) -> Route:
    """The route of one operation."""
    return _route(aws_models.operation(service, operation))


def match(service: str, path: str, request: HttpRequest) -> str | None:
    """The operation that a request is for, by `path` instead of its own; None where nothing fits.

    The most specific template wins. Among templates alike, the one wins whose required headers and query
    parameters are all there and most in number (UploadPartCopy before UploadPart before CopyObject before
    PutObject).
    """
    given = dict(query_pairs(request.query))
    fitting = [
        one
        for one in routes(service)
        if one.method == request.method and one.path.fullmatch(path) and _asked(one, given)
    ]
    if not fitting:
        return None
    best = max((one.weight, len(one.queries)) for one in fitting)
    alike = [one for one in fitting if (one.weight, len(one.queries)) == best]
    complete = [one for one in alike if _complete(one, given, request)]
    if complete:
        # Of two names for one thing, the one that is not deprecated; ListBuckets before ListDirectoryBuckets.
        return max(complete, key=lambda one: (len(one.needs), not one.deprecated)).operation
    return min(alike, key=lambda one: (len(one.needs), one.deprecated)).operation


def labels(service: str, operation: str, path: str) -> dict[str, str]:
    """The text of each label in the path, percent-decoded. Raises ValueError where it is not UTF-8."""
    found = route(service, operation)
    parts = found.path.fullmatch(path)
    if parts is None:
        return {}
    return {
        name: unquote(text, errors="strict")
        for name, text in zip(found.labels, parts.groups(), strict=True)
        if text
    }


def query_pairs(query: str) -> list[tuple[str, str]]:
    return parse_qsl(query, keep_blank_values=True, errors="replace")


def _asked(route: Route, given: dict[str, str]) -> bool:
    return all(name in given and value in {None, given[name]} for name, value in route.queries)


def _complete(route: Route, given: dict[str, str], request: HttpRequest) -> bool:
    return all(
        name.lower() in request.headers if place == "header" else name in given for place, name in route.needs
    )


def _route(operation: aws_models.Operation) -> Route:
    path, _, query = operation.request_uri.partition("?")
    names: list[str] = []
    pattern, weight, at = "", 0, 0
    for label in _LABEL.finditer(path):
        literal = path[at : label.start()]
        pattern += re.escape(literal) + ("(.+)" if label[2] else "([^/]+)")
        weight += 10 * len(literal.replace("/", "")) + literal.count("/")
        names.append(label[1])
        at = label.end()
    rest = path[at:].rstrip("/")
    pattern += re.escape(rest)
    weight += 10 * len(rest.replace("/", "")) + rest.count("/")
    if not path.endswith("+}"):
        pattern += "/?"
    return Route(
        operation=operation.name,
        method=operation.method,
        path=re.compile(pattern, re.DOTALL),
        weight=weight,
        labels=tuple(names),
        queries=tuple(_literal(part) for part in query.split("&") if part),
        needs=_needs(operation),
        deprecated=operation.deprecated,
    )


def _literal(part: str) -> tuple[str, str | None]:
    name, equals, value = part.partition("=")
    return name, value if equals else None


def _needs(operation: aws_models.Operation) -> tuple[tuple[str, str], ...]:
    if operation.input is None:
        return ()
    found: list[tuple[str, str]] = []
    for name in operation.input.metadata.get("required", ()):
        member: Any = operation.input.members[name]
        place = member.serialization.get("location")
        if place in {"querystring", "header"}:
            found.append((place, member.serialization.get("name", name)))
    return tuple(found)
