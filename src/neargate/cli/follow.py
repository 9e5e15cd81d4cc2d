"""Watches an execution of a pipeline: asks the APIs, keeps the build logs, gives a Delivery at each look."""

from __future__ import annotations

import attrs

from neargate.cli.cloud import Cloud, Json, Refused
from neargate.cli.delivery import Action, Delivery, Stage
from neargate.cli.stacks import StackView, view

_KEPT_LINES = 2000


@attrs.define
class _Log:
    """A build's log as far as it was read."""

    group: str
    stream: str
    lines: list[str] = attrs.field(factory=list)
    token: str | None = None
    complete: bool = False


class Watch:
    """One execution. `look()` is cheap enough to be called a few times a second on the local cloud."""

    def __init__(self, cloud: Cloud, pipeline: str, execution: str) -> None:
        self._cloud = cloud
        self._pipeline = pipeline
        self._execution = execution
        self._logs: dict[str, _Log] = {}
        self._ended_stacks: dict[str, StackView | None] = {}
        self._declared: list[Json] = cloud.call("codepipeline", "GetPipeline", name=pipeline)["pipeline"][
            "stages"
        ]

    def look(self) -> Delivery:
        """The execution now."""
        cloud = self._cloud
        execution = cloud.call(
            "codepipeline",
            "GetPipelineExecution",
            pipelineName=self._pipeline,
            pipelineExecutionId=self._execution,
        )["pipelineExecution"]
        runs = self._runs()
        waiting = (
            cloud.own("GET", "waiting").get("executions", {}).get(self._pipeline, "") if cloud.local else ""
        )
        stages = tuple(
            Stage(
                declared["name"],
                tuple(self._action(a, runs.get((declared["name"], a["name"]))) for a in declared["actions"]),
            )
            for declared in self._declared
        )
        revision: Json = next(iter(execution.get("artifactRevisions") or ()), {})
        return Delivery(
            pipeline=self._pipeline,
            execution=self._execution,
            status=execution["status"],
            stages=stages,
            revision=revision.get("revisionId", ""),
            subject=revision.get("revisionSummary", ""),
            waiting=waiting,
        )

    def _runs(self) -> dict[tuple[str, str], Json]:
        """The latest run of each action in this execution."""
        details = self._cloud.pages(
            "codepipeline",
            "ListActionExecutions",
            "actionExecutionDetails",
            pipelineName=self._pipeline,
            filter={"pipelineExecutionId": self._execution},
        )
        return {(d["stageName"], d["actionName"]): d for d in reversed(details)}

    def _action(self, declared: Json, run: Json | None) -> Action:
        provider = declared["actionTypeId"]["provider"]
        if run is None:
            return Action(declared["name"], provider)
        result = run.get("output", {}).get("executionResult") or {}
        status = run["status"]
        action = Action(
            declared["name"],
            provider,
            status=status,
            started=run["startTime"].timestamp(),
            ended=None if status == "InProgress" else run["lastUpdateTime"].timestamp(),
            summary=result.get("externalExecutionSummary", ""),
            error=(result.get("errorDetails") or {}).get("message", ""),
        )
        if provider == "CodeBuild" and result.get("externalExecutionId"):
            return attrs.evolve(
                action, log=self._log(result["externalExecutionId"], ended=status != "InProgress")
            )
        if provider == "CloudFormation":
            return attrs.evolve(action, stack=self._stack(run, ended=status != "InProgress"))
        return action

    # -- builds --------------------------------------------------------------------------------------------

    def _log(self, build_id: str, *, ended: bool) -> tuple[str, ...]:
        log = self._logs.get(build_id)
        if log is None:
            log = self._logs[build_id] = self._find_log(build_id)
        if not log.complete:
            self._read(log)
            log.complete = ended
        return tuple(log.lines)

    def _find_log(self, build_id: str) -> _Log:
        project, _, number = build_id.partition(":")
        builds = self._cloud.call("codebuild", "BatchGetBuilds", ids=[build_id])["builds"]
        where = (builds[0].get("logs") or {}) if builds else {}
        return _Log(where.get("groupName") or f"/aws/codebuild/{project}", where.get("streamName") or number)

    def _read(self, log: _Log) -> None:
        """Read on to the end of what is there."""
        while True:
            more = {"nextToken": log.token} if log.token else {}
            try:
                answer = self._cloud.call(
                    "logs",
                    "GetLogEvents",
                    logGroupName=log.group,
                    logStreamName=log.stream,
                    startFromHead=True,
                    **more,
                )
            except Refused as error:
                if error.code == "ResourceNotFoundException":
                    return  # nothing was written yet
                raise
            for event in answer["events"]:
                log.lines += event["message"].rstrip("\n").split("\n")
            del log.lines[:-_KEPT_LINES]
            if answer["nextForwardToken"] == log.token or not answer["events"]:
                log.token = answer["nextForwardToken"]
                return
            log.token = answer["nextForwardToken"]

    # -- deployments ---------------------------------------------------------------------------------------

    def _stack(self, run: Json, *, ended: bool) -> StackView | None:
        """The stack that a deploy action works on; looked at a last time when the action has ended."""
        identity = run["actionExecutionId"]
        if identity in self._ended_stacks:
            return self._ended_stacks[identity]
        name = stack_of(run)
        seen = view(self._cloud, name, reasons=run["status"] == "Failed") if name else None
        if ended:
            self._ended_stacks[identity] = seen
        return seen


def stack_of(run: Json) -> str:
    """The stack that an action of CloudFormation names, "" where it names none."""
    given = run["input"]
    configuration = given.get("resolvedConfiguration") or given.get("configuration") or {}
    return str(configuration.get("StackName", ""))
