"""What EC2's resource types share: error texts, tags, and deletes that wait until nothing stands in the way."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from neargate.model.errors import AwsError
from neargate.model.records import Json
from neargate.model.tags import upper
from neargate.resources.declaration import (
    Call,
    Desired,
    Existing,
    Readiness,
    Ready,
    Steps,
    Waiting,
    handler_code,
    sdk_error,
)

Delete = Callable[[Existing], Steps[None]]

_IN_THE_WAY = ("DependencyViolation", "IncorrectState")
NEIGHBOURS = frozenset(
    f"ec2.{noun}"
    for noun in (
        "address egress-only-internet-gateway internet-gateway nat-gateway network-acl network-interface "
        "route-table security-group subnet transit-gateway-attachment vpc vpc-endpoint vpc-peering-connection "
        "vpn-gateway"
    ).split()
)
"""Kinds of records whose going may let something else go."""


def error(verb: str, error: AwsError) -> tuple[str, str]:
    """(handler message, HandlerErrorCode) as EC2's handlers have them."""
    code = "AlreadyExists" if error.code.endswith(".Duplicate") else handler_code(error)
    if error.code == "InvalidAssociationID.NotFound":
        code = "NotFound"
    return sdk_error("Ec2", error), code


def tagged(want: Desired, word: str) -> Json:
    """The member TagSpecifications for a new resource; `word` is EC2's for its type."""
    if not want.all_tags:
        return {}
    return {"TagSpecifications": [{"ResourceType": word, "Tags": upper(want.all_tags)}]}


def retag(resource: str, old: Desired, want: Desired) -> Steps[None]:
    """Bring the tags of a resource from what they were to what they are to be."""
    gone = sorted(old.all_tags.keys() - want.all_tags.keys())
    if gone:
        yield Call("ec2", "DeleteTags", {"Resources": [resource], "Tags": [{"Key": key} for key in gone]})
    if want.all_tags and want.all_tags != old.all_tags:
        yield Call("ec2", "CreateTags", {"Resources": [resource], "Tags": upper(want.all_tags)})


def retag_only(old: Existing, want: Desired) -> Steps[None]:
    """The update of a type of which only the tags may change."""
    yield from retag(old.id, old.desired, want)


def deleting(operation: str, member: str) -> Delete:
    """A delete by one call that names the resource by its physical id."""

    def delete(existing: Existing) -> Steps[None]:
        yield Call("ec2", operation, {member: existing.id})

    return delete


def patient(delete: Delete) -> Delete:
    """The delete, where something in the way is no failure: `unless_used` tries again."""

    def attempt(existing: Existing) -> Steps[None]:
        try:
            yield from delete(existing)
        except AwsError as error:
            if error.code not in _IN_THE_WAY:
                raise

    return attempt


def unless_used(delete: Delete) -> Callable[[Existing], Steps[Readiness]]:
    """The `gone` to a patient delete: it goes as soon as nothing uses it."""

    def gone(existing: Existing) -> Steps[Readiness]:
        try:
            yield from delete(existing)
        except AwsError as error:
            if "NotFound" in error.code or error.code == "Gateway.NotAttached":
                return Ready()
            if error.code in _IN_THE_WAY:
                return Waiting(f"waiting for {existing.id} to be used by nothing: {error.message}")
            raise
        return Ready()

    return gone


def described(operation: str, ids: str, answer: str, existing_id: str) -> Steps[Json]:
    """The one item that a Describe call shows for an id."""
    found = yield Call("ec2", operation, {ids: [existing_id]})
    item: Json = found[answer][0]
    return item


def changed(old: Existing, want: Desired, names: Iterable[str]) -> list[str]:
    """Those of the named properties that an update changes, adds or removes."""
    before, after = old.desired.properties, want.properties
    return [name for name in names if before.get(name) != after.get(name)]


def difference(old: Existing, want: Desired, name: str) -> tuple[list[Any], list[Any]]:
    """What a list property gains and what it loses."""
    before, after = old.desired.properties.get(name) or [], want.properties.get(name) or []
    return [one for one in after if one not in before], [one for one in before if one not in after]


def honoured(text: str) -> frozenset[str]:
    return frozenset(text.split())
