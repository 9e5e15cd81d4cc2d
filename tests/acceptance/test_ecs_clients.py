"""Services and tasks by the clients that people use for them: `aws ecs`, then ecs-deploy. Tests run in order."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.acceptance.machine import ECS_DEPLOY, Done, Machine, address_of, get

pytestmark = [pytest.mark.engine, pytest.mark.clients]

PORT = 3000
SERVER = f"""
import http.server, os
class Greeting(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        text = os.environ.get("GREETING", "hello").encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
http.server.ThreadingHTTPServer(("", {PORT}), Greeting).serve_forever()
"""
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


def definition(role: str) -> dict[str, Any]:
    return {
        "family": "greeter",
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": "256",
        "memory": "512",
        "executionRoleArn": role,
        "containerDefinitions": [
            {
                "name": "web",
                "image": "python:3.12-slim",
                "command": ["python3", "-c", SERVER],
                "portMappings": [{"containerPort": PORT}],
                "stopTimeout": 2,
                "logConfiguration": {
                    "logDriver": "awslogs",
                    "options": {
                        "awslogs-group": "/greeter",
                        "awslogs-region": "us-east-1",
                        "awslogs-stream-prefix": "ecs",
                    },
                },
            }
        ],
    }


@pytest.fixture(scope="module")
def network(machine: Machine) -> str:
    (vpc,) = machine.ask("ec2", "describe-vpcs")["Vpcs"]
    subnets = [subnet["SubnetId"] for subnet in machine.ask("ec2", "describe-subnets")["Subnets"]]
    groups = machine.ask("ec2", "describe-security-groups")["SecurityGroups"]
    group = next(g["GroupId"] for g in groups if g["VpcId"] == vpc["VpcId"])
    inner = {"subnets": subnets[:2], "securityGroups": [group], "assignPublicIp": "ENABLED"}
    return json.dumps({"awsvpcConfiguration": inner})


def service(machine: Machine) -> dict[str, Any]:
    (found,) = machine.ask("ecs", "describe-services", "--cluster", "shop", "--services", "greeter")[
        "services"
    ]
    answer: dict[str, Any] = found
    return answer


def greetings(machine: Machine) -> list[str]:
    """What the running tasks of the service say."""
    arns = machine.ask("ecs", "list-tasks", "--cluster", "shop", "--service-name", "greeter")["taskArns"]
    tasks = machine.ask("ecs", "describe-tasks", "--cluster", "shop", "--tasks", *arns)["tasks"]
    return [get(address_of(task)) for task in tasks]


def ecs(machine: Machine, *arguments: str) -> Done:
    return machine.client(ECS_DEPLOY, *arguments)


# -- aws ecs -------------------------------------------------------------------------------------------------


def test_what_a_service_needs(machine: Machine) -> None:
    machine.ask("ecs", "create-cluster", "--cluster-name", "shop")
    machine.ask("logs", "create-log-group", "--log-group-name", "/greeter")
    role = machine.ask(
        "iam", "create-role", "--role-name", "execution", "--assume-role-policy-document", json.dumps(TRUST)
    )["Role"]["Arn"]
    machine.ask(
        "iam",
        "attach-role-policy",
        "--role-name=execution",
        "--policy-arn=arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy",
    )
    made = machine.ask("ecs", "register-task-definition", "--cli-input-json", json.dumps(definition(role)))[
        "taskDefinition"
    ]
    assert (made["revision"], made["status"]) == (1, "ACTIVE")


def test_a_service_becomes_stable(machine: Machine, network: str) -> None:
    made = machine.ask(
        "ecs",
        "create-service",
        "--cluster=shop",
        "--service-name=greeter",
        "--task-definition=greeter",
        "--desired-count=2",
        "--launch-type=FARGATE",
        "--network-configuration",
        network,
    )["service"]
    assert (made["status"], made["desiredCount"]) == ("ACTIVE", 2)
    done = machine.aws("ecs", "wait", "services-stable", "--cluster", "shop", "--services", "greeter")
    assert done.code == 0, done.output
    found = service(machine)
    assert (found["runningCount"], found["deployments"][0]["rolloutState"]) == (2, "COMPLETED")
    assert "has reached a steady state." in found["events"][0]["message"]
    assert greetings(machine) == ["hello", "hello"]


def test_a_forced_deployment_replaces_the_tasks(machine: Machine) -> None:
    before = set(machine.ask("ecs", "list-tasks", "--cluster", "shop")["taskArns"])
    machine.ask(
        "ecs", "update-service", "--cluster", "shop", "--service", "greeter", "--force-new-deployment"
    )
    done = machine.aws("ecs", "wait", "services-stable", "--cluster", "shop", "--services", "greeter")
    assert done.code == 0, done.output
    after = set(machine.ask("ecs", "list-tasks", "--cluster", "shop")["taskArns"])
    assert len(after) == 2
    assert not before & after
    told = machine.ask("ecs", "list-service-deployments", "--cluster", "shop", "--service", "greeter")
    newest, first = told["serviceDeployments"]
    assert (newest["status"], first["status"]) == ("SUCCESSFUL", "SUCCESSFUL")
    arn = newest["serviceDeploymentArn"]
    (shown,) = machine.ask("ecs", "describe-service-deployments", "--service-deployment-arns", arn)[
        "serviceDeployments"
    ]
    assert shown["targetServiceRevision"]["runningTaskCount"] == 2
    assert [source["arn"] for source in shown["sourceServiceRevisions"]] == [
        first["targetServiceRevisionArn"]
    ]


def test_a_task_of_its_own_ends_with_its_exit_code(machine: Machine, network: str) -> None:
    override = {"containerOverrides": [{"name": "web", "command": ["sh", "-c", "echo working; exit 3"]}]}
    (task,) = machine.ask(
        "ecs",
        "run-task",
        "--cluster=shop",
        "--task-definition=greeter",
        "--launch-type=FARGATE",
        "--overrides",
        json.dumps(override),
        "--network-configuration",
        network,
    )["tasks"]
    done = machine.aws("ecs", "wait", "tasks-stopped", "--cluster", "shop", "--tasks", task["taskArn"])
    assert done.code == 0, done.output
    (ended,) = machine.ask("ecs", "describe-tasks", "--cluster", "shop", "--tasks", task["taskArn"])["tasks"]
    assert ended["stoppedReason"] == "Essential container in task exited"
    assert ended["containers"][0]["exitCode"] == 3
    stream = f"ecs/web/{task['taskArn'].rpartition('/')[2]}"
    said = machine.ask("logs", "get-log-events", "--log-group-name", "/greeter", "--log-stream-name", stream)
    assert [event["message"] for event in said["events"]] == ["working"]


# -- ecs-deploy ----------------------------------------------------------------------------------------------


def test_ecs_deploy_rolls_a_change_out(machine: Machine) -> None:
    done = ecs(machine, "deploy", "shop", "greeter", "-e", "web", "GREETING", "bonjour", "--timeout", "120")
    assert done.code == 0, done.output
    assert "Deployment successful" in done.output
    assert service(machine)["taskDefinition"].endswith(":task-definition/greeter:2")
    assert greetings(machine) == ["bonjour", "bonjour"]
    listed = machine.ask("ecs", "list-task-definitions", "--family-prefix", "greeter", "--status", "INACTIVE")
    assert [arn.rpartition("/")[2] for arn in listed["taskDefinitionArns"]] == ["greeter:1"]


def test_ecs_deploy_tells_why_a_deployment_fails(machine: Machine) -> None:
    done = ecs(
        machine,
        "deploy",
        "shop",
        "greeter",
        "-i",
        "web",
        "nowhere.invalid/none:1",
        "--timeout",
        "8",
        "--rollback",
    )
    assert done.code != 0
    assert "Deployment failed" in done.output
    assert service(machine)["taskDefinition"].endswith(":task-definition/greeter:2")
    assert greetings(machine) == ["bonjour", "bonjour"]


def test_ecs_deploy_scales(machine: Machine) -> None:
    done = ecs(machine, "scale", "shop", "greeter", "1", "--timeout", "120")
    assert done.code == 0, done.output
    assert "Scaling successful" in done.output
    assert greetings(machine) == ["bonjour"]


def test_ecs_deploy_runs_a_task(machine: Machine, network: str) -> None:
    where = json.loads(network)["awsvpcConfiguration"]
    done = ecs(
        machine,
        "run",
        "shop",
        "greeter:2",
        "-c",
        "web",
        "echo ran",
        "--launchtype",
        "FARGATE",
        "--subnet",
        where["subnets"][0],
        "--securitygroup",
        where["securityGroups"][0],
        "--public-ip",
    )
    assert done.code == 0, done.output
    assert "Successfully started 1 instances" in done.output


def test_nothing_is_left(machine: Machine) -> None:
    machine.ask("ecs", "delete-service", "--cluster", "shop", "--service", "greeter", "--force")
    done = machine.aws("ecs", "wait", "services-inactive", "--cluster", "shop", "--services", "greeter")
    assert done.code == 0, done.output
    for task in machine.ask("ecs", "list-tasks", "--cluster", "shop")["taskArns"]:
        machine.ask("ecs", "stop-task", "--cluster", "shop", "--task", task)
