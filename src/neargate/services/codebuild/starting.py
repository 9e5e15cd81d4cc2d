"""StartBuild and RetryBuild: a project's settings with the overrides laid over them become a build."""

from __future__ import annotations

import copy
from typing import Any

import attrs

from neargate.model.codebuild import SUCCEEDED, Build, Project
from neargate.model.errors import AwsError, not_implemented
from neargate.model.operations import Caller, Context, operation
from neargate.model.records import Json
from neargate.services.codebuild.builds import described, required
from neargate.services.codebuild.checks import check_settings, check_variables, invalid, role_arn
from neargate.services.codebuild.projects import complete_artifacts
from neargate.services.codebuild.projects import required as required_project

_PIPELINE = "codepipeline.amazonaws.com"
_TOKEN_SECONDS = 300  # how long an idempotency token is remembered

_OVERRIDES = {
    "sourceTypeOverride": "source.type",
    "sourceLocationOverride": "source.location",
    "buildspecOverride": "source.buildspec",
    "secondarySourcesOverride": "secondarySources",
    "artifactsOverride": "artifacts",
    "secondaryArtifactsOverride": "secondaryArtifacts",
    "environmentTypeOverride": "environment.type",
    "imageOverride": "environment.image",
    "computeTypeOverride": "environment.computeType",
    "privilegedModeOverride": "environment.privilegedMode",
    "imagePullCredentialsTypeOverride": "environment.imagePullCredentialsType",
    "cacheOverride": "cache",
    "timeoutInMinutesOverride": "timeoutInMinutes",
    "queuedTimeoutInMinutesOverride": "queuedTimeoutInMinutes",
    "encryptionKeyOverride": "encryptionKey",
    "logsConfigOverride": "logsConfig",
    "serviceRoleOverride": "serviceRole",
    "sourceVersion": "sourceVersion",
}
_ELSEWHERE = {"projectName", "idempotencyToken", "environmentVariablesOverride"}


@operation("codebuild", "StartBuild")
def start_build(cx: Context, request: Json) -> Json:
    """Record a build; the driver begins it. The same idempotency token within five minutes is the same build."""
    project = required_project(cx, request["projectName"])
    token = request.get("idempotencyToken") or ""
    earlier = _same_token(cx, project, token)
    if earlier is not None:
        return {"build": described(earlier)}
    declared = _in_force(cx, project, request)
    return {"build": described(_begin(cx, project, declared, token))}


@operation("codebuild", "RetryBuild")
def retry_build(cx: Context, request: Json) -> Json:
    """The same settings once more, as a build of its own."""
    if not request.get("id"):
        raise invalid("Build ID must be set")
    old = required(cx, request["id"])
    project = required_project(cx, old.project)
    if not old.complete:
        raise invalid(f"Build {old.id} cannot be retried while it is in progress")
    token = request.get("idempotencyToken") or ""
    earlier = _same_token(cx, project, token)
    build = earlier or _begin(cx, project, copy.deepcopy(old.declared), token, old)
    return {"build": described(build)}


def _in_force(cx: Context, project: Project, request: Json) -> Json:
    declared: Json = copy.deepcopy(project.declared)
    for member in request:
        if request[member] in (None, False, [], {}, "", 0) and member not in _OVERRIDES:
            continue
        if member in _ELSEWHERE:
            continue
        if member not in _OVERRIDES:
            raise not_implemented(f"codebuild:StartBuild with {member}", "codebuild")
        if request[member] is not None:
            _put(declared, _OVERRIDES[member], copy.deepcopy(request[member]))
    declared["source"].setdefault("location", "")
    _check_startable(declared)
    by_pipeline = cx.caller.via == _PIPELINE
    given = request.get("environmentVariablesOverride") or ()
    check_variables(given, reserved=by_pipeline)
    check_settings(
        "StartBuild", {**declared, "artifacts": {"type": "NO_ARTIFACTS"}, "secondaryArtifacts": None}
    )
    if request.get("serviceRoleOverride"):
        declared["serviceRole"] = role_arn(cx, declared["serviceRole"])
    for artifacts in (declared["artifacts"], *(declared.get("secondaryArtifacts") or ())):
        complete_artifacts(artifacts, project.name)
        if artifacts["type"] == "S3" and not artifacts.get("location"):
            raise invalid("Invalid artifacts: location must be set for artifact type S3")
    environment = declared["environment"]
    variables = {variable["name"]: variable for variable in environment["environmentVariables"]}
    variables.update({v["name"]: {"type": "PLAINTEXT", **v} for v in given})
    environment["environmentVariables"] = list(variables.values())
    return declared


def _check_startable(declared: Json) -> None:
    """A source that CodeBuild can fetch now, by itself."""
    sources = (declared["source"], *(declared.get("secondarySources") or ()))
    for source in sources:
        if source["type"] == "CODEPIPELINE":
            raise invalid(
                "Build of a project with source type CODEPIPELINE can only be started by CodePipeline, or with "
                "sourceTypeOverride and artifactsOverride"
            )
        if source["type"] not in ("S3", "NO_SOURCE"):
            raise not_implemented(f"codebuild:StartBuild from a {source['type']} source", "codebuild")
    if declared["artifacts"]["type"] == "CODEPIPELINE":
        raise invalid(
            "Invalid artifacts: artifact type CODEPIPELINE should be used with source type CODEPIPELINE"
        )


def _begin(cx: Context, project: Project, declared: Json, token: str, old: Build | None = None) -> Build:
    _check_limit(cx, project)
    by_pipeline = old.pipeline if old is not None else cx.caller.via == _PIPELINE
    variables = {v["name"]: v["value"] for v in declared["environment"]["environmentVariables"]}
    location = (declared["source"].get("location") or "").removeprefix("arn:aws:s3:::")
    version = declared.get("sourceVersion")
    if by_pipeline:
        version = f"arn:aws:s3:::{location}"
    build = Build(
        account=cx.account,
        region=cx.region,
        project=project.name,
        uuid=cx.ids.uuid(),
        number=project.builds + 1,
        started=cx.now,
        role=declared["serviceRole"],
        declared=declared,
        initiator=variables.get("CODEBUILD_INITIATOR") or _initiator(cx.caller),
        token=token,
        source_version=version,
        resolved_version=variables.get("CODEBUILD_RESOLVED_SOURCE_VERSION"),
        pipeline=by_pipeline,
    )
    build = build.entered("SUBMITTED", cx.now).left(SUCCEEDED, cx.now).entered("QUEUED", cx.now)
    cx.tx.put(build)
    cx.tx.put(attrs.evolve(project, builds=build.number))
    return build


def _check_limit(cx: Context, project: Project) -> None:
    limit = project.declared.get("concurrentBuildLimit")
    if not limit or limit < 0:
        return
    active = [build for build in cx.tx.scan(Build, project.key + ":") if not build.complete]
    if len(active) >= limit:
        raise AwsError(
            "AccountLimitExceededException", f"Cannot have more than {limit} active builds for the project"
        )


def _same_token(cx: Context, project: Project, token: str) -> Build | None:
    if not token:
        return None
    builds = cx.tx.scan(Build, project.key + ":")
    return next((b for b in builds if b.token == token and cx.now - b.started < _TOKEN_SECONDS), None)


def _initiator(caller: Caller) -> str:
    """The user's name, `ROLE/SESSION`, or `root`."""
    return caller.principal.rpartition(":")[2].partition("/")[2] or "root"


def _put(declared: Json, path: str, value: Any) -> None:
    *parents, last = path.split(".")
    target = declared
    for name in parents:
        target = target[name]
    target[last] = value
