"""Instance profiles. No instance can use one here, but templates and Terraform plans hold them."""

from __future__ import annotations

import attrs

from neargate.model import tags
from neargate.model.iam import InstanceProfile, Role, key_of
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.services.iam import tagging
from neargate.services.iam.lookup import (
    already_exists,
    delete_conflict,
    limit_exceeded,
    new_id,
    no_such_entity,
    page,
    require_profile,
    require_role,
)
from neargate.services.iam.roles import listed as listed_role


@operation("iam", "CreateInstanceProfile")
def create_instance_profile(cx: Context, request: Json) -> Json:
    name = request["InstanceProfileName"]
    if cx.tx.get(InstanceProfile, key_of(cx.account, name)) is not None:
        raise already_exists(f"Instance Profile {name} already exists.")
    profile = InstanceProfile(
        account=cx.account,
        name=name,
        id=new_id(cx, "AIPA"),
        created=cx.now,
        path=request.get("Path") or "/",
        tags=tagging.given(request),
    )
    cx.tx.put(profile)
    return {"InstanceProfile": _described(cx, profile)}


@operation("iam", "GetInstanceProfile", reads=True)
def get_instance_profile(cx: Context, request: Json) -> Json:
    return {"InstanceProfile": _described(cx, require_profile(cx, request["InstanceProfileName"]))}


@operation("iam", "ListInstanceProfiles", reads=True)
def list_instance_profiles(cx: Context, request: Json) -> Json:
    prefix = request.get("PathPrefix") or "/"
    found = [p for p in cx.tx.scan(InstanceProfile, f"{cx.account}/") if p.path.startswith(prefix)]
    return page(request, "InstanceProfiles", found, lambda profile: _described(cx, profile))


@operation("iam", "ListInstanceProfilesForRole", reads=True)
def list_instance_profiles_for_role(cx: Context, request: Json) -> Json:
    role = require_role(cx, request["RoleName"])
    found = [p for p in cx.tx.scan(InstanceProfile, f"{cx.account}/") if p.role == role.name]
    return page(request, "InstanceProfiles", found, lambda profile: _described(cx, profile))


@operation("iam", "AddRoleToInstanceProfile")
def add_role_to_instance_profile(cx: Context, request: Json) -> Json:
    profile = require_profile(cx, request["InstanceProfileName"])
    role = require_role(cx, request["RoleName"])
    if profile.role is not None:
        raise limit_exceeded("Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1")
    cx.tx.put(attrs.evolve(profile, role=role.name))
    return {}


@operation("iam", "RemoveRoleFromInstanceProfile")
def remove_role_from_instance_profile(cx: Context, request: Json) -> Json:
    profile = require_profile(cx, request["InstanceProfileName"])
    role = require_role(cx, request["RoleName"])
    if profile.role != role.name:
        raise no_such_entity(f"The role with name {role.name} cannot be found.")
    cx.tx.put(attrs.evolve(profile, role=None))
    return {}


@operation("iam", "DeleteInstanceProfile")
def delete_instance_profile(cx: Context, request: Json) -> Json:
    profile = require_profile(cx, request["InstanceProfileName"])
    if profile.role is not None:
        raise delete_conflict("Cannot delete entity, must remove roles from instance profile first.")
    cx.tx.delete(InstanceProfile, profile.key)
    return {}


def _described(cx: Context, profile: InstanceProfile) -> Json:
    role = None if profile.role is None else cx.tx.get(Role, key_of(profile.account, profile.role))
    answer: Json = {
        "Path": profile.path,
        "InstanceProfileName": profile.name,
        "InstanceProfileId": profile.id,
        "Arn": profile.arn,
        "CreateDate": profile.created,
        "Roles": [] if role is None else [listed_role(role)],
    }
    if profile.tags:
        answer["Tags"] = tags.upper(profile.tags)
    return answer
