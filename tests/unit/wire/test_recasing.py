"""CloudFormation properties become API input."""

from __future__ import annotations

from typing import Any

import pytest

from neargate import wire
from neargate.wire import UnknownMember, WrongType, recase


def ecs(operation: str, properties: dict[str, Any]) -> dict[str, Any]:
    return recase(properties, wire.input_shape("ecs", operation))


def test_a_task_definition() -> None:
    assert ecs(
        "RegisterTaskDefinition",
        {
            "Family": "web",
            "Cpu": 256,
            "Memory": 512.0,
            "ContainerDefinitions": [
                {
                    "Name": "app",
                    "Essential": "true",
                    "Cpu": "10",
                    "PortMappings": [{"ContainerPort": "80", "HostPort": 80.0}],
                    "DockerLabels": {"Some.Label": 1, "OTHER": True},
                    "LogConfiguration": {
                        "LogDriver": "awslogs",
                        "Options": {"awslogs-group": "g", "mode": None},
                    },
                    "ReadonlyRootFilesystem": False,
                }
            ],
            "TaskRoleArn": None,
        },
    ) == {
        "family": "web",
        "cpu": "256",
        "memory": "512",
        "containerDefinitions": [
            {
                "name": "app",
                "essential": True,
                "cpu": 10,
                "portMappings": [{"containerPort": 80, "hostPort": 80}],
                "dockerLabels": {"Some.Label": "1", "OTHER": "true"},
                "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "g"}},
                "readonlyRootFilesystem": False,
            }
        ],
    }


def test_acronyms_match_whatever_their_case() -> None:
    properties = {"VPCZoneIdentifier": "subnet-1", "AutoScalingGroupARN": "x"}
    shape = wire.input_shape("autoscaling", "CreateAutoScalingGroup")
    assert recase({"vpczoneidentifier": "subnet-1"}, shape) == {"VPCZoneIdentifier": "subnet-1"}
    with pytest.raises(UnknownMember) as raised:
        recase(properties, shape)
    assert raised.value.path == "AutoScalingGroupARN"


def test_an_unknown_property_is_named_with_its_path() -> None:
    with pytest.raises(UnknownMember) as raised:
        ecs("RegisterTaskDefinition", {"ContainerDefinitions": [{"Name": "a"}, {"Imaage": "x"}]})
    assert raised.value.path == "ContainerDefinitions.1.Imaage"
    with pytest.raises(UnknownMember):
        recase({"Anything": 1}, None)
    assert recase({}, None) == {}


@pytest.mark.parametrize(
    ("properties", "path", "wanted"),
    [
        ({"DesiredCount": "abc"}, "DesiredCount", "Integer"),
        ({"DesiredCount": True}, "DesiredCount", "Integer"),
        ({"DesiredCount": 1.5}, "DesiredCount", "Integer"),
        ({"DesiredCount": [1]}, "DesiredCount", "Integer"),
        ({"EnableExecuteCommand": "maybe"}, "EnableExecuteCommand", "Boolean"),
        ({"LoadBalancers": {}}, "LoadBalancers", "List"),
        ({"NetworkConfiguration": "x"}, "NetworkConfiguration", "Object"),
        ({"LoadBalancers": [{"ContainerPort": ""}]}, "LoadBalancers.0.ContainerPort", "Integer"),
    ],
)
def test_a_value_of_the_wrong_type_is_named_with_its_path(
    properties: dict[str, Any], path: str, wanted: str
) -> None:
    with pytest.raises(WrongType) as raised:
        ecs("CreateService", properties)
    assert (raised.value.path, raised.value.wanted) == (path, wanted)


def test_scalars_of_every_kind() -> None:
    shape = wire.input_shape("cloudwatch", "PutMetricAlarm")
    assert recase({"Threshold": "1.5", "Period": "60", "ActionsEnabled": "false"}, shape) == {
        "Threshold": 1.5,
        "Period": 60,
        "ActionsEnabled": False,
    }
    schedule = wire.input_shape("scheduler", "CreateSchedule")
    assert recase({"StartDate": "2026-01-01T00:00:00Z"}, schedule) == {"StartDate": 1767225600.0}
    kms = wire.input_shape("kms", "Encrypt")
    assert recase({"Plaintext": "aGk="}, kms) == {"Plaintext": b"hi"}
    assert recase({"Plaintext": "not base64!"}, kms) == {"Plaintext": b"not base64!"}
    role = wire.input_shape("iam", "CreateRole")
    assert recase({"AssumeRolePolicyDocument": {"Version": "2012-10-17"}}, role) == {
        "AssumeRolePolicyDocument": '{"Version":"2012-10-17"}'
    }
