"""The pipeline of a stack, and which of its executions a delivery is."""

from __future__ import annotations

import time
import uuid

import click

from neargate.cli.cloud import Cloud, Json
from neargate.cli.stacks import described, pause

_NOTICE_SECONDS = 3.0


def pipeline_of(cloud: Cloud, stack: str) -> str | None:
    """The name of the stack's pipeline; None where the stack, or the pipeline in it, does not exist yet."""
    if described(cloud, stack) is None:
        return None
    resources = cloud.call("cloudformation", "DescribeStackResources", StackName=stack)["StackResources"]
    names = [
        r["PhysicalResourceId"]
        for r in resources
        if r["ResourceType"] == "AWS::CodePipeline::Pipeline"
        and r.get("PhysicalResourceId")
        and r["ResourceStatus"] != "DELETE_COMPLETE"
    ]
    if len(names) > 1:
        raise click.ClickException(f"The stack {stack} has {len(names)} pipelines; neargate up follows one.")
    return names[0] if names else None


def executions(cloud: Cloud, pipeline: str) -> list[Json]:
    """The newest executions, newest first."""
    answer = cloud.call("codepipeline", "ListPipelineExecutions", pipelineName=pipeline, maxResults=20)
    found: list[Json] = answer["pipelineExecutionSummaries"]
    return found


def execution_to_follow(
    cloud: Cloud, pipeline: str, known: set[str], commit: str, *, expected: bool
) -> tuple[str, bool]:
    """The execution that the creation of the pipeline or the push started: one that is not `known`; where
    `expected`, it is given a moment to show. Else one that already delivers this commit, else a new one.

    Returns its id, and whether it had to be started.
    """
    until = time.monotonic() + (_NOTICE_SECONDS if expected else 0.0)
    while True:
        listed = executions(cloud, pipeline)
        started = [e for e in listed if e["pipelineExecutionId"] not in known]
        if started:
            return str(started[0]["pipelineExecutionId"]), False
        if time.monotonic() >= until:
            break
        time.sleep(min(0.1, pause(cloud)))
    for execution in listed:
        revisions = {r.get("revisionId") for r in execution.get("sourceRevisions") or ()}
        if execution["status"] == "InProgress" and commit in revisions:
            return str(execution["pipelineExecutionId"]), False
    token = str(uuid.uuid4())
    answer = cloud.call("codepipeline", "StartPipelineExecution", name=pipeline, clientRequestToken=token)
    return str(answer["pipelineExecutionId"]), True


def deployed_stacks(cloud: Cloud, pipeline: str) -> list[str]:
    """The stacks that the pipeline's CloudFormation actions work on, in its order."""
    stages = cloud.call("codepipeline", "GetPipeline", name=pipeline)["pipeline"]["stages"]
    names = [
        action["configuration"]["StackName"]
        for stage in stages
        for action in stage["actions"]
        if action["actionTypeId"]["provider"] == "CloudFormation"
        and action.get("configuration", {}).get("ActionMode") != "DELETE_ONLY"
        and "StackName" in action.get("configuration", {})
    ]
    return list(dict.fromkeys(names))
