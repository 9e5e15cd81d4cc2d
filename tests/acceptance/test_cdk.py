"""CDK: bootstrap, deploy, diff, destroy of an app without functions. Tests run in order."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.acceptance.machine import CDK, Done, Machine

pytestmark = pytest.mark.clients

APP = """\
const cdk = require('aws-cdk-lib');
const iam = require('aws-cdk-lib/aws-iam');
const logs = require('aws-cdk-lib/aws-logs');
const s3 = require('aws-cdk-lib/aws-s3');
const ssm = require('aws-cdk-lib/aws-ssm');
const app = new cdk.App();
const stack = new cdk.Stack(app, 'Shop', {env: {account: '000000000000', region: 'us-east-1'}});
const bucket = new s3.Bucket(stack, 'Files', {
  versioned: true, enforceSSL: true, encryption: s3.BucketEncryption.S3_MANAGED,
  blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
  lifecycleRules: [{expiration: cdk.Duration.days(7), prefix: 'tmp/'}],
  removalPolicy: cdk.RemovalPolicy.DESTROY,
});
const role = new iam.Role(stack, 'Role', {assumedBy: new iam.ServicePrincipal('ecs-tasks.amazonaws.com')});
bucket.grantReadWrite(role);
new logs.LogGroup(stack, 'Log', {retention: DAYS, removalPolicy: cdk.RemovalPolicy.DESTROY});
new ssm.StringParameter(stack, 'Where', {parameterName: '/shop/bucket', stringValue: bucket.bucketName});
new cdk.CfnOutput(stack, 'Bucket', {value: bucket.bucketName});
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = tmp_path_factory.mktemp("cdk")
    write(made, days=7)
    (made / "cdk.json").write_text(json.dumps({"app": "node app.js"}))
    (made / "node_modules").symlink_to(CDK.parent.parent / "node_modules")
    return made


def write(folder: Path, *, days: int) -> None:
    (folder / "app.js").write_text(APP.replace("DAYS", str(days)))


def cdk(machine: Machine, folder: Path, *arguments: str) -> Done:
    return machine.client(CDK, *arguments, folder=folder)


def test_bootstrap(machine: Machine, folder: Path) -> None:
    done = cdk(machine, folder, "bootstrap", "aws://000000000000/us-east-1")
    assert done.code == 0, done.output
    assert "Environment aws://000000000000/us-east-1 bootstrapped" in done.output
    version = machine.ask("ssm", "get-parameter", "--name", "/cdk-bootstrap/hnb659fds/version")
    assert int(version["Parameter"]["Value"]) >= 21


def test_deploy(machine: Machine, folder: Path) -> None:
    done = cdk(machine, folder, "deploy", "--require-approval=never")
    assert done.code == 0, done.output
    value = machine.ask("ssm", "get-parameter", "--name", "/shop/bucket")["Parameter"]["Value"]
    assert f"Shop.Bucket = {value}" in done.output
    rules = machine.ask("s3api", "get-bucket-lifecycle-configuration", "--bucket", value)["Rules"]
    assert [(rule["Filter"], rule["Expiration"]) for rule in rules] == [({"Prefix": "tmp/"}, {"Days": 7})]


def test_diff_says_what_will_change(machine: Machine, folder: Path) -> None:
    done = cdk(machine, folder, "diff", "--fail")
    assert done.code == 0, done.output
    assert "There were no differences" in done.output
    write(folder, days=14)
    done = cdk(machine, folder, "diff", "--fail")
    assert done.code == 1, done.output
    assert "[~] AWS::Logs::LogGroup Log" in done.output
    assert "Number of stacks with differences: 1" in done.output


def test_deploy_again(machine: Machine, folder: Path) -> None:
    done = cdk(machine, folder, "deploy", "--require-approval=never")
    assert done.code == 0, done.output
    (group,) = machine.ask("logs", "describe-log-groups")["logGroups"]
    assert group["retentionInDays"] == 14
    done = cdk(machine, folder, "deploy", "--require-approval=never")
    assert "(no changes)" in done.output


def test_destroy(machine: Machine, folder: Path) -> None:
    done = cdk(machine, folder, "destroy", "--force")
    assert done.code == 0, done.output
    assert machine.ask("logs", "describe-log-groups")["logGroups"] == []
    stacks = machine.ask("cloudformation", "describe-stacks")["Stacks"]
    assert [s["StackName"] for s in stacks] == ["CDKToolkit"]
