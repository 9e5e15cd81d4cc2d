"""AWS::IAM::Policy, ManagedPolicy, RolePolicy, UserPolicy, GroupPolicy."""

from __future__ import annotations

from neargate.model.errors import AwsError
from neargate.model.records import Json
from neargate.planners.physical_names import physical_name
from neargate.resources.declaration import (
    Call,
    Desired,
    Existing,
    Identity,
    Naming,
    ResourceType,
    Steps,
)
from neargate.resources.iam_attachments import HOLDERS, Holder, document, error
from neargate.wire import timestamps


def _names(properties: Json, holder: Holder) -> list[str]:
    return [str(name) for name in properties.get(holder.plural) or ()]


# -- inline policy on any number of entities -----------------------------------------------------------------


def _create_policy(want: Desired) -> Steps[Identity]:
    yield from _put_on(want)
    return Identity(physical_name("short", 64, want.stack_name, want.logical_id, want.token))


def _put_on(want: Desired) -> Steps[None]:
    if not any(_names(want.properties, holder) for holder in HOLDERS):
        raise AwsError("InvalidRequest", "At least one of [Groups,Roles,Users] must be non-empty.")
    for holder in HOLDERS:
        for name in _names(want.properties, holder):
            yield from holder.put_inline(name, [want.properties])


def _update_policy(old: Existing, want: Desired) -> Steps[None]:
    was, now = old.desired.properties, want.properties
    yield from _put_on(want)
    for holder in HOLDERS:
        kept = _names(now, holder) if was["PolicyName"] == now["PolicyName"] else []
        for name in _names(was, holder):
            if name not in kept:
                yield from holder.drop_inline(name, was["PolicyName"])


def _read_policy(existing: Existing) -> Steps[Json]:
    yield from ()
    return {"Id": existing.id}


def _delete_policy(existing: Existing) -> Steps[None]:
    properties = existing.desired.properties
    for holder in HOLDERS:
        for name in _names(properties, holder):
            yield from holder.drop_inline(name, properties["PolicyName"])


# -- inline policy on one entity: its id is POLICY|ENTITY ----------------------------------------------------


def _single(holder: Holder) -> ResourceType:
    member = f"{holder.word}Name"

    def put(want: Desired) -> Steps[None]:
        p = want.properties
        if "PolicyDocument" not in p:
            raise AwsError(
                "InvalidRequest", "Model validation failed (#: required key [PolicyDocument] not found)"
            )
        yield from holder.put_inline(p[member], [p])

    def create(want: Desired) -> Steps[Identity]:
        yield from put(want)
        return Identity(f"{want.properties['PolicyName']}|{want.properties[member]}")

    def update(old: Existing, want: Desired) -> Steps[None]:
        yield from put(want)

    def read(existing: Existing) -> Steps[Json]:
        policy, _, name = existing.id.partition("|")
        yield Call("iam", f"Get{holder.word}Policy", {**holder.named(name), "PolicyName": policy})
        return {}

    def delete(existing: Existing) -> Steps[None]:
        policy, _, name = existing.id.partition("|")
        yield from holder.drop_inline(name, policy)

    return ResourceType(
        type=f"AWS::IAM::{holder.word}Policy",
        honoured=frozenset({"PolicyDocument", "PolicyName", member}),
        create=create,
        read=read,
        update=update,
        delete=delete,
        error=error,
    )


# -- managed policy ------------------------------------------------------------------------------------------


def _create_managed(want: Desired) -> Steps[Identity]:
    p = want.properties
    request: Json = {
        "PolicyName": want.name,
        "PolicyDocument": document(p["PolicyDocument"]),
        "Path": p.get("Path"),
        "Description": p.get("Description"),
    }
    answer = yield Call(
        "iam", "CreatePolicy", {name: value for name, value in request.items() if value is not None}
    )
    arn = answer["Policy"]["Arn"]
    for holder in HOLDERS:
        for name in _names(p, holder):
            yield from holder.attach(name, [arn])
    return Identity(arn)


def _update_managed(old: Existing, want: Desired) -> Steps[None]:
    was, now = old.desired.properties, want.properties
    if was["PolicyDocument"] != now["PolicyDocument"]:
        yield from _new_version(old.id, document(now["PolicyDocument"]))
    for holder in HOLDERS:
        before, after = _names(was, holder), _names(now, holder)
        for name in before:
            if name not in after:
                yield from holder.detach(name, old.id)
        for name in after:
            if name not in before:
                yield from holder.attach(name, [old.id])


def _new_version(arn: str, text: str) -> Steps[None]:
    """The new default; where five versions are kept already, the oldest that is not in force goes."""
    versions = (yield Call("iam", "ListPolicyVersions", {"PolicyArn": arn}))["Versions"]
    spare = [version["VersionId"] for version in versions if not version["IsDefaultVersion"]]
    if len(versions) >= 5 and spare:
        yield Call("iam", "DeletePolicyVersion", {"PolicyArn": arn, "VersionId": spare[-1]})
    yield Call("iam", "CreatePolicyVersion", {"PolicyArn": arn, "PolicyDocument": text, "SetAsDefault": True})


def _read_managed(existing: Existing) -> Steps[Json]:
    policy = (yield Call("iam", "GetPolicy", {"PolicyArn": existing.id}))["Policy"]
    return {
        "PolicyArn": policy["Arn"],
        "PolicyId": policy["PolicyId"],
        "AttachmentCount": policy["AttachmentCount"],
        "PermissionsBoundaryUsageCount": policy["PermissionsBoundaryUsageCount"],
        "DefaultVersionId": policy["DefaultVersionId"],
        "IsAttachable": policy["IsAttachable"],
        "CreateDate": timestamps.iso8601(policy["CreateDate"]),
        "UpdateDate": timestamps.iso8601(policy["UpdateDate"]),
    }


def _delete_managed(existing: Existing) -> Steps[None]:
    entities = yield Call("iam", "ListEntitiesForPolicy", {"PolicyArn": existing.id})
    for holder in HOLDERS:
        for entity in entities[f"Policy{holder.plural}"]:
            yield from holder.detach(entity[f"{holder.word}Name"], existing.id)
    versions = yield Call("iam", "ListPolicyVersions", {"PolicyArn": existing.id})
    for version in versions["Versions"]:
        if not version["IsDefaultVersion"]:
            request = {"PolicyArn": existing.id, "VersionId": version["VersionId"]}
            yield Call("iam", "DeletePolicyVersion", request)
    yield Call("iam", "DeletePolicy", {"PolicyArn": existing.id})


TYPES = {
    declared.type: declared
    for declared in (
        ResourceType(
            type="AWS::IAM::Policy",
            honoured=frozenset({"Groups", "PolicyDocument", "PolicyName", "Roles", "Users"}),
            create=_create_policy,
            read=_read_policy,
            update=_update_policy,
            delete=_delete_policy,
            error=error,
        ),
        ResourceType(
            type="AWS::IAM::ManagedPolicy",
            honoured=frozenset(
                "Description Groups ManagedPolicyName Path PolicyDocument Roles Users".split()
            ),
            naming=Naming("ManagedPolicyName", max_length=128, unique=True),
            create=_create_managed,
            read=_read_managed,
            update=_update_managed,
            delete=_delete_managed,
            error=error,
        ),
        *(_single(holder) for holder in HOLDERS),
    )
}
