"""Builds: show, list, stop, forget."""

from __future__ import annotations

from neargate.model.codebuild import PHASES, STOPPED, Build, Phase, Stored
from neargate.model.errors import AwsError
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.services.codebuild.checks import invalid
from neargate.services.codebuild.paging import page
from neargate.services.codebuild.projects import required as required_project

_SHOWN = (
    *("secondarySources", "secondarySourceVersions", "cache", "environment", "timeoutInMinutes"),
    *("queuedTimeoutInMinutes", "encryptionKey"),
)


def find(cx: Context, id_or_arn: str) -> Build | None:
    return cx.tx.get(Build, cx.caller.scope(id_or_arn.rpartition("/")[2]))


def required(cx: Context, id_or_arn: str) -> Build:
    """The build of this id or ARN. Raises InvalidInputException, ResourceNotFoundException."""
    if ":" not in id_or_arn:
        raise invalid(f"Invalid build ID: {id_or_arn}")
    found = find(cx, id_or_arn)
    if found is None:
        raise AwsError("ResourceNotFoundException", f"Build cannot be found: {id_or_arn}")
    return found


@operation("codebuild", "BatchGetBuilds", reads=True)
def batch_get_builds(cx: Context, request: Json) -> Json:
    found = {name: find(cx, name) for name in request["ids"]}
    return {
        "builds": [described(build) for build in found.values() if build is not None],
        "buildsNotFound": [name for name, build in found.items() if build is None] or None,
    }


@operation("codebuild", "ListBuilds", reads=True)
def list_builds(cx: Context, request: Json) -> Json:
    return _listed(request, cx.tx.scan(Build, cx.caller.scope("")))


@operation("codebuild", "ListBuildsForProject", reads=True)
def list_builds_for_project(cx: Context, request: Json) -> Json:
    """A deleted project's builds are still listed. Raises ResourceNotFoundException."""
    name = request["projectName"].rpartition("/")[2]
    builds = cx.tx.scan(Build, cx.caller.scope(f"{name}:"))
    if not builds:
        required_project(cx, name)
    return _listed(request, builds)


@operation("codebuild", "StopBuild")
def stop_build(cx: Context, request: Json) -> Json:
    """Over at once, as STOPPED; the driver ends its container. One that has ended stays as it is."""
    build = required(cx, request["id"])
    if not build.complete:
        build = build.left(STOPPED, cx.now).finished(STOPPED, cx.now)
        cx.tx.put(build)
    return {"build": described(build)}


@operation("codebuild", "BatchDeleteBuilds")
def batch_delete_builds(cx: Context, request: Json) -> Json:
    deleted, kept = [], []
    for name in request["ids"]:
        build = find(cx, name)
        if build is None:
            kept.append({"id": name, "statusCode": "BUILD_NOT_FOUND"})
        elif not build.released:
            kept.append({"id": name, "statusCode": "BUILD_IN_PROGRESS"})
        else:
            cx.tx.delete(Build, build.key)
            deleted.append(build.arn)
    return {"buildsDeleted": deleted or None, "buildsNotDeleted": kept}


def _listed(request: Json, builds: list[Build]) -> Json:
    builds.sort(key=lambda build: (build.started, build.number))
    if request.get("sortOrder") != "ASCENDING":
        builds.reverse()
    return page(request, "ids", [build.id for build in builds])


def described(build: Build) -> Json:
    """A `Build` shape."""
    declared = build.declared
    shape: Json = {
        "id": build.id,
        "arn": build.arn,
        "buildNumber": build.number,
        "startTime": build.started,
        "endTime": build.ended,
        "currentPhase": build.current_phase,
        "buildStatus": build.status,
        "sourceVersion": build.source_version,
        "resolvedSourceVersion": build.resolved_version,
        "projectName": build.project,
        "phases": [_phase(phase) for phase in build.phases],
        "source": {**declared["source"], "type": "CODEPIPELINE", "location": None}
        if build.pipeline
        else declared["source"],
        "artifacts": _artifacts(build, declared["artifacts"]),
        "serviceRole": build.role,
        "logs": _logs(build),
        "buildComplete": build.complete,
        "initiator": build.initiator,
        "exportedEnvironmentVariables": [{"name": e.name, "value": e.value} for e in build.exported],
    }
    shape.update({member: declared[member] for member in _SHOWN if member in declared})
    secondary = [_artifacts(build, each) for each in declared.get("secondaryArtifacts") or ()]
    if secondary:
        shape["secondaryArtifacts"] = secondary
    if build.eni_id is not None:
        shape["networkInterface"] = {"networkInterfaceId": build.eni_id, "subnetId": build.subnet_id}
    return shape


def _phase(phase: Phase) -> Json:
    shape: Json = {"phaseType": phase.type, "startTime": phase.started}
    if phase.status:
        shape |= {
            "phaseStatus": phase.status,
            "endTime": phase.ended,
            "durationInSeconds": int((phase.ended or phase.started) - phase.started),
        }
    contexts = [{"statusCode": c.code, "message": c.message} for c in phase.contexts]
    if contexts and phase.type in PHASES[PHASES.index("PROVISIONING") :]:
        shape["contexts"] = contexts
    return shape


def _artifacts(build: Build, wanted: Json) -> Json:
    identifier = wanted.get("artifactIdentifier") or ""
    stored = next((each for each in build.stored if each.identifier == identifier), Stored(""))
    location = stored.location or artifact_location(build, wanted)
    shape: Json = {"location": location, "encryptionDisabled": bool(wanted.get("encryptionDisabled"))}
    if wanted.get("overrideArtifactName") is not None:
        shape["overrideArtifactName"] = wanted["overrideArtifactName"]
    if identifier:
        shape["artifactIdentifier"] = identifier
    if stored.sha256:
        shape |= {"sha256sum": stored.sha256, "md5sum": stored.md5}
    return shape


def artifact_location(build: Build, wanted: Json) -> str:
    """The ARN of the object (or folder) that an artifact becomes; empty where there is none."""
    if wanted["type"] != "S3":
        return ""
    bucket = wanted["location"].removeprefix("arn:aws:s3:::").partition("/")[0]
    parts = [wanted.get("path") or "", build.uuid if wanted.get("namespaceType") == "BUILD_ID" else ""]
    if wanted["name"] != "/":
        parts.append(wanted["name"])
    return f"arn:aws:s3:::{bucket}/" + "/".join(part.strip("/") for part in parts if part.strip("/"))


def _logs(build: Build) -> Json:
    wanted = (build.declared.get("logsConfig") or {}).get("cloudWatchLogs")
    shape: Json = {
        "cloudWatchLogs": wanted or {"status": "ENABLED"},
        "s3Logs": {"status": "DISABLED", "encryptionDisabled": False},
    }
    group = build.log_group
    if group is None:
        return shape
    begun = any(phase.type == "PROVISIONING" for phase in build.phases)
    stream = build.log_stream if begun else None
    where = f"arn:aws:logs:{build.region}:{build.account}:log-group:{group}:log-stream:{stream}"
    return shape | {"groupName": group if begun else None, "streamName": stream, "cloudWatchLogsArn": where}
