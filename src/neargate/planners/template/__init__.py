"""The CloudFormation template language as pure functions.

`parse` gives a `Template`, `validate` refuses what AWS refuses before it creates anything, `resolve_parameters`
settles the values, `conditions`, `live_resources` and `dependencies` say what there is to do in which order, and
`evaluate_resource` and `evaluate_outputs` carry out the functions. Every error is AwsError("ValidationError", …) with
AWS's text, apart from NotImplemented for the parts of the language that Neargate has not.
"""

from __future__ import annotations

from functools import lru_cache

from neargate.planners.template.capabilities import capabilities
from neargate.planners.template.evaluation import (
    Evaluator,
    Scope,
    evaluate,
    evaluate_outputs,
    evaluate_resource,
)
from neargate.planners.template.extensions import extended
from neargate.planners.template.graph import conditions, dependencies, imports, live_resources
from neargate.planners.template.include import INCLUDE
from neargate.planners.template.include import location as include_location
from neargate.planners.template.include import merged as merged_include
from neargate.planners.template.include import snippet as include_snippet
from neargate.planners.template.nouns import (
    LANGUAGE_EXTENSIONS,
    UNKNOWN,
    Output,
    Parameter,
    Resource,
    Template,
    Unknown,
)
from neargate.planners.template.parameters import (
    SSM_NAME,
    parameter_values,
    resolve_parameters,
    ssm_references,
    typed_references,
)
from neargate.planners.template.reading import read
from neargate.planners.template.rules import check_rules
from neargate.planners.template.structure import outline, template_from
from neargate.planners.template.transforms import Transform, TransformFailed, process, settled_parameters
from neargate.planners.template.transforms import failed as transform_failed
from neargate.planners.template.transforms import named as transform_names
from neargate.planners.template.validation import validate

__all__ = [
    "INCLUDE",
    "LANGUAGE_EXTENSIONS",
    "SSM_NAME",
    "UNKNOWN",
    "Evaluator",
    "Output",
    "Parameter",
    "Resource",
    "Scope",
    "Template",
    "Transform",
    "TransformFailed",
    "Unknown",
    "capabilities",
    "check_rules",
    "conditions",
    "dependencies",
    "evaluate",
    "evaluate_outputs",
    "evaluate_resource",
    "extended",
    "imports",
    "include_location",
    "include_snippet",
    "live_resources",
    "merged_include",
    "outline",
    "parameter_values",
    "parse",
    "process",
    "read",
    "resolve_parameters",
    "resource_types",
    "settled_parameters",
    "ssm_references",
    "template_from",
    "transform_failed",
    "transform_names",
    "typed_references",
    "validate",
]


@lru_cache(maxsize=16)
def parse(body: str) -> Template:
    """The template of a JSON or YAML text that has no transforms, or whose transforms have been carried out.

    Raises ValidationError for text or sections of the wrong form. A stack's template is read again and again while
    its resources are made, so the last few are kept; nobody changes a Template.
    """
    return template_from(read(body))


def resource_types(template: Template, conditions: dict[str, bool] | None = None) -> list[str]:
    """The resource types in use, sorted; with `conditions` only those of resources whose Condition holds."""
    resources = template.resources if conditions is None else live_resources(template, conditions)
    return sorted({resource.type for resource in resources.values()})
