"""Making, overwriting and deleting parameters."""

from __future__ import annotations

import re

import attrs

from neargate.model.errors import AwsError, not_implemented
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.model.ssm import (
    DEFAULT_KEY,
    MAX_VERSIONS,
    Parameter,
    PastVersion,
    Version,
    parameter_key,
    version_key,
)
from neargate.model.tags import from_list
from neargate.services.ssm.lookup import check_new, invalid, not_found, the_parameter

_STANDARD, _ADVANCED, _INTELLIGENT = "Standard", "Advanced", "Intelligent-Tiering"
_LONGEST = {_STANDARD: 4096, _ADVANCED: 8192}
_DATA_TYPES = frozenset({"text", "aws:ec2:image", "aws:ssm:integration"})


@operation("ssm", "PutParameter")
def put_parameter(cx: Context, request: Json) -> Json:
    """A new parameter, or with Overwrite a new version of one. An overwrite that leaves out the type, key, tier or
    data type keeps it; description and pattern belong to a version."""
    name = request["Name"]
    check_new(name)
    if request.get("Policies") not in (None, "", "[]"):
        raise not_implemented("ssm:PutParameter with Policies", "ssm")
    existing = cx.tx.get(Parameter, parameter_key(cx.account, cx.region, name))
    parameter = _created(cx, request) if existing is None else _overwritten(cx, existing, request)
    cx.tx.put(parameter)
    return {"Version": parameter.current.number, "Tier": parameter.current.tier}


def _created(cx: Context, request: Json) -> Parameter:
    if not request.get("Type"):
        raise invalid("A parameter type is required when you create a parameter.")
    if request.get("Overwrite"):
        _no_tags(request)
    return Parameter(
        account=cx.account,
        region=cx.region,
        name=request["Name"],
        current=_version(cx, request, None),
        tags=from_list(request.get("Tags")),
    )


def _overwritten(cx: Context, old: Parameter, request: Json) -> Parameter:
    if not request.get("Overwrite"):
        raise AwsError(
            "ParameterAlreadyExists",
            "The parameter already exists. To overwrite this value, set the overwrite option in the request to true.",
        )
    _no_tags(request)
    version = _version(cx, request, old.current)
    cx.tx.put(PastVersion(parameter=old.key, version=old.current))
    oldest = old.oldest
    if version.number - oldest >= MAX_VERSIONS:
        if old.labels_of(oldest):
            raise AwsError(
                "ParameterMaxVersionLimitExceeded",
                f"You attempted to create a new version of {old.name} by calling the PutParameter API with the "
                f"overwrite flag. Version {oldest}, the oldest version, can't be deleted because it has a label "
                "associated with it. Move the label to another version of the parameter, and try again.",
            )
        cx.tx.delete(PastVersion, version_key(old.key, oldest))
        oldest += 1
    return attrs.evolve(old, current=version, oldest=oldest)


def _no_tags(request: Json) -> None:
    if request.get("Tags"):
        raise invalid(
            "Invalid request: tags and overwrite can't be used together. To create a parameter with tags, please "
            "remove overwrite flag. To update tags for an existing parameter, please use AddTagsToResource or "
            "RemoveTagsFromResource."
        )


def _version(cx: Context, request: Json, old: Version | None) -> Version:
    kind, value = request.get("Type") or (old.type if old else ""), request["Value"]
    if old is not None and kind != old.type and "SecureString" in (kind, old.type):
        raise AwsError(
            "HierarchyTypeMismatchException",
            "Parameter Store doesn't support changing a parameter type in a hierarchy: "
            f"{request['Name']} is of type {old.type}, not {kind}.",
        )
    data_type = request.get("DataType") or (old.data_type if old else "text")
    if data_type not in _DATA_TYPES:
        raise invalid(
            f"The following data type is not supported: {data_type} (Data type names are all lowercase.)"
        )
    _check_value(value, request.get("AllowedPattern"))
    key = None
    if kind == "SecureString":
        key = request.get("KeyId") or (old.key_id if old else None) or DEFAULT_KEY
    elif request.get("KeyId"):
        raise invalid("KeyId is required for SecureString type parameter only.")
    return Version(
        number=old.number + 1 if old else 1,
        type=kind,
        value=value,
        modified=cx.now,
        modified_by=cx.caller.principal,
        description=request.get("Description"),
        key_id=key,
        allowed_pattern=request.get("AllowedPattern") or None,
        tier=_tier(request.get("Tier"), value, old),
        data_type=data_type,
    )


def _check_value(value: str, pattern: str | None) -> None:
    if not value:
        raise invalid(
            "1 validation error detected: Value '' at 'value' failed to satisfy constraint: "
            "Member must have length greater than or equal to 1."
        )
    if not pattern:
        return
    try:
        allowed = re.compile(pattern)
    except re.error as error:
        raise AwsError(
            "InvalidAllowedPatternException",
            f"The allowedPattern {pattern} is not a regular expression: {error}",
        ) from None
    if not allowed.fullmatch(value):
        raise AwsError(
            "ParameterPatternMismatchException",
            f"Parameter value, cannot be validated against allowedPattern: {pattern}",
        )


def _tier(wanted: str | None, value: str, old: Version | None) -> str:
    """The tier a value gets. Intelligent tiering takes the advanced one where the value needs it."""
    kept = old.tier if old else _STANDARD
    tier = wanted or kept
    if tier == _INTELLIGENT:
        tier = _ADVANCED if kept == _ADVANCED or len(value) > _LONGEST[_STANDARD] else _STANDARD
    if kept == _ADVANCED and tier == _STANDARD:
        raise invalid(
            "This parameter uses the advanced-parameter tier. You can't downgrade a parameter from the "
            "advanced-parameter tier to the standard-parameter tier. If necessary, you can delete the advanced "
            "parameter and recreate it as a standard parameter."
        )
    if len(value) <= _LONGEST[tier]:
        return tier
    if tier == _ADVANCED:
        raise invalid("Advanced tier parameters support a maximum parameter value of 8192 characters.")
    raise invalid(
        "Standard tier parameters support a maximum parameter value of 4096 characters. To create a larger parameter "
        "value, upgrade the parameter to use the advanced-parameter tier. For more information, see "
        "https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html"
    )


@operation("ssm", "DeleteParameter")
def delete_parameter(cx: Context, request: Json) -> Json:
    """With it go its history, labels and tags."""
    _delete(cx, the_parameter(cx, request["Name"]))
    return {}


@operation("ssm", "DeleteParameters")
def delete_parameters(cx: Context, request: Json) -> Json:
    deleted, missing = [], []
    for name in dict.fromkeys(request["Names"]):
        try:
            _delete(cx, the_parameter(cx, name))
        except AwsError as error:
            if error.code != not_found().code:
                raise
            missing.append(name)
        else:
            deleted.append(name)
    return {"DeletedParameters": deleted, "InvalidParameters": missing}


def _delete(cx: Context, parameter: Parameter) -> None:
    for number in range(parameter.oldest, parameter.current.number):
        cx.tx.delete(PastVersion, version_key(parameter.key, number))
    cx.tx.delete(Parameter, parameter.key)
