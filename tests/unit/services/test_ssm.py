from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import attrs
import pytest

from neargate.model.errors import AwsError
from tests.unit.services.cloud import ACCOUNT, REGION, Cloud, cloud

ARN = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/"


@pytest.fixture
def aws() -> Iterator[Cloud]:
    with cloud() as made:
        yield made


def ssm(aws: Cloud, operation: str, **request: Any) -> dict[str, Any]:
    return aws.call("ssm", operation, **request)


def put(aws: Cloud, name: str, value: str, kind: str = "String", **more: Any) -> dict[str, Any]:
    return ssm(aws, "PutParameter", Name=name, Value=value, Type=kind, **more)


def get(aws: Cloud, name: str, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = ssm(aws, "GetParameter", Name=name, **more)["Parameter"]
    return found


def refused(aws: Cloud, operation: str, code: str, message: str, **request: Any) -> None:
    with pytest.raises(AwsError, match=f"^{re.escape(message)}$") as caught:
        ssm(aws, operation, **request)
    assert caught.value.code == code


# -- putting and getting -------------------------------------------------------------------------------------


def test_a_parameter_is_shown_by_name_and_by_arn(aws: Cloud) -> None:
    assert put(aws, "/app/url", "http://x") == {"Version": 1, "Tier": "Standard"}
    shown = {
        "Name": "/app/url",
        "Type": "String",
        "Value": "http://x",
        "Version": 1,
        "LastModifiedDate": aws.clock.now(),
        "ARN": ARN + "app/url",
        "DataType": "text",
    }
    assert get(aws, "/app/url") == shown
    assert get(aws, ARN + "app/url") == shown
    refused(aws, "GetParameter", "ParameterNotFound", "", Name="/app/none")


def test_a_single_name_has_two_spellings(aws: Cloud) -> None:
    put(aws, "url", "x")
    assert get(aws, "/url")["Name"] == "/url"
    assert get(aws, "url")["Name"] == "url"
    assert get(aws, ARN + "url")["Name"] == "url"


def test_it_is_overwritten_only_when_asked(aws: Cloud) -> None:
    put(aws, "x", "1", Tags=[{"Key": "team", "Value": "blue"}])
    exists = "The parameter already exists. To overwrite this value, set the overwrite option in the request to true."
    refused(aws, "PutParameter", "ParameterAlreadyExists", exists, Name="x", Value="2", Type="String")
    assert ssm(aws, "PutParameter", Name="x", Value="2", Overwrite=True)["Version"] == 2
    assert [get(aws, name)["Value"] for name in ("x", "x:1", "x:2")] == ["2", "1", "2"]
    assert get(aws, "x:1")["Selector"] == ":1"
    missing = "Systems Manager could not find version 3 of x. Verify the version and try again."
    refused(aws, "GetParameter", "ParameterVersionNotFound", missing, Name="x:3")
    both = (
        "Invalid request: tags and overwrite can't be used together. To create a parameter with tags, please remove "
        "overwrite flag. To update tags for an existing parameter, please use AddTagsToResource or "
        "RemoveTagsFromResource."
    )
    tags = [{"Key": "a", "Value": "b"}]
    refused(aws, "PutParameter", "ValidationException", both, Name="x", Value="3", Overwrite=True, Tags=tags)


def test_names_follow_the_rules(aws: Cloud) -> None:
    rule = (
        "If formed as a path, it can consist of sub-paths divided by slash symbol; each sub-path can be formed as a "
        "mix of letters, numbers and the following 3 symbols .-_"
    )
    ssm_prefix = f'Parameter name: can\'t be prefixed with "ssm" (case-insensitive). {rule}'
    texts = {
        "a/b": "Parameter name must be a fully qualified name.",
        "/a//b": ssm_prefix,
        "SSM-x": ssm_prefix,
        "a b": ssm_prefix,
        "awsome": 'Parameter name: can\'t be prefixed with "aws" or "ssm" (case-insensitive).',
    }
    for name, text in texts.items():
        refused(aws, "PutParameter", "ValidationException", text, Name=name, Value="v", Type="String")
    for name in ("a/b", "/a//b"):
        refused(aws, "GetParameter", "ValidationException", ssm_prefix, Name=name)
    reserved = "No access to reserved parameter name: /aws/x."
    refused(aws, "PutParameter", "AccessDeniedException", reserved, Name="/aws/x", Value="v", Type="String")
    deep = "/a" * 16
    levels = f"A hierarchy can have a maximum of 15 levels: {deep} has 16."
    refused(
        aws,
        "PutParameter",
        "HierarchyLevelLimitExceededException",
        levels,
        Name=deep,
        Value="v",
        Type="String",
    )


def test_values_follow_the_rules(aws: Cloud) -> None:
    def bad(code: str, text: str, **request: Any) -> None:
        refused(aws, "PutParameter", code, text, **{"Name": "x", "Value": "v", "Type": "String", **request})

    no_type = "A parameter type is required when you create a parameter."
    bad("ValidationException", no_type, Type=None)
    empty = (
        "1 validation error detected: Value '' at 'value' failed to satisfy constraint: Member must have length "
        "greater than or equal to 1."
    )
    bad("ValidationException", empty, Value="")
    mismatch = r"Parameter value, cannot be validated against allowedPattern: \d+"
    bad("ParameterPatternMismatchException", mismatch, AllowedPattern=r"\d+", Value="1a")
    data_type = "The following data type is not supported: TEXT (Data type names are all lowercase.)"
    bad("ValidationException", data_type, DataType="TEXT")
    long = (
        "Standard tier parameters support a maximum parameter value of 4096 characters. To create a larger parameter "
        "value, upgrade the parameter to use the advanced-parameter tier. For more information, see "
        "https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html"
    )
    bad("ValidationException", long, Value="x" * 4097)
    longer = "Advanced tier parameters support a maximum parameter value of 8192 characters."
    bad("ValidationException", longer, Value="x" * 8193, Tier="Advanced")
    key = "KeyId is required for SecureString type parameter only."
    bad("ValidationException", key, KeyId="alias/mine")
    policies = "ssm:PutParameter with Policies is not implemented by Neargate yet (docs/coverage.md#ssm)"
    bad("NotImplemented", policies, Policies='[{"Type": "Expiration"}]')


def test_intelligent_tiering_takes_the_tier_that_the_value_needs(aws: Cloud) -> None:
    assert put(aws, "x", "small", Tier="Intelligent-Tiering")["Tier"] == "Standard"
    grown = put(aws, "x", "x" * 5000, Tier="Intelligent-Tiering", Overwrite=True)
    assert grown == {"Version": 2, "Tier": "Advanced"}
    assert put(aws, "x", "small", Overwrite=True)["Tier"] == "Advanced"
    down = (
        "This parameter uses the advanced-parameter tier. You can't downgrade a parameter from the advanced-parameter "
        "tier to the standard-parameter tier. If necessary, you can delete the advanced parameter and recreate it as "
        "a standard parameter."
    )
    again = {"Name": "x", "Value": "v", "Tier": "Standard", "Overwrite": True}
    refused(aws, "PutParameter", "ValidationException", down, **again)


def test_a_secure_string_is_shown_to_those_who_decrypt(aws: Cloud) -> None:
    put(aws, "/db/password", "hunter2", "SecureString")
    hidden = get(aws, "/db/password")
    assert "hunter2" not in str(hidden)
    assert hidden["Value"] == get(aws, "/db/password")["Value"]
    assert get(aws, "/db/password", WithDecryption=True)["Value"] == "hunter2"
    (described,) = ssm(aws, "DescribeParameters")["Parameters"]
    assert (described["Type"], described["KeyId"]) == ("SecureString", "alias/aws/ssm")
    (past,) = ssm(aws, "GetParameterHistory", Name="/db/password")["Parameters"]
    assert past["Value"] == hidden["Value"]
    mismatch = (
        "Parameter Store doesn't support changing a parameter type in a hierarchy: "
        "/db/password is of type SecureString, not String."
    )
    again = {"Name": "/db/password", "Value": "x", "Type": "String", "Overwrite": True}
    refused(aws, "PutParameter", "HierarchyTypeMismatchException", mismatch, **again)


def test_what_is_missing_of_several_is_listed(aws: Cloud) -> None:
    put(aws, "a", "1")
    put(aws, "b", "2")
    answer = ssm(aws, "GetParameters", Names=["b", "none", "a", "a:9", "b"])
    assert [found["Value"] for found in answer["Parameters"]] == ["2", "1"]
    assert answer["InvalidParameters"] == ["none", "a:9"]


def test_a_secret_of_secrets_manager_is_a_parameter_too(aws: Cloud) -> None:
    request = {"Name": "db", "SecretString": "hunter2", "ClientRequestToken": "1" * 32}
    arn = aws.call("secretsmanager", "CreateSecret", **request)["ARN"]
    name = "/aws/reference/secretsmanager/db"
    shown = get(aws, name, WithDecryption=True)
    assert (shown["Name"], shown["Type"], shown["Value"]) == (name, "SecureString", "hunter2")
    assert json.loads(shown["SourceResult"])["ARN"] == arn
    decrypt = "WithDecryption flag must be True for retrieving a Secret Manager secret."
    refused(aws, "GetParameter", "ValidationException", decrypt, Name=name)
    missing = (
        f"An error occurred (ParameterNotFound) when referencing Secrets Manager: Secret {name}x not found."
    )
    refused(aws, "GetParameter", "ParameterNotFound", missing, Name=name + "x", WithDecryption=True)
    answer = ssm(aws, "GetParameters", Names=[name, name + "x"], WithDecryption=True)
    assert answer["InvalidParameters"] == [name + "x"]


# -- paths, filters and pages --------------------------------------------------------------------------------


def names(answer: dict[str, Any]) -> list[str]:
    return [parameter["Name"] for parameter in answer["Parameters"]]


def test_parameters_are_found_by_path(aws: Cloud) -> None:
    for name in ("/app/a", "/app/deep/b", "/app2/c", "top"):
        put(aws, name, "v")
    assert names(ssm(aws, "GetParametersByPath", Path="/app")) == ["/app/a"]
    assert names(ssm(aws, "GetParametersByPath", Path="/app/", Recursive=True)) == ["/app/a", "/app/deep/b"]
    assert names(ssm(aws, "GetParametersByPath", Path="/")) == ["top"]
    assert len(ssm(aws, "GetParametersByPath", Path="/", Recursive=True)["Parameters"]) == 4
    first = ssm(aws, "GetParametersByPath", Path="/", Recursive=True, MaxResults=3)
    rest = ssm(aws, "GetParametersByPath", Path="/", Recursive=True, NextToken=first["NextToken"])
    assert (len(names(first)), names(rest), "NextToken" in rest) == (3, ["top"], False)
    rules = "The parameter doesn't meet the parameter name requirements."
    with pytest.raises(AwsError, match=rules):
        ssm(aws, "GetParametersByPath", Path="app")
    bad = "The specified token is not valid."
    refused(aws, "GetParametersByPath", "InvalidNextToken", bad, Path="/", NextToken="§")


def test_parameters_are_found_by_filters(aws: Cloud) -> None:
    put(aws, "/app/a", "v", Tags=[{"Key": "team", "Value": "blue"}])
    put(aws, "/app/deep/b", "v", "SecureString")
    put(aws, "/other", "1,2", "StringList")

    def described(key: str, *values: str, **option: str) -> list[str]:
        wanted = [{"Key": key, "Values": list(values), **option}]
        return names(ssm(aws, "DescribeParameters", ParameterFilters=wanted))

    assert described("Path", "/app") == ["/app/a"]
    assert described("Path", "/app", Option="Recursive") == ["/app/a", "/app/deep/b"]
    assert described("Name", "/app/a", "other") == ["/app/a", "/other"]
    assert described("Name", "/app", Option="BeginsWith") == ["/app/a", "/app/deep/b"]
    assert described("Name", "the", Option="Contains") == ["/other"]
    assert described("Type", "SecureString", "StringList") == ["/app/deep/b", "/other"]
    assert described("KeyId", "alias/aws/ssm") == ["/app/deep/b"]
    assert described("tag:team", "blue") == ["/app/a"]
    assert described("tag:team") == ["/app/a"]
    assert described("Tier", "Advanced") == []
    older = [{"Key": "Name", "Values": ["/app"]}]
    assert names(ssm(aws, "DescribeParameters", Filters=older)) == ["/app/a", "/app/deep/b"]


def test_filters_are_checked(aws: Cloud) -> None:
    def bad(code: str, text: str, *wanted: dict[str, Any], operation: str = "DescribeParameters") -> None:
        more = {} if operation == "DescribeParameters" else {"Path": "/"}
        refused(aws, operation, code, text, ParameterFilters=list(wanted), **more)

    label = "The following filter key is not valid: Label. Valid filter keys include: [Path, Name, Type, KeyId, Tier]."
    bad("InvalidFilterKey", label, {"Key": "Label", "Values": ["x"]})
    name = "The following filter key is not valid: Name. Valid filter keys include: [Type, KeyId]."
    bad("InvalidFilterKey", name, {"Key": "Name", "Values": ["x"]}, operation="GetParametersByPath")
    missing = "The following filter values are missing : null for filter key Name."
    bad("InvalidFilterValue", missing, {"Key": "Name"})
    option = "The following filter option is not valid: Equals. Valid options include: [Recursive, OneLevel]."
    bad("InvalidFilterOption", option, {"Key": "Path", "Values": ["/"], "Option": "Equals"})
    kind = "The following filter value is not valid: Text. Valid values include: [String, StringList, SecureString]."
    bad("InvalidFilterOption", kind, {"Key": "Type", "Values": ["Text"]})
    twice = (
        "The following filter is duplicated in the request: Name. "
        "A request can contain only one occurrence of a specific filter."
    )
    one = {"Key": "Name", "Values": ["x"]}
    bad("ValidationException", twice, one, one)
    shared = (
        'Filters for common parameters can\'t be prefixed with "aws" or "ssm" (case-insensitive). '
        "When using global parameters, please specify within a global namespace."
    )
    bad("ValidationException", shared, {"Key": "Path", "Values": ["/aws"]})


# -- public parameters ---------------------------------------------------------------------------------------

LATEST = "/aws/service/ami-amazon-linux-latest"


@pytest.mark.skipif(
    find_spec("moto") is None, reason="the public parameters come with the extra neargate[moto]"
)
def test_aws_publishes_parameters(aws: Cloud) -> None:
    name = f"{LATEST}/al2023-ami-kernel-6.1-x86_64"
    shown = get(aws, name)
    assert re.fullmatch("ami-[0-9a-f]{17}", shown["Value"])
    assert shown["ARN"] == f"arn:aws:ssm:{REGION}::parameter{name}"
    assert get(aws, shown["ARN"]) == shown
    pinned = get(aws, f"{name}:{shown['Version']}")
    assert (pinned["Value"], pinned["Selector"]) == (shown["Value"], f":{shown['Version']}")
    other = f"Systems Manager could not find version 0 of {name}. Verify the version and try again."
    refused(aws, "GetParameter", "ParameterVersionNotFound", other, Name=f"{name}:0")
    first = ssm(aws, "GetParametersByPath", Path=LATEST, MaxResults=3)
    assert len(names(first)) == 3
    rest = ssm(aws, "GetParametersByPath", Path=LATEST, NextToken=first["NextToken"])
    assert not set(names(first)) & set(names(rest))
    regions = "/aws/service/global-infrastructure/regions"
    assert get(aws, f"{regions}/eu-west-1/longName")["Value"] == "Europe (Ireland)"
    agent = get(aws, "/aws/service/ecs/optimized-ami/amazon-linux-2/recommended")["Value"]
    assert json.loads(agent)["image_id"].startswith("ami-")
    assert ssm(aws, "DescribeParameters")["Parameters"] == []


def test_what_aws_does_not_publish_is_missing(aws: Cloud) -> None:
    refused(aws, "GetParameter", "ParameterNotFound", "", Name=f"{LATEST}/none")
    refused(aws, "GetParameter", "ParameterNotFound", "", Name="/aws/service/none")
    assert names(ssm(aws, "GetParametersByPath", Path="/aws/service/none", Recursive=True)) == []


# -- history, labels, tags, deleting -------------------------------------------------------------------------


def test_the_history_keeps_a_hundred_versions(aws: Cloud) -> None:
    put(aws, "x", "1", Description="first")
    for number in range(2, 103):
        put(aws, "x", str(number), Overwrite=True)
    first = ssm(aws, "GetParameterHistory", Name="x")
    assert [past["Version"] for past in first["Parameters"]] == list(range(3, 53))
    rest = ssm(aws, "GetParameterHistory", Name="x", NextToken=first["NextToken"])
    assert [past["Version"] for past in rest["Parameters"]] == list(range(53, 103))
    ssm(aws, "LabelParameterVersion", Name="x", ParameterVersion=3, Labels=["keep"])
    full = (
        "You attempted to create a new version of x by calling the PutParameter API with the overwrite flag. "
        "Version 3, the oldest version, can't be deleted because it has a label associated with it. "
        "Move the label to another version of the parameter, and try again."
    )
    again = {"Name": "x", "Value": "v", "Overwrite": True}
    refused(aws, "PutParameter", "ParameterMaxVersionLimitExceeded", full, **again)
    assert get(aws, "x")["Version"] == 102


def test_a_label_is_at_one_version(aws: Cloud) -> None:
    put(aws, "/app/x", "1")
    put(aws, "/app/x", "2", Overwrite=True)
    answer = ssm(aws, "LabelParameterVersion", Name="/app/x", ParameterVersion=1, Labels=["prod", "old"])
    assert answer == {"InvalidLabels": [], "ParameterVersion": 1}
    assert get(aws, "/app/x:prod")["Value"] == "1"
    by_label = [{"Key": "Label", "Values": ["prod"]}]
    (found,) = ssm(aws, "GetParametersByPath", Path="/app", ParameterFilters=by_label)["Parameters"]
    assert (found["Value"], found["Selector"]) == ("1", ":prod")
    ssm(aws, "LabelParameterVersion", Name="/app/x", Labels=["prod"])
    assert get(aws, "/app/x:prod")["Value"] == "2"
    history = ssm(aws, "GetParameterHistory", Name="/app/x")["Parameters"]
    assert [past["Labels"] for past in history] == [["old"], ["prod"]]
    wrong = ssm(aws, "LabelParameterVersion", Name="/app/x", Labels=["1st", "AWSx", "fine"])
    assert wrong["InvalidLabels"] == ["1st", "AWSx"]
    gone = ssm(aws, "UnlabelParameterVersion", Name="/app/x", ParameterVersion=2, Labels=["prod", "old"])
    assert gone == {"RemovedLabels": ["prod"], "InvalidLabels": ["old"]}
    many = "A parameter version can have maximum 10 labels. Move one or more labels to another version and try again."
    more = {"Name": "/app/x", "ParameterVersion": 1, "Labels": [f"l{n}" for n in range(10)]}
    refused(aws, "LabelParameterVersion", "ParameterVersionLabelLimitExceeded", many, **more)
    missing = "Systems Manager could not find version 7 of /app/x. Verify the version and try again."
    more = {"Name": "/app/x", "ParameterVersion": 7, "Labels": ["l"]}
    refused(aws, "LabelParameterVersion", "ParameterVersionNotFound", missing, **more)


def test_tags_are_of_the_parameter_not_of_a_version(aws: Cloud) -> None:
    put(aws, "/app/x", "1", Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "1"}])
    resource = {"ResourceType": "Parameter", "ResourceId": "/app/x"}
    ssm(aws, "AddTagsToResource", Tags=[{"Key": "b", "Value": "2"}], **resource)
    ssm(aws, "RemoveTagsFromResource", TagKeys=["a"], **resource)
    put(aws, "/app/x", "2", Overwrite=True)
    assert ssm(aws, "ListTagsForResource", **resource)["TagList"] == [{"Key": "b", "Value": "2"}]
    unknown = "The resource ID is not valid. Verify that you entered the correct ID and try again."
    resource["ResourceId"] = "none"
    refused(aws, "ListTagsForResource", "InvalidResourceId", unknown, **resource)


def test_deleting_takes_everything_along(aws: Cloud) -> None:
    put(aws, "/a", "1")
    put(aws, "/a", "2", Overwrite=True)
    put(aws, "/b", "1")
    answer = ssm(aws, "DeleteParameters", Names=["/b", "/none"])
    assert answer == {"DeletedParameters": ["/b"], "InvalidParameters": ["/none"]}
    ssm(aws, "DeleteParameter", Name="/a")
    refused(aws, "DeleteParameter", "ParameterNotFound", "", Name="/a")
    put(aws, "/a", "new")
    assert [past["Value"] for past in ssm(aws, "GetParameterHistory", Name="/a")["Parameters"]] == ["new"]


def test_accounts_and_regions_have_their_own(aws: Cloud) -> None:
    put(aws, "x", "1")
    aws.caller = attrs.evolve(aws.caller, region="eu-west-1")
    refused(aws, "GetParameter", "ParameterNotFound", "", Name="x")
    assert get(aws, ARN + "x")["Value"] == "1"
