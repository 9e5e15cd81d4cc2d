"""Pipelines: declare, change, show, forget."""

from __future__ import annotations

import copy
from typing import Any

import attrs

from neargate.model.codepipeline import Execution, Pipeline, PipelineVersion, Transition
from neargate.model.errors import AwsError, not_implemented
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.model.tags import from_list, lower
from neargate.planners import pipeline_structure
from neargate.services.codepipeline.starting import start

_MASKED = "OAuthToken"


def required(cx: Context, name: str) -> Pipeline:
    """The pipeline, or PipelineNotFoundException."""
    found = cx.tx.get(Pipeline, cx.caller.scope(name))
    if found is None:
        raise AwsError(
            "PipelineNotFoundException",
            f"Account '{cx.account}' does not have a pipeline with name '{name}'",
        )
    return found


def executions_of(cx: Context, pipeline: Pipeline) -> list[Execution]:
    """All executions, newest first."""
    return list(reversed(cx.tx.scan(Execution, pipeline.key + "/")))


def _checked(cx: Context, declared: Json) -> Json:
    structure = {name: value for name, value in declared.items() if name != "version"}
    pipeline_structure.check(structure)
    _check_roles(cx, structure)
    for action in _actions(structure):
        action.setdefault("runOrder", 1)
        action.setdefault("configuration", {})
        action.setdefault("inputArtifacts", [])
        action.setdefault("outputArtifacts", [])
    structure.setdefault("pipelineType", "V1")
    return structure


def _actions(structure: Json) -> list[Json]:
    return [action for stage in structure["stages"] for action in stage["actions"]]


def _check_roles(cx: Context, structure: Json) -> None:
    """The service role must exist and trust CodePipeline, as the console and API check at creation."""
    arn = structure["roleArn"]
    try:
        answer = cx.invoke("iam", "GetRole", {"RoleName": arn.rsplit("/", 1)[-1]})
    except AwsError as error:
        raise AwsError(
            "InvalidStructureException",
            f"CodePipeline is not authorized to perform AssumeRole on role {arn}",
        ) from error
    if "codepipeline.amazonaws.com" not in answer["Role"]["AssumeRolePolicyDocument"]:
        raise AwsError(
            "InvalidStructureException", f"CodePipeline is not authorized to perform AssumeRole on role {arn}"
        )


@operation("codepipeline", "CreatePipeline")
def create_pipeline(cx: Context, request: Json) -> Json:
    """Declare a pipeline; it starts once by itself."""
    declared = request["pipeline"]
    name = declared["name"]
    if cx.tx.get(Pipeline, cx.caller.scope(name)) is not None:
        raise AwsError(
            "PipelineNameInUseException",
            f"A pipeline with the name '{name}' already exists in account '{cx.account}'",
        )
    structure = _checked(cx, declared)
    pipeline = Pipeline(
        account=cx.account,
        region=cx.region,
        name=name,
        structure=structure,
        created=cx.now,
        updated=cx.now,
        tags=from_list(request.get("tags")),
    )
    _keep(cx, pipeline)
    start(cx, pipeline, "CreatePipeline", cx.caller.principal)
    answer: Json = {"pipeline": shown(pipeline)}
    if pipeline.tags:
        answer["tags"] = lower(pipeline.tags)
    return answer


def _keep(cx: Context, pipeline: Pipeline) -> None:
    cx.tx.put(pipeline)
    version = PipelineVersion(pipeline=pipeline.key, version=pipeline.version, structure=pipeline.structure)
    cx.tx.put(version)


def shown(pipeline: Pipeline, structure: Json | None = None, version: int | None = None) -> Json:
    """A declaration as GetPipeline shows it: secrets masked."""
    declared: dict[str, Any] = copy.deepcopy(structure or pipeline.structure)
    for action in _actions(declared):
        if _MASKED in (action.get("configuration") or {}):
            action["configuration"][_MASKED] = "****"
    declared["version"] = version or pipeline.version
    return declared


@operation("codepipeline", "UpdatePipeline")
def update_pipeline(cx: Context, request: Json) -> Json:
    """Replace a declaration; its version goes up by one. A masked secret keeps its value."""
    declared = copy.deepcopy(request["pipeline"])
    pipeline = required(cx, declared["name"])
    _unmask(pipeline.structure, declared)
    structure = _checked(cx, declared)
    changed = attrs.evolve(pipeline, structure=structure, version=pipeline.version + 1, updated=cx.now)
    _keep(cx, changed)
    return {"pipeline": shown(changed)}


def _unmask(known: Json, declared: Json) -> None:
    secrets = {action["name"]: (action.get("configuration") or {}).get(_MASKED) for action in _actions(known)}
    for action in _actions(declared):
        configuration = action.get("configuration") or {}
        if configuration.get(_MASKED) == "****" and secrets.get(action["name"]):
            configuration[_MASKED] = secrets[action["name"]]


@operation("codepipeline", "GetPipeline", reads=True)
def get_pipeline(cx: Context, request: Json) -> Json:
    """A declaration, of now or of an earlier version."""
    pipeline = required(cx, request["name"])
    structure, version = pipeline.structure, request.get("version")
    if version is not None and version != pipeline.version:
        found = cx.tx.get(PipelineVersion, f"{pipeline.key}/{version:09d}")
        if found is None:
            raise AwsError("PipelineVersionNotFoundException", f"Pipeline version {version} not found")
        structure = found.structure
    return {
        "pipeline": shown(pipeline, structure, version),
        "metadata": {"pipelineArn": pipeline.arn, "created": pipeline.created, "updated": pipeline.updated},
    }


@operation("codepipeline", "ListPipelines", reads=True)
def list_pipelines(cx: Context, request: Json) -> Json:
    """Every pipeline of the region."""
    return {
        "pipelines": [
            {
                "name": p.name,
                "version": p.version,
                "pipelineType": p.structure.get("pipelineType", "V1"),
                "executionMode": "SUPERSEDED",
                "created": p.created,
                "updated": p.updated,
            }
            for p in cx.tx.scan(Pipeline, cx.caller.scope() + "/")
        ]
    }


@operation("codepipeline", "DeletePipeline")
def delete_pipeline(cx: Context, request: Json) -> Json:
    """Forget a pipeline with its executions. One that does not exist is deleted already."""
    key = cx.caller.scope(request["name"])
    pipeline = cx.tx.get(Pipeline, key)
    if pipeline is None:
        return {}
    for execution in cx.tx.scan(Execution, key + "/"):
        cx.tx.delete(Execution, execution.key)
    for version in cx.tx.scan(PipelineVersion, key + "/"):
        cx.tx.delete(PipelineVersion, version.key)
    cx.tx.delete(Pipeline, key)
    return {}


@operation("codepipeline", "DisableStageTransition")
def disable_stage_transition(cx: Context, request: Json) -> Json:
    """Close a stage for what comes next."""
    pipeline = _transition(cx, request)
    closed = Transition(reason=request["reason"], by=cx.caller.principal, at=cx.now)
    cx.tx.put(attrs.evolve(pipeline, disabled={**pipeline.disabled, request["stageName"]: closed}))
    return {}


@operation("codepipeline", "EnableStageTransition")
def enable_stage_transition(cx: Context, request: Json) -> Json:
    """Open a stage again."""
    pipeline = _transition(cx, request)
    left = {name: t for name, t in pipeline.disabled.items() if name != request["stageName"]}
    cx.tx.put(attrs.evolve(pipeline, disabled=left))
    return {}


def _transition(cx: Context, request: Json) -> Pipeline:
    pipeline = required(cx, request["pipelineName"])
    if request["transitionType"] != "Inbound":
        raise not_implemented("codepipeline: transitionType Outbound", "codepipeline")
    if request["stageName"] not in [stage["name"] for stage in pipeline.structure["stages"]]:
        raise AwsError(
            "StageNotFoundException",
            f"Pipeline '{pipeline.name}' does not have a stage with name '{request['stageName']}'",
        )
    return pipeline


def _by_arn(cx: Context, arn: str) -> Pipeline:
    return required(cx, arn.rsplit(":", 1)[-1])


@operation("codepipeline", "TagResource")
def tag_resource(cx: Context, request: Json) -> Json:
    """Add tags to a pipeline."""
    pipeline = _by_arn(cx, request["resourceArn"])
    cx.tx.put(attrs.evolve(pipeline, tags={**pipeline.tags, **from_list(request["tags"])}))
    return {}


@operation("codepipeline", "UntagResource")
def untag_resource(cx: Context, request: Json) -> Json:
    """Take tags from a pipeline."""
    pipeline = _by_arn(cx, request["resourceArn"])
    tags = {name: value for name, value in pipeline.tags.items() if name not in request["tagKeys"]}
    cx.tx.put(attrs.evolve(pipeline, tags=tags))
    return {}


@operation("codepipeline", "ListTagsForResource", reads=True)
def list_tags_for_resource(cx: Context, request: Json) -> Json:
    """A pipeline's tags."""
    return {"tags": lower(_by_arn(cx, request["resourceArn"]).tags)}
