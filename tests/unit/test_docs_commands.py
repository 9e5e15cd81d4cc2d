"""The guides, run as a reader would: every command of a page in a shell, from top to bottom."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.acceptance.machine import AWS, NEARGATE, Machine, Project
from tests.unit.test_docs import ROOT, blocks

GUIDES = ROOT / "docs" / "guides"

_ONE = """
Resources:
  Group:
    Type: AWS::Logs::LogGroup
"""


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path)
    made.start()
    yield made
    made.neargate("reset", "--yes")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "product-service")
    (made.folder / "one.template.yml").write_text(_ONE)
    made.commit("Another template")
    return made


def script(guide: Path, before: Mapping[str, str], without: frozenset[str] = frozenset()) -> str:
    """All `sh` blocks of a guide. `before` says what the test does in the reader's place ahead of a command.

    A server takes any free port, so that the test gets along with one that runs on 4566.
    """
    lines = [
        "set -euxo pipefail",
        'neargate() { if [ "$1" = start ]; then shift; set -- start --port 0 "$@"; fi; command neargate "$@"; }',
    ]
    for block in blocks(guide):
        if block.language == "sh":
            for line in block.lines:
                if line not in without:
                    lines += [before[line]] if line in before else []
                    lines.append(line)
    return "\n".join(lines)


def write_files(guide: Path, folder: Path) -> None:
    """The `yaml` blocks of a guide as files: the first line of each is a comment, its name."""
    for name, text in re.findall(
        r"^```yaml\n# (\S+)\n(.*?)^```$", guide.read_text(), re.MULTILINE | re.DOTALL
    ):
        (folder / name).write_text(text)


def walk(machine: Machine, folder: Path, text: str) -> str:
    """Run the script in the reader's directory; what it printed. It must succeed."""
    environment = {
        **machine.environment,
        "PATH": f"{NEARGATE.parent}:{AWS.parent}:{os.environ['PATH']}",
        **{
            f"GIT_{who}_{what}": "reader@example.com"
            for who in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        },
    }
    done = subprocess.run(
        ["bash", "-c", text],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.engine
@pytest.mark.clients
def test_the_aws_cli_guide_from_top_to_bottom(machine: Machine, project: Project) -> None:
    said = walk(machine, project.folder, script(GUIDES / "aws-cli.md", before={}))
    assert "Successfully created/updated stack - ProductService-Pipeline" in said
    assert "Deploy_PROD\tSucceeded" in said
    assert "GET /hello" in said
    assert "Successfully created/updated stack - ProductService-Mine" in said
    last = said[said.index("+ aws ecs list-clusters") :]
    assert '"clusterArns": []' in last
    assert '"NetworkInterfaces": []' in last
    assert '"Stacks": []' in last


def after(said: str, command: str) -> str:
    """What a command printed, up to the next one."""
    return said.partition(f"+ {command}")[2].partition("\n+ ")[0]


@pytest.mark.clients
def test_the_cloudformation_guide_from_top_to_bottom(machine: Machine, tmp_path: Path) -> None:
    folder = tmp_path / "templates"
    folder.mkdir()
    guide = GUIDES / "cloudformation.md"
    write_files(guide, folder)
    said = walk(machine, folder, script(guide, before={}))
    stacks = after(said, "aws cloudformation describe-stacks --query")
    assert stacks.count("CREATE_COMPLETE") == 2
    change_set = after(said, "aws cloudformation describe-change-set --stack-name shop")
    assert '"BeforeValue": "7"' in change_set
    assert '"AfterValue": "30"' in change_set
    assert '"StackDriftStatus": "DRIFTED"' in after(
        said, "aws cloudformation describe-stack-drift-detection-status"
    )
    drifts = after(said, "aws cloudformation describe-stack-resource-drifts")
    assert '"ExpectedValue": "30"' in drifts
    assert '"ActualValue": "14"' in drifts
    groups = after(said, "aws logs describe-log-groups --log-group-name-prefix /looked-up")
    assert groups.split()[-4:] == ["/looked-up/invoices", "7", "/looked-up/orders", "7"]
    assert "Waiter StackUpdateComplete failed" in said
    assert "OperationId" in after(said, "aws cloudformation rollback-stack --stack-name careful")
    assert '"Deny' in after(said, "aws cloudformation get-stack-policy").replace("\\", "")
    instances = after(said, "aws cloudformation list-stack-instances")
    assert instances.count("111111111111") == 2


@pytest.mark.engine
@pytest.mark.clients
def test_the_scaling_guide_from_top_to_bottom(machine: Machine, tmp_path: Path) -> None:
    machine.neargate("stop")  # the reader starts it
    write_files(GUIDES / "scaling.md", tmp_path)
    said = walk(machine, tmp_path, script(GUIDES / "scaling.md", before={}))
    alarm = after(said, "aws cloudwatch describe-alarms --alarm-names many-orders")
    assert "Threshold Crossed: 1 datapoint [250.0 (" in alarm
    activities = after(
        said, "aws application-autoscaling describe-scaling-activities --service-namespace ecs\n"
    )
    assert '"Cause": "monitor alarm many-orders in state ALARM triggered policy more"' in activities
    assert "Alarm updated from ALARM to OK" in after(said, "aws cloudwatch describe-alarm-history")
    assert "maximum capacity was set to 1" in said


@pytest.mark.engine
def test_the_first_guide_from_top_to_bottom(machine: Machine, project: Project) -> None:
    change = "echo '# Changed.' >> product_service/app.py"
    text = script(
        GUIDES / "getting-started.md",
        before={"git commit --all --message 'A new release'": change},
        without=frozenset({"make demo"}),
    )
    said = walk(machine, project.folder, text)
    assert "This machine can deliver: neargate up DIR" in said
    assert said.count("✓ ProductService-DEV   http://Produ-LoadB-") == 2
    assert said.count("✓ ProductService-PROD  http://Produ-LoadB-") == 2
    assert "Uvicorn running on http://0.0.0.0:3000" in said
    assert "has reached a steady state." in said
    assert "One CREATE_COMPLETE" in said
    assert f"Stopped the server of {machine.data}." in said
    assert f"Removed {machine.data}." in said


def dry(target: str) -> list[str]:
    """What make would run."""
    done = subprocess.run(
        ["make", "--dry-run", "--always-make", target],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return done.stdout.splitlines()


def test_what_make_demo_runs() -> None:
    """The setup, which `make test` runs as well, and one command that the delivery's test runs."""
    setup, demo, test = dry("setup"), dry("demo"), dry("test")
    assert demo == [*setup, ".venv/bin/neargate up examples/product-service"]
    assert set(setup) <= set(test)


def test_make_check_is_a_part_of_make_test() -> None:
    check, test = dry("check"), dry("test")
    (own,) = set(check) - set(test)
    assert own == ".venv/bin/pytest -q --numprocesses auto -m 'not engine and not clients' tests/unit"
    assert test[-1].endswith(".venv/bin/pytest -q")
