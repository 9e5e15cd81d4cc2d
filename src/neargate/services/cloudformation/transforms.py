"""Carrying a template's transforms out: those that AWS hosts and Neargate has.

A macro needs a Lambda function. Neargate runs none and refuses AWS::CloudFormation::Macro, so no macro exists.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from neargate.model.errors import AwsError, not_implemented
from neargate.model.operations import Context
from neargate.model.records import Blob, Json
from neargate.planners import template as language
from neargate.resources import evaluation
from neargate.runtimes import serverless

_ELSEWHERE = frozenset(
    {
        "AWS::CodeDeployBlueGreen",
        "AWS::SecretsManager-2020-07-23",
        "AWS::SecretsManager-2024-09-16",
        "AWS::ServiceCatalog",
    }
)
_WHOLE_ONLY = frozenset({language.LANGUAGE_EXTENSIONS, serverless.SERVERLESS})


def processed(
    cx: Context, data: Json, outline: language.Template, values: Mapping[str, str], place: evaluation.Place
) -> Json:
    """The template with its transforms carried out.

    `outline` is the template before, `values` are the values of its parameters, SSM ones looked up. Raises
    TransformFailed for what AWS finds out after it has accepted the call, and NotImplemented for AWS's own transforms
    that Neargate has not.
    """
    _refuse_unknown(outline.transforms)
    parameters = language.parameter_values(outline, values)
    scope = evaluation.bare_scope(place, parameters, data.get("Mappings"))

    def apply(transform: language.Transform, fragment: Json, whole: bool) -> Any:
        if transform.name in _WHOLE_ONLY and not whole:
            raise language.transform_failed(
                transform.name, "The transform can only be declared in the Transform section of the template"
            )
        if transform.name == language.INCLUDE:
            return _included(cx, transform, fragment, whole, scope)
        if transform.name == language.LANGUAGE_EXTENSIONS:
            return language.extended(fragment, _without_secrets(outline, scope))
        if transform.name == serverless.SERVERLESS:
            return _serverless(fragment, parameters, place.region)
        owner = "" if transform.name.startswith("AWS::") else f"{cx.account}::"
        raise language.TransformFailed(f"No transform named {owner}{transform.name} found.")

    return language.process(data, apply)


def _refuse_unknown(names: tuple[str, ...]) -> None:
    for name in names:
        if name in _ELSEWHERE:
            raise not_implemented(f"Transform {name}", "cloudformation")


def _without_secrets(outline: language.Template, scope: language.Scope) -> language.Scope:
    """NoEcho values must not be written into the processed template, which GetTemplate shows."""
    hidden = {p.name: language.UNKNOWN for p in outline.parameters.values() if p.no_echo}
    return attrs.evolve(scope, parameters={**scope.parameters, **hidden})


def _included(
    cx: Context, transform: language.Transform, fragment: Json, whole: bool, scope: language.Scope
) -> Json:
    settled = language.settled_parameters(transform, lambda value: language.evaluate(value, scope))
    bucket, key = language.include_location(settled)
    try:
        answer = cx.invoke("s3", "GetObject", {"Bucket": bucket, "Key": key})
    except AwsError as error:
        raise language.transform_failed(language.INCLUDE, _s3_text(error, bucket, key)) from None
    body = answer["Body"]
    text = (cx.blobs.read(body) if isinstance(body, Blob) else bytes(body)).decode("utf-8", "replace")
    return language.merged_include(fragment, language.include_snippet(text), whole)


def _s3_text(error: AwsError, bucket: str, key: str) -> str:
    if error.code == "NoSuchBucket":
        return f"S3 bucket [{bucket}] does not exist."
    if error.code == "NoSuchKey":
        return f"The specified key [{key}] does not exist in S3 bucket [{bucket}]."
    return f"{error.message} (Service: Amazon S3; Status Code: {error.status}; Error Code: {error.code})"


def _serverless(fragment: Json, parameters: Mapping[str, Any], region: str) -> Json:
    given = {
        name: ",".join(map(str, value)) if isinstance(value, list) else value
        for name, value in parameters.items()
    }
    try:
        return serverless.translate(fragment, given, region)
    except serverless.NotTranslated as refused:
        raise language.transform_failed(serverless.SERVERLESS, str(refused)) from None
    except serverless.TranslatorBroken:
        raise language.TransformFailed(
            f"Received malformed response from transform {serverless.SERVERLESS}"
        ) from None
