"""The commands against a real server, which finds no engine: what they print, refuse and leave behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from neargate.cli import neargate
from neargate.cli.cloud import Cloud, Unreachable
from neargate.cli.place import Announced, Place, alive

NO_ENGINE = {"NEARGATE_ENGINE": "unix:///nowhere/engine.sock"}
TEMPLATE = """\
Parameters:
  Days: {Type: Number, Default: 7}
Resources:
  Lines:
    Type: AWS::Logs::LogGroup
    Properties: {RetentionInDays: !Ref Days}
"""


def start(data: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "neargate.cli", "start", "--data", str(data), *options],
        env={**os.environ, **NO_ENGINE},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def announced(data: Path) -> Announced:
    found = Place(data).announced()
    assert found is not None
    return found


def invoke(data: Path, *arguments: str) -> Result:
    return CliRunner().invoke(
        neargate, [*arguments, "--data", str(data)], env=NO_ENGINE, catch_exceptions=False
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The data directory of a server that runs."""
    directory = tmp_path_factory.mktemp("cloud")
    said = start(directory, "--port", "0", "--detach")
    assert said.returncode == 0, said.stderr
    server = announced(directory)
    assert said.stdout == f"Neargate 0.1.0 answers at {server.address} (data in {directory})\n"
    yield directory
    if alive(server.pid):
        os.kill(server.pid, signal.SIGTERM)


def settled(data: Path) -> None:
    """Wait until the server knows that there is no engine."""
    cloud = Cloud(Place(data))
    until = time.monotonic() + 20
    while cloud.own("GET", "health")["engine"]["state"] == "starting" and time.monotonic() < until:
        time.sleep(0.05)


def test_env_is_what_a_shell_evaluates(data: Path) -> None:
    script = f"{invoke(data, 'env', '--region', 'eu-west-1').stdout}\necho $AWS_ENDPOINT_URL $AWS_REGION"
    said = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True, env={})
    assert said.stdout.split() == [announced(data).address, "eu-west-1"]


def test_status_says_what_is_missing(data: Path) -> None:
    settled(data)
    said = invoke(data, "status").stdout
    assert f"Server     0.1.0 at {announced(data).address} (process {announced(data).pid})" in said
    assert "Engine     No container engine answers at unix:///nowhere/engine.sock" in said


def test_a_second_server_in_the_same_directory_is_refused(data: Path) -> None:
    said = start(data, "--port", "0")
    assert said.returncode == 1
    assert said.stderr.startswith(
        f"Error: Another Neargate server works in {data} (process {announced(data).pid}"
    )


@pytest.mark.parametrize("options", [(), ("--detach",)])
def test_a_port_in_use_is_one_sentence(tmp_path: Path, options: tuple[str, ...]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = start(tmp_path, "--port", str(port), *options)
    assert said.returncode == 1
    assert said.stderr == (
        f"Error: Port {port} on 127.0.0.1 cannot be used: Address already in use. Stop what listens there, or start "
        "with --port 0 for any free one.\n"
    )


def test_a_host_of_another_machine_is_one_sentence(tmp_path: Path) -> None:
    said = start(tmp_path, "--port", "0", "--host", "192.0.2.1")
    assert said.returncode == 1
    assert said.stderr == (
        "Error: Port 0 on 192.0.2.1 cannot be used: Cannot assign requested address. Give --host an address of this "
        "machine.\n"
    )


def test_a_corrupt_database_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "neargate.db").write_bytes(b"no database at all" * 600)
    said = start(tmp_path, "--port", "0", "--detach")
    assert said.returncode == 1
    assert said.stderr.startswith(f"Error: {tmp_path / 'neargate.db'} cannot be read as a Neargate database")
    assert said.stderr.count("\n") == 1


def test_a_data_directory_that_is_a_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    said = start(tmp_path / "file" / "cloud", "--port", "0")
    assert said.returncode == 1
    assert (
        said.stderr == f"Error: The data directory {tmp_path}/file/cloud cannot be used: Not a directory.\n"
    )


def test_deploy_creates_updates_and_knows_when_nothing_changed(data: Path, tmp_path: Path) -> None:
    template = tmp_path / "lines.yml"
    template.write_text(TEMPLATE)
    created = invoke(data, "deploy", str(template), "--stack-name", "Lines")
    assert created.exit_code == 0
    assert created.stdout.splitlines()[-1] == "Lines CREATE_COMPLETE"
    parameters = tmp_path / "days.json"
    parameters.write_text('{"Parameters": {"Days": "14"}}')
    updated = invoke(data, "deploy", str(template), "--stack-name", "Lines", "--parameters", str(parameters))
    assert updated.stdout.splitlines()[-1] == "Lines UPDATE_COMPLETE"
    again = invoke(data, "deploy", str(template), "--stack-name", "Lines")
    assert again.stdout == f"Lines is as {template} says: no changes.\n"
    groups = Cloud(Place(data)).pages("logs", "DescribeLogGroups", "logGroups")
    assert [group["retentionInDays"] for group in groups if "Lines" in group["logGroupName"]] == [14]
    assert "Lines UPDATE_COMPLETE" in invoke(data, "events", "Lines").stdout


def test_a_stack_that_fails_says_why_on_top(data: Path, tmp_path: Path) -> None:
    template = tmp_path / "roles.yml"
    template.write_text(
        "Resources:\n  Role:\n    Type: AWS::IAM::Role\n    Properties:\n"
        "      ManagedPolicyArns: ['arn:aws:iam::aws:policy/NoSuchPolicy']\n"
        "      AssumeRolePolicyDocument: {Version: '2012-10-17', Statement: [{Effect: Allow, "
        "Principal: {Service: ecs-tasks.amazonaws.com}, Action: 'sts:AssumeRole'}]}\n"
    )
    deploy = ("deploy", str(template), "--stack-name", "Roles")
    refused = invoke(data, *deploy)
    assert refused.exit_code == 1
    assert "InsufficientCapabilitiesException" in refused.stderr
    failed = invoke(data, *deploy, "--capabilities", "CAPABILITY_IAM")
    assert failed.exit_code == 1
    lines = failed.stdout.splitlines()
    top = lines.index("Roles  ROLLBACK_COMPLETE")
    assert lines[top + 1].startswith("  Role (AWS::IAM::Role): ")
    assert "NoSuchPolicy" in lines[top + 1]
    again = invoke(data, *deploy, "--capabilities", "CAPABILITY_IAM")
    assert "The stack Roles is ROLLBACK_COMPLETE: AWS takes no update of it. Delete it first" in again.stderr


def test_looking_at_what_is_not_there(data: Path) -> None:
    assert invoke(data, "ps").stdout == "No task runs.\n"
    assert "There is no service, no task and no log group nothing." in invoke(data, "logs", "nothing").stderr
    assert "There is no stack and no service nothing." in invoke(data, "events", "nothing").stderr


def test_up_without_an_engine_creates_nothing(data: Path, tmp_path: Path) -> None:
    project = tmp_path / "shop"
    project.mkdir()
    (project / "pipeline.template.yml").write_text("Resources: {P: {Type: AWS::CodePipeline::Pipeline}}")
    for command in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "B"],
    ):
        subprocess.run(["git", *command], cwd=project, check=True)
    said = invoke(data, "up", str(project))
    assert said.exit_code == 1
    assert said.stderr.startswith("Error: No container engine answers at unix:///nowhere/engine.sock")
    assert "Nothing was created. neargate doctor explains the state of this machine." in said.stderr
    names = [s["StackName"] for s in Cloud(Place(data)).pages("cloudformation", "DescribeStacks", "Stacks")]
    assert "Shop-Pipeline" not in names
    assert alive(announced(data).pid), "a server that ran before goes on"


def test_doctor_names_the_engine_that_does_not_answer(tmp_path: Path) -> None:
    said = invoke(tmp_path, "doctor")
    assert said.exit_code == 1
    assert (
        "missing  engine       NEARGATE_ENGINE names unix:///nowhere/engine.sock, which does not answer"
        in said.stdout
    )
    assert "unset NEARGATE_ENGINE" in said.stdout


def test_without_a_server_each_command_says_how_to_start_one(tmp_path: Path) -> None:
    for command in ("ps", "env", "status", "events", "logs"):
        said = invoke(tmp_path, command)
        assert said.exit_code == 1
        assert (
            said.stderr
            == f"Error: No Neargate server works in {tmp_path}. Start it: neargate start --detach\n"
        )


def test_a_patient_cloud_waits_for_a_server_that_was_killed(tmp_path: Path) -> None:
    assert start(tmp_path, "--port", "0", "--detach").returncode == 0
    told: list[str] = []
    cloud = Cloud(
        Place(tmp_path), patience=30, lost=lambda: told.append("lost"), found=lambda: told.append("found")
    )
    account = cloud.call("sts", "GetCallerIdentity")["Account"]
    os.kill(announced(tmp_path).pid, signal.SIGKILL)
    with pytest.raises(Unreachable, match="neargate start --detach"):
        Cloud(Place(tmp_path)).call("sts", "GetCallerIdentity")
    restart = threading.Thread(target=start, args=(tmp_path, "--port", "0", "--detach"))
    restart.start()
    try:
        assert cloud.call("sts", "GetCallerIdentity")["Account"] == account
    finally:
        restart.join()
    assert told == ["lost", "found"]
    assert invoke(tmp_path, "stop").stdout == f"Stopped the server of {tmp_path}.\n"
    assert invoke(tmp_path, "stop").stdout == f"No Neargate server works in {tmp_path}.\n"


def test_reset_leaves_what_is_not_neargates(tmp_path: Path) -> None:
    assert start(tmp_path, "--port", "0", "--detach").returncode == 0
    server = announced(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    assert invoke(tmp_path, "reset", "--yes").stdout.endswith(
        f"Removed Neargate's files. Not Neargate's, so left in {tmp_path}: notes.txt\n"
    )
    assert not alive(server.pid)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    assert invoke(tmp_path, "reset", "--yes").stdout == f"There is nothing of Neargate's in {tmp_path}.\n"


def test_stop_does_not_end_a_process_that_is_no_server(tmp_path: Path) -> None:
    bystander = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        said = {"pid": bystander.pid, "address": "http://127.0.0.1:9"}
        (tmp_path / "server.json").write_text(json.dumps(said))
        refused = invoke(tmp_path, "stop")
        assert refused.exit_code == 1
        assert f"Process {bystander.pid} is said to be the server" in refused.stderr
        assert alive(bystander.pid)
    finally:
        bystander.communicate(b"\n")
    assert Place(tmp_path).announced() is None
