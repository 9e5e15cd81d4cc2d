"""The main job: a commit becomes DEV and PROD, through the `neargate` command alone. Tests run in order."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.acceptance.machine import NEARGATE, Machine, Project, address_of, get, wait_for

pytestmark = [pytest.mark.engine, pytest.mark.clients]

BROKEN_TEST = """

def test_broken() -> None:
    assert "seen" == "wanted"
"""

STACKS = ("ProductService-DEV", "ProductService-PROD")


class Watch(threading.Thread):
    """Asks every running environment all the time; remembers each moment in which one had no running task."""

    def __init__(self, machine: Machine) -> None:
        super().__init__(daemon=True)
        self._machine = machine
        self._over = threading.Event()
        self.gaps: list[str] = []
        self.looks = 0

    def run(self) -> None:
        while not self._over.is_set():
            for stack in STACKS:
                tasks = self._machine.tasks(stack)
                answering = 0
                for task in tasks:
                    try:
                        get(address_of(task))
                        answering += 1
                    except OSError:
                        continue
                if not answering and not any(_answers(t) for t in self._machine.tasks(stack)):
                    self.gaps.append(f"{time.time():.3f} {stack}: {len(tasks)} tasks, none answers")
                self.looks += 1

    def end(self) -> None:
        self._over.set()
        self.join(30)


def _answers(task: dict[str, Any]) -> bool:
    try:
        get(address_of(task))
    except OSError:
        return False
    return True


def test_up_delivers_a_commit_to_dev_and_prod(machine: Machine, project: Project) -> None:
    done = machine.neargate("up", str(project.folder))
    assert done.code == 0, done.output
    assert "adopt" in done.output.lower()
    for stack in STACKS:
        (task,) = machine.tasks(stack)
        address = address_of(task)
        assert json.loads(get(address))
        assert get(f"{address}/hello")
        (url,) = [line.split()[-1] for line in done.output.splitlines() if line.startswith(f"✓ {stack} ")]
        assert ".us-east-1.elb.localhost" in url
        balancer = urlsplit(url)
        assert get(f"http://127.0.0.1:{balancer.port or 80}/hello", host=balancer.hostname or "")


def test_the_image_is_the_commit_s_own(machine: Machine, project: Project) -> None:
    commit = project.git("rev-parse", "HEAD").strip()
    for stack in STACKS:
        (task,) = machine.tasks(stack)
        assert task["containers"][0]["image"].endswith(f":{commit}")


def test_a_second_commit_rolls_both_without_a_gap(machine: Machine, project: Project) -> None:
    before = {stack: machine.tasks(stack)[0]["taskArn"] for stack in STACKS}
    project.change("product_service/app.py", "async def hello(", "# The second version.\nasync def hello(")
    commit = project.commit("A second version")
    watch = Watch(machine)
    watch.start()
    done = machine.neargate("up", str(project.folder))
    watch.end()
    assert done.code == 0, done.output
    assert watch.looks > 2
    assert watch.gaps == []
    for stack in STACKS:
        (task,) = machine.tasks(stack)
        assert task["taskArn"] != before[stack]
        assert task["containers"][0]["image"].endswith(f":{commit}")


def test_a_commit_whose_tests_fail_stops_at_build(machine: Machine, project: Project) -> None:
    before = {stack: machine.tasks(stack)[0]["taskArn"] for stack in STACKS}
    broken = project.folder / "tests" / "test_products.py"
    broken.write_text(broken.read_text() + BROKEN_TEST)
    project.commit("Break the tests")
    done = machine.neargate("up", str(project.folder))
    assert done.code == 1, done.output
    assert "test_broken" in done.output
    assert 'assert "seen" == "wanted"' in done.output
    state = machine.ask("codepipeline", "get-pipeline-state", "--name", _pipeline(machine))
    assert [s["latestExecution"]["status"] for s in state["stageStates"]][:2] == ["Succeeded", "Failed"]
    for stack in STACKS:
        (task,) = machine.tasks(stack)
        assert task["taskArn"] == before[stack]
        assert get(address_of(task))
    project.git("revert", "--no-edit", "HEAD")


def test_a_push_to_neargate_s_remote_starts_the_pipeline(machine: Machine, project: Project) -> None:
    name = _pipeline(machine)
    count = len(_executions(machine, name))
    remote = _remote(machine)
    project.git("push", "--quiet", "--force", remote, "HEAD:refs/heads/main")
    started = wait_for(lambda: len(_executions(machine, name)) > count, "the push starts an execution")
    assert started
    newest = wait_for(
        lambda: next((e for e in _executions(machine, name)[:1] if e["status"] != "InProgress"), None),
        "the execution ends",
        180,
    )
    assert newest["status"] == "Succeeded"


@pytest.mark.parametrize(("stage", "version"), [(1, "third"), (2, "fourth")], ids=["Build", "Deploy_DEV"])
def test_kill_9_in_the_middle_and_the_delivery_still_ends(
    machine: Machine, project: Project, stage: int, version: str
) -> None:
    app = project.folder / "product_service" / "app.py"
    app.write_text(f"{app.read_text()}\n# The {version} version.\n")
    commit = project.commit(f"The {version} version")
    with subprocess.Popen(
        [str(NEARGATE), "up", str(project.folder)],
        env=machine.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as up:
        name = _pipeline(machine)
        wait_for(lambda: _is_in(machine, name, stage), "the execution is in the stage", 120)
        if stage == 1:
            wait_for(lambda: "docker build" in _build_log(machine), "the image is being built", 60)
        machine.kill()
        machine.start()
        output, _ = up.communicate(timeout=180)
        assert up.returncode == 0, output
    for stack in STACKS:
        (task,) = machine.tasks(stack)
        assert task["containers"][0]["image"].endswith(f":{commit}")
        assert get(address_of(task))


def _is_in(machine: Machine, name: str, stage: int) -> bool:
    """True while the newest execution is in that stage."""
    newest = _executions(machine, name)[0]
    shown = machine.ask("codepipeline", "get-pipeline-state", "--name", name)["stageStates"][stage]
    latest = shown.get("latestExecution", {})
    return (latest.get("pipelineExecutionId"), latest.get("status")) == (
        newest["pipelineExecutionId"],
        "InProgress",
    )


def _build_log(machine: Machine) -> str:
    """The log of the newest build."""
    (project,) = machine.ask("codebuild", "list-projects")["projects"]
    build = machine.ask("codebuild", "list-builds-for-project", "--project-name", project)["ids"][0]
    group, stream = f"/aws/codebuild/{project}", build.rpartition(":")[2]
    done = machine.aws("logs", "get-log-events", "--log-group-name", group, "--log-stream-name", stream)
    return done.output


def _pipeline(machine: Machine) -> str:
    pipelines = machine.ask("codepipeline", "list-pipelines")["pipelines"]
    return str(pipelines[0]["name"])


def _executions(machine: Machine, name: str) -> list[dict[str, Any]]:
    found = machine.ask("codepipeline", "list-pipeline-executions", "--pipeline-name", name)
    executions: list[dict[str, Any]] = found["pipelineExecutionSummaries"]
    return executions


def _remote(machine: Machine) -> str:
    """The address that `up` pushed to."""
    (repository,) = (machine.data / "git").rglob("HEAD")
    return f"{machine.endpoint}/git/{repository.parent.relative_to(machine.data / 'git').with_suffix('')}"
