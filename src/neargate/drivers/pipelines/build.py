"""CodeBuild as a build or test action."""

from __future__ import annotations

import json
from typing import Any

from neargate.drivers.pipelines.job import ActionFailed, Job, Outcome
from neargate.model.codepipeline import Artifact
from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.model.records import Json


class CodeBuildProvider:
    """Starts a build on the input artifact and follows it to its end."""

    async def prepare(self, job: Job) -> None:
        return None

    def begin(self, cx: Context, job: Job, prepared: Any) -> Outcome:
        primary = self._primary(job)
        outputs = [
            Artifact(name=name, bucket=job.bucket, object_key=job.artifact_key(name, cx.ids.letters(7)))
            for name in job.output_names
        ]
        request: Json = {
            "projectName": job.configuration["ProjectName"],
            "sourceTypeOverride": "S3",
            "sourceLocationOverride": f"{primary.bucket}/{primary.object_key}",
            "secondarySourcesOverride": [
                {"type": "S3", "location": f"{a.bucket}/{a.object_key}", "sourceIdentifier": a.name}
                for a in job.inputs
                if a.name != primary.name
            ],
            "artifactsOverride": _artifact(outputs[0]) if len(outputs) == 1 else {"type": "NO_ARTIFACTS"},
            "secondaryArtifactsOverride": [
                {**_artifact(a), "artifactIdentifier": a.name} for a in (outputs if len(outputs) > 1 else [])
            ],
            "environmentVariablesOverride": self._environment(job, primary),
        }
        answer = cx.invoke("codebuild", "StartBuild", request, role=job.role)
        build = answer["build"]
        return Outcome("InProgress", external_id=build["id"], state={"outputs": [_plain(a) for a in outputs]})

    def _primary(self, job: Job) -> Artifact:
        name = job.configuration.get("PrimarySource")
        if name is None:
            return job.inputs[0]
        for artifact in job.inputs:
            if artifact.name == name:
                return artifact
        raise ActionFailed(
            f"PrimarySource {name} is not an input artifact of the action.", "ConfigurationError"
        )

    def _environment(self, job: Job, primary: Artifact) -> list[Json]:
        given = job.configuration.get("EnvironmentVariables")
        variables: list[Json] = json.loads(given) if given else []
        revision = primary.revision or _source_revision(job)
        if revision:
            variables.append(
                {"name": "CODEBUILD_RESOLVED_SOURCE_VERSION", "value": revision, "type": "PLAINTEXT"}
            )
        variables.append(
            {"name": "CODEBUILD_INITIATOR", "value": f"codepipeline/{job.pipeline.name}", "type": "PLAINTEXT"}
        )
        return variables

    def look(self, cx: Context, job: Job) -> Outcome | None:
        run = job.run
        assert run is not None
        builds = cx.invoke("codebuild", "BatchGetBuilds", {"ids": [run.external_id]})["builds"]
        if not builds:
            raise ActionFailed(f"The build {run.external_id} does not exist.")
        build = builds[0]
        status = build["buildStatus"]
        phase = build.get("currentPhase")
        if status == "IN_PROGRESS":
            summary = f"{phase}" if phase else None
            return Outcome("InProgress", summary=summary) if summary != run.summary else None
        if status == "SUCCEEDED":
            variables = {v["name"]: v["value"] for v in build.get("exportedEnvironmentVariables") or ()}
            outputs = [Artifact(**fields) for fields in run.state["outputs"]]
            return Outcome("Succeeded", summary="", outputs=outputs, variables=variables)
        raise ActionFailed(_failure(build))

    def abandon(self, cx: Context, job: Job) -> None:
        assert job.run is not None
        try:
            cx.invoke("codebuild", "StopBuild", {"id": job.run.external_id}, role=job.role)
        except AwsError as error:
            if error.code != "ResourceNotFoundException":
                raise


def _plain(artifact: Artifact) -> Json:
    return {"name": artifact.name, "bucket": artifact.bucket, "object_key": artifact.object_key}


def _artifact(artifact: Artifact) -> Json:
    """Where CodeBuild puts an output: a zip of that very key."""
    path, _, name = artifact.object_key.rpartition("/")
    return {
        "type": "S3",
        "location": artifact.bucket,
        "path": path,
        "name": name,
        "packaging": "ZIP",
        "namespaceType": "NONE",
    }


def _source_revision(job: Job) -> str | None:
    revisions = [a.revision for a in job.execution.artifacts.values() if a.revision]
    return revisions[0] if revisions else None


def _failure(build: Json) -> str:
    """`Build terminated with state: FAILED. Phase: BUILD, Code: COMMAND_EXECUTION_ERROR, Message: …`"""
    for phase in build.get("phases") or ():
        if phase.get("phaseStatus") not in (None, "SUCCEEDED", "IN_PROGRESS"):
            context = (phase.get("contexts") or [{}])[0]
            return (
                f"Build terminated with state: {build['buildStatus']}. Phase: {phase['phaseType']}, "
                f"Code: {context.get('statusCode', '')}, Message: {context.get('message', '')}"
            )
    return f"Build terminated with state: {build['buildStatus']}"
