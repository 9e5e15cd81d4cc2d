"""Looking at templates: validation, summaries, the text a stack was made from."""

from __future__ import annotations

import json

from neargate.model.errors import AwsError
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.planners import template as language
from neargate.services.cloudformation import inputs
from neargate.services.cloudformation.lookup import change_set, required


@operation("cloudformation", "ValidateTemplate", reads=True)
def validate_template(cx: Context, request: Json) -> Json:
    """Is the template well formed; which parameters and capabilities does it want."""
    template = inputs.parsed(inputs.template_text(cx, request, None))
    inputs.check_types(cx, template, None)
    capabilities, reason = language.capabilities(template)
    answer: Json = {
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
        "Capabilities": capabilities,
        "CapabilitiesReason": reason or None,
        "DeclaredTransforms": list(template.transforms),
    }
    return {name: value for name, value in answer.items() if value is not None}


@operation("cloudformation", "GetTemplateSummary", reads=True)
def get_template_summary(cx: Context, request: Json) -> Json:
    """What a template, or a stack's template, declares."""
    name = request.get("StackName")
    if name:
        stack = required(cx, name)
        if stack.status == "REVIEW_IN_PROGRESS":
            raise AwsError(
                "ValidationError", "GetTemplateSummary cannot be called on REVIEW_IN_PROGRESS stacks."
            )
        text = stack.input.template
    else:
        text = inputs.template_text(cx, request, None)
    template = inputs.parsed(text)
    capabilities, reason = language.capabilities(template)
    answer: Json = {
        "Parameters": [_declaration(p) for p in template.parameters.values()],
        "Description": template.description,
        "Capabilities": capabilities,
        "CapabilitiesReason": reason or None,
        "ResourceTypes": [r.type for r in template.resources.values()],
        "Version": template.version,
        "Metadata": json.dumps(template.metadata) if template.metadata else None,
        "DeclaredTransforms": list(template.transforms),
        "ResourceIdentifierSummaries": [],
    }
    return {member: value for member, value in answer.items() if value is not None}


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
