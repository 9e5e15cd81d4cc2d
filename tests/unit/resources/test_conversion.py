"""Scalars become what the schema says, wherever they stand; what does not fit stays for the schema to refuse."""

from __future__ import annotations

import pytest

from neargate.planners import template as language
from neargate.resources import schemas
from neargate.resources.conversion import converted


@pytest.mark.parametrize(
    ("type_name", "given", "expected"),
    [
        ("AWS::SSM::Parameter", {"Type": "String", "Value": 3}, {"Type": "String", "Value": "3"}),
        ("AWS::SSM::Parameter", {"Value": True}, {"Value": "true"}),
        (
            "AWS::SQS::Queue",
            {"DelaySeconds": "2", "FifoQueue": "true"},
            {"DelaySeconds": 2, "FifoQueue": True},
        ),
        ("AWS::Logs::LogGroup", {"RetentionInDays": "7"}, {"RetentionInDays": 7}),
        ("AWS::Logs::LogGroup", {"RetentionInDays": 7.0}, {"RetentionInDays": 7}),
        ("AWS::Logs::LogGroup", {"Tags": [{"Key": "n", "Value": 1}]}, {"Tags": [{"Key": "n", "Value": "1"}]}),
        (
            "AWS::ECS::TaskDefinition",
            {"Cpu": 256, "ContainerDefinitions": [{"Name": 1, "PortMappings": [{"ContainerPort": "80"}]}]},
            {"Cpu": "256", "ContainerDefinitions": [{"Name": "1", "PortMappings": [{"ContainerPort": 80}]}]},
        ),
        (
            "AWS::ECS::TaskDefinition",
            {"ContainerDefinitions": [{"DockerLabels": {"build": 12}}]},
            {"ContainerDefinitions": [{"DockerLabels": {"build": "12"}}]},
        ),
        ("AWS::CloudWatch::Alarm", {"Threshold": "0.5"}, {"Threshold": 0.5}),
        (
            "AWS::IAM::Role",
            {"AssumeRolePolicyDocument": {"Version": 1}},
            {"AssumeRolePolicyDocument": {"Version": 1}},
        ),
        ("Custom::Thing", {"Size": "1"}, {"Size": "1"}),
    ],
)
def test_scalars_become_what_the_schema_says(type_name, given, expected):
    found = converted(type_name, given)
    assert found == expected
    assert repr(found) == repr(expected)  # 1 == True == 1.0


@pytest.mark.parametrize(
    "properties",
    [
        {"RetentionInDays": "a week"},
        {"RetentionInDays": ["7"]},
        {"RetentionInDays": language.UNKNOWN, "LogGroupName": language.UNKNOWN, "Tags": language.UNKNOWN},
        {"LogGroupName": {"a": "b"}, "Tags": {"Key": "k"}, "Nobody": 1},
    ],
)
def test_what_does_not_fit_is_left_alone(properties):
    assert converted("AWS::Logs::LogGroup", properties) == properties


def test_every_type_s_rules_can_be_followed():
    for name in schemas.names()[::40]:
        assert converted(name, {}) == {}
