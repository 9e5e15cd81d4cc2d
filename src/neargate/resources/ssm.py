"""AWS::SSM::Parameter. A template makes no SecureString."""

from __future__ import annotations

from neargate.model.errors import AwsError
from neargate.model.records import Json
from neargate.model.tags import upper
from neargate.resources import ssm_fleet
from neargate.resources.declaration import (
    Call,
    Desired,
    Existing,
    Identity,
    Naming,
    ResourceType,
    Steps,
    handler_code,
    sdk_error,
)
from neargate.resources.shapes import pick

_PUT = ("Type", "Value", "Description", "AllowedPattern", "DataType", "Tier", "Policies")


def _error(verb: str, error: AwsError) -> tuple[str, str]:
    return sdk_error("Ssm", error), handler_code(error)


def _put(name: str, want: Desired, **more: object) -> Call:
    return Call("ssm", "PutParameter", {"Name": name, **pick(want.properties, _PUT), **more})


def _create(want: Desired) -> Steps[Identity]:
    tags = {"Tags": upper(want.all_tags)} if want.all_tags else {}
    yield _put(want.name or "", want, **tags)
    return Identity(want.name or "")


def _update(old: Existing, want: Desired) -> Steps[None]:
    yield _put(old.id, want, Overwrite=True)
    resource = {"ResourceType": "Parameter", "ResourceId": old.id}
    gone = sorted(old.desired.all_tags.keys() - want.all_tags.keys())
    if gone:
        yield Call("ssm", "RemoveTagsFromResource", {**resource, "TagKeys": gone})
    if want.all_tags != old.desired.all_tags and want.all_tags:
        yield Call("ssm", "AddTagsToResource", {**resource, "Tags": upper(want.all_tags)})


def _read(existing: Existing) -> Steps[Json]:
    answer = yield Call("ssm", "GetParameters", {"Names": [existing.id]})
    if not answer["Parameters"]:
        raise AwsError("ParameterNotFound", "")
    (found,) = answer["Parameters"]
    return {
        "Name": existing.id,
        "Type": found["Type"],
        "Value": found["Value"],
        "Arn": found["ARN"],
        "DataType": found["DataType"],
        **pick(existing.desired.properties, ("Description", "AllowedPattern", "Tier", "Policies")),
    }


def _delete(existing: Existing) -> Steps[None]:
    yield Call("ssm", "DeleteParameter", {"Name": existing.id})


TYPES = {
    **ssm_fleet.TYPES,
    "AWS::SSM::Parameter": ResourceType(
        type="AWS::SSM::Parameter",
        honoured=frozenset({"Name", "Tags", *_PUT} - {"Policies"}),
        naming=Naming("Name", max_length=2048, style="parameter", taken="identifier"),
        create=_create,
        read=_read,
        update=_update,
        delete=_delete,
        error=_error,
    ),
}
