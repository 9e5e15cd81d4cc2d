"""Two stacks, one reading the other's output, by sceptre: launch, diff, change, drift, delete. Tests run in order."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.machine import SCEPTRE, Done, Machine, run

pytestmark = pytest.mark.clients

FILES = {
    "config/config.yaml": """\
project_code: shop
region: us-east-1
""",
    "config/dev/network.yaml": """\
template: {path: network.yaml, type: file}
parameters: {Days: "7"}
stack_tags: {team: core}
""",
    "config/dev/app.yaml": """\
template: {path: app.yaml, type: file}
parameters: {Group: !stack_output "dev/network.yaml::Group"}
""",
    "templates/network.yaml": """\
Parameters:
  Days: {Type: Number}
Resources:
  Group:
    Type: AWS::Logs::LogGroup
    Properties: {LogGroupName: /shop, RetentionInDays: !Ref Days}
Outputs:
  Group: {Value: !Ref Group}
""",
    "templates/app.yaml": """\
Parameters:
  Group: {Type: String}
Resources:
  Where:
    Type: AWS::SSM::Parameter
    Properties: {Name: /where, Type: String, Value: !Ref Group}
""",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("sceptre")
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def sceptre(machine: Machine, project: Path, *arguments: str) -> Done:
    environment = {
        **machine.environment,
        "AWS_ENDPOINT_URL": machine.endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    return run([str(SCEPTRE), "--no-colour", *arguments], environment, 120, project)


def statuses(machine: Machine) -> dict[str, str]:
    stacks = machine.ask("cloudformation", "describe-stacks")["Stacks"]
    return {stack["StackName"]: stack["StackStatus"] for stack in stacks}


def test_launch(machine: Machine, project: Path) -> None:
    done = sceptre(machine, project, "launch", "-y", "dev")
    assert done.code == 0, done.output
    assert statuses(machine) == {"shop-dev-app": "CREATE_COMPLETE", "shop-dev-network": "CREATE_COMPLETE"}
    assert "Group AWS::Logs::LogGroup CREATE_IN_PROGRESS Resource creation Initiated" in done.output
    where = machine.ask("ssm", "get-parameter", "--name", "/where")["Parameter"]["Value"]
    assert where == "/shop"


def test_outputs(machine: Machine, project: Path) -> None:
    done = sceptre(machine, project, "list", "outputs", "dev/network.yaml")
    assert done.code == 0, done.output
    assert "/shop" in done.output


def test_no_difference(machine: Machine, project: Path) -> None:
    done = sceptre(machine, project, "diff", "dev")
    assert done.code == 0, done.output
    assert done.output.count("No difference to deployed stack") == 2


def test_a_change_through_a_change_set(machine: Machine, project: Path) -> None:
    config = project / "config" / "dev" / "network.yaml"
    config.write_text(config.read_text().replace('"7"', '"14"'))
    done = sceptre(machine, project, "diff", "dev/network.yaml")
    assert "root.parameters['Days']" in done.output
    done = sceptre(machine, project, "update", "-y", "-c", "dev/network.yaml")
    assert done.code == 0, done.output
    assert statuses(machine)["shop-dev-network"] == "UPDATE_COMPLETE"
    done = sceptre(machine, project, "launch", "-y", "dev/network.yaml")
    assert "No updates to perform." in done.output


def test_drift(machine: Machine, project: Path) -> None:
    done = sceptre(machine, project, "drift", "detect", "dev/network.yaml")
    assert (done.code, "IN_SYNC" in done.output) == (0, True), done.output
    changed = ("--log-group-name", "/shop", "--retention-in-days", "30")
    assert machine.aws("logs", "put-retention-policy", *changed).code == 0
    done = sceptre(machine, project, "drift", "show", "dev/network.yaml")
    assert "/RetentionInDays" in done.output, done.output
    assert "MODIFIED" in done.output


def test_delete(machine: Machine, project: Path) -> None:
    done = sceptre(machine, project, "delete", "-y", "dev")
    assert done.code == 0, done.output
    assert statuses(machine) == {}
