"""What a template and its parameters name in Parameter Store: fetched, or refused before anything is created."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from neargate.model.errors import AwsError
from tests.unit.services.cloud import Cloud, cloud


@pytest.fixture
def aws() -> Iterator[Cloud]:
    with cloud() as made:
        for name, kind, value in (
            ("/str", "String", "hello"),
            ("/list", "StringList", "a,b, c ,d"),
            ("/secure", "SecureString", "hidden"),
        ):
            made.call("ssm", "PutParameter", Name=name, Type=kind, Value=value)
        yield made


def template(value: Any, kind: str = "String", **parameter: str) -> str:
    group = {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": value}}
    return json.dumps({"Parameters": {"P": {"Type": kind, **parameter}}, "Resources": {"R": group}})


def create(aws: Cloud, body: str, given: str = "x") -> list[dict[str, Any]]:
    """The parameters as DescribeStacks shows them after an accepted create."""
    parameters = [{"ParameterKey": "P", "ParameterValue": given}]
    aws.call("cloudformation", "CreateStack", StackName="s", TemplateBody=body, Parameters=parameters)
    shown: list[dict[str, Any]] = aws.call("cloudformation", "DescribeStacks")["Stacks"][0]["Parameters"]
    return shown


def typed(kind: str, **parameter: str) -> str:
    return template({"Ref": "P"}, f"AWS::SSM::Parameter::Value<{kind}>", **parameter)


def test_an_ssm_parameter_is_shown_with_its_value(aws: Cloud) -> None:
    (shown,) = create(aws, typed("String"), "/str")
    assert shown == {"ParameterKey": "P", "ParameterValue": "/str", "ResolvedValue": "hello"}


def test_a_version_can_be_named(aws: Cloud) -> None:
    aws.call("ssm", "PutParameter", Name="/str", Value="newer", Overwrite=True)
    assert create(aws, typed("String"), "/str:1")[0]["ResolvedValue"] == "hello"


@pytest.mark.parametrize("kind", ["List<String>", "CommaDelimitedList"])
def test_a_lists_members_are_trimmed(aws: Cloud, kind: str) -> None:
    body = template({"Fn::Join": ["", {"Ref": "P"}]}, f"AWS::SSM::Parameter::Value<{kind}>")
    assert create(aws, body, "/list")[0]["ResolvedValue"] == "a,b,c,d"


def test_a_masked_parameter_is_masked_twice(aws: Cloud) -> None:
    (shown,) = create(aws, typed("String", NoEcho="true"), "/str")
    assert (shown["ParameterValue"], shown["ResolvedValue"]) == ("****", "****")


INCOMPATIBLE = "Types for SSM parameters [{}] defined in CFN template and SSM are incompatible"


@pytest.mark.parametrize(
    ("body", "given", "said"),
    [
        (typed("String"), "/no", "Unable to fetch parameters [/no] from parameter store for this account."),
        (
            typed("String"),
            "/str:9",
            "Unable to fetch parameters [/str:9] from parameter store for this account.",
        ),
        (
            typed("String"),
            "/secure",
            "Parameters [/secure] referenced by template have types not supported by CloudFormation.",
        ),
        (typed("String"), "/list", INCOMPATIBLE.format("/list")),
        (typed("List<String>"), "/str", INCOMPATIBLE.format("/str")),
        (typed("String", AllowedPattern="hello"), "/str", "Parameter 'P' must match pattern hello"),
        (template("{{resolve:ssm:/no}}"), "", "Parameters: [ssm:/no] cannot be found."),
        (template("{{resolve:ssm:/str:9}}"), "", "Parameters: [ssm:/str:9] cannot be found."),
        (
            template("{{resolve:ssm:/secure}}"),
            "",
            "Non-secure ssm prefix was used for secure parameter /secure",
        ),
        (
            template({"Fn::Sub": "{{resolve:ssm:${P}:prod}}"}),
            "/str",
            "Incorrect format is used in the following SSM reference: [{{resolve:ssm:/str:prod}}]",
        ),
        (
            template("{{resolve:ssm-secure:/secure:1}}"),
            "",
            "SSM Secure reference is not supported in: [AWS::SSM::Parameter/Properties/Value]",
        ),
        (
            template("x", Default="{{resolve:ssm:/str}}"),
            "",
            "Template error: parameter P should not contain ssm versionless resolver",
        ),
    ],
)
def test_what_cannot_be_looked_up_is_refused(aws: Cloud, body: str, given: str, said: str) -> None:
    with pytest.raises(AwsError) as caught:
        create(aws, body, given)
    assert caught.value.message == said
    assert aws.call("cloudformation", "DescribeStacks")["Stacks"] == []


def test_a_change_set_says_it_otherwise(aws: Cloud) -> None:
    parameters = [{"ParameterKey": "P", "ParameterValue": "/no"}]
    request = {"StackName": "s", "ChangeSetName": "c", "ChangeSetType": "CREATE", "Parameters": parameters}
    said = "Parameter P should either have input value or default value"
    with pytest.raises(AwsError, match=said):
        aws.call("cloudformation", "CreateChangeSet", TemplateBody=typed("String"), **request)


def test_a_comment_is_no_reference(aws: Cloud) -> None:
    body = "# {{resolve:ssm:/x}} would not do here\nResources: {L: {Type: 'AWS::Logs::LogGroup'}}"
    assert aws.call("cloudformation", "CreateStack", StackName="s", TemplateBody=body)["StackId"]
