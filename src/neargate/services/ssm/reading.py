"""Giving parameters back: values by name or path, history, metadata."""

from __future__ import annotations

import base64
import hashlib

from neargate.model.errors import AwsError
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.model.ssm import Parameter, Version
from neargate.runtimes.public_parameters import PREFIX
from neargate.services.ssm import filters, public
from neargate.services.ssm.lookup import Found, find, history, page, the_parameter
from neargate.services.ssm.references import is_reference, secret_value

_MISSING = frozenset({"ParameterNotFound", "ParameterVersionNotFound"})


@operation("ssm", "GetParameter", reads=True)
def get_parameter(cx: Context, request: Json) -> Json:
    return {"Parameter": _named(cx, request["Name"], request)}


@operation("ssm", "GetParameters", reads=True)
def get_parameters(cx: Context, request: Json) -> Json:
    """What is missing is listed, not an error."""
    found, missing = [], []
    for name in dict.fromkeys(request["Names"]):
        try:
            found.append(_named(cx, name, request))
        except AwsError as error:
            if error.code not in _MISSING:
                raise
            missing.append(name)
    return {"Parameters": found, "InvalidParameters": missing}


def _named(cx: Context, name: str, request: Json) -> Json:
    """One parameter of whatever kind: the account's own, AWS's, or a secret of Secrets Manager."""
    if is_reference(name):
        return secret_value(cx, name, request)
    published = public.public_name(name)
    return _value(find(cx, name), request) if published is None else public.value(cx, published)


@operation("ssm", "GetParametersByPath", reads=True)
def get_parameters_by_path(cx: Context, request: Json) -> Json:
    """Without Recursive, the level right below the path. A filter by label gives the version that carries it."""
    path = request["Path"]
    if path.startswith(PREFIX):
        return public.by_path(cx, request)
    wanted = filters.by_path(request.get("ParameterFilters") or ())
    prefix = filters.prefix_of(path)
    below = [
        parameter
        for parameter in cx.tx.scan(Parameter, cx.caller.scope(prefix))
        if filters.is_below(parameter, path, recursive=request.get("Recursive", False))
        and all(each.fits(parameter) for each in wanted)
    ]
    shown, token = page(below, _key, request.get("NextToken"), request.get("MaxResults", 10))
    labels = [label for each in wanted if each.key == "Label" for label in each.values]
    values = [_value(_labelled(cx, parameter, labels), request) for parameter in shown]
    return {"Parameters": values, **({"NextToken": token} if token else {})}


@operation("ssm", "GetParameterHistory", reads=True)
def get_parameter_history(cx: Context, request: Json) -> Json:
    """Oldest first."""
    parameter = the_parameter(cx, request["Name"])
    versions, token = page(
        history(cx, parameter),
        lambda version: f"{version.number:012d}",
        request.get("NextToken"),
        request.get("MaxResults", 50),
    )
    described = [
        {
            **_metadata(parameter, version),
            "Value": _shown(parameter, version, request),
            "Labels": parameter.labels_of(version.number),
        }
        for version in versions
    ]
    return {"Parameters": described, **({"NextToken": token} if token else {})}


@operation("ssm", "DescribeParameters", reads=True)
def describe_parameters(cx: Context, request: Json) -> Json:
    wanted = filters.described(request)
    parameters = [
        parameter
        for parameter in cx.tx.scan(Parameter, cx.caller.scope(""))
        if all(each.fits(parameter) for each in wanted)
    ]
    shown, token = page(parameters, _key, request.get("NextToken"), request.get("MaxResults", 50))
    described = [{**_metadata(each, each.current), "ARN": each.arn} for each in shown]
    return {"Parameters": described, **({"NextToken": token} if token else {})}


def _key(parameter: Parameter) -> str:
    return parameter.key


def _labelled(cx: Context, parameter: Parameter, labels: list[str]) -> Found:
    for label in labels:
        if label in parameter.labels:
            return find(cx, f"{parameter.name}:{label}")
    return Found(parameter, parameter.current, parameter.name)


def _value(found: Found, request: Json) -> Json:
    parameter, version = found.parameter, found.version
    shown: Json = {
        "Name": found.name,
        "Type": version.type,
        "Value": _shown(parameter, version, request),
        "Version": version.number,
        "LastModifiedDate": version.modified,
        "ARN": parameter.arn,
        "DataType": version.data_type,
    }
    if found.selector:
        shown["Selector"] = found.selector
    return shown


def _shown(parameter: Parameter, version: Version, request: Json) -> str:
    """The value; of a SecureString that is not to be decrypted, an opaque text in its place that is the same at
    every call, as AWS's ciphertext is."""
    if version.type != "SecureString" or request.get("WithDecryption"):
        return version.value
    seed = f"{parameter.arn}:{version.number}:{version.modified}".encode()
    return base64.b64encode(hashlib.sha512(seed).digest()).decode()


def _metadata(parameter: Parameter, version: Version) -> Json:
    optional = {
        "KeyId": version.key_id,
        "Description": version.description,
        "AllowedPattern": version.allowed_pattern,
    }
    return {
        "Name": parameter.name,
        "Type": version.type,
        "LastModifiedDate": version.modified,
        "LastModifiedUser": version.modified_by,
        "Version": version.number,
        "Tier": version.tier,
        "Policies": [],
        "DataType": version.data_type,
        **{name: value for name, value in optional.items() if value},
    }
