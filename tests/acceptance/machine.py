"""What an acceptance test has: a cloud of its own, a project of its own, and the clients that people use.

Nothing here imports the server: everything goes through the `neargate` and `aws` commands.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import attrs

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "product-service"
NEARGATE = Path(sys.executable).with_name("neargate")
AWS = ROOT / ".venv-clients" / "bin" / "aws"
SAM = ROOT / ".venv-clients-sam" / "bin" / "sam"
SCEPTRE = ROOT / ".venv-clients-sceptre" / "bin" / "sceptre"
ECS_DEPLOY = ROOT / ".venv-clients-ecs" / "bin" / "ecs"
CDK = ROOT / ".venv-clients-cdk" / "bin" / "cdk"  # beside node, which runs it


@attrs.frozen
class Done:
    """How a command ended."""

    code: int
    output: str

    def json(self) -> Any:
        return json.loads(self.output)


@attrs.define
class Machine:
    """One data directory and the server on it. `home` is a scratch directory of the test's own."""

    home: Path
    port: int = 0

    @property
    def data(self) -> Path:
        return self.home / "cloud"

    @property
    def environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "GIT_", "NEARGATE_"))}
        for name in ("NEARGATE_ENGINE", "NEARGATE_ENGINE_DIR", "AWS_CA_BUNDLE"):
            if name in os.environ:
                kept[name] = os.environ[name]
        return {**kept, "NEARGATE_DATA": str(self.data), "NO_COLOR": "1", "COLUMNS": "200"}

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    # -- neargate ------------------------------------------------------------------------------------------

    def neargate(self, *arguments: str, seconds: float = 240) -> Done:
        return run([str(NEARGATE), *arguments], self.environment, seconds)

    def start(self) -> None:
        """Start the server on the port it had, or on a free one."""
        done = self.neargate("start", "--detach", "--port", str(self.port), "--data", str(self.data))
        assert done.code == 0, done.output
        self.port = int(json.loads((self.data / "server.json").read_text())["address"].rsplit(":", 1)[1])

    def kill(self) -> None:
        """kill -9 of the server, by its process id."""
        pid = json.loads((self.data / "server.json").read_text())["pid"]
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not Path(f"/proc/{pid}").exists() or _is_zombie(pid), "the server is dead")

    def health(self) -> Any:
        with urllib.request.urlopen(f"{self.endpoint}/_neargate/health", timeout=5) as answer:
            return json.load(answer)

    # -- aws -----------------------------------------------------------------------------------------------

    def aws(self, *arguments: str, seconds: float = 120, folder: Path | None = None) -> Done:
        """The AWS CLI v1 from PyPI, with nothing of ours but the endpoint."""
        return self.client(AWS, *arguments, seconds=seconds, folder=folder)

    def client(
        self, program: Path, *arguments: str, seconds: float = 300, folder: Path | None = None
    ) -> Done:
        """A client of AWS, whose environment names the endpoint, a region and keys, and a home of its own."""
        environment = {
            **self.environment,
            "PATH": f"{program.parent}:{self.environment['PATH']}",
            "HOME": str(self.home),
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "SAM_CLI_TELEMETRY": "0",
            "CDK_DISABLE_CLI_TELEMETRY": "1",
        }
        return run([str(program), *arguments], environment, seconds, folder)

    def ask(self, *arguments: str) -> Any:
        """The JSON answer of an AWS command that must succeed."""
        done = self.aws(*arguments, "--output", "json")
        assert done.code == 0, done.output
        return done.json() if done.output.strip() else None

    def tasks(self, stack: str) -> list[dict[str, Any]]:
        """The running tasks of a stack's service."""
        found = self.ask("cloudformation", "describe-stack-resources", "--stack-name", stack)[
            "StackResources"
        ]
        cluster = next(r["PhysicalResourceId"] for r in found if r["ResourceType"] == "AWS::ECS::Cluster")
        arns = self.ask("ecs", "list-tasks", "--cluster", cluster, "--desired-status", "RUNNING")["taskArns"]
        if not arns:
            return []
        tasks: list[dict[str, Any]] = self.ask(
            "ecs", "describe-tasks", "--cluster", cluster, "--tasks", *arns
        )["tasks"]
        return [task for task in tasks if task["lastStatus"] == "RUNNING"]


def _is_zombie(pid: int) -> bool:
    try:
        return ") Z" in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return True


def address_of(task: dict[str, Any]) -> str:
    """`http://IP:3000` of a task."""
    details = {d["name"]: d["value"] for d in task["attachments"][0]["details"]}
    return f"http://{details['privateIPv4Address']}:3000"


def get(url: str, *, host: str = "") -> str:
    """The body at a URL; `host` is the name to ask it by, where that is not the URL's."""
    asked = urllib.request.Request(url, headers={"Host": host} if host else {})
    with urllib.request.urlopen(asked, timeout=5) as answer:
        body: bytes = answer.read()
        return body.decode()


def post(url: str, request: Any) -> Any:
    with urllib.request.urlopen(url, json.dumps(request).encode(), timeout=10) as answer:
        return json.load(answer)


def ask_engine(path: str, request: str) -> Any:
    """GET from the container engine's socket."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(path)
        client.sendall(f"GET {request} HTTP/1.0\r\nHost: engine\r\n\r\n".encode())
        answer = http.client.HTTPResponse(client)
        answer.begin()
        return json.loads(answer.read())


def run(command: list[str], environment: dict[str, str], seconds: float, folder: Path | None = None) -> Done:
    done = subprocess.run(
        command,
        env=environment,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=seconds,
        check=False,
    )
    return Done(done.returncode, done.stdout)


def wait_for(condition: Any, what: str, seconds: float = 60) -> Any:
    """Look until it is so; what the condition then returned."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for: {what}"
        time.sleep(0.05)


class Project:
    """A git repository with a copy of the example, as its users would have it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("__pycache__", ".pytest_cache"))
        self.git("init", "--quiet", "--initial-branch=main")
        self.commit("The product service")

    def git(self, *arguments: str) -> str:
        identity = ("-c", "user.name=Test", "-c", "user.email=test@example.com")
        done = run(["git", *identity, *arguments], dict(os.environ), 60, self.folder)
        assert done.code == 0, done.output
        return done.output

    def commit(self, message: str) -> str:
        """Commit everything; the commit's id."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        return self.git("rev-parse", "HEAD").strip()

    def change(self, file: str, old: str, new: str) -> None:
        path = self.folder / file
        text = path.read_text()
        assert old in text, f"{file} does not say {old!r}"
        path.write_text(text.replace(old, new))
