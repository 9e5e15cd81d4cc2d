"""What stops a person: each gets one clear sentence, an exit code, and nothing half done."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import attrs
import pytest

from tests.acceptance.machine import NEARGATE, Done, Machine, Project, run, wait_for

pytestmark = [pytest.mark.engine, pytest.mark.clients]


@attrs.define
class Lonely(Machine):
    """A machine on which no container engine answers."""

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, "NEARGATE_ENGINE": f"unix://{self.home}/no-engine.sock"}


@pytest.fixture
def lonely(tmp_path: Path) -> Lonely:
    return Lonely(tmp_path)


def sentence(done: Done) -> str:
    """The refusal: the command failed, and not with a traceback."""
    assert done.code == 1, done.output
    assert "Traceback" not in done.output
    return done.output


def test_up_without_an_engine_says_what_is_missing(lonely: Lonely, tmp_path: Path) -> None:
    project = Project(tmp_path / "product-service")
    said = sentence(lonely.neargate("up", "--port", "0", str(project.folder)))
    assert "No container engine answers at" in said
    assert "NEARGATE_ENGINE" in said
    lonely.neargate("stop")


def test_without_an_engine_the_server_works_and_nothing_claims_to_run(lonely: Lonely) -> None:
    lonely.start()
    try:
        health = lonely.health()
        assert health["ready"] is False
        assert lonely.ask("ecs", "create-cluster", "--cluster-name", "web")["cluster"]["status"] == "ACTIVE"
        container = json.dumps([{"name": "a", "image": "python:3.12-slim"}])
        lonely.ask(
            "ecs", "register-task-definition", "--family", "f", "--network-mode", "awsvpc", "--cpu", "256",
            "--memory", "512", "--requires-compatibilities", "FARGATE", "--container-definitions", container,
        )  # fmt: skip
        subnet = lonely.ask("ec2", "describe-subnets")["Subnets"][0]["SubnetId"]
        network = f"awsvpcConfiguration={{subnets=[{subnet}]}}"
        started = lonely.ask(
            "ecs", "run-task", "--cluster", "web", "--task-definition", "f", "--launch-type", "FARGATE",
            "--network-configuration", network,
        )  # fmt: skip
        arn = started["tasks"][0]["taskArn"]
        (task,) = lonely.ask("ecs", "describe-tasks", "--cluster", "web", "--tasks", arn)["tasks"]
        assert task["lastStatus"] == "PROVISIONING"
    finally:
        lonely.neargate("stop")


def test_a_port_in_use(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = sentence(machine.neargate("start", "--port", str(port)))
    assert f"Port {port} on 127.0.0.1 cannot be used" in said
    assert "--port 0" in said


def test_a_data_directory_in_use(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.start()
    try:
        said = sentence(machine.neargate("start", "--port", "0"))
        assert f"Another Neargate server works in {machine.data}" in said
        assert machine.endpoint in said
    finally:
        machine.neargate("stop")


def test_a_corrupt_database(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.data.mkdir()
    (machine.data / "neargate.db").write_bytes(b"no database at all, whatever the name says " * 500)
    said = sentence(machine.neargate("start", "--port", "0"))
    assert "cannot be read as a Neargate database" in said
    assert "neargate reset" in said


def test_a_directory_that_is_no_git_repository(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    folder = tmp_path / "plain"
    folder.mkdir()
    (folder / "pipeline.template.yml").write_text("Resources: {}\n")
    said = sentence(machine.neargate("up", "--port", "0", str(folder)))
    assert "git repository" in said


def test_uncommitted_changes(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    project = Project(tmp_path / "product-service")
    project.change("buildspec.yml", "version:", "# changed\nversion:")
    said = sentence(machine.neargate("up", "--port", "0", str(project.folder)))
    assert "uncommitted" in said.lower() or "not committed" in said.lower()
    assert "buildspec.yml" in said


def test_two_servers_side_by_side_keep_to_their_own(tmp_path: Path) -> None:
    first, second = Machine(tmp_path / "a"), Machine(tmp_path / "b")
    for machine in (first, second):
        machine.home.mkdir()
        machine.start()
    try:
        assert first.port != second.port
        first.ask("ecs", "create-cluster", "--cluster-name", "only-here")
        assert second.ask("ecs", "list-clusters")["clusterArns"] == []
        assert second.neargate("reset", "--yes").code == 0
        assert not second.data.exists() or not list(second.data.iterdir())
        assert len(first.ask("ecs", "list-clusters")["clusterArns"]) == 1
    finally:
        first.neargate("reset", "--yes")


def test_a_server_without_tasks_leaves_nothing_on_the_machine(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.start()
    wait_for(lambda: machine.health()["ready"], "the engine is found")
    owner = (machine.data / "owner").read_text().strip()
    assert owner in _tables()
    assert machine.neargate("stop").code == 0
    assert owner not in _tables()


def _tables() -> str:
    environment = {"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
    return run(["nft", "list", "tables"], environment, 20).output


def test_help_names_every_command(tmp_path: Path) -> None:
    done = run([str(NEARGATE), "--help"], Machine(tmp_path).environment, 20)
    assert done.code == 0
    for command in (
        "up",
        "start",
        "stop",
        "status",
        "reset",
        "doctor",
        "env",
        "deploy",
        "ps",
        "logs",
        "events",
    ):
        assert f"\n  {command} " in done.output
