"""StartPipelineExecution asked twice with one token starts one execution."""

from __future__ import annotations

import json

from tests.unit.services.cloud import ACCOUNT, Cloud, cloud


def pipeline(aws: Cloud) -> None:
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "codepipeline.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    aws.call("iam", "CreateRole", RoleName="r", AssumeRolePolicyDocument=json.dumps(trust))
    source = {
        "name": "src",
        "actionTypeId": {"category": "Source", "owner": "AWS", "provider": "S3", "version": "1"},
        "configuration": {"S3Bucket": "b", "S3ObjectKey": "k"},
        "outputArtifacts": [{"name": "A"}],
    }
    approve = {
        "name": "ask",
        "actionTypeId": {"category": "Approval", "owner": "AWS", "provider": "Manual", "version": "1"},
    }
    declared = {
        "name": "p",
        "roleArn": f"arn:aws:iam::{ACCOUNT}:role/r",
        "artifactStore": {"type": "S3", "location": "b"},
        "stages": [{"name": "Source", "actions": [source]}, {"name": "Ask", "actions": [approve]}],
    }
    aws.call("codepipeline", "CreatePipeline", pipeline=declared)


def test_a_repeated_token_is_the_same_execution() -> None:
    with cloud() as aws:
        pipeline(aws)
        first = aws.call("codepipeline", "StartPipelineExecution", name="p", clientRequestToken="t")
        again = aws.call("codepipeline", "StartPipelineExecution", name="p", clientRequestToken="t")
        other = aws.call("codepipeline", "StartPipelineExecution", name="p", clientRequestToken="u")
        assert first == again
        assert other != first
        found = aws.call("codepipeline", "ListPipelineExecutions", pipelineName="p")
        assert len(found["pipelineExecutionSummaries"]) == 3  # the creation's own, and these two
