"""What RegisterTaskDefinition refuses on Fargate, in ECS's words, one error at a time."""

from __future__ import annotations

from typing import Any

import pytest

from neargate.model.errors import AwsError
from neargate.planners import task_definition
from neargate.planners.task_definition_fargate import SIZES

ROLE = "arn:aws:iam::000000000000:role/exec"
LOGS = {
    "logDriver": "awslogs",
    "options": {"awslogs-group": "/g", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "p"},
}


def request(*containers: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {
        "family": "web",
        "requiresCompatibilities": ["FARGATE"],
        "networkMode": "awsvpc",
        "cpu": "256",
        "memory": "512",
        "containerDefinitions": list(containers) or [container()],
        **members,
    }


def container(**members: Any) -> dict[str, Any]:
    return {"name": "app", "image": "nginx", **members}


def message(given: dict[str, Any], code: str = "ClientException") -> str:
    with pytest.raises(AwsError) as caught:
        task_definition.checked(given)
    assert caught.value.code == code
    return caught.value.message


def depends(condition: str, on: str = "b") -> list[dict[str, str]]:
    return [{"containerName": on, "condition": condition}]


def logs(**options: str | None) -> dict[str, Any]:
    merged = {**LOGS["options"], **options}  # type: ignore[dict-item]
    return {"logDriver": "awslogs", "options": {k: v for k, v in merged.items() if v is not None}}


REFUSED = [
    (request(networkMode="bridge"), "Fargate only supports network mode 'awsvpc'."),
    (request(networkMode=None), "Fargate only supports network mode 'awsvpc'."),
    (request(cpu=None), "Fargate requires that 'cpu' be defined at the task level."),
    (request(memory=None), "Fargate requires that 'memory' be defined at the task level."),
    (
        request(memory="4096"),
        "No Fargate configuration exists for given values: 256 CPU, 4096 memory. "
        "See the Amazon ECS documentation for the valid values.",
    ),
    (
        request(cpu="many"),
        "Invalid 'cpu' setting for task. For more information, see the Troubleshooting section of the Amazon "
        "ECS Developer Guide.",
    ),
    (request(family="a b"), "Family contains invalid characters."),
    (request(containerDefinitions=[]), "Container list cannot be empty."),
    (request(container(name="")), "Container.name should not be null or empty."),
    (request({"name": "app"}), "Container.image should not be null or empty."),
    (
        request(container(image="000000000000.dkr.ecr.us-east-1.amazonaws.com/web:1")),
        "Fargate requires task definition to have execution role ARN to support ECR images.",
    ),
    (
        request(container(image="000000000000.dkr.ecr.us-east-1.localhost:4566/web:1")),
        "Fargate requires task definition to have execution role ARN to support ECR images.",
    ),
    (
        request(container(logConfiguration=LOGS)),
        "Fargate requires task definition to have execution role ARN to support log driver awslogs.",
    ),
    (
        request(container(secrets=[{"name": "A", "valueFrom": "/a"}])),
        "Fargate requires task definition to have execution role ARN to support SSM Secrets.",
    ),
    (
        request(container(portMappings=[{"containerPort": 80, "hostPort": 8080}])),
        "When networkMode=awsvpc, the host ports and container ports in port mappings must match.",
    ),
    (
        request(container(), memory=None, networkMode="bridge", requiresCompatibilities=[]),
        "Invalid setting for container 'app'. At least one of 'memory' or 'memoryReservation' must be specified.",
    ),
    (
        request(container(memory=100, memoryReservation=200)),
        "Invalid setting for container 'app'. The 'memory' value must be greater than the 'memoryReservation' "
        "value.",
    ),
    (
        request(pidMode="host"),
        "Tasks using the Fargate launch type do not support pidMode 'host'. The supported value for pidMode is "
        "'task'.",
    ),
    (
        request(container(logConfiguration={"logDriver": "awslogs"}), executionRoleArn=ROLE),
        "Log driver awslogs requires options: awslogs-region, awslogs-group",
    ),
    (
        request(container(logConfiguration=logs(log_key="x")), executionRoleArn=ROLE),
        "Log driver awslogs disallows options: log_key",
    ),
    (
        request(container(logConfiguration=logs(**{"awslogs-stream-prefix": None})), executionRoleArn=ROLE),
        "Log driver awslogs requires options: awslogs-stream-prefix",
    ),
    (
        request(container(logConfiguration={"logDriver": "json-file"}), executionRoleArn=ROLE),
        "json-file is not a valid log driver. Must be one of [awslogs,splunk,awsfirelens]",
    ),
    (
        request(container(dependsOn=depends("START"))),
        "Cannot depend on container + 'b' because it does not exist",
    ),
    (
        request(container(dependsOn=depends("SUCCESS")), container(name="b")),
        "A dependency container with SUCCESS or COMPLETE condition cannot be an essential container",
    ),
    (
        request(container(dependsOn=depends("HEALTHY")), container(name="b")),
        "A dependency container with HEALTHY condition must have health check configured",
    ),
    (
        request(
            container(dependsOn=depends("START")), container(name="b", dependsOn=depends("START", "app"))
        ),
        "Container dependencies cannot contain a cycle.",
    ),
    (
        request(container(stopTimeout=121)),
        "Tasks using the Fargate launch type must have a container stop timeout of less than 120 seconds.",
    ),
    (
        request(container(privileged=True)),
        "Fargate compatible task definitions do not support privileged.",
    ),
    (
        request(container(mountPoints=[{"sourceVolume": "v", "containerPath": "/v"}])),
        "Unknown volume 'v'.",
    ),
    (
        request(container(essential=False)),
        "Invalid setting for task definition 'web'. The task definition doesn't have any essential container.",
    ),
    (request(taskRoleArn="arn:aws:s3:::x"), "Role is not valid"),
]


@pytest.mark.parametrize(("given", "text"), REFUSED, ids=[text[:50] for _, text in REFUSED])
def test_refused_in_ecs_words(given: dict[str, Any], text: str) -> None:
    assert message(given) == text


LATER = [
    (request(container(restartPolicy={"enabled": True})), "restartPolicy"),
    (request(container(logConfiguration={"logDriver": "awsfirelens"})), "logDriver awsfirelens"),
    (request(volumes=[{"name": "v", "efsVolumeConfiguration": {"fileSystemId": "fs-1"}}]), "efsVolume"),
    (request(pidMode="task"), "pidMode"),
    (
        request(runtimePlatform={"operatingSystemFamily": "WINDOWS_SERVER_2022_CORE"}),
        "WINDOWS_SERVER_2022_CORE",
    ),
    (
        request(
            container(logConfiguration=logs(**{"awslogs-multiline-pattern": "x"})), executionRoleArn=ROLE
        ),
        "awslogs-multiline-pattern",
    ),
]


@pytest.mark.parametrize(("given", "named"), LATER, ids=[named for _, named in LATER])
def test_what_cannot_run_yet_is_named_and_refused(given: dict[str, Any], named: str) -> None:
    assert named in message(given, "NotImplemented")


def test_every_size_of_the_table_is_accepted_and_normalised() -> None:
    for cpu, memories in SIZES.items():
        for memory in memories:
            answer = task_definition.checked(request(cpu=str(cpu), memory=str(memory)))
            assert (answer["cpu"], answer["memory"]) == (str(cpu), str(memory))


@pytest.mark.parametrize(
    ("cpu", "memory", "expected"),
    [
        (".25 vCPU", "0.5GB", ("256", "512")),
        ("1 vcpu", "2 GB", ("1024", "2048")),
        ("0.5vCPU", "1024", ("512", "1024")),
    ],
)
def test_sizes_with_units_become_integer_text(cpu: str, memory: str, expected: tuple[str, str]) -> None:
    answer = task_definition.checked(request(cpu=cpu, memory=memory))
    assert (answer["cpu"], answer["memory"]) == expected


def test_defaults_are_filled_in_as_ecs_shows_them() -> None:
    given = request(
        container(portMappings=[{"containerPort": 3000}], healthCheck={"command": ["CMD", "true"]})
    )
    answer = task_definition.checked(given)
    assert answer["compatibilities"] == ["EC2", "FARGATE"]
    assert answer["containerDefinitions"] == [
        {
            "name": "app",
            "image": "nginx",
            "cpu": 0,
            "portMappings": [{"containerPort": 3000, "hostPort": 3000, "protocol": "tcp"}],
            "essential": True,
            "environment": [],
            "mountPoints": [],
            "volumesFrom": [],
            "systemControls": [],
            "healthCheck": {"command": ["CMD", "true"], "interval": 30, "timeout": 5, "retries": 3},
        }
    ]


def test_compatibilities_say_where_a_definition_without_requirement_runs() -> None:
    on_fargate = task_definition.checked(request(requiresCompatibilities=[]))
    assert on_fargate["compatibilities"] == ["EC2", "FARGATE"]
    bridge = request(container(memory=128), requiresCompatibilities=["EC2"], networkMode="bridge")
    assert "FARGATE" not in task_definition.checked(bridge)["compatibilities"]


def test_start_order_puts_dependencies_first() -> None:
    containers = [container(dependsOn=depends("START")), container(name="b")]
    assert task_definition.start_order(containers) == ["b", "app"]
