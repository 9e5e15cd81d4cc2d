"""SAM: `deploy --resolve-s3`, which keeps a stack of its own for its bucket, then `list` and `delete`. In order."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.machine import SAM, Done, Machine

pytestmark = pytest.mark.clients

TEMPLATE = """\
AWSTemplateFormatVersion: '2010-09-09'
Transform: AWS::Serverless-2016-10-31
Parameters:
  Days: {Type: Number, Default: 7}
Resources:
  Table:
    Type: AWS::Serverless::SimpleTable
    Properties: {PrimaryKey: {Name: id, Type: String}}
  Group:
    Type: AWS::Logs::LogGroup
    Properties: {LogGroupName: /sam, RetentionInDays: !Ref Days}
Outputs:
  Table: {Value: !Ref Table}
"""
FUNCTION = """\
  Hello:
    Type: AWS::Serverless::Function
    Properties: {InlineCode: "def handler(event, context): pass", Handler: index.handler, Runtime: python3.13}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = tmp_path_factory.mktemp("sam")
    (made / "template.yaml").write_text(TEMPLATE)
    return made


def deploy(machine: Machine, folder: Path, *arguments: str) -> Done:
    return machine.client(
        SAM,
        "deploy",
        "--resolve-s3",
        "--stack-name=app",
        "--capabilities=CAPABILITY_IAM",
        "--no-confirm-changeset",
        *arguments,
        folder=folder,
    )


def test_create(machine: Machine, folder: Path) -> None:
    done = deploy(machine, folder)
    assert done.code == 0, done.output
    assert "Successfully created/updated stack - app in us-east-1" in done.output
    stacks = machine.ask("cloudformation", "describe-stacks")["Stacks"]
    assert {s["StackName"]: s["StackStatus"] for s in stacks} == {
        "app": "CREATE_COMPLETE",
        "aws-sam-cli-managed-default": "CREATE_COMPLETE",
    }
    (table,) = machine.ask("dynamodb", "list-tables")["TableNames"]
    key = machine.ask("dynamodb", "describe-table", "--table-name", table)["Table"]["KeySchema"]
    assert key == [{"AttributeName": "id", "KeyType": "HASH"}]


def test_the_outputs_are_listed(machine: Machine, folder: Path) -> None:
    done = machine.client(SAM, "list", "stack-outputs", "--stack-name=app", "--output=json", folder=folder)
    assert done.code == 0, done.output
    assert '"OutputKey": "Table"' in done.output


def test_update_and_nothing_to_update(machine: Machine, folder: Path) -> None:
    done = deploy(machine, folder, "--parameter-overrides=Days=14")
    assert done.code == 0, done.output
    (group,) = machine.ask("logs", "describe-log-groups", "--log-group-name-prefix=/sam")["logGroups"]
    assert group["retentionInDays"] == 14
    done = deploy(machine, folder, "--parameter-overrides=Days=14", "--no-fail-on-empty-changeset")
    assert done.code == 0, done.output
    assert "No changes to deploy. Stack app is up to date" in done.output


def test_a_function_is_refused_by_name(machine: Machine, folder: Path) -> None:
    (folder / "template.yaml").write_text(TEMPLATE.replace("Outputs:", FUNCTION + "Outputs:"))
    done = deploy(machine, folder)
    assert done.code != 0
    assert "Neargate does not support these resource types yet: [AWS::Lambda::Function]" in done.output
    (folder / "template.yaml").write_text(TEMPLATE)


def test_delete(machine: Machine, folder: Path) -> None:
    done = machine.client(SAM, "delete", "--stack-name=app", "--no-prompts", folder=folder)
    assert done.code == 0, done.output
    assert "Deleted successfully" in done.output
    assert machine.ask("dynamodb", "list-tables")["TableNames"] == []
