"""What fails a deploy action at once, instead of hanging: unreadable artifacts and overrides, a stack in change."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import attrs
import pytest

from neargate.drivers.pipelines.cloudformation import CloudFormationProvider
from neargate.drivers.pipelines.job import ActionFailed, Job
from neargate.model.codepipeline import ActionRun, Artifact, Execution, Pipeline, StageRun
from tests.unit.services.cloud import ACCOUNT, REGION, Cloud, cloud

BUCKET = "artifacts"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/pipeline"
TEMPLATE = """
Parameters: {Size: {Type: String}}
Resources: {Log: {Type: "AWS::Logs::LogGroup"}}
"""


@pytest.fixture
def aws() -> Iterator[Cloud]:
    with cloud() as made:
        made.call("s3", "CreateBucket", Bucket=BUCKET)
        yield made


def zipped(**files: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name.replace("_", "."), text)
    return buffer.getvalue()


def job(**configuration: str) -> Job:
    """CREATE_UPDATE of `app` from the artifact `Built` at artifacts/built.zip."""
    structure: dict[str, Any] = {"roleArn": ROLE, "artifactStore": {"type": "S3", "location": BUCKET}}
    pipeline = Pipeline(
        account=ACCOUNT, region=REGION, name="p", structure=structure, created=0.0, updated=0.0
    )
    built = Artifact(name="Built", bucket=BUCKET, object_key="built.zip")
    run = ActionRun(name="Build", id="1", status="Succeeded", started=0.0, updated=0.0, outputs=[built])
    execution = Execution(
        pipeline=pipeline.key,
        id="e",
        number=1,
        version=1,
        structure=structure,
        status="InProgress",
        started=0.0,
        updated=0.0,
        trigger="",
        trigger_detail="",
        stages=[StageRun(name="Build", status="Succeeded", entered=0.0, actions=[run])],
    )
    given = {
        "ActionMode": "CREATE_UPDATE",
        "StackName": "app",
        "TemplatePath": "Built::app.yml",
        **configuration,
    }
    declared = {"name": "Deploy", "inputArtifacts": [{"name": "Built"}]}
    return Job(pipeline=pipeline, execution=execution, stage="Deploy", declared=declared, configuration=given)


def begin(aws: Cloud, wanted: Job) -> Any:
    return aws.write(
        lambda tx: CloudFormationProvider().begin(aws.dispatcher.context(tx, aws.caller), wanted, None)
    )


def test_an_artifact_that_is_no_zip_fails_the_action(aws: Cloud) -> None:
    aws.call("s3", "PutObject", Bucket=BUCKET, Key="built.zip", Body=b"a tar, say")
    with pytest.raises(ActionFailed, match=r"Artifact \[Built\] \(artifacts/built.zip\) is not a zip file"):
        begin(aws, job())


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ([1], "is not a JSON object"),
        ({"Size": {"Fn::GetArtifactAtt": ["Built", "Colour"]}}, "is neither"),
        ({"Size": {"Fn::GetArtifactAtt": "Built"}}, "is neither"),
        ({"Size": {"Fn::GetArtifactAtt": ["Other", "URL"]}}, r"Artifact \[Other\] is not an input"),
        ({"Size": {"Fn::GetParam": ["Built", "no.json"]}}, "is neither"),
        ({"Size": {"Fn::GetParam": ["Built", "app.yml", "Size"]}}, r"File \[app.yml\] .* is not valid JSON"),
        ({"Size": {"Fn::GetParam": ["Built", "list.json", "Size"]}}, r"Key \[Size\] does not exist"),
    ],
)
def test_overrides_that_mean_nothing_fail_the_action(aws: Cloud, overrides: Any, said: str) -> None:
    aws.call("s3", "PutObject", Bucket=BUCKET, Key="built.zip", Body=zipped(app_yml=TEMPLATE, list_json="[]"))
    with pytest.raises(ActionFailed, match=said):
        begin(aws, job(ParameterOverrides=json.dumps(overrides)))


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("small", "small"),
        ({"Fn::GetArtifactAtt": ["Built", "ObjectKey"]}, "built.zip"),
        ({"Fn::GetParam": ["Built", "sizes.json", "Size"]}, "large"),
    ],
)
def test_overrides_reach_the_stacks_parameters(aws: Cloud, override: Any, value: str) -> None:
    aws.call(
        "s3",
        "PutObject",
        Bucket=BUCKET,
        Key="built.zip",
        Body=zipped(app_yml=TEMPLATE, sizes_json='{"Size": "large"}'),
    )
    aws.call("iam", "CreateRole", RoleName="pipeline", AssumeRolePolicyDocument=trust())
    outcome = begin(aws, job(ParameterOverrides=json.dumps({"Size": override})))
    assert attrs.asdict(outcome)["status"] == "InProgress"
    stack = aws.call("cloudformation", "DescribeStacks", StackName="app")["Stacks"][0]
    assert stack["Parameters"] == [{"ParameterKey": "Size", "ParameterValue": value}]


def test_a_stack_that_someone_else_is_changing_fails_the_action_as_on_aws(aws: Cloud) -> None:
    aws.call("iam", "CreateRole", RoleName="pipeline", AssumeRolePolicyDocument=trust())
    built = zipped(app_yml=TEMPLATE)
    aws.call("s3", "PutObject", Bucket=BUCKET, Key="built.zip", Body=built)
    parameters = [{"ParameterKey": "Size", "ParameterValue": "small"}]
    aws.call("cloudformation", "CreateStack", StackName="app", TemplateBody=TEMPLATE, Parameters=parameters)
    with pytest.raises(
        ActionFailed,
        match=r"^Stack:arn:\S+/app/\S+ is in CREATE_IN_PROGRESS state and can not be updated\. \(",
    ):
        begin(aws, job(ParameterOverrides='{"Size": "large"}'))


def trust() -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": "codepipeline.amazonaws.com"}}
    return json.dumps({"Version": "2012-10-17", "Statement": [{**statement, "Action": "sts:AssumeRole"}]})
