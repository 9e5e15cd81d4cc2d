"""What a call gives for a stack: template, parameters, capabilities, tags; checked as AWS checks before it accepts.

Order as on AWS: the template's text, its format, its types, its parameters, its capabilities.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import unquote, urlsplit

import attrs

from neargate.model.cloudformation import StackInput
from neargate.model.ec2 import zones_with_default_subnet
from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.model.records import Blob, Json
from neargate.model.tags import from_list
from neargate.planners import template as language
from neargate.resources import evaluation, registry, schemas
from neargate.resources.lookups import plain_value
from neargate.services.cloudformation import lookups, transforms

MAX_URL_TEMPLATE = 1024 * 1024
_S3_HOST = re.compile(
    r"(?:(?P<bucket>.+)\.)?s3(?:[.-](?P<region>[a-z0-9-]+))?"
    r"\.(?:amazonaws\.com(?:\.cn)?|localhost(?:\.localstack\.cloud)?)"  # public names of 127.0.0.1 in templates
)


def template_text(cx: Context, request: Mapping[str, Any], previous: StackInput | None) -> str:
    """The template's text from TemplateBody, TemplateURL or the stack itself."""
    if request.get("UsePreviousTemplate"):
        if previous is None:
            raise AwsError(
                "ValidationError", "No template exists for this stack: UsePreviousTemplate needs one."
            )
        return previous.template
    body, url = request.get("TemplateBody"), request.get("TemplateURL")
    if body and url:
        raise AwsError("ValidationError", "Only one of Template URL or Template Body may be specified.")
    if body:
        return str(body)
    if url:
        return _fetch(cx, str(url))
    raise AwsError("ValidationError", "Either Template URL or Template Body must be specified.")


def _fetch(cx: Context, url: str) -> str:
    bucket, key = s3_location(cx, url)
    try:
        answer = cx.invoke("s3", "GetObject", {"Bucket": bucket, "Key": key})
    except AwsError as error:
        raise AwsError("ValidationError", f"S3 error: {error.message}") from error
    body = answer["Body"]
    data = cx.blobs.read(body) if isinstance(body, Blob) else bytes(body)
    if len(data) > MAX_URL_TEMPLATE:
        raise AwsError("ValidationError", "Template may not exceed 1000000 bytes in size.")
    return data.decode("utf-8", "replace")


def s3_location(cx: Context, url: str) -> tuple[str, str]:
    """The bucket and key that a URL names. Raises ValidationError."""
    parts = urlsplit(url)
    if parts.scheme == "s3":
        raise AwsError(
            "ValidationError", f"S3 error: Domain name specified in {parts.netloc} is not a valid S3 domain"
        )
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise AwsError("ValidationError", "TemplateURL must be a supported URL.")
    path = unquote(parts.path).lstrip("/")
    if parts.port == cx.settings.port and parts.hostname in {cx.settings.host, "localhost", "127.0.0.1"}:
        bucket, _, key = path.partition("/")
        return bucket, key
    found = _S3_HOST.fullmatch(parts.hostname)
    if found is None:
        raise AwsError("ValidationError", "TemplateURL must be a supported URL.")
    if found["bucket"]:
        return found["bucket"], path
    bucket, _, key = path.partition("/")
    return bucket, key


class ProcessingFailed(Exception):
    """The call is accepted, but its template cannot be processed: the stack or the change set fails for it.

    `wanted` is what the call asks for; its `failure` says why it cannot be.
    """

    def __init__(self, wanted: StackInput) -> None:
        super().__init__(wanted.failure)
        self.wanted = wanted


def untransformed(text: str) -> tuple[Json, language.Template] | None:
    """The data and the outline of a template whose transforms are still to be carried out; None where it has none."""
    if "Transform" not in text and "\\" not in text:  # a backslash may hide the word in JSON or YAML
        return None
    data = language.read(text)
    return (data, language.outline(data)) if language.transform_names(data) else None


def parsed(text: str) -> language.Template:
    """The template, valid in itself, or the outline of one that has transforms."""
    before = untransformed(text)
    if before is not None:
        return before[1]
    template = language.parse(text)
    language.validate(template, schemas.supports_attribute)
    return template


def unrecognized_types(template: language.Template) -> list[str]:
    """The types in use that AWS does not have."""
    types = sorted({r.type for r in template.resources.values()})
    return [t for t in types if not registry.find_or_none(t) and not schemas.exists(t) and not _is_custom(t)]


def check_types(cx: Context, template: language.Template, allowed: list[str] | None) -> None:
    """Refuse types that AWS does not have, and those that the parameter ResourceTypes does not allow."""
    types = sorted({r.type for r in template.resources.values()})
    unknown = unrecognized_types(template)
    if unknown:
        raise AwsError(
            "ValidationError", f"Template format error: Unrecognized resource types: [{', '.join(unknown)}]"
        )
    for type_name in types:
        if allowed and not any(_type_matches(type_name, pattern) for pattern in allowed):
            raise AwsError(
                "ValidationError",
                f"Resource type {type_name} is not allowed by parameter ResourceTypes [{', '.join(allowed)}]",
            )


def check_supported(opened: evaluation.Opened, *, moto: bool) -> None:
    """Refuse what Neargate does not have, of the resources whose Condition holds. `moto`: is the extra there?"""
    missing = sorted({r.type for r in opened.live.values() if registry.find_or_none(r.type) is None})
    if missing:
        raise AwsError(
            "ValidationError",
            f"Neargate does not support these resource types yet: [{', '.join(missing)}] "
            "(docs/coverage.md#cloudformation). Nothing was created.",
        )
    answered = [] if moto else sorted({r.type for r in opened.live.values() if registry.needs_moto(r.type)})
    if answered:
        raise AwsError(
            "ValidationError",
            f"These resource types need the optional extra that answers their services: [{', '.join(answered)}]. "
            "Install it (pip install 'neargate[moto]') and start Neargate again. Nothing was created.",
        )
    refused = [
        f"{name} ({resource.type}) {prop}"
        for name, resource in opened.live.items()
        for prop in resource.properties
        if not str(prop).startswith("Fn::") and _is_unhonoured(resource.type, str(prop))
    ]
    if refused:
        raise AwsError(
            "ValidationError",
            f"Neargate does not honour these resource properties yet: [{', '.join(refused)}] "
            "(docs/coverage.md#cloudformation). Nothing was created.",
        )
    policies = [
        f"{name} ({resource.type}) {policy}"
        for name, resource in opened.live.items()
        for policy in _unhonoured_policies(resource)
    ]
    if policies:
        raise AwsError(
            "ValidationError",
            f"Neargate does not honour these resource attributes: [{', '.join(policies)}]. Nothing was created.",
        )


def _unhonoured_policies(resource: language.Resource) -> list[str]:
    """A CreationPolicy where nothing waits for signals, and any UpdatePolicy: none of its types is here."""
    found = []
    if resource.creation_policy and not registry.find(resource.type).signals:
        found.append("CreationPolicy")
    if resource.update_policy:
        found.append("UpdatePolicy")
    return found


def _is_unhonoured(type_name: str, prop: str) -> bool:
    """A property the type has and Neargate not. One that the type itself lacks is for the schema to refuse."""
    declared = registry.find(type_name)
    if prop in declared.honoured or not schemas.exists(type_name):
        return False
    return prop in schemas.schema(type_name).properties


def _is_custom(type_name: str) -> bool:
    return type_name.startswith("Custom::") or type_name == "AWS::CloudFormation::CustomResource"


def _type_matches(type_name: str, pattern: str) -> bool:
    return type_name.startswith(pattern[:-1]) if pattern.endswith("*") else type_name == pattern


def check_capabilities(template: language.Template, given: list[str], *, change_set: bool = False) -> None:
    required, _ = language.capabilities(template)
    have = set(given)
    if "CAPABILITY_NAMED_IAM" in have:
        have.add("CAPABILITY_IAM")
    missing = [c for c in required if c not in have and not (change_set and c == "CAPABILITY_AUTO_EXPAND")]
    if missing:
        raise AwsError("InsufficientCapabilitiesException", f"Requires capabilities : [{', '.join(missing)}]")


def stack_input(
    cx: Context,
    request: Mapping[str, Any],
    previous: StackInput | None,
    place: evaluation.Place,
    *,
    change_set: bool = False,
) -> tuple[StackInput, evaluation.Opened]:
    """The input of a create or update, fully checked.

    Raises AwsError in AWS's words, and ProcessingFailed for what AWS finds out only after it has accepted the call:
    whatever is wrong with a transform, or with what the transforms made.
    """
    text = template_text(cx, request, previous)
    before = untransformed(text)
    template = before[1] if before else parsed(text)
    if before is None:
        check_types(cx, template, request.get("ResourceTypes"))
    capabilities = list(request.get("Capabilities") or ())
    values = _values(template, request, previous)
    check_capabilities(template, capabilities, change_set=change_set)
    tags, role = request.get("Tags"), request.get("RoleARN")
    wanted = StackInput(
        template=text,
        parameters=values,
        tags=from_list(tags) if tags is not None else dict(previous.tags if previous else {}),
        capabilities=capabilities,
        resolved=lookups.resolved_parameters(cx, template, values, role, change_set=change_set),
    )
    if before is not None:
        return _processed(cx, wanted, *before, request.get("ResourceTypes"), place)
    opened = _opened(wanted, place)
    check_supported(opened, moto=cx.settings.moto)
    lookups.check_references(cx, opened, text, role, change_set=change_set)
    return wanted, opened


def _values(
    template: language.Template, request: Mapping[str, Any], previous: StackInput | None
) -> dict[str, str]:
    """The parameters' values, given, kept or defaulted."""
    given: dict[str, str] = {}
    use_previous: list[str] = []
    for parameter in request.get("Parameters") or ():
        if parameter.get("UsePreviousValue"):
            use_previous.append(parameter["ParameterKey"])
        else:
            given[parameter["ParameterKey"]] = parameter.get("ParameterValue", "")
    return language.resolve_parameters(
        template, given, previous.parameters if previous else None, use_previous
    )


def _opened(wanted: StackInput, place: evaluation.Place) -> evaluation.Opened:
    opened = evaluation.open_stack(wanted, place, {})
    language.check_rules(opened.template, opened.scope)
    return opened


def _processed(
    cx: Context,
    wanted: StackInput,
    data: Json,
    outline: language.Template,
    allowed: list[str] | None,
    place: evaluation.Place,
) -> tuple[StackInput, evaluation.Opened]:
    """The input with its transforms carried out, checked like one that had none."""
    try:
        made = transforms.processed(cx, data, outline, {**wanted.parameters, **wanted.resolved}, place)
        template = language.template_from(made)
        extended = language.LANGUAGE_EXTENSIONS in outline.transforms
        language.validate(template, schemas.supports_attribute, extended=extended)
        check_types(cx, template, allowed)
        values = language.resolve_parameters(template, wanted.parameters, None, ())
        check_capabilities(template, wanted.capabilities, change_set=True)
        done = attrs.evolve(wanted, template=json.dumps(made), original=wanted.template, parameters=values)
        opened = _opened(done, place)
        lookups.check_references(cx, opened, done.template, None, change_set=True)
    except language.TransformFailed as failed:
        raise ProcessingFailed(attrs.evolve(wanted, failure=failed.reason)) from failed
    except AwsError as error:
        if error.code == "NotImplemented":
            raise
        raise ProcessingFailed(attrs.evolve(wanted, failure=error.message)) from error
    check_supported(opened, moto=cx.settings.moto)
    return done, opened


def place_for(cx: Context, name: str, stack_id: str, notification_arns: list[str]) -> evaluation.Place:
    """The place of a stack as the API sees it. Exports are looked up when the operation runs; here, all stacks are read
    only if the template imports something."""
    exports = cache(lambda: _exports(cx))
    return evaluation.Place(
        account=cx.account,
        region=cx.region,
        stack_name=name,
        stack_id=stack_id,
        zones=lambda region: zones_with_default_subnet(cx.tx, cx.account, region),
        export=lambda export: exports().get(export, language.UNKNOWN),
        notification_arns=tuple(notification_arns),
        plain=functools.cache(lambda reference: plain_value(cx.invoke, reference, None)),
    )


def _exports(cx: Context) -> dict[str, Any]:
    from neargate.services.cloudformation.lookup import all_stacks

    return {name: value for stack in all_stacks(cx) for name, value in stack.exports.items()}


def shown_parameters(given: StackInput) -> list[Json]:
    """Parameters as Describe shows them: NoEcho ones masked, of SSM types also what their name stands for."""
    if not given.parameters:
        return []
    declared = outline_of(given).parameters
    shown: list[Json] = []
    for name, value in given.parameters.items():
        parameter = declared.get(name)
        masked = parameter is not None and parameter.no_echo
        item: Json = {"ParameterKey": name, "ParameterValue": "****" if masked else value}
        if name in given.resolved and parameter is not None and parameter.is_ssm_value:
            item["ResolvedValue"] = "****" if masked else given.resolved[name]
        shown.append(item)
    return shown


def outline_of(given: StackInput) -> language.Template:
    """What the processed template declares; of one whose processing failed, what it says of itself."""
    if given.failure:
        return language.outline(language.read(given.template))
    return language.parse(given.template)
