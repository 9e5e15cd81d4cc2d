"""What counts as drift: the comparison, and the template's spelling of what APIs answer."""

from __future__ import annotations

from typing import Any

import pytest

from neargate.model.records import Json
from neargate.resources import registry, states
from neargate.resources.declaration import Desired, Existing
from neargate.resources.drift import compare, spelled


def drifted(type_name: str, expected: Json, state: Json, tags: dict[str, str] | None = None) -> list[Any]:
    """(path, expected, actual, kind) of each difference."""
    want = Desired("R", expected, "r", "stack", "arn", "1", "us-east-1", "token", tags or {})
    found = compare(type_name, Existing("r", want), state).differences
    return [tuple(difference.to_wire().values()) for difference in found]


GROUP = "AWS::Logs::LogGroup"


@pytest.mark.parametrize(
    ("expected", "state"),
    [
        ({}, {"RetentionInDays": 7}),  # not in the template: not compared
        ({"RetentionInDays": "7"}, {"RetentionInDays": 7}),  # text or number
        ({"RetentionInDays": 7}, {}),  # nothing shows it
        (
            {"Tags": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]},
            {"Tags": [{"Key": "b", "Value": "2"}, {"Key": "a", "Value": "1"}]},
        ),
        (
            {"Tags": [{"Key": "a", "Value": "1"}]},
            {"Tags": [{"Key": "a", "Value": "1"}, {"Key": "aws:x", "Value": "2"}]},
        ),
    ],
)
def test_no_drift(expected: Json, state: Json) -> None:
    assert drifted(GROUP, expected, state) == []


def test_one_number_in_two_spellings_is_no_drift() -> None:
    alarm = "AWS::CloudWatch::Alarm"
    assert drifted(alarm, {"Threshold": "3"}, {"Threshold": 3.0}) == []
    assert drifted(alarm, {"Threshold": 3}, {"Threshold": 3.5}) == [("/Threshold", "3", "3.5", "NOT_EQUAL")]


def test_a_tag_of_the_stack_is_none_of_the_resource_s() -> None:
    tags = [{"Key": "a", "Value": "1"}, {"Key": "stage", "Value": "dev"}]
    assert drifted(GROUP, {"Tags": tags[:1]}, {"Tags": tags}, {"stage": "dev"}) == []
    assert drifted(GROUP, {"Tags": tags[:1]}, {"Tags": tags}) == [
        ("/Tags/1", "null", '{"Key":"stage","Value":"dev"}', "ADD")
    ]


def test_items_are_told_by_their_names() -> None:
    expected = {"Tags": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}, {"Key": "c", "Value": "3"}]}
    state = {"Tags": [{"Key": "c", "Value": "4"}, {"Key": "a", "Value": "1"}]}
    assert drifted(GROUP, expected, state) == [
        ("/Tags/2/Value", "3", "4", "NOT_EQUAL"),
        ("/Tags/1", '{"Key":"b","Value":"2"}', "null", "REMOVE"),
    ]


def test_what_a_service_fills_in_is_no_drift_but_a_user_s_own_key_is() -> None:
    bucket = "AWS::S3::Bucket"
    block = {"PublicAccessBlockConfiguration": {"BlockPublicAcls": True}}
    full = {"PublicAccessBlockConfiguration": {"BlockPublicAcls": True, "BlockPublicPolicy": False}}
    assert drifted(bucket, block, full) == []
    role = "AWS::IAM::Role"
    document = {"AssumeRolePolicyDocument": {"Version": "2012-10-17"}}
    more = {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Id": "x"}}
    assert drifted(role, document, more) == [("/AssumeRolePolicyDocument/Id", "null", "x", "ADD")]


def test_a_property_that_is_gone() -> None:
    assert drifted(GROUP, {"RetentionInDays": 7}, {"RetentionInDays": None}) == [
        ("/RetentionInDays", "7", "null", "REMOVE")
    ]
    assert drifted(GROUP, {"Tags": []}, {"Tags": None}) == []


def test_spelling_goes_down_to_what_is_the_user_s_own() -> None:
    answer = {
        "status": "ACTIVE",
        "containerDefinitions": [
            {
                "name": "app",
                "dockerLabels": {"camelCase": "kept"},
                "environment": [{"name": "A", "value": "1"}],
                "unknown": 1,
            }
        ],
    }
    assert spelled("AWS::ECS::TaskDefinition", answer) == {
        "ContainerDefinitions": [
            {
                "Name": "app",
                "DockerLabels": {"camelCase": "kept"},
                "Environment": [{"Name": "A", "Value": "1"}],
            }
        ]
    }
    assert spelled("AWS::Logs::LogGroup", {"retentionInDays": 7, "arn": "x"}, "RetentionInDays") == {
        "RetentionInDays": 7
    }


def test_readers_are_for_types_that_can_be_made() -> None:
    made = {declared.type for declared in registry.supported()}
    assert {name for name in states._STATES if name not in made} == set()
