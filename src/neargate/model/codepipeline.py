"""The nouns of CodePipeline: pipelines, their executions, and what runs inside an execution."""

from __future__ import annotations

from typing import ClassVar, Literal

import attrs

from neargate.model.records import Json
from neargate.model.tags import Tags

ActionStatus = Literal["InProgress", "Abandoned", "Succeeded", "Failed"]
HISTORY = "codepipeline.execution"  # the journal topic; the subject is the pipeline's key


@attrs.frozen(kw_only=True)
class Transition:
    """Why a stage lets nothing in."""

    reason: str
    by: str
    at: float


@attrs.frozen(kw_only=True)
class Pipeline:
    """A pipeline as declared. `structure` is the API's pipeline declaration without its version."""

    KIND: ClassVar[str] = "codepipeline.pipeline"
    account: str
    region: str
    name: str
    structure: Json
    created: float
    updated: float
    version: int = 1
    tags: Tags = attrs.field(factory=dict)
    disabled: dict[str, Transition] = attrs.field(factory=dict)
    executions: int = 0

    @property
    def key(self) -> str:
        return f"{self.account}/{self.region}/{self.name}"

    @property
    def arn(self) -> str:
        return f"arn:aws:codepipeline:{self.region}:{self.account}:{self.name}"


@attrs.frozen(kw_only=True)
class PipelineVersion:
    """What a pipeline was at a version."""

    KIND: ClassVar[str] = "codepipeline.version"
    pipeline: str
    version: int
    structure: Json

    @property
    def key(self) -> str:
        return f"{self.pipeline}/{self.version:09d}"


@attrs.frozen(kw_only=True)
class Artifact:
    """Where an artifact of an execution lies in its store, and for sources what it is a revision of."""

    name: str
    bucket: str
    object_key: str
    revision: str | None = None
    summary: str | None = None
    url: str | None = None


@attrs.frozen(kw_only=True)
class ActionRun:
    """One action of an execution. `state` is what its provider must remember between two looks."""

    name: str
    id: str
    status: ActionStatus
    started: float
    updated: float
    summary: str | None = None
    external_id: str | None = None
    external_url: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    token: str | None = None
    percent: int | None = None
    outputs: list[Artifact] = attrs.field(factory=list)
    variables: dict[str, str] = attrs.field(factory=dict)
    configuration: dict[str, str] = attrs.field(factory=dict)
    state: Json = attrs.field(factory=dict)
    by: str | None = None


@attrs.frozen(kw_only=True)
class StageRun:
    """One stage of an execution. Actions appear when they start."""

    name: str
    status: str
    entered: float
    actions: list[ActionRun] = attrs.field(factory=list)


@attrs.frozen(kw_only=True)
class Execution:
    """One run of a pipeline. `position` is the stage it is in or waits for; `inside` tells which."""

    KIND: ClassVar[str] = "codepipeline.execution"
    pipeline: str  # the pipeline's key
    id: str
    number: int
    version: int
    structure: Json
    status: str
    started: float
    updated: float
    trigger: str
    trigger_detail: str
    position: int = 0
    inside: bool = False
    stages: list[StageRun] = attrs.field(factory=list)
    summary: str | None = None
    stop_requested: bool = False
    abandon: bool = False
    waiting_for: str | None = None
    token: str | None = None

    @property
    def key(self) -> str:
        return f"{self.pipeline}/{self.number:09d}"

    @property
    def active(self) -> bool:
        """True while it may still move."""
        return self.status in {"InProgress", "Stopping"}

    @property
    def artifacts(self) -> dict[str, Artifact]:
        """Every artifact that this execution has made so far."""
        return {a.name: a for stage in self.stages for run in stage.actions for a in run.outputs}


@attrs.frozen(kw_only=True)
class SourceMapping:
    """Which local git repository stands for a pipeline's source.

    `subject` is `stack:NAME` (every git source of the pipeline which that stack made) or `repository:OWNER/NAME`.
    `path` is the project's folder inside the repository, "" for its root.
    """

    KIND: ClassVar[str] = "neargate.source"
    account: str
    region: str
    subject: str
    repository: str
    ref: str
    path: str = ""

    @property
    def key(self) -> str:
        return f"{self.account}/{self.region}/{self.subject}"


@attrs.frozen(kw_only=True)
class GitRef:
    """A branch of a repository that Neargate hosts, as of the last push."""

    KIND: ClassVar[str] = "git.ref"
    repository: str
    ref: str
    commit: str
    at: float
    by: str = ""

    @property
    def key(self) -> str:
        return f"{self.repository}\n{self.ref}"
