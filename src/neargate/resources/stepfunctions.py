"""AWS::StepFunctions::StateMachine, Activity."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import yaml

from neargate.model.errors import AwsError
from neargate.model.records import Json
from neargate.model.tags import lower
from neargate.resources.declaration import (
    Call,
    Desired,
    Existing,
    Identity,
    Naming,
    ResourceType,
    Steps,
)
from neargate.resources.shapes import by_name, call, changed, document, errors_of, must_not_exist, pick
from neargate.resources.tagging import Tagging

_TAGGING = Tagging("stepfunctions", "resourceArn", tags="tags", keys="tagKeys", form=lower)
_error = errors_of("Sfn", {"StateMachineDoesNotExist": "NotFound", "ActivityDoesNotExist": "NotFound"})
_LARGEST = 1 << 20  # bytes of a definition that Step Functions takes

# what UpdateStateMachine takes beside definition and role, and what takes a removed one back
_DEFAULTS: Json = {
    "EncryptionConfiguration": {"Type": "AWS_OWNED_KEY"},
    "LoggingConfiguration": {"Level": "OFF"},
    "TracingConfiguration": {"Enabled": False},
}
_DEFINITIONS = ("Definition", "DefinitionS3Location", "DefinitionString", "DefinitionSubstitutions")


# -- state machine -----------------------------------------------------------------------------------------


def _machine_arn(want: Desired) -> str:
    return f"arn:aws:states:{want.region}:{want.account}:stateMachine:{want.name}"


def _definition(properties: Mapping[str, Any]) -> Steps[str]:
    """The definition's text, wherever it comes from, with `${name}` substituted."""
    if "DefinitionString" in properties:
        text = document(properties["DefinitionString"])
    elif "Definition" in properties:
        text = document(properties["Definition"])
    elif "DefinitionS3Location" in properties:
        text = yield from _fetched(properties["DefinitionS3Location"])
    else:
        raise AwsError("ValidationException", "Property Definition cannot be empty.")
    for name, value in (properties.get("DefinitionSubstitutions") or {}).items():
        shown = str(value).lower() if isinstance(value, bool) else str(value)
        text = text.replace(f"${{{name}}}", shown)
    return text


def _fetched(location: Mapping[str, Any]) -> Steps[str]:
    request = {"Bucket": location["Bucket"], "Key": location["Key"], "Range": f"bytes=0-{_LARGEST - 1}"}
    if "Version" in location:
        request["VersionId"] = location["Version"]
    answer = yield Call("s3", "GetObject", request)
    text: str = answer["Body"].decode()
    if str(location["Key"]).endswith((".yml", ".yaml")):
        text = json.dumps(yaml.safe_load(text))
    return text


def _create_machine(want: Desired) -> Steps[Identity]:
    p, arn = want.properties, _machine_arn(want)
    found = Call("stepfunctions", "DescribeStateMachine", {"stateMachineArn": arn})
    yield from must_not_exist(found, "StateMachineDoesNotExist")
    members = {
        "Name": want.name,
        "Definition": (yield from _definition(p)),
        **pick(p, ("RoleArn", *_DEFAULTS)),
    }
    if "StateMachineType" in p:
        members["Type"] = p["StateMachineType"]
    answer = yield call("stepfunctions", "CreateStateMachine", {**members, **_TAGGING.at_create(want)})
    return Identity(answer["stateMachineArn"])


def _update_machine(old: Existing, want: Desired) -> Steps[None]:
    was, now = old.desired.properties, want.properties
    members: Json = {}
    if changed(was, now, *_DEFINITIONS):
        members["Definition"] = yield from _definition(now)
    if changed(was, now, "RoleArn"):
        members["RoleArn"] = now["RoleArn"]
    members |= {
        name: now.get(name, default) for name, default in _DEFAULTS.items() if changed(was, now, name)
    }
    if members:
        yield call("stepfunctions", "UpdateStateMachine", {"StateMachineArn": old.id, **members})
    yield from _TAGGING.change(old, want)


def _read_machine(existing: Existing) -> Steps[Json]:
    answer = yield Call("stepfunctions", "DescribeStateMachine", {"stateMachineArn": existing.id})
    revision = answer.get("revisionId") or "INITIAL"
    return {"Arn": existing.id, "Name": answer["name"], "StateMachineRevisionId": revision}


def _delete_machine(existing: Existing) -> Steps[None]:
    yield Call("stepfunctions", "DeleteStateMachine", {"stateMachineArn": existing.id})


# -- activity ----------------------------------------------------------------------------------------------


def _create_activity(want: Desired) -> Steps[Identity]:
    arn = f"arn:aws:states:{want.region}:{want.account}:activity:{want.name}"
    found = Call("stepfunctions", "DescribeActivity", {"activityArn": arn})
    yield from must_not_exist(found, "ActivityDoesNotExist")
    members = pick(want.properties, ("EncryptionConfiguration", "Name"))
    yield call("stepfunctions", "CreateActivity", {**members, **_TAGGING.at_create(want)})
    return Identity(arn)


def _update_activity(old: Existing, want: Desired) -> Steps[None]:
    yield from _TAGGING.change(old, want)


def _read_activity(existing: Existing) -> Steps[Json]:
    answer = yield Call("stepfunctions", "DescribeActivity", {"activityArn": existing.id})
    return {**existing.desired.properties, "Arn": existing.id, "Name": answer["name"]}


def _delete_activity(existing: Existing) -> Steps[None]:
    yield Call("stepfunctions", "DeleteActivity", {"activityArn": existing.id})


TYPES = by_name(
    ResourceType(
        type="AWS::StepFunctions::StateMachine",
        honoured=frozenset(
            {*_DEFAULTS, *_DEFINITIONS, "RoleArn", "StateMachineName", "StateMachineType", "Tags"}
        ),
        naming=Naming("StateMachineName", max_length=80, style="stackless"),
        create=_create_machine,
        read=_read_machine,
        update=_update_machine,
        delete=_delete_machine,
        error=_error,
    ),
    ResourceType(
        type="AWS::StepFunctions::Activity",
        honoured=frozenset({"EncryptionConfiguration", "Name", "Tags"}),
        naming=Naming("Name", max_length=80),
        create=_create_activity,
        read=_read_activity,
        update=_update_activity,
        delete=_delete_activity,
        error=_error,
    ),
)
