"""Looking at templates: validation, summaries, the text a stack was made from."""

from __future__ import annotations

import json
from collections.abc import Mapping

from neargate.model.errors import AwsError, not_implemented
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.planners import template as language
from neargate.resources import schemas
from neargate.services.cloudformation import inputs
from neargate.services.cloudformation.lookup import change_set, required

VERSION = "2010-09-09"  # that of a template which does not say


@operation("cloudformation", "ValidateTemplate", reads=True)
def validate_template(cx: Context, request: Json) -> Json:
    """Is the template well formed; which parameters and capabilities does it want."""
    template = inputs.parsed(inputs.template_text(cx, request, None))
    if not template.transforms:
        inputs.check_types(cx, template, None)
    capabilities, reason = language.capabilities(template)
    return _given(
        {
            "Parameters": [
                {
                    "ParameterKey": p.name,
                    "DefaultValue": p.default,
                    "NoEcho": p.no_echo,
                    "Description": p.description,
                }
                for p in template.parameters.values()
            ],
            "Description": template.description,
            "Capabilities": capabilities or None,
            "CapabilitiesReason": reason or None,
            "DeclaredTransforms": list(template.transforms) or None,
        }
    )


@operation("cloudformation", "GetTemplateSummary", reads=True)
def get_template_summary(cx: Context, request: Json) -> Json:
    """What a template, or a stack's template, declares. Of one with transforms AWS lists no resources."""
    if request.get("StackSetName"):
        raise not_implemented("cloudformation: StackSetName", "cloudformation")
    template, transforms = _summarized(cx, request)
    unknown = inputs.unrecognized_types(template) if not template.transforms else []
    config = request.get("TemplateSummaryConfig") or {}
    if unknown and not config.get("TreatUnrecognizedResourceTypesAsWarnings"):
        inputs.check_types(cx, template, None)
    capabilities, reason = language.capabilities(template)
    resources = {} if template.transforms else template.resources
    types = dict.fromkeys(r.type for r in resources.values())
    return _given(
        {
            "Parameters": [_declaration(p) for p in template.parameters.values()],
            "Description": template.description,
            "Capabilities": capabilities or None,
            "CapabilitiesReason": reason or None,
            "ResourceTypes": list(types) or None,
            "Version": template.version or VERSION,
            "Metadata": json.dumps(template.metadata) if template.metadata else None,
            "DeclaredTransforms": list(transforms) or None,
            "ResourceIdentifierSummaries": [_identifiers(name, resources) for name in types] or None,
            "Warnings": {"UnrecognizedResourceTypes": unknown} if unknown else None,
        }
    )


def _summarized(cx: Context, request: Json) -> tuple[language.Template, tuple[str, ...]]:
    """The template asked for, and the transforms that it declares or that made it."""
    if not request.get("StackName"):
        template = inputs.parsed(inputs.template_text(cx, request, None))
        return template, template.transforms
    stack = required(cx, request["StackName"])
    if stack.status == "REVIEW_IN_PROGRESS":
        raise AwsError("ValidationError", "GetTemplateSummary cannot be called on REVIEW_IN_PROGRESS stacks.")
    template = inputs.outline_of(stack.input)
    if stack.input.original:
        return template, language.transform_names(language.read(stack.input.original))
    return template, template.transforms


def _identifiers(type_name: str, resources: Mapping[str, language.Resource]) -> Json:
    """The resources of a type, and the properties that name one for an import."""
    names = schemas.schema(type_name).primary_identifier if schemas.exists(type_name) else ()
    return _given(
        {
            "ResourceType": type_name,
            "LogicalResourceIds": [name for name, r in resources.items() if r.type == type_name],
            "ResourceIdentifiers": list(names) or None,
        }
    )


def _given(answer: Json) -> Json:
    return {name: value for name, value in answer.items() if value is not None}


def _declaration(parameter: language.Parameter) -> Json:
    shown: Json = {
        "ParameterKey": parameter.name,
        "DefaultValue": parameter.default,
        "ParameterType": parameter.type,
        "NoEcho": parameter.no_echo,
        "Description": parameter.description,
        "ParameterConstraints": {"AllowedValues": list(parameter.allowed_values)}
        if parameter.allowed_values
        else {},
    }
    return {name: value for name, value in shown.items() if value is not None}


@operation("cloudformation", "GetTemplate", reads=True)
def get_template(cx: Context, request: Json) -> Json:
    """The template's text: Original as it was given, Processed with its transforms carried out."""
    if request.get("ChangeSetName"):
        if not request.get("StackName") and not request["ChangeSetName"].startswith("arn:"):
            raise AwsError("ValidationError", "StackName is a required parameter.")
        given = change_set(cx, request).input
    elif request.get("StackName"):
        given = required(cx, request["StackName"]).input
    else:
        raise AwsError("ValidationError", "StackName is required if ChangeSetName is not specified.")
    if request.get("TemplateStage") != "Processed":
        text = given.as_written
    elif given.failure:
        raise AwsError("ValidationError", "Processed template is not available: its transforms failed.")
    else:
        text = given.template
    stages = ["Original"] if given.failure else ["Original", "Processed"]
    return {"TemplateBody": text, "StagesAvailable": stages}
