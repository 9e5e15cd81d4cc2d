"""Executions: start, stop, retry, approve, look at."""

from __future__ import annotations

import attrs

from neargate.model.codepipeline import ActionRun, Execution, Pipeline, StageRun
from neargate.model.errors import AwsError, not_implemented
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.services.codepipeline.pipelines import executions_of, required
from neargate.services.codepipeline.starting import start


@operation("codepipeline", "StartPipelineExecution")
def start_pipeline_execution(cx: Context, request: Json) -> Json:
    """Run the pipeline on the newest revision of its sources."""
    pipeline = required(cx, request["name"])
    for member in ("variables", "sourceRevisions"):
        if request.get(member):
            raise not_implemented(f"codepipeline: StartPipelineExecution {member}", "codepipeline")
    token = request.get("clientRequestToken")
    for known in executions_of(cx, pipeline) if token else ():
        if known.token == token:
            return {"pipelineExecutionId": known.id}  # the client asks again
    execution = start(cx, pipeline, "StartPipelineExecution", cx.caller.principal, token)
    return {"pipelineExecutionId": execution.id}


def find(cx: Context, pipeline: Pipeline, execution_id: str) -> Execution:
    for execution in executions_of(cx, pipeline):
        if execution.id == execution_id:
            return execution
    raise AwsError(
        "PipelineExecutionNotFoundException",
        f"Pipeline execution '{execution_id}' of pipeline '{pipeline.name}' does not exist",
    )


@operation("codepipeline", "StopPipelineExecution")
def stop_pipeline_execution(cx: Context, request: Json) -> Json:
    """Stop after the running actions, or abandon them."""
    pipeline = required(cx, request["pipelineName"])
    execution = find(cx, pipeline, request["pipelineExecutionId"])
    if execution.status == "Stopping" and not request.get("abandon"):
        raise AwsError("DuplicatedStopRequestException", "The pipeline execution is already stopping")
    if not execution.active:
        raise AwsError(
            "PipelineExecutionNotStoppableException",
            f"Pipeline execution {execution.id} is in {execution.status} state and can not be stopped",
        )
    stopped = attrs.evolve(
        execution,
        status="Stopping",
        stop_requested=True,
        abandon=bool(request.get("abandon", False)),
        summary=request.get("reason") or execution.summary,
        updated=cx.now,
    )
    cx.tx.put(stopped)
    return {"pipelineExecutionId": execution.id}


@operation("codepipeline", "RetryStageExecution")
def retry_stage_execution(cx: Context, request: Json) -> Json:
    """Run the failed actions of a stage again, in the same execution."""
    pipeline = required(cx, request["pipelineName"])
    execution = find(cx, pipeline, request["pipelineExecutionId"])
    stage_name = request["stageName"]
    if stage_name not in [stage["name"] for stage in pipeline.structure["stages"]]:
        raise AwsError(
            "StageNotFoundException",
            f"Pipeline '{pipeline.name}' does not have a stage with name '{stage_name}'",
        )
    stage = execution.stages[-1] if execution.stages else None
    if execution.status != "Failed" or stage is None or stage.name != stage_name or stage.status != "Failed":
        raise AwsError(
            "StageNotRetryableException",
            f"Stage '{stage_name}' cannot be retried: it has no failed actions in execution {execution.id}",
        )
    for other in executions_of(cx, pipeline):
        if other.number > execution.number and any(run.name == stage_name for run in other.stages):
            raise AwsError(
                "NotLatestPipelineExecutionException",
                f"Execution {execution.id} is not the latest execution in stage '{stage_name}'",
            )
    keep = [
        run for run in stage.actions if run.status == "Succeeded" and request["retryMode"] == "FAILED_ACTIONS"
    ]
    again = StageRun(name=stage.name, status="InProgress", entered=cx.now, actions=keep)
    retried = attrs.evolve(
        execution,
        status="InProgress",
        inside=True,
        stages=[*execution.stages[:-1], again],
        summary=None,
        updated=cx.now,
    )
    cx.tx.put(retried)
    return {"pipelineExecutionId": execution.id}


@operation("codepipeline", "PutApprovalResult")
def put_approval_result(cx: Context, request: Json) -> Json:
    """Approve or reject a manual approval that waits."""
    pipeline = required(cx, request["pipelineName"])
    asked = [
        (execution, stage, run)
        for execution in executions_of(cx, pipeline)
        for stage in execution.stages
        for run in stage.actions
        if (stage.name, run.name) == (request["stageName"], request["actionName"]) and run.token is not None
    ]
    if not asked:
        raise AwsError(
            "ActionNotFoundException", f"Action '{request['actionName']}' is not waiting for an approval"
        )
    for execution, stage, run in asked:
        if run.token == request["token"]:
            _decide(cx, execution, stage, run, request)
            return {"approvedAt": cx.now}
    raise AwsError("InvalidApprovalTokenException", "The approval token is invalid or has expired.")


def _decide(cx: Context, execution: Execution, stage: StageRun, run: ActionRun, request: Json) -> None:
    if run.status != "InProgress":
        raise AwsError(
            "ApprovalAlreadyCompletedException", "The approval action has already been approved or rejected."
        )
    approved = request["result"]["status"] == "Approved"
    summary = request["result"]["summary"]
    decided = attrs.evolve(
        run,
        status="Succeeded" if approved else "Failed",
        summary=summary,
        updated=cx.now,
        by=cx.caller.principal,
        error_code=None if approved else "JobFailed",
        error_message=None if approved else summary or "Rejected",
    )
    changed = attrs.evolve(stage, actions=[decided if each == run else each for each in stage.actions])
    cx.tx.put(attrs.evolve(execution, stages=[*execution.stages[:-1], changed], updated=cx.now))


@operation("codepipeline", "GetPipelineExecution", reads=True)
def get_pipeline_execution(cx: Context, request: Json) -> Json:
    """One execution with its source revisions."""
    pipeline = required(cx, request["pipelineName"])
    execution = find(cx, pipeline, request["pipelineExecutionId"])
    shown: Json = {
        "pipelineName": pipeline.name,
        "pipelineVersion": execution.version,
        "pipelineExecutionId": execution.id,
        "status": execution.status,
        "statusSummary": execution.summary,
        "artifactRevisions": [
            {
                "name": a.name,
                "revisionId": a.revision,
                "revisionSummary": a.summary,
                "created": execution.started,
                "revisionUrl": a.url,
            }
            for a in execution.artifacts.values()
            if a.revision is not None
        ],
        "trigger": {"triggerType": execution.trigger, "triggerDetail": execution.trigger_detail},
        "executionMode": "SUPERSEDED",
        "executionType": "STANDARD",
    }
    return {"pipelineExecution": {name: value for name, value in shown.items() if value is not None}}


@operation("codepipeline", "ListPipelineExecutions", reads=True)
def list_pipeline_executions(cx: Context, request: Json) -> Json:
    """Executions, newest first."""
    pipeline = required(cx, request["pipelineName"])
    if request.get("filter"):
        raise not_implemented("codepipeline: ListPipelineExecutions filter", "codepipeline")
    start_at = int(request.get("nextToken") or 0)
    size = request.get("maxResults") or 100
    executions = executions_of(cx, pipeline)
    answer: Json = {
        "pipelineExecutionSummaries": [_summary(e) for e in executions[start_at : start_at + size]]
    }
    if start_at + size < len(executions):
        answer["nextToken"] = str(start_at + size)
    return answer


def _summary(execution: Execution) -> Json:
    revisions = [
        {
            "actionName": run.name,
            "revisionId": output.revision,
            "revisionSummary": output.summary,
            "revisionUrl": output.url,
        }
        for stage in execution.stages[:1]
        for run in stage.actions
        for output in run.outputs
    ]
    shown: Json = {
        "pipelineExecutionId": execution.id,
        "status": execution.status,
        "statusSummary": execution.summary,
        "startTime": execution.started,
        "lastUpdateTime": execution.updated,
        "sourceRevisions": revisions,
        "trigger": {"triggerType": execution.trigger, "triggerDetail": execution.trigger_detail},
        "executionMode": "SUPERSEDED",
        "executionType": "STANDARD",
    }
    if execution.stop_requested:
        shown["stopTrigger"] = {"reason": execution.summary or ""}
    return {name: value for name, value in shown.items() if value is not None}
