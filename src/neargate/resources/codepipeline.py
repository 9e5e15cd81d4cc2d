"""AWS::CodePipeline::Pipeline."""

from __future__ import annotations

from neargate import wire
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
    handler_code,
)
from neargate.resources.shapes import without

_BESIDE = ("Name", "Tags", "ArtifactStores", "DisableInboundStageTransitions", "RestartExecutionOnUpdate")


def _error(verb: str, error: AwsError) -> tuple[str, str]:
    return (
        f"{error.message} (Service: AWSCodePipeline; Status Code: {error.status}; Error Code: {error.code}; "
        f"Request ID: {error.request_id}; Proxy: null)",
        handler_code(error),
    )


def _structure(name: str, want: Desired) -> Json:
    """The pipeline as the API declares it."""
    request_shape = wire.input_shape("codepipeline", "CreatePipeline")
    assert request_shape is not None
    shape = request_shape.members["pipeline"]
    structure: Json = wire.recase(without(want.properties, *_BESIDE), shape)
    structure["name"] = name
    stores = want.properties.get("ArtifactStores")
    if stores:
        store_shape = shape.members["artifactStore"]
        structure["artifactStores"] = {
            store["Region"]: wire.recase(store["ArtifactStore"], store_shape) for store in stores
        }
    for stage in structure.get("stages", ()):
        for action in stage["actions"]:
            configuration = action.get("configuration") or {}
            action["configuration"] = {name: _text(value) for name, value in configuration.items()}
    return structure


def _text(value: object) -> str:
    """Configuration values are strings on the wire; templates write booleans and objects."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (dict, list)):
        import json

        return json.dumps(value)
    return str(value)


def _create(want: Desired) -> Steps[Identity]:
    name = want.name or ""
    request: Json = {"pipeline": _structure(name, want)}
    if want.all_tags:
        request["tags"] = lower(want.all_tags)
    yield Call("codepipeline", "CreatePipeline", request)
    yield from _transitions(name, want)
    return Identity(name)


def _transitions(name: str, want: Desired) -> Steps[None]:
    for disabled in want.properties.get("DisableInboundStageTransitions") or ():
        yield Call(
            "codepipeline",
            "DisableStageTransition",
            {
                "pipelineName": name,
                "stageName": disabled["StageName"],
                "transitionType": "Inbound",
                "reason": disabled["Reason"],
            },
        )


def _update(old: Existing, want: Desired) -> Steps[None]:
    yield Call("codepipeline", "UpdatePipeline", {"pipeline": _structure(old.id, want)})
    wanted = {d["StageName"] for d in want.properties.get("DisableInboundStageTransitions") or ()}
    for disabled in old.desired.properties.get("DisableInboundStageTransitions") or ():
        if disabled["StageName"] not in wanted:
            yield Call(
                "codepipeline",
                "EnableStageTransition",
                {"pipelineName": old.id, "stageName": disabled["StageName"], "transitionType": "Inbound"},
            )
    yield from _transitions(old.id, want)
    yield from _retag(old, want)
    if str(want.properties.get("RestartExecutionOnUpdate", "false")).lower() == "true":
        yield Call("codepipeline", "StartPipelineExecution", {"name": old.id})


def _retag(old: Existing, want: Desired) -> Steps[None]:
    arn = f"arn:aws:codepipeline:{want.region}:{want.account}:{old.id}"
    gone = sorted(old.desired.all_tags.keys() - want.all_tags.keys())
    if gone:
        yield Call("codepipeline", "UntagResource", {"resourceArn": arn, "tagKeys": gone})
    if want.all_tags and want.all_tags != old.desired.all_tags:
        yield Call("codepipeline", "TagResource", {"resourceArn": arn, "tags": lower(want.all_tags)})


def _read(existing: Existing) -> Steps[Json]:
    answer = yield Call("codepipeline", "GetPipeline", {"name": existing.id})
    arn = f"arn:aws:codepipeline:{existing.desired.region}:{existing.desired.account}:{existing.id}"
    return {"Version": str(answer["pipeline"]["version"]), "Arn": arn}


def _delete(existing: Existing) -> Steps[None]:
    yield Call("codepipeline", "DeletePipeline", {"name": existing.id})


TYPES = {
    "AWS::CodePipeline::Pipeline": ResourceType(
        type="AWS::CodePipeline::Pipeline",
        honoured=frozenset(
            "ArtifactStore ArtifactStores DisableInboundStageTransitions ExecutionMode Name PipelineType "
            "RestartExecutionOnUpdate RoleArn Stages Tags".split()
        ),
        naming=Naming("Name", max_length=100, style="short"),
        create=_create,
        read=_read,
        update=_update,
        delete=_delete,
        error=_error,
    )
}
