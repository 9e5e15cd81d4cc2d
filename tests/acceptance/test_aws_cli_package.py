"""A parent template with a child beside it, by the AWS CLI's `package` and `deploy`. Tests run in order."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.machine import Done, Machine

pytestmark = pytest.mark.clients

STACK = "family"
PARENT = """\
Parameters:
  Days: {Type: Number, Default: 7}
Resources:
  Child:
    Type: AWS::CloudFormation::Stack
    Properties:
      TemplateURL: ./child.yml
      Parameters: {Days: !Ref Days}
  Path:
    Type: AWS::SSM::Parameter
    Properties: {Type: String, Value: !GetAtt Child.Outputs.Group}
Outputs:
  Child: {Value: !Ref Child}
"""
CHILD = """\
Parameters:
  Days: {Type: Number}
Resources:
  Group:
    Type: AWS::Logs::LogGroup
    Properties: {LogGroupName: /family, RetentionInDays: !Ref Days}
Outputs:
  Group: {Value: !Ref Group}
"""


@pytest.fixture(scope="module")
def folder(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = tmp_path_factory.mktemp("templates")
    (made / "parent.yml").write_text(PARENT)
    (made / "child.yml").write_text(CHILD)
    machine.ask("s3api", "create-bucket", "--bucket", "artifacts")
    return made


def deploy(machine: Machine, folder: Path, *parameters: str) -> Done:
    packaged = machine.aws(
        "cloudformation",
        "package",
        "--template-file=parent.yml",
        "--s3-bucket=artifacts",
        "--output-template-file=packaged.yml",
        folder=folder,
    )
    assert packaged.code == 0, packaged.output
    overrides = ["--parameter-overrides", *parameters] if parameters else []
    return machine.aws(
        "cloudformation",
        "deploy",
        f"--stack-name={STACK}",
        "--template-file=packaged.yml",
        *overrides,
        folder=folder,
    )


def statuses(machine: Machine) -> dict[str, str]:
    """Status by stack, the child's name without its random end."""
    stacks = machine.ask("cloudformation", "describe-stacks")["Stacks"]
    return {
        s["StackName"].rpartition("-")[0] if "ParentId" in s else s["StackName"]: s["StackStatus"]
        for s in stacks
    }


def retention(machine: Machine) -> int:
    (group,) = machine.ask("logs", "describe-log-groups", "--log-group-name-prefix=/family")["logGroups"]
    return int(group["retentionInDays"])


def test_create(machine: Machine, folder: Path) -> None:
    done = deploy(machine, folder)
    assert done.code == 0, done.output
    assert f"Successfully created/updated stack - {STACK}" in done.output
    assert statuses(machine) == {STACK: "CREATE_COMPLETE", "family-Child": "CREATE_COMPLETE"}
    (parameter,) = machine.ask("ssm", "describe-parameters")["Parameters"]
    value = machine.ask("ssm", "get-parameter", "--name", parameter["Name"])["Parameter"]["Value"]
    assert (value, retention(machine)) == ("/family", 7)


def test_update_through_the_parent(machine: Machine, folder: Path) -> None:
    done = deploy(machine, folder, "Days=14")
    assert done.code == 0, done.output
    assert statuses(machine) == {STACK: "UPDATE_COMPLETE", "family-Child": "UPDATE_COMPLETE"}
    assert retention(machine) == 14


def test_a_child_that_changed_alone(machine: Machine, folder: Path) -> None:
    """`package` gives the changed child another URL."""
    (folder / "child.yml").write_text(CHILD.replace("!Ref Days}", "30}"))
    done = deploy(machine, folder)
    assert done.code == 0, done.output
    assert retention(machine) == 30


def test_a_child_that_fails_takes_its_parent_back(machine: Machine, folder: Path) -> None:
    (folder / "child.yml").write_text(CHILD.replace("!Ref Days}", "31}"))
    done = deploy(machine, folder)
    assert done.code != 0
    assert "Failed to create/update the stack" in done.output
    assert statuses(machine) == {
        STACK: "UPDATE_ROLLBACK_COMPLETE",
        "family-Child": "UPDATE_ROLLBACK_COMPLETE",
    }
    assert retention(machine) == 30
    events = machine.ask("cloudformation", "describe-stack-events", "--stack-name", STACK)["StackEvents"]
    (reason,) = [e["ResourceStatusReason"] for e in events if e["ResourceStatus"] == "UPDATE_FAILED"]
    assert "was not successfully updated. Currently in UPDATE_ROLLBACK_IN_PROGRESS with reason: " in reason


def test_delete_takes_the_child_along(machine: Machine, folder: Path) -> None:
    assert machine.aws("cloudformation", "delete-stack", "--stack-name", STACK).code == 0
    done = machine.aws("cloudformation", "wait", "stack-delete-complete", "--stack-name", STACK)
    assert done.code == 0, done.output
    assert statuses(machine) == {}
    assert machine.ask("logs", "describe-log-groups")["logGroups"] == []
