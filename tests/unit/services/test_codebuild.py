"""CodeBuild's API: projects, builds as they are recorded, and what is refused."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import attrs
import pytest

from neargate.model.codebuild import Build
from neargate.model.errors import AwsError
from tests.unit.services.cloud import ACCOUNT, REGION, Cloud, cloud

ROLE = f"arn:aws:iam::{ACCOUNT}:role/Builder"
PROJECT_ARN = f"arn:aws:codebuild:{REGION}:{ACCOUNT}:project/web"


@pytest.fixture
def aws() -> Iterator[Cloud]:
    with cloud() as it:
        role(it, "Builder", "codebuild.amazonaws.com")
        yield it


def role(aws: Cloud, name: str, service: str) -> None:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    aws.call("iam", "CreateRole", RoleName=name, AssumeRolePolicyDocument=document)


def declared(**changes: Any) -> dict[str, Any]:
    return {
        "name": "web",
        "source": {"type": "NO_SOURCE", "buildspec": "version: 0.2"},
        "artifacts": {"type": "NO_ARTIFACTS"},
        "environment": {
            "type": "LINUX_CONTAINER",
            "image": "aws/codebuild/standard:7.0",
            "computeType": "BUILD_GENERAL1_SMALL",
            "environmentVariables": [{"name": "STAGE", "value": "dev"}],
        },
        "serviceRole": ROLE,
        **changes,
    }


def refused(aws: Cloud, operation: str, **request: Any) -> tuple[str, str]:
    with pytest.raises(AwsError) as caught:
        aws.call("codebuild", operation, **request)
    return caught.value.code, caught.value.message


def from_pipeline(aws: Cloud, operation: str, **request: Any) -> dict[str, Any]:
    caller = attrs.evolve(aws.caller, via="codepipeline.amazonaws.com")
    return asyncio.run(aws.dispatcher.call(caller, "codebuild", operation, request))


def test_a_project_is_shown_with_awss_defaults(aws: Cloud) -> None:
    created = aws.call("codebuild", "CreateProject", **declared(tags=[{"key": "a", "value": "1"}]))["project"]
    assert created["arn"] == PROJECT_ARN
    assert created["timeoutInMinutes"] == 60
    assert created["queuedTimeoutInMinutes"] == 480
    assert created["cache"] == {"type": "NO_CACHE"}
    assert created["encryptionKey"] == f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/aws/s3"
    assert created["environment"]["privilegedMode"] is False
    assert created["environment"]["environmentVariables"] == [
        {"name": "STAGE", "value": "dev", "type": "PLAINTEXT"}
    ]
    assert created["tags"] == [{"key": "a", "value": "1"}]
    shown = aws.call("codebuild", "BatchGetProjects", names=["web", "none"])
    assert shown == {"projects": [created], "projectsNotFound": ["none"]}
    assert aws.call("codebuild", "ListProjects")["projects"] == ["web"]


def test_a_project_has_one_name_and_a_role_that_codebuild_may_assume(aws: Cloud) -> None:
    aws.call("codebuild", "CreateProject", **declared())
    assert refused(aws, "CreateProject", **declared()) == (
        "ResourceAlreadyExistsException",
        f"Project already exists: {PROJECT_ARN}",
    )
    nobody = f"arn:aws:iam::{ACCOUNT}:role/Nobody"
    role(aws, "Tasks", "ecs-tasks.amazonaws.com")
    for arn in (nobody, f"arn:aws:iam::{ACCOUNT}:role/Tasks"):
        assert refused(aws, "CreateProject", **declared(name="other", serviceRole=arn)) == (
            "InvalidInputException",
            f"CodeBuild is not authorized to perform: sts:AssumeRole on {arn}",
        )


def test_a_role_given_by_name_is_shown_by_arn(aws: Cloud) -> None:
    project = aws.call("codebuild", "CreateProject", **declared(serviceRole="Builder"))["project"]
    assert project["serviceRole"] == ROLE


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {"source": {"type": "S3", "location": "bucket"}},
            "Invalid project source: location must be a valid S3 source",
        ),
        (
            {"source": {"type": "NO_SOURCE"}},
            "Invalid project source: buildspec must be set when source type is NO_SOURCE",
        ),
        (
            {"artifacts": {"type": "S3"}},
            "Invalid artifacts: location must be set for artifact type S3",
        ),
        (
            {"source": {"type": "CODEPIPELINE"}},
            "Invalid artifacts: artifact type CODEPIPELINE should be used with, and only with, "
            "source type CODEPIPELINE",
        ),
    ],
)
def test_settings_that_contradict_themselves_are_refused(
    aws: Cloud, changes: dict[str, Any], text: str
) -> None:
    assert refused(aws, "CreateProject", **declared(**changes)) == ("InvalidInputException", text)


def test_what_would_be_ignored_is_refused_by_name(aws: Cloud) -> None:
    vpc = {"vpcId": "vpc-1", "subnets": ["subnet-1"], "securityGroupIds": ["sg-1"]}
    code, text = refused(aws, "CreateProject", **declared(vpcConfig=vpc))
    assert code == "NotImplemented"
    assert "CreateProject with vpcConfig" in text
    aws.call("codebuild", "CreateProject", **declared())
    assert (
        "StartBuild with fleetOverride"
        in refused(aws, "StartBuild", projectName="web", fleetOverride={"fleetArn": "x"})[1]
    )
    assert (
        "from a GITHUB source"
        in refused(
            aws, "StartBuild", projectName="web", sourceTypeOverride="GITHUB", sourceLocationOverride="x"
        )[1]
    )


def test_an_update_replaces_what_it_names(aws: Cloud) -> None:
    aws.call("codebuild", "CreateProject", **declared(description="one"))
    aws.clock.advance(10)
    updated = aws.call("codebuild", "UpdateProject", name="web", timeoutInMinutes=5)["project"]
    assert (updated["timeoutInMinutes"], updated["description"]) == (5, "one")
    assert updated["lastModified"] == updated["created"] + 10
    assert refused(aws, "UpdateProject", name="none") == (
        "ResourceNotFoundException",
        f"Project cannot be found: arn:aws:codebuild:{REGION}:{ACCOUNT}:project/none",
    )


def test_a_build_is_queued_and_numbered(aws: Cloud) -> None:
    aws.call("codebuild", "CreateProject", **declared())
    first = aws.call("codebuild", "StartBuild", projectName="web")["build"]
    project, _, uuid = first["id"].partition(":")
    assert project == "web"
    assert first["arn"] == f"arn:aws:codebuild:{REGION}:{ACCOUNT}:build/web:{uuid}"
    assert (first["buildNumber"], first["buildStatus"], first["currentPhase"]) == (1, "IN_PROGRESS", "QUEUED")
    assert [phase["phaseType"] for phase in first["phases"]] == ["SUBMITTED", "QUEUED"]
    assert first["phases"][0]["phaseStatus"] == "SUCCEEDED"
    assert first["initiator"] == "root"
    aws.clock.advance(1)
    second = aws.call("codebuild", "StartBuild", projectName="web")["build"]
    assert second["buildNumber"] == 2
    assert aws.call("codebuild", "ListBuilds")["ids"] == [second["id"], first["id"]]
    ascending = aws.call("codebuild", "ListBuildsForProject", projectName="web", sortOrder="ASCENDING")
    assert ascending["ids"] == [first["id"], second["id"]]
    assert aws.call("codebuild", "BatchGetBuilds", ids=[first["id"], "web:none"]) == {
        "builds": [first],
        "buildsNotFound": ["web:none"],
    }


def test_overrides_win_over_the_project(aws: Cloud) -> None:
    aws.call("codebuild", "CreateProject", **declared())
    build = aws.call(
        "codebuild",
        "StartBuild",
        projectName="web",
        imageOverride="python:3.12-slim",
        privilegedModeOverride=True,
        timeoutInMinutesOverride=7,
        buildspecOverride="version: 0.1",
        environmentVariablesOverride=[{"name": "STAGE", "value": "prod"}, {"name": "X", "value": "y"}],
    )["build"]
    environment = build["environment"]
    assert (environment["image"], environment["privilegedMode"]) == ("python:3.12-slim", True)
    assert build["timeoutInMinutes"] == 7
    assert build["source"]["buildspec"] == "version: 0.1"
    assert [(v["name"], v["value"]) for v in environment["environmentVariables"]] == [
        ("STAGE", "prod"),
        ("X", "y"),
    ]
    project = aws.call("codebuild", "BatchGetProjects", names=["web"])["projects"][0]
    assert project["environment"]["image"] == "aws/codebuild/standard:7.0"


def test_an_idempotency_token_is_one_build_for_five_minutes(aws: Cloud) -> None:
    aws.call("codebuild", "CreateProject", **declared())
    ids = []
    for seconds in (0, 299, 301):
        aws.clock.at = 1767225600.0 + seconds
        build = aws.call("codebuild", "StartBuild", projectName="web", idempotencyToken="t")["build"]
        ids.append(build["id"])
    assert ids[0] == ids[1] != ids[2]


def test_a_pipeline_builds_from_its_artifact(aws: Cloud) -> None:
    source = {"source": {"type": "CODEPIPELINE"}, "artifacts": {"type": "CODEPIPELINE"}}
    aws.call("codebuild", "CreateProject", **declared(**source))
    code, text = refused(aws, "StartBuild", projectName="web")
    assert (code, "CODEPIPELINE" in text) == ("InvalidInputException", True)
    request = {
        "projectName": "web",
        "sourceTypeOverride": "S3",
        "sourceLocationOverride": "bucket/pipe/source/AbC.zip",
        "artifactsOverride": {
            "type": "S3",
            "location": "bucket",
            "path": "pipe/result",
            "name": "XyZ",
            "packaging": "ZIP",
            "namespaceType": "NONE",
        },
        "environmentVariablesOverride": [
            {"name": "CODEBUILD_RESOLVED_SOURCE_VERSION", "value": "c0ffee"},
            {"name": "CODEBUILD_INITIATOR", "value": "codepipeline/pipe"},
        ],
    }
    code, text = refused(aws, "StartBuild", **request)
    assert code == "InvalidInputException"
    assert "CODEBUILD_RESOLVED_SOURCE_VERSION" in text
    build = from_pipeline(aws, "StartBuild", **request)["build"]
    assert build["initiator"] == "codepipeline/pipe"
    assert build["resolvedSourceVersion"] == "c0ffee"
    assert build["sourceVersion"] == "arn:aws:s3:::bucket/pipe/source/AbC.zip"
    assert build["source"]["type"] == "CODEPIPELINE"
    assert build["artifacts"]["location"] == "arn:aws:s3:::bucket/pipe/result/XyZ"


def test_concurrent_builds_are_limited(aws: Cloud) -> None:
    aws.call("codebuild", "CreateProject", **declared(concurrentBuildLimit=1))
    build = aws.call("codebuild", "StartBuild", projectName="web")["build"]
    assert refused(aws, "StartBuild", projectName="web") == (
        "AccountLimitExceededException",
        "Cannot have more than 1 active builds for the project",
    )
    aws.call("codebuild", "StopBuild", id=build["id"])
    aws.call("codebuild", "StartBuild", projectName="web")


def test_a_stopped_build_is_over_and_can_be_retried(aws: Cloud) -> None:
    aws.call("codebuild", "CreateProject", **declared())
    variables = [{"name": "STAGE", "value": "x"}]
    build = aws.call("codebuild", "StartBuild", projectName="web", environmentVariablesOverride=variables)[
        "build"
    ]
    assert refused(aws, "RetryBuild", id=build["id"])[0] == "InvalidInputException"
    stopped = aws.call("codebuild", "StopBuild", id=build["id"])["build"]
    assert (stopped["buildStatus"], stopped["buildComplete"]) == ("STOPPED", True)
    assert stopped["currentPhase"] == "COMPLETED"
    assert stopped["phases"][1]["phaseStatus"] == "STOPPED"
    again = aws.call("codebuild", "RetryBuild", id=build["id"])["build"]
    assert again["id"] != build["id"]
    assert again["environment"]["environmentVariables"][0]["value"] == "x"
    assert refused(aws, "StopBuild", id="web:none")[0] == "ResourceNotFoundException"
    assert refused(aws, "StopBuild", id="none")[0] == "InvalidInputException"


def test_only_a_build_that_holds_nothing_any_more_is_deleted(aws: Cloud) -> None:
    aws.call("codebuild", "CreateProject", **declared())
    build = aws.call("codebuild", "StartBuild", projectName="web")["build"]
    kept = [{"id": build["id"], "statusCode": "BUILD_IN_PROGRESS"}]
    assert aws.call("codebuild", "BatchDeleteBuilds", ids=[build["id"]])["buildsNotDeleted"] == kept
    aws.call("codebuild", "StopBuild", id=build["id"])
    assert aws.call("codebuild", "BatchDeleteBuilds", ids=[build["id"]])["buildsNotDeleted"] == kept
    record = aws.store.read(lambda view: view.get(Build, f"{ACCOUNT}/{REGION}/{build['id']}"))
    assert record is not None
    aws.write(lambda tx: tx.put(attrs.evolve(record, released=True)))
    assert aws.call("codebuild", "BatchDeleteBuilds", ids=[build["id"]])["buildsDeleted"] == [build["arn"]]
    assert aws.call("codebuild", "ListBuilds")["ids"] == []


def test_a_projects_builds_outlive_it(aws: Cloud) -> None:
    aws.call("codebuild", "CreateProject", **declared())
    build = aws.call("codebuild", "StartBuild", projectName="web")["build"]
    aws.call("codebuild", "DeleteProject", name="web")
    aws.call("codebuild", "DeleteProject", name="web")
    assert aws.call("codebuild", "ListBuildsForProject", projectName="web")["ids"] == [build["id"]]
    missing = f"Project cannot be found: {PROJECT_ARN}"
    assert refused(aws, "StartBuild", projectName="web") == ("ResourceNotFoundException", missing)
    assert refused(aws, "ListBuildsForProject", projectName="other")[0] == "ResourceNotFoundException"
