"""A task definition that uses most of what Fargate accepts, looked at from the inside of its container."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.acceptance.machine import Machine, post, wait_for

pytestmark = [pytest.mark.engine, pytest.mark.clients]

FILE_SYSTEM = "fs-0123456789abcdef0"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "ecs-tasks.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}
REPORT = r"""
import glob, json, os, resource, time, urllib.request
status = dict(line.split(":\t", 1) for line in open("/proc/self/status") if ":\t" in line)
capabilities = int(status["CapEff"], 16)
scratch = os.statvfs("/scratch")
sidecar = "".join(["side", "car", " waits"]).encode()

def read(path):
    return open(path).read().strip()

def written(path):
    try:
        open(path, "a").write("x")
    except OSError as error:
        return error.strerror
    return read(path)

metadata = json.load(urllib.request.urlopen(os.environ["ECS_CONTAINER_METADATA_URI_V4"]))
print(json.dumps({
    "capabilities": [bool(capabilities & 1), bool(capabilities >> 19 & 1)],
    "tmpfs": scratch.f_blocks * scratch.f_frsize >> 20,
    "parameters": [read("/proc/sys/net/core/somaxconn"), read("/proc/sys/kernel/msgmax")],
    "terminal": os.isatty(1),
    "directory": os.getcwd(),
    "core": resource.getrlimit(resource.RLIMIT_CORE),
    "root": written("/nothing"),
    "prepared": read("/shared/prepared"),
    "inherited": written("/shared/more"),
    "kept": written("/efs/kept"),
    "process 1": os.getpid() == 1,
    "sidecar": sum(sidecar in open(path, "rb").read() for path in glob.glob("/proc/[0-9]*/cmdline")),
    "restarts": metadata["RestartCount"],
    "stage": os.environ["STAGE"],
}), flush=True)
time.sleep(600)
"""
EXPECTED = {
    "capabilities": [False, True],
    "tmpfs": 16,
    "parameters": ["777", "9000"],
    "terminal": True,
    "directory": "/tmp",
    "core": [0, 0],
    "root": "Read-only file system",
    "prepared": "yes",
    "inherited": "Read-only file system",
    "kept": "x",
    "process 1": False,
    "sidecar": 1,
    "restarts": 0,
    "stage": "test",
}


def _logs(prefix: str) -> dict[str, Any]:
    options = {"group": "/everything", "region": "us-east-1", "stream-prefix": prefix, "create-group": "true"}
    return {"logDriver": "awslogs", "options": {f"awslogs-{name}": value for name, value in options.items()}}


def _definition(role: str) -> dict[str, Any]:
    image = "python:3.12-slim"
    prepare = {
        "name": "prepare",
        "image": image,
        "essential": False,
        "command": ["sh", "-c", "echo yes > /shared/prepared"],
        "mountPoints": [{"sourceVolume": "shared", "containerPath": "/shared"}],
    }
    sidecar = {
        "name": "sidecar",
        "image": image,
        "essential": False,
        "command": ["sh", "-c", ": sidecar waits; while :; do sleep 1; done"],
        "stopTimeout": 2,
    }
    app = {
        "name": "app",
        "image": image,
        "command": ["python3", "-c", REPORT],
        "workingDirectory": "/tmp",
        "dependsOn": [
            {"containerName": "prepare", "condition": "SUCCESS"},
            {"containerName": "sidecar", "condition": "START"},
        ],
        "linuxParameters": {
            "capabilities": {"add": ["SYS_PTRACE"], "drop": ["CHOWN"]},
            "initProcessEnabled": True,
            "tmpfs": [{"containerPath": "/scratch", "size": 16, "mountOptions": ["noexec", "defaults"]}],
        },
        "systemControls": [
            {"namespace": "net.core.somaxconn", "value": "777"},
            {"namespace": "kernel.msgmax", "value": "9000"},
        ],
        "ulimits": [{"name": "core", "softLimit": 0, "hardLimit": 0}],
        "interactive": True,
        "pseudoTerminal": True,
        "readonlyRootFilesystem": True,
        "dockerLabels": {"team": "web"},
        "environment": [{"name": "STAGE", "value": "test"}],
        "mountPoints": [{"sourceVolume": "disk", "containerPath": "/efs"}],
        "volumesFrom": [{"sourceContainer": "prepare", "readOnly": True}],
        "restartPolicy": {"enabled": True, "restartAttemptPeriod": 60},
        "healthCheck": {"command": ["CMD-SHELL", "test -e /efs/kept"], "interval": 5},
        "stopTimeout": 2,
        "logConfiguration": _logs("report"),
    }
    return {
        "family": "everything",
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": ".25 vCPU",
        "memory": "0.5GB",
        "pidMode": "task",
        "executionRoleArn": role,
        "ephemeralStorage": {"sizeInGiB": 21},
        "runtimePlatform": {"operatingSystemFamily": "LINUX"},
        "volumes": [
            {"name": "shared"},
            {"name": "disk", "efsVolumeConfiguration": {"fileSystemId": FILE_SYSTEM}},
        ],
        "containerDefinitions": [prepare, sidecar, app],
    }


def said(machine: Machine, task: dict[str, Any]) -> list[str]:
    """What the container has written."""
    events = machine.ask(
        "logs",
        "get-log-events",
        "--log-group-name=/everything",
        f"--log-stream-name=report/app/{task['taskArn'].rsplit('/', 1)[-1]}",
        "--start-from-head",
    )["events"]
    return [event["message"] for event in events]


def test_a_container_finds_what_its_definition_says(machine: Machine) -> None:
    post(f"{machine.endpoint}/_neargate/adopt", {"groups": [{"file_systems": [FILE_SYSTEM]}]})
    machine.ask("ecs", "create-cluster", "--cluster-name", "all")
    role = machine.ask(
        "iam", "create-role", "--role-name", "all", "--assume-role-policy-document", json.dumps(TRUST)
    )["Role"]["Arn"]
    policy = "arn:aws:iam::aws:policy/CloudWatchLogsFullAccess"
    machine.ask("iam", "attach-role-policy", "--role-name=all", f"--policy-arn={policy}")
    machine.ask("ecs", "register-task-definition", "--cli-input-json", json.dumps(_definition(role)))
    subnet = machine.ask("ec2", "describe-subnets")["Subnets"][0]["SubnetId"]
    inner = {"subnets": [subnet], "assignPublicIp": "ENABLED"}
    (task,) = machine.ask(
        "ecs",
        "run-task",
        "--cluster=all",
        "--task-definition=everything",
        "--launch-type=FARGATE",
        "--network-configuration",
        json.dumps({"awsvpcConfiguration": inner}),
    )["tasks"]

    def healthy() -> dict[str, Any] | None:
        (shown,) = machine.ask("ecs", "describe-tasks", "--cluster=all", "--tasks", task["taskArn"])["tasks"]
        assert shown["lastStatus"] != "STOPPED", said(machine, task)
        return shown if shown["healthStatus"] == "HEALTHY" else None

    shown = wait_for(healthy, "the task to be healthy")
    by_name = {container["name"]: container for container in shown["containers"]}
    assert (by_name["prepare"]["lastStatus"], by_name["prepare"]["exitCode"]) == ("STOPPED", 0)
    assert by_name["sidecar"]["lastStatus"] == "RUNNING"

    assert json.loads(said(machine, task)[0]) == EXPECTED
    machine.ask("ecs", "stop-task", "--cluster=all", "--task", task["taskArn"])
    done = machine.aws("ecs", "wait", "tasks-stopped", "--cluster=all", "--tasks", task["taskArn"])
    assert done.code == 0, done.output
