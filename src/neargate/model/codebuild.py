"""CodeBuild's nouns: projects, builds and their phases. Times are epoch seconds.

What a caller declared of a project (`source`, `environment`, …) is kept in botocore's own spelling, as it was
given and with AWS's defaults filled in, so that it is answered as it was asked.
"""

from __future__ import annotations

from typing import ClassVar

import attrs

from neargate.model.records import Json
from neargate.model.tags import Tags

SERVICE = "codebuild.amazonaws.com"

IN_PROGRESS = "IN_PROGRESS"
SUCCEEDED = "SUCCEEDED"
FAILED = "FAILED"
FAULT = "FAULT"
STOPPED = "STOPPED"
TIMED_OUT = "TIMED_OUT"

PHASES = (
    *("SUBMITTED", "QUEUED", "PROVISIONING", "DOWNLOAD_SOURCE", "INSTALL", "PRE_BUILD", "BUILD"),
    *("POST_BUILD", "UPLOAD_ARTIFACTS", "FINALIZING", "COMPLETED"),
)


@attrs.frozen(kw_only=True)
class Project:
    """A build project. `declared` holds the members of botocore's `Project` that a caller decides."""

    KIND: ClassVar[str] = "codebuild.project"
    account: str
    region: str
    name: str
    created: float
    modified: float
    declared: Json
    tags: Tags = attrs.field(factory=dict)
    builds: int = 0
    """How many builds were started: the newest build's number."""

    @property
    def key(self) -> str:
        return f"{self.account}/{self.region}/{self.name}"

    @property
    def arn(self) -> str:
        return f"arn:aws:codebuild:{self.region}:{self.account}:project/{self.name}"


@attrs.frozen
class PhaseContext:
    """Why a phase ended as it did: CodeBuild's code and a sentence. Both are empty where all went well."""

    code: str = ""
    message: str = ""


@attrs.frozen
class Phase:
    """A phase that was entered. `status` is empty while it lasts."""

    type: str
    started: float
    status: str = ""
    ended: float | None = None
    contexts: tuple[PhaseContext, ...] = ()


@attrs.frozen
class Exported:
    """An environment variable that the build handed out."""

    name: str
    value: str


@attrs.frozen
class Stored:
    """An artifact that was uploaded. `identifier` is empty for the primary one."""

    location: str
    identifier: str = ""
    sha256: str = ""
    md5: str = ""


@attrs.frozen(kw_only=True)
class Build:
    """A build: what it was started with, and how far it is.

    `declared` holds the settings in force, the project's with the overrides laid over, in the spelling of
    botocore's `Build` (`source`, `environment`, `artifacts` as ProjectArtifacts, …). `pipeline` is true where
    CodePipeline started it. `released` becomes true when the driver has removed all that the build held on this
    machine: container, sandbox, interface, workspace. `attempt` counts how often the container was begun.
    """

    KIND: ClassVar[str] = "codebuild.build"
    account: str
    region: str
    project: str
    uuid: str
    number: int
    started: float
    role: str
    declared: Json
    initiator: str
    token: str = ""
    source_version: str | None = None
    resolved_version: str | None = None
    pipeline: bool = False
    ended: float | None = None
    status: str = IN_PROGRESS
    phases: tuple[Phase, ...] = ()
    exported: tuple[Exported, ...] = ()
    stored: tuple[Stored, ...] = ()
    eni_id: str | None = None
    subnet_id: str | None = None
    attempt: int = 0
    released: bool = False

    @property
    def id(self) -> str:
        return f"{self.project}:{self.uuid}"

    @property
    def key(self) -> str:
        return f"{self.account}/{self.region}/{self.id}"

    @property
    def arn(self) -> str:
        return f"arn:aws:codebuild:{self.region}:{self.account}:build/{self.id}"

    @property
    def complete(self) -> bool:
        return self.status != IN_PROGRESS

    @property
    def current_phase(self) -> str:
        return self.phases[-1].type if self.phases else "SUBMITTED"

    @property
    def log_group(self) -> str | None:
        """The CloudWatch Logs group; None where the project turned these logs off."""
        wanted = (self.declared.get("logsConfig") or {}).get("cloudWatchLogs") or {}
        if wanted.get("status") == "DISABLED":
            return None
        return str(wanted.get("groupName") or f"/aws/codebuild/{self.project}")

    @property
    def log_stream(self) -> str:
        wanted = (self.declared.get("logsConfig") or {}).get("cloudWatchLogs") or {}
        prefix = wanted.get("streamName")
        return f"{prefix}/{self.uuid}" if prefix else self.uuid

    @property
    def failed(self) -> bool:
        """A phase has not succeeded."""
        return any(phase.status not in ("", SUCCEEDED) for phase in self.phases)

    def again(self) -> Build:
        """As it was before its first attempt."""
        kept = tuple(phase for phase in self.phases if phase.type in ("SUBMITTED", "QUEUED"))
        return attrs.evolve(self, phases=kept, exported=(), stored=())

    def entered(self, phase: str, now: float) -> Build:
        """In that phase, where it is not already; the one before it, where it is still open, has succeeded."""
        if self.phases and self.phases[-1].type == phase:
            return self
        closed = self.left(SUCCEEDED, now) if self.phases and not self.phases[-1].status else self
        return attrs.evolve(closed, phases=(*closed.phases, Phase(phase, now)))

    def left(self, status: str, now: float, *contexts: PhaseContext) -> Build:
        """The current phase has ended. One that has ended already stays as it is."""
        last = self.phases[-1]
        if last.status:
            return self
        over = attrs.evolve(last, status=status, ended=now, contexts=contexts or (PhaseContext(),))
        return attrs.evolve(self, phases=(*self.phases[:-1], over))

    def finished(self, status: str, now: float) -> Build:
        """Over, through COMPLETED. What was still open in the last phase has succeeded."""
        completed = self.entered("COMPLETED", now)
        return attrs.evolve(completed, status=status, ended=now)


@attrs.frozen(kw_only=True)
class LogCursor:
    """How far the output of a build's container has gone into its log: the last line's timestamp (ns).

    Written in the same transaction as the log events, so that no line is lost or repeated.
    """

    KIND: ClassVar[str] = "codebuild.log-cursor"
    build: str
    """The build's key."""
    attempt: int
    timestamp: int = -1
    ended: str = ""
    """`upload` or `stop` once the script has said that it is at its end."""

    @property
    def key(self) -> str:
        return self.build


@attrs.frozen
class BuildIdentity:
    """Who asks at 169.254.170.2 inside a build's container."""

    build_arn: str
    role_arn: str
    account: str
    region: str
    credentials_id: str
    service: str = SERVICE

    @property
    def session_name(self) -> str:
        """The name of the role session, as CodeBuild forms it: `AWSCodeBuild-UUID`."""
        return f"AWSCodeBuild-{self.build_arn.rpartition(':')[2]}"
