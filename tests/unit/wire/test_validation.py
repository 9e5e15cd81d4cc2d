"""The texts that AWS gives for requests that its models do not allow."""

from __future__ import annotations

from typing import Any

import pytest

from neargate import wire
from neargate.model.errors import AwsError
from neargate.wire import Target, model_files
from neargate.wire.known_services import SERVICES
from neargate.wire.patterns import matcher

DETECTED = "1 validation error detected: "


def refusal(service: str, operation: str, request: dict[str, Any]) -> AwsError:
    with pytest.raises(AwsError) as raised:
        wire.validate(Target(service, operation, ""), request)
    return raised.value


def allowed(service: str, operation: str, request: dict[str, Any]) -> None:
    wire.validate(Target(service, operation, ""), request)


def test_a_pattern() -> None:
    error = refusal("cloudformation", "CreateStack", {"StackName": "1x"})
    assert error.code == "ValidationError"
    assert error.message == (
        DETECTED + "Value '1x' at 'stackName' failed to satisfy constraint: Member must satisfy regular "
        "expression pattern: [a-zA-Z][-a-zA-Z0-9]*|arn:[-a-zA-Z0-9:/._+]*"
    )
    error = refusal(
        "sts", "AssumeRole", {"RoleArn": "arn:aws:iam::123456789012:role/r", "RoleSessionName": "Session1:2"}
    )
    assert (error.code, error.message) == (
        "ValidationError",
        DETECTED
        + "Value 'Session1:2' at 'roleSessionName' failed to satisfy constraint: Member must satisfy "
        "regular expression pattern: [\\w+=,.@-]*",
    )


def test_a_template_that_is_too_long() -> None:
    error = refusal("cloudformation", "CreateStack", {"StackName": "s", "TemplateBody": "x" * 51201})
    assert error.message.endswith(
        "xx' at 'templateBody' failed to satisfy constraint: Member must have length less than or equal to 51200"
    )
    allowed("cloudformation", "CreateStack", {"StackName": "s", "TemplateBody": "x" * 51200})


def test_a_number_that_is_too_large() -> None:
    request = {"logGroupName": "g", "logStreamName": "s", "limit": 10001}
    error = refusal("logs", "GetLogEvents", request)
    assert (error.code, error.message) == (
        "InvalidParameterException",
        DETECTED + "Value '10001' at 'limit' failed to satisfy constraint: "
        "Member must have value less than or equal to 10000",
    )
    error = refusal("logs", "GetLogEvents", request | {"limit": 0})
    assert error.message.endswith("Member must have value greater than or equal to 1")


def test_a_required_member_that_is_not_there() -> None:
    error = refusal("iam", "GetRole", {})
    assert error.message == (
        DETECTED + "Value null at 'roleName' failed to satisfy constraint: Member must not be null"
    )


def test_several_at_once_are_counted() -> None:
    error = refusal("codebuild", "CreateProject", {"name": "x"})
    assert error.code == "InvalidInputException"
    assert error.message.startswith("6 validation errors detected: Value 'x' at 'name' failed to satisfy")
    assert error.message.count("; Value null at ") == 4


def test_the_path_into_lists_and_structures() -> None:
    stage = {"name": "Source", "actions": [{"name": "a b", "actionTypeId": {"category": "Nothing"}}]}
    error = refusal(
        "codepipeline",
        "CreatePipeline",
        {"pipeline": {"name": "p", "roleArn": "arn:aws:iam::123456789012:role/r", "stages": [stage]}},
    )
    assert error.code == "ValidationException"
    assert (
        "Value 'a b' at 'pipeline.stages.1.member.actions.1.member.name' failed to satisfy constraint: Member "
        "must satisfy regular expression pattern: [A-Za-z0-9.@\\-_]+"
    ) in error.message
    assert (
        "Value 'Nothing' at 'pipeline.stages.1.member.actions.1.member.actionTypeId.category' failed to satisfy "
        "constraint: Member must satisfy enum value set: [Source, Build, Deploy, Test, Invoke, Approval, Compute]"
    ) in error.message


def test_scalars_in_a_list_are_reported_at_the_list() -> None:
    error = refusal("cloudformation", "CreateStack", {"StackName": "s", "Capabilities": ["CAPABILITY_X"]})
    assert error.message == (
        DETECTED
        + "Value '[CAPABILITY_X]' at 'capabilities' failed to satisfy constraint: Member must satisfy "
        "constraint: [Member must satisfy enum value set: [CAPABILITY_IAM, CAPABILITY_NAMED_IAM, "
        "CAPABILITY_AUTO_EXPAND]]"
    )


def test_a_map_reports_its_values() -> None:
    action = {
        "name": "a",
        "actionTypeId": {"category": "Build", "owner": "AWS", "provider": "p", "version": "1"},
        "configuration": {"Key": ""},
    }
    pipeline = {
        "name": "p",
        "roleArn": "arn:aws:iam::123456789012:role/r",
        "stages": [{"name": "s", "actions": [action]}],
    }
    error = refusal("codepipeline", "CreatePipeline", {"pipeline": pipeline})
    assert error.message == (
        DETECTED
        + "Value '{Key=}' at 'pipeline.stages.1.member.actions.1.member.configuration' failed to satisfy "
        "constraint: Map value must satisfy constraint: [Member must have length less than or equal to 50000, "
        "Member must have length greater than or equal to 1]"
    )


def test_secrets_are_not_shown() -> None:
    error = refusal("secretsmanager", "CreateSecret", {"Name": "n", "SecretString": "s" * 65537})
    assert error.message == (
        DETECTED + "Value at 'secretString' failed to satisfy constraint: "
        "Member must have length less than or equal to 65536"
    )


def test_a_null_in_a_list() -> None:
    error = refusal("ecs", "RegisterTaskDefinition", {"family": "f", "containerDefinitions": [None]})
    assert (error.code, error.message) == (
        "ClientException",
        DETECTED + "Value null at 'containerDefinitions.1.member' failed to satisfy constraint: "
        "Member must not be null",
    )


def test_ecs_reports_in_its_own_code() -> None:
    request = {"serviceName": "s", "launchType": "MOON"}
    error = refusal("ecs", "CreateService", request)
    assert error.code == "InvalidParameterException"
    assert (
        "Value 'MOON' at 'launchType' failed to satisfy constraint: Member must satisfy enum value set: ["
        in (error.message)
    )


def test_ecr_has_words_of_its_own() -> None:
    error = refusal("ecr", "CreateRepository", {"repositoryName": "Bad_Name!"})
    assert (error.code, error.message) == (
        "InvalidParameterException",
        "Invalid parameter at 'repositoryName' failed to satisfy constraint: 'must satisfy regular expression "
        "'[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*)*''",
    )
    request = {"repositoryName": "ok", "lifecyclePolicyText": "{}"}
    assert refusal("ecr", "PutLifecyclePolicy", request).message == (
        "Invalid parameter at 'lifecyclePolicyText' failed to satisfy constraint: "
        "'Member must have length greater than or equal to 100'"
    )
    allowed("ecr", "CreateRepository", {"repositoryName": "team/app_1.x"})


def test_ec2_only_asks_for_what_it_needs() -> None:
    error = refusal("ec2", "CreateSubnet", {"CidrBlock": "10.0.0.0/24"})
    assert (error.code, error.message) == (
        "MissingParameter",
        "The request must contain the parameter VpcId",
    )
    allowed("ec2", "CreateSubnet", {"VpcId": "vpc-1"})


def test_s3_only_asks_for_what_it_needs() -> None:
    allowed("s3", "CreateBucket", {"Bucket": "x", "ACL": "nonsense"})
    assert refusal("s3", "PutBucketPolicy", {"Bucket": "x"}).code == "MissingRequestBodyError"


def test_unknown_lengths_and_documents_pass() -> None:
    allowed("lambda", "Invoke", {"FunctionName": "f", "Payload": object()})
    allowed("codebuild", "ListBuilds", {})
    allowed("ec2", "DescribeVpcs", {})


@pytest.mark.parametrize("service", SERVICES)
def test_every_pattern_of_the_models_is_understood(service: str) -> None:
    shapes = model_files.read(service, SERVICES[service].version)["shapes"]
    patterns = [shapes[name]["pattern"] for name in shapes if "pattern" in shapes[name]]
    assert [pattern for pattern in patterns if matcher(pattern) is None] == []


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        ("^([\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*)$", "Größe 七_1", "a;b"),
        ("\\p{ASCII}*", "abc", "é"),
        ("\\p{Print}+", "a b", "\n"),
        ("[\\w-_]*", "a-_", "a b"),
        ("^[\\w-\\/.@+=,]{1,17}$", "a-/b", "a b"),
        (
            "[\\u0020-\\uD7FF\\uE000-\\uFFFD\\uD800\\uDC00-\\uDBFF\\uDFFF\\r\\n\\t]*",
            "a\t𝒳",
            "\x01",
        ),
        ("\\w+", "abc", "é"),
    ],
)
def test_javas_patterns_mean_what_they_mean_to_java(pattern: str, good: str, bad: str) -> None:
    expression = matcher(pattern)
    assert expression is not None
    assert expression.fullmatch(good)
    assert not expression.fullmatch(bad)
