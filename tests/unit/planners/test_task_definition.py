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


TASK_RULES = [
    (request(ipcMode="task"), "Fargate compatible task definitions do not support ipcMode"),
    (
        request(placementConstraints=[{"type": "memberOf", "expression": "x"}]),
        "Fargate compatible task definitions do not support constraints",
    ),
    (
        request(inferenceAccelerators=[{"deviceName": "d", "deviceType": "eia1"}]),
        "Unsupported field 'inferenceAccelerators'.",
    ),
    (
        request(proxyConfiguration={"containerName": "envoy"}),
        "Proxy container [envoy] does not exist.",
    ),
    (request(ephemeralStorage={"sizeInGiB": 20}), "EphemeralStorage size should be at least 21"),
    (request(ephemeralStorage={"sizeInGiB": 201}), "EphemeralStorage size should be at most 200"),
    (
        request(container(memory=64), requiresCompatibilities=["EC2"], ephemeralStorage={"sizeInGiB": 30}),
        "Tasks using the EC2 launch type do not support EphemeralStorage.",
    ),
    (
        request(
            cpu="512",
            memory="2048",
            runtimePlatform={"operatingSystemFamily": "WINDOWS_SERVER_2022_CORE"},
        ),
        "No Fargate configuration exists for given values: 512 CPU, 2048 memory. "
        "See the Amazon ECS documentation for the valid values.",
    ),
    (request(*[container(name=f"c{number}") for number in range(11)]), "Too many containers."),
    (request(container(), container()), "Container names must be unique within a task definition."),
]

CONTAINER_RULES = [
    (request(container(name="a b")), "Container.name contains invalid characters."),
    (request(container(image="$IMAGE:latest")), "Container.image contains invalid characters."),
    (request(container(image="nginx ")), "Container.image contains invalid characters."),
    (request(container(image="x" * 256)), "Container.image contains invalid characters."),
    (request(container(links=["b"])), "Links are not supported when networkMode=awsvpc."),
    (
        request(container(hostname="h")),
        "hostname is not supported on container when networkMode=awsvpc.",
    ),
    (
        request(container(dnsServers=["1.1.1.1"])),
        "DNS servers are not supported on container when networkMode=awsvpc.",
    ),
    (
        request(container(extraHosts=[{"hostname": "h", "ipAddress": "10.0.0.1"}])),
        "Extra hosts are not supported on container when networkMode=awsvpc.",
    ),
    (
        request(container(disableNetworking=True)),
        "Disable Networking is not supported on container when networkMode=awsvpc.",
    ),
    (
        request(container(dockerSecurityOptions=["no-new-privileges"])),
        "Fargate compatible task definitions do not support dockerSecurityOptions",
    ),
    *(
        (
            request(container(linuxParameters={member: value})),
            f"Fargate compatible task definitions do not support {member}",
        )
        for member, value in {
            "devices": [{"hostPath": "/dev/fuse"}],
            "sharedMemorySize": 64,
            "maxSwap": 0,
            "swappiness": 10,
        }.items()
    ),
    (
        request(container(linuxParameters={"capabilities": {"add": ["SYS_PTRACE", "NET_ADMIN"]}})),
        "NET_ADMIN is not allowed on Fargate.",
    ),
    (
        request(container(linuxParameters={"capabilities": {"drop": ["NONSENSE"]}})),
        "Invalid capability: NONSENSE.",
    ),
    (
        request(container(linuxParameters={"tmpfs": [{"containerPath": "/t", "size": 0}]})),
        "The container has an invalid tmpfs size value specified. It must be a non-zero, non-negative integer.",
    ),
    (
        request(container(linuxParameters={"tmpfs": [{"containerPath": "t", "size": 1}]})),
        "The container has an invalid tmpfs path specified. It must be an absolute path.",
    ),
    (
        request(
            container(
                linuxParameters={"tmpfs": [{"containerPath": "/t", "size": 1, "mountOptions": ["fast"]}]}
            )
        ),
        "The container has an invalid tmpfs mount option specified: fast.",
    ),
    (
        request(container(resourceRequirements=[{"type": "GPU", "value": "1"}])),
        "Tasks using the Fargate launch type do not support GPU resource requirements.",
    ),
    (
        request(container(ulimits=[{"name": "nofile", "softLimit": 2, "hardLimit": 1}])),
        "Soft limit exceeds hard limit for ulimit nofile",
    ),
    (
        request(container(restartPolicy={"enabled": True, "restartAttemptPeriod": 59})),
        "The 'restartAttemptPeriod' setting for container 'app' must be between 60 and 1800.",
    ),
    (
        request(container(restartPolicy={"enabled": True, "restartAttemptPeriod": 1801})),
        "The 'restartAttemptPeriod' setting for container 'app' must be between 60 and 1800.",
    ),
    (
        request(container(restartPolicy={"enabled": True, "ignoredExitCodes": list(range(51))})),
        "The 'ignoredExitCodes' setting for container 'app' can have at most 50 items.",
    ),
    *(
        (
            request(container(healthCheck={"command": ["CMD", "true"], member: high + 1})),
            f"Health check {member} must be less than or equal to the maximum allowed value {high} for "
            "container 'app'",
        )
        for member, high in {"interval": 300, "timeout": 60, "retries": 10, "startPeriod": 300}.items()
    ),
    (
        request(container(healthCheck={"command": ["CMD", "true"], "interval": 4})),
        "Health check interval must be greater than or equal to the minimum allowed value 5 for container 'app'",
    ),
    (
        request(container(healthCheck={"command": ["CMD-SHELL"]})),
        "Health check command must not be empty for container 'app'",
    ),
    (
        request(container(startTimeout=1)),
        "Granular start timeout on container 'app' must be at least 2 seconds.",
    ),
    (
        request(container(systemControls=[{"namespace": "vm.swappiness", "value": "1"}])),
        "Invalid 'systemControls' setting for container 'app'. The namespace 'vm.swappiness' is not supported.",
    ),
    (
        request(container(memory=1024)),
        "The 'memory' setting for container 'app' is greater than for the task.",
    ),
    (
        request(container(cpu=200), container(name="b", cpu=100)),
        "The sum of all container 'cpu' values cannot be greater than the value of the task 'cpu'.",
    ),
    (
        request(container(memory=300), container(name="b", memory=300)),
        "The sum of all container 'memory' values cannot be greater than the value of the task 'memory'.",
    ),
    (
        request(container(repositoryCredentials={"credentialsParameter": "x"})),
        "Private repository authentication requires that the task definition specify a value for "
        "executionRoleArn.",
    ),
    (
        request(container(logConfiguration=logs(**{"awslogs-group": None})), executionRoleArn=ROLE),
        "Log driver awslogs requires options: awslogs-group",
    ),
    (
        request(container(logConfiguration={"logDriver": "awsfirelens"})),
        "When awsfirelens log driver is specified in log configuration, a firelens configuration object must be "
        "configured in one of the containers.",
    ),
    (
        request(
            container(
                firelensConfiguration={"type": "fluentbit", "options": {"config-file-type": "s3"}},
            )
        ),
        "Fargate launch type does not support FirelensConfiguration config file from 's3'",
    ),
    (
        request(
            container(
                environmentFiles=[{"type": "s3", "value": f"arn:aws:s3:::b/{n}.env"} for n in range(11)]
            )
        ),
        "The maximum number of environment files was exceeded. Specify ten or less and try again.",
    ),
    (
        request(container(environmentFiles=[{"type": "s3", "value": "s3://bucket/x.env"}])),
        "Invalid arn syntax.",
    ),
    (
        request(
            container(environment=[{"name": "A", "value": "1"}], secrets=[{"name": "A", "valueFrom": "/a"}]),
            executionRoleArn=ROLE,
        ),
        "The secret name must be unique and not shared with any new or existing environment variables set on the "
        "container, such as 'A'.",
    ),
]

PORT_RULES = [
    (
        request(container(portMappings=[{"containerPort": 80}, {"containerPort": 80}])),
        "TCP container port '80' is used multiple times in task when networkMode=awsvpc.",
    ),
    (
        request(
            container(portMappings=[{"containerPort": 80}]),
            container(name="b", portMappings=[{"containerPortRange": "79-81"}]),
        ),
        "TCP container port '80' is used multiple times in task when networkMode=awsvpc.",
    ),
    (
        request(
            container(portMappings=[{"containerPort": 80, "name": "p"}, {"containerPort": 81, "name": "p"}])
        ),
        "When networkMode=awsvpc, port mapping name is already used",
    ),
    (
        request(container(portMappings=[{"containerPortRange": "90-80"}])),
        "Invalid 'containerPortRange' setting for container 'app'.",
    ),
    (
        request(container(portMappings=[{"containerPortRange": "80-90", "containerPort": 80}])),
        "Invalid port mapping for container 'app', cannot specify both single port and port range.",
    ),
    (request(container(portMappings=[{"protocol": "tcp"}])), "Container port should not be null."),
]


def efs(**members: Any) -> dict[str, Any]:
    """A request with one EFS volume."""
    volume = {"name": "v", "efsVolumeConfiguration": {"fileSystemId": "fs-12345678", **members}}
    return request(volumes=[volume])


VOLUME_RULES = [
    (
        request(volumes=[{"name": "v", "host": {"sourcePath": "/x"}}]),
        "Fargate compatible task definitions do not support sourcePath",
    ),
    *(
        (
            request(volumes=[{"name": "v", member: {"scope": "task"}}]),
            f"Fargate compatible task definitions do not support {member}",
        )
        for member in ("dockerVolumeConfiguration", "fsxWindowsFileServerVolumeConfiguration")
    ),
    (
        request(volumes=[{"name": "v", "configuredAtLaunch": True}]),
        "Volumes [v] are not referenced by any of the containers",
    ),
    (
        request(container(volumesFrom=[{"sourceContainer": "nope"}])),
        "Invalid 'volumesFrom' setting. Unknown container: 'nope'.",
    ),
    (
        efs(transitEncryptionPort=2999),
        "TransitEncryptionPort requires that TransitEncryption is enabled.",
    ),
    (
        efs(authorizationConfig={"iam": "ENABLED"}),
        "EFS IAM authorization requires TransitEncryption to be enabled.",
    ),
    (
        efs(
            transitEncryption="ENABLED",
            rootDirectory="/data",
            authorizationConfig={"accessPointId": "fsap-1"},
        ),
        'When using an EFS access point, the root directory must either be set to "/" or be omitted.',
    ),
    (request(volumes=[{"name": "a b"}]), "Volume.name contains invalid characters."),
]


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
        "When you are specifying container secrets, you must also specify a value for 'executionRoleArn'.",
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
        "Invalid setting for container 'app'. 'memory' must be greater than or equal to 'memoryReservation'.",
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
        "Fargate requires log configuration options to include awslogs-stream-prefix to support log driver awslogs.",
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
        "Fargate requires that the \u2018privileged\u2019 setting be \u2018false\u2019 at the container level.",
    ),
    (
        request(container(mountPoints=[{"sourceVolume": "v", "containerPath": "/v"}])),
        "Unknown volume 'v'.",
    ),
    (
        request(container(essential=False)),
        "Task definition doesn't have any essential container.",
    ),
    (request(taskRoleArn="arn:aws:s3:::x"), "Role is not valid"),
    *TASK_RULES,
    *CONTAINER_RULES,
    *PORT_RULES,
    *VOLUME_RULES,
]


@pytest.mark.parametrize(("given", "text"), REFUSED, ids=[text[:60] for _, text in REFUSED])
def test_refused_in_ecs_words(given: dict[str, Any], text: str) -> None:
    assert message(given) == text


LATER = [
    (request(proxyConfiguration={"containerName": "app"}), "proxyConfiguration"),
    (
        request(
            container(name="r", firelensConfiguration={"type": "fluentbit"}),
            container(logConfiguration={"logDriver": "awsfirelens"}),
        ),
        "firelensConfiguration",
    ),
    (request(container(logConfiguration={"logDriver": "splunk"})), "logDriver splunk"),
    (request(enableFaultInjection=True), "enableFaultInjection"),
    (
        request(
            cpu="1024", memory="2048", runtimePlatform={"operatingSystemFamily": "WINDOWS_SERVER_2022_CORE"}
        ),
        "WINDOWS_SERVER_2022_CORE",
    ),
    (
        request(container(logConfiguration=logs(**{"awslogs-endpoint": "x"})), executionRoleArn=ROLE),
        "awslogs-endpoint",
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
