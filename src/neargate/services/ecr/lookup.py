"""Finding repositories, and pages of lists."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from neargate.model.ecr import Registry, Repository
from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.model.records import Json

T = TypeVar("T")


def registry(cx: Context, request: Json) -> Registry:
    """The registry that a request is about: the caller's, or another account's in the same region."""
    return Registry(request.get("registryId") or cx.account, cx.region)


def require_repository(cx: Context, request: Json) -> Repository:
    """The repository that a request names. Raises RepositoryNotFoundException."""
    return repository_of(cx, registry(cx, request), request["repositoryName"])


def repository_of(cx: Context, where: Registry, name: str) -> Repository:
    found = cx.tx.get(Repository, where.scope(name))
    if found is None:
        raise repository_not_found(where, name)
    return found


def repository_not_found(where: Registry, name: str) -> AwsError:
    return AwsError(
        "RepositoryNotFoundException",
        f"The repository with name '{name}' does not exist in the registry with id '{where.account}'",
    )


def require_arn(cx: Context, arn: str) -> Repository:
    """The repository of an ARN. Raises InvalidParameterException, RepositoryNotFoundException."""
    parts = arn.split(":", 5)
    if len(parts) < 6 or parts[2] != "ecr" or not parts[5].startswith("repository/"):
        raise AwsError(
            "InvalidParameterException",
            "Invalid parameter at 'resourceArn' failed to satisfy constraint: 'Invalid ARN'",
        )
    return repository_of(cx, Registry(parts[4], parts[3]), parts[5].removeprefix("repository/"))


def page(
    request: Json, member: str, items: Iterable[T], render: Callable[[T], Any], default: int = 100
) -> Json:
    """A page of a list, from `nextToken` on, `maxResults` long."""
    everything = list(items)
    token = request.get("nextToken") or "0"
    if not token.isdigit():
        raise AwsError(
            "InvalidParameterException",
            "Invalid parameter at 'nextToken' failed to satisfy constraint: 'Invalid token'",
        )
    start = int(token)
    end = start + (request.get("maxResults") or default)
    answer: Json = {member: [render(each) for each in everything[start:end]]}
    if end < len(everything):
        answer["nextToken"] = str(end)
    return answer
