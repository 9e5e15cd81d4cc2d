"""Finding IAM's entities, pages of them, and how documents travel."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar
from urllib.parse import quote

from neargate.model.errors import AwsError
from neargate.model.iam import (
    Group,
    InstanceProfile,
    OpenIdProvider,
    Policy,
    Role,
    ServerCertificate,
    User,
    key_of,
)
from neargate.model.operations import Context
from neargate.model.records import Json
from neargate.services.iam import aws_managed

T = TypeVar("T")


def no_such_entity(message: str) -> AwsError:
    return AwsError("NoSuchEntity", message, status=404)


def already_exists(message: str) -> AwsError:
    return AwsError("EntityAlreadyExists", message, status=409)


def delete_conflict(message: str) -> AwsError:
    return AwsError("DeleteConflict", message, status=409)


def limit_exceeded(message: str) -> AwsError:
    return AwsError("LimitExceeded", message, status=409)


def require_role(cx: Context, name: str) -> Role:
    found = cx.tx.get(Role, key_of(cx.account, name))
    if found is None or found.name != name:
        raise no_such_entity(f"The role with name {name} cannot be found.")
    return found


def require_user(cx: Context, name: str) -> User:
    found = cx.tx.get(User, key_of(cx.account, name))
    if found is None or found.name != name:
        raise no_such_entity(f"The user with name {name} cannot be found.")
    return found


def require_group(cx: Context, name: str) -> Group:
    found = cx.tx.get(Group, key_of(cx.account, name))
    if found is None or found.name != name:
        raise no_such_entity(f"The group with name {name} cannot be found.")
    return found


def groups_of(cx: Context, user: User) -> list[Group]:
    """The groups that a user is in, in the order of their creation."""
    found = [group for group in cx.tx.scan(Group, f"{cx.account}/") if user.name in group.users]
    return sorted(found, key=lambda group: group.created)


def require_server_certificate(cx: Context, name: str) -> ServerCertificate:
    found = cx.tx.get(ServerCertificate, key_of(cx.account, name))
    if found is None or found.name != name:
        raise no_such_entity(f"The Server Certificate with name {name} cannot be found.")
    return found


def require_openid_provider(cx: Context, arn: str) -> OpenIdProvider:
    found = cx.tx.get(OpenIdProvider, key_of(cx.account, arn.partition("/")[2]))
    if found is None or found.arn != arn:
        raise no_such_entity(f"OpenIDConnect Provider not found for arn {arn}")
    return found


def require_profile(cx: Context, name: str) -> InstanceProfile:
    found = cx.tx.get(InstanceProfile, key_of(cx.account, name))
    if found is None or found.name != name:
        raise no_such_entity(f"Instance Profile {name} cannot be found.")
    return found


def find_policy(cx: Context, arn: str) -> Policy | None:
    """A customer managed policy of the caller's account."""
    found = cx.tx.get(Policy, key_of(cx.account, arn.rsplit("/", 1)[-1]))
    return found if found is not None and found.arn == arn else None


def require_policy(cx: Context, arn: str) -> Policy:
    """A customer managed policy that the caller may change."""
    check_arn(arn)
    found = find_policy(cx, arn)
    if found is not None:
        return found
    if arn in aws_managed.policies():
        raise AwsError("AccessDenied", f"Policy {arn} is outside your own account.", status=403)
    raise no_such_entity(f"Policy {arn} was not found.")


def check_attachable(cx: Context, arn: str, what: str = "Policy") -> None:
    """Refuse an ARN of no policy, or of one that cannot be attached."""
    check_arn(arn)
    managed = aws_managed.policies().get(arn)
    if (managed is not None and managed.attachable) or find_policy(cx, arn) is not None:
        return
    raise no_such_entity(f"{what} {arn} does not exist or is not attachable.")


def check_arn(arn: str) -> None:
    if not arn.startswith("arn:") or arn.count(":") < 5:
        raise AwsError("InvalidInput", f"ARN {arn} is not valid.")


def travelling(document: str) -> str:
    """A document as IAM's answers carry it: URL-encoded (RFC 3986)."""
    return quote(document, safe="-._~")


def page(request: Json, member: str, items: Iterable[T], render: Callable[[T], Any]) -> Json:
    """A page of a list, from `Marker` on, `MaxItems` (100) long."""
    everything = list(items)
    try:
        start = int(request.get("Marker") or 0)
    except ValueError:
        raise AwsError("ValidationError", f"Invalid Marker: {request['Marker']}") from None
    end = start + int(request.get("MaxItems") or 100)
    answer: Json = {member: [render(item) for item in everything[start:end]]}
    answer["IsTruncated"] = end < len(everything)
    if answer["IsTruncated"]:
        answer["Marker"] = str(end)
    return answer


def new_id(cx: Context, prefix: str) -> str:
    """`AROA`, `AIDA`, `ANPA`, `AIPA` with 17 characters."""
    return prefix + cx.ids.letters(17, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
