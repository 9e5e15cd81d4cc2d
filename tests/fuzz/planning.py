"""One template through everything that CloudFormation does before it makes a resource."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any, cast

from neargate.model.cloudformation import StackInput
from neargate.model.errors import AwsError
from neargate.model.operations import Caller, Context, Settings
from neargate.model.records import Blobs, Json, Tx
from neargate.planners import template as language
from neargate.resources import evaluation, schemas
from neargate.runtimes import serverless
from neargate.services.cloudformation import inputs
from neargate.system import SystemIds

CAPABILITIES = ["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]
SNIPPET = b"Properties: {A: b}\nType: AWS::Logs::LogGroup\n"
_ACCOUNT, _REGION = "000000000000", "us-east-1"
PLACE = evaluation.Place(
    account=_ACCOUNT,
    region=_REGION,
    stack_name="fuzz",
    stack_id=f"arn:aws:cloudformation:{_REGION}:{_ACCOUNT}:stack/fuzz/0",
    zones=lambda region: tuple(f"{region}{letter}" for letter in "abcdef"),
    export=lambda name: language.UNKNOWN,
)


class Unexpected(Exception):
    """Something that no caller of AWS ever sees."""


def plan(text: str, random: Random) -> StackInput | None:
    """The input of a stack that could be made, or None where the template is refused as AWS refuses one.

    Raises Unexpected for any other exception, and for an error that is not the caller's.
    """
    try:
        return _planned(text, random)
    except inputs.ProcessingFailed:
        return None
    except AwsError as error:
        if 400 <= error.status < 500 or error.code == "NotImplemented":
            return None
        raise Unexpected(f"{error!r}") from error
    except Exception as error:  # that is what is looked for
        raise Unexpected(f"{type(error).__name__}: {error}") from error


def _planned(text: str, random: Random) -> StackInput:
    data = language.read(text)
    parameters = [
        {"ParameterKey": name, "ParameterValue": random.choice(("", "a", "1", "a,b", "subnet-1, subnet-2"))}
        for name in (data.get("Parameters") if isinstance(data.get("Parameters"), dict) else {})
        if random.random() < 0.7
    ]
    request: Json = {"TemplateBody": text, "Parameters": parameters, "Capabilities": CAPABILITIES}
    wanted, opened = inputs.stack_input(_context(), request, None, PLACE)
    for name, resource in opened.live.items():
        want = evaluation.desired(opened, name, PLACE, {}, seed="s", token="t", kept_name=None)
        if schemas.exists(resource.type):
            schemas.property_errors(resource.type, name, want.properties)
    language.evaluate_outputs(opened.template, opened.scope, opened.conditions)
    return wanted


def _context() -> Context:
    return Context(
        caller=Caller(_ACCOUNT, _REGION, "arn:aws:iam::000000000000:root"),
        tx=cast(Tx, None),
        now=0.0,
        ids=SystemIds(),
        blobs=cast(Blobs, None),
        invoke=_invoke,
        settings=Settings(),
    )


def _invoke(service: str, operation: str, request: Mapping[str, Any], **how: Any) -> Json:
    if (service, operation) == ("s3", "GetObject"):
        return {"Body": SNIPPET}
    raise AwsError("ResourceNotFoundException", "not found")


def without_translator(replace: Callable[[Any, str, Any], None] = setattr) -> None:
    """SAM templates take a process each; a run of a million does without."""

    def translate(template: Json, parameters: Json, region: str) -> Json:
        raise serverless.NotTranslated("not in this run")

    replace(serverless, "translate", translate)
