"""What a provider is given for one action, and what it answers."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from typing import Any, Protocol

import attrs

from neargate.model.codepipeline import ActionRun, ActionStatus, Artifact, Execution, Pipeline
from neargate.model.errors import AwsError
from neargate.model.operations import Caller, Context
from neargate.model.records import Blob, Json

SERVICE = "codepipeline.amazonaws.com"


class ActionFailed(Exception):
    """The action failed for a reason that a user should read. `code` is CodePipeline's failure code."""

    def __init__(self, message: str, code: str = "JobFailed") -> None:
        super().__init__(message)
        self.message = message
        self.code = code


@attrs.frozen(kw_only=True)
class Job:
    """One action of one execution. `configuration` has its variables filled in."""

    pipeline: Pipeline
    execution: Execution
    stage: str
    declared: Json
    configuration: Mapping[str, str]
    run: ActionRun | None = None

    @property
    def role(self) -> str:
        """Whose permissions apply: the action's role, else the pipeline's."""
        return str(self.declared.get("roleArn") or self.execution.structure["roleArn"])

    @property
    def inputs(self) -> list[Artifact]:
        made = self.execution.artifacts
        return [made[a["name"]] for a in self.declared.get("inputArtifacts") or ()]

    @property
    def output_names(self) -> list[str]:
        return [a["name"] for a in self.declared.get("outputArtifacts") or ()]

    @property
    def bucket(self) -> str:
        """The artifact store's bucket."""
        structure = self.execution.structure
        store = structure.get("artifactStore") or structure["artifactStores"].get(self.pipeline.region)
        if store is None:
            raise ActionFailed(
                f"The pipeline has no artifact store in {self.pipeline.region}.", "ConfigurationError"
            )
        return str(store["location"])

    def artifact_key(self, name: str, tail: str) -> str:
        """Where an output lies in the bucket (facts 2.4)."""
        return f"{self.pipeline.name[:20]}/{name[:10]}/{tail}"


@attrs.frozen
class Outcome:
    """How far an action is. Members left at None keep what the run has."""

    status: ActionStatus
    summary: str | None = None
    external_id: str | None = None
    external_url: str | None = None
    token: str | None = None
    outputs: list[Artifact] | None = None
    variables: dict[str, str] | None = None
    state: Json | None = None
    error_code: str | None = None
    error_message: str | None = None


class Provider(Protocol):
    """Runs one kind of action. `begin` and `look` run inside a store transaction and must be quick."""

    async def prepare(self, job: Job) -> Any:
        """What takes time before the action begins: fetching sources, reading artifacts."""

    def begin(self, cx: Context, job: Job, prepared: Any) -> Outcome:
        """Start it. Raises ActionFailed or AwsError."""

    def look(self, cx: Context, job: Job) -> Outcome | None:
        """How far it is; None where nothing has changed. Raises ActionFailed or AwsError."""

    def abandon(self, cx: Context, job: Job) -> None:
        """Nobody waits for it any more; a build is stopped, a stack goes on."""


def caller_of(pipeline: Pipeline) -> Caller:
    """CodePipeline, acting with a pipeline's service role."""
    role = pipeline.structure["roleArn"]
    name = role.rsplit("/", 1)[-1]
    return Caller(
        account=pipeline.account,
        region=pipeline.region,
        principal=f"arn:aws:sts::{pipeline.account}:assumed-role/{name}/codepipeline",
        role=role,
        via=SERVICE,
    )


def sdk_text(error: AwsError, service: str) -> str:
    """An API error as CodePipeline quotes it."""
    return (
        f"{error.message} (Service: {service}; Status Code: {error.status}; Error Code: {error.code}; "
        f"Request ID: {error.request_id})"
    )


def artifact_file(cx: Context, artifact: Artifact, name: str, role: str) -> bytes:
    """One file out of an artifact. Raises ActionFailed in CodePipeline's words."""
    answer = cx.invoke("s3", "GetObject", {"Bucket": artifact.bucket, "Key": artifact.object_key}, role=role)
    blob = answer["Body"]
    assert isinstance(blob, Blob)
    try:
        with zipfile.ZipFile(cx.blobs.path(blob)) as archive:
            return archive.read(name)
    except KeyError:
        raise ActionFailed(f"File [{name}] does not exist in artifact [{artifact.name}]") from None
    except (zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        raise ActionFailed(
            f"Artifact [{artifact.name}] ({artifact.bucket}/{artifact.object_key}) is not a zip file that can be "
            f"read: {error}. Put a zip there."
        ) from error
