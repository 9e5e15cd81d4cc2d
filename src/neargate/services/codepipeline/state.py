"""What a pipeline looks like now, and what its actions did."""

from __future__ import annotations

from neargate.model.codepipeline import ActionRun, Execution, Pipeline, StageRun
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.services.codepipeline.executions import find
from neargate.services.codepipeline.pipelines import executions_of, required


@operation("codepipeline", "GetPipelineState", reads=True)
def get_pipeline_state(cx: Context, request: Json) -> Json:
    """Every stage with its latest execution, and every action with its latest run."""
    pipeline = required(cx, request["name"])
    executions = executions_of(cx, pipeline)
    stages = [
        _stage(pipeline, index, stage, executions) for index, stage in enumerate(pipeline.structure["stages"])
    ]
    return {
        "pipelineName": pipeline.name,
        "pipelineVersion": pipeline.version,
        "stageStates": stages,
        "created": pipeline.created,
        "updated": pipeline.updated,
    }


def _stage(pipeline: Pipeline, index: int, declared: Json, executions: list[Execution]) -> Json:
    name = declared["name"]
    shown: Json = {
        "stageName": name,
        "inboundTransitionState": _transition(pipeline, name),
        "actionStates": [_action(name, action, executions) for action in declared["actions"]],
    }
    inbound = [e for e in executions if e.active and not e.inside and e.position == index and index > 0]
    if inbound:
        shown["inboundExecution"] = {"pipelineExecutionId": inbound[0].id, "status": "InProgress"}
        shown["inboundExecutions"] = [{"pipelineExecutionId": e.id, "status": "InProgress"} for e in inbound]
    latest = _latest_run(name, executions)
    if latest is not None:
        execution, run = latest
        shown["latestExecution"] = {
            "pipelineExecutionId": execution.id,
            "status": run.status,
            "type": "STANDARD",
        }
    return shown


def _transition(pipeline: Pipeline, stage: str) -> Json:
    closed = pipeline.disabled.get(stage)
    if closed is None:
        return {"enabled": True}
    return {
        "enabled": False,
        "lastChangedBy": closed.by,
        "lastChangedAt": closed.at,
        "disabledReason": closed.reason,
    }


def _latest_run(stage: str, executions: list[Execution]) -> tuple[Execution, StageRun] | None:
    found = [(run.entered, e, run) for e in executions for run in e.stages if run.name == stage]
    if not found:
        return None
    _, execution, run = max(found, key=lambda item: (item[0], item[1].number))
    return execution, run


def _action(stage: str, declared: Json, executions: list[Execution]) -> Json:
    shown: Json = {"actionName": declared["name"]}
    runs = [
        (run.started, run)
        for execution in executions
        for stage_run in execution.stages
        if stage_run.name == stage
        for run in stage_run.actions
        if run.name == declared["name"]
    ]
    if not runs:
        return shown
    run = max(runs, key=lambda item: item[0])[1]
    shown["latestExecution"] = _latest(run)
    if run.external_url:
        shown["entityUrl"] = run.external_url
    for output in run.outputs:
        if output.revision is not None:
            shown["currentRevision"] = {
                "revisionId": output.revision,
                "revisionChangeId": output.revision,
                "created": run.started,
            }
            if output.url:
                shown["revisionUrl"] = output.url
    return shown


def _latest(run: ActionRun) -> Json:
    latest: Json = {
        "actionExecutionId": run.id,
        "status": run.status,
        "summary": run.summary,
        "lastStatusChange": run.updated,
        "token": run.token,
        "lastUpdatedBy": run.by,
        "externalExecutionId": run.external_id,
        "externalExecutionUrl": run.external_url,
        "percentComplete": run.percent,
    }
    if run.error_message is not None:
        latest["errorDetails"] = {"code": run.error_code or "JobFailed", "message": run.error_message}
    return {name: value for name, value in latest.items() if value is not None}


@operation("codepipeline", "ListActionExecutions", reads=True)
def list_action_executions(cx: Context, request: Json) -> Json:
    """What every action of one or all executions did, newest first."""
    pipeline = required(cx, request["pipelineName"])
    wanted = (request.get("filter") or {}).get("pipelineExecutionId")
    executions = [find(cx, pipeline, wanted)] if wanted else executions_of(cx, pipeline)
    details = [
        _detail(execution, stage, run)
        for execution in executions
        for stage in reversed(execution.stages)
        for run in reversed(stage.actions)
    ]
    start = int(request.get("nextToken") or 0)
    size = request.get("maxResults") or 100
    answer: Json = {"actionExecutionDetails": details[start : start + size]}
    if start + size < len(details):
        answer["nextToken"] = str(start + size)
    return answer


def _detail(execution: Execution, stage: StageRun, run: ActionRun) -> Json:
    declared = next(
        action
        for declared_stage in execution.structure["stages"]
        if declared_stage["name"] == stage.name
        for action in declared_stage["actions"]
        if action["name"] == run.name
    )
    artifacts = execution.artifacts
    result: Json = {"externalExecutionId": run.external_id, "externalExecutionSummary": run.summary}
    result["externalExecutionUrl"] = run.external_url
    if run.error_message is not None:
        result["errorDetails"] = {"code": run.error_code or "JobFailed", "message": run.error_message}
    return {
        "pipelineExecutionId": execution.id,
        "actionExecutionId": run.id,
        "pipelineVersion": execution.version,
        "stageName": stage.name,
        "actionName": run.name,
        "startTime": run.started,
        "lastUpdateTime": run.updated,
        "status": run.status,
        "input": {
            "actionTypeId": declared["actionTypeId"],
            "configuration": _masked(declared.get("configuration") or {}),
            "resolvedConfiguration": _masked(run.configuration),
            **({"roleArn": declared["roleArn"]} if declared.get("roleArn") else {}),
            "inputArtifacts": [
                _location(
                    artifacts[a["name"]].name, artifacts[a["name"]].bucket, artifacts[a["name"]].object_key
                )
                for a in declared.get("inputArtifacts") or ()
                if a["name"] in artifacts
            ],
        },
        "output": {
            "outputArtifacts": [_location(a.name, a.bucket, a.object_key) for a in run.outputs],
            "executionResult": {name: value for name, value in result.items() if value is not None},
            "outputVariables": run.variables,
        },
    }


def _masked(configuration: dict[str, str]) -> dict[str, str]:
    return {name: "****" if name == "OAuthToken" else value for name, value in configuration.items()}


def _location(name: str, bucket: str, key: str) -> Json:
    return {"name": name, "s3location": {"bucket": bucket, "key": key}}
