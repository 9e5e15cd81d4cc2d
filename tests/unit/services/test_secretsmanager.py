from __future__ import annotations

import json
import re
import string
from collections.abc import Iterator
from typing import Any

import pytest

from neargate.model.errors import AwsError
from tests.unit.services.cloud import ACCOUNT, REGION, Cloud, cloud

DAY = 86_400.0
NO_SECRET = "Secrets Manager can't find the specified secret."
MARKED = "You can't perform this operation on the secret because it was marked for deletion."


@pytest.fixture
def aws() -> Iterator[Cloud]:
    with cloud() as made:
        yield made


def token(number: int) -> str:
    return f"{number:032d}"


def secrets(aws: Cloud, operation: str, **request: Any) -> dict[str, Any]:
    return aws.call("secretsmanager", operation, **request)


def create(aws: Cloud, name: str, text: str | None = "v1", number: int = 1, **more: Any) -> dict[str, Any]:
    value = {} if text is None else {"SecretString": text}
    return secrets(aws, "CreateSecret", Name=name, ClientRequestToken=token(number), **value, **more)


def put(aws: Cloud, name: str, text: str, number: int, *stages: str) -> dict[str, Any]:
    request = {"SecretId": name, "SecretString": text, "ClientRequestToken": token(number)}
    return secrets(aws, "PutSecretValue", **request, **({"VersionStages": [*stages]} if stages else {}))


def value(aws: Cloud, name: str, **which: str) -> str:
    text: str = secrets(aws, "GetSecretValue", SecretId=name, **which)["SecretString"]
    return text


def stages(aws: Cloud, name: str) -> dict[int, list[str]]:
    """Which version (by number) carries which stages; deprecated ones carry none."""
    listed = secrets(aws, "ListSecretVersionIds", SecretId=name, IncludeDeprecated=True)["Versions"]
    return {int(version["VersionId"]): version.get("VersionStages", []) for version in listed}


def refused(aws: Cloud, operation: str, code: str, message: str, **request: Any) -> None:
    with pytest.raises(AwsError, match=f"^{re.escape(message)}$") as caught:
        secrets(aws, operation, **request)
    assert caught.value.code == code


# -- making and reading --------------------------------------------------------------------------------------


def test_a_secret_is_found_by_name_arn_and_partial_arn(aws: Cloud) -> None:
    made = create(aws, "db/pass", "hunter2", Description="of the database")
    prefix = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:db/pass"
    assert re.fullmatch(re.escape(prefix) + "-[A-Za-z0-9]{6}", made["ARN"])
    assert made == {"ARN": made["ARN"], "Name": "db/pass", "VersionId": token(1)}
    for name in ("db/pass", made["ARN"], prefix):
        assert value(aws, name) == "hunter2"
    refused(aws, "GetSecretValue", "ResourceNotFoundException", NO_SECRET, SecretId=prefix + "-AAAAAA")
    refused(aws, "GetSecretValue", "ResourceNotFoundException", NO_SECRET, SecretId="db")


def test_a_name_that_ends_like_a_suffix_has_no_partial_arn(aws: Cloud) -> None:
    arn = create(aws, "name-a1b2c3")["ARN"]
    assert value(aws, arn) == "v1"
    refused(aws, "GetSecretValue", "ResourceNotFoundException", NO_SECRET, SecretId=arn[:-7])


def test_a_secret_is_described(aws: Cloud) -> None:
    arn = create(aws, "s", Tags=[{"Key": "a", "Value": "1"}])["ARN"]
    described = {
        "ARN": arn,
        "Name": "s",
        "CreatedDate": aws.clock.now(),
        "LastChangedDate": aws.clock.now(),
        "Tags": [{"Key": "a", "Value": "1"}],
        "VersionIdsToStages": {token(1): ["AWSCURRENT"]},
    }
    assert secrets(aws, "DescribeSecret", SecretId="s") == described
    value(aws, "s")
    today = aws.clock.now() // DAY * DAY
    aws.clock.advance(60.0)
    value(aws, "s")
    assert secrets(aws, "DescribeSecret", SecretId="s") == {**described, "LastAccessedDate": today}
    secrets(aws, "UntagResource", SecretId="s", TagKeys=["a"])
    assert secrets(aws, "DescribeSecret", SecretId="s")["Tags"] == []
    secrets(aws, "TagResource", SecretId="s", Tags=[{"Key": "b", "Value": "2"}])
    assert secrets(aws, "DescribeSecret", SecretId="s")["Tags"] == [{"Key": "b", "Value": "2"}]


def test_bytes_come_back_as_bytes(aws: Cloud) -> None:
    request = {"Name": "b", "ClientRequestToken": token(1)}
    secrets(aws, "CreateSecret", SecretBinary=b"\x00\xff", **request)
    answer = secrets(aws, "GetSecretValue", SecretId="b")
    assert (answer["SecretBinary"], "SecretString" in answer) == (b"\x00\xff", False)


def test_what_is_wrong_with_a_new_secret_is_said(aws: Cloud) -> None:
    no_token = "You must provide a ClientRequestToken value. We recommend a UUID-type value."
    refused(aws, "CreateSecret", "InvalidRequestException", no_token, Name="s")
    name = "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!"
    refused(aws, "CreateSecret", "ValidationException", name, Name="a b", ClientRequestToken=token(1))
    refused(aws, "DescribeSecret", "ValidationException", name, SecretId="a b")
    both = "You can't specify both a binary secret value and a string secret value in the same secret."
    request = {"Name": "s", "ClientRequestToken": token(1), "SecretString": "x", "SecretBinary": b"x"}
    refused(aws, "CreateSecret", "InvalidParameterException", both, **request)
    create(aws, "s")
    assert create(aws, "s")["VersionId"] == token(1)  # the same call again
    exists = "The operation failed because the secret s already exists."
    request = {"Name": "s", "SecretString": "v1", "ClientRequestToken": token(2)}
    refused(aws, "CreateSecret", "ResourceExistsException", exists, **request)


# -- versions and stages -------------------------------------------------------------------------------------


def test_a_new_value_pushes_the_current_one_back(aws: Cloud) -> None:
    create(aws, "s")
    answer = put(aws, "s", "v2", 2)
    assert answer["VersionStages"] == ["AWSCURRENT"]
    assert stages(aws, "s") == {1: ["AWSPREVIOUS"], 2: ["AWSCURRENT"]}
    put(aws, "s", "v3", 3)
    assert stages(aws, "s") == {1: [], 2: ["AWSPREVIOUS"], 3: ["AWSCURRENT"]}
    assert value(aws, "s") == "v3"
    assert value(aws, "s", VersionStage="AWSPREVIOUS") == "v2"
    assert value(aws, "s", VersionId=token(1)) == "v1"
    listed = secrets(aws, "ListSecretVersionIds", SecretId="s")["Versions"]
    assert [version["VersionId"] for version in listed] == [token(2), token(3)]
    assert listed[0]["KmsKeyIds"] == ["DefaultEncryptionKey"]


def test_stages_of_ones_own_leave_the_current_value_alone(aws: Cloud) -> None:
    create(aws, "s")
    assert put(aws, "s", "v2", 2, "two", "one")["VersionStages"] == ["one", "two"]
    put(aws, "s", "v3", 3, "one")
    assert stages(aws, "s") == {1: ["AWSCURRENT"], 2: ["two"], 3: ["one"]}
    assert value(aws, "s", VersionStage="one") == "v3"


def test_a_pending_value_becomes_current(aws: Cloud) -> None:
    create(aws, "s")
    put(aws, "s", "v2", 2, "AWSPENDING")
    move = {"SecretId": "s", "VersionStage": "AWSCURRENT", "MoveToVersionId": token(2)}
    secrets(aws, "UpdateSecretVersionStage", RemoveFromVersionId=token(1), **move)
    assert stages(aws, "s") == {1: ["AWSPREVIOUS"], 2: ["AWSCURRENT", "AWSPENDING"]}
    put(aws, "s", "v3", 3)
    assert stages(aws, "s") == {1: [], 2: ["AWSPREVIOUS"], 3: ["AWSCURRENT"]}
    holder = (
        "The parameter RemoveFromVersionId can't be empty. Staging label AWSCURRENT is currently attached to version "
        f"{token(3)}, so you must explicitly reference that version in RemoveFromVersionId."
    )
    refused(aws, "UpdateSecretVersionStage", "InvalidParameterException", holder, **move)
    del move["MoveToVersionId"]
    only_moved = "You can only move staging label AWSCURRENT to a different secret version. "
    only_moved += "It can't be completely removed."
    move["RemoveFromVersionId"] = token(3)
    refused(aws, "UpdateSecretVersionStage", "InvalidParameterException", only_moved, **move)
    move["VersionStage"], move["RemoveFromVersionId"] = "AWSPREVIOUS", token(2)
    secrets(aws, "UpdateSecretVersionStage", **move)
    assert stages(aws, "s") == {1: [], 2: [], 3: ["AWSCURRENT"]}


def test_an_empty_secret_gets_its_first_value(aws: Cloud) -> None:
    assert "VersionId" not in create(aws, "s", None)
    none = "Secrets Manager can't find the specified secret value for staging label: AWSCURRENT"
    refused(aws, "GetSecretValue", "ResourceNotFoundException", none, SecretId="s")
    assert put(aws, "s", "v1", 1, "mine")["VersionStages"] == ["AWSCURRENT", "mine"]


def test_a_version_that_is_not_there(aws: Cloud) -> None:
    create(aws, "s")
    missing = f"Secrets Manager can't find the specified secret value for VersionId: {token(9)}"
    refused(aws, "GetSecretValue", "ResourceNotFoundException", missing, SecretId="s", VersionId=token(9))
    other = "You provided a VersionStage that is not associated to the provided VersionId."
    which = {"VersionId": token(1), "VersionStage": "AWSPREVIOUS"}
    refused(aws, "GetSecretValue", "InvalidRequestException", other, SecretId="s", **which)


def test_a_token_is_one_value(aws: Cloud) -> None:
    arn = create(aws, "s")["ARN"]
    assert put(aws, "s", "v1", 1)["VersionId"] == token(1)
    used = (
        f"You can't use ClientRequestToken {token(1)} because that value is already in use for a version of "
        f"secret {arn}."
    )
    request = {"SecretId": "s", "SecretString": "other", "ClientRequestToken": token(1)}
    refused(aws, "PutSecretValue", "ResourceExistsException", used, **request)


def test_an_update_without_a_value_makes_no_version(aws: Cloud) -> None:
    create(aws, "s")
    aws.clock.advance(5.0)
    answer = secrets(aws, "UpdateSecret", SecretId="s", Description="new", ClientRequestToken=token(2))
    assert "VersionId" not in answer
    described = secrets(aws, "DescribeSecret", SecretId="s")
    assert (described["Description"], described["LastChangedDate"]) == ("new", aws.clock.now())
    secrets(aws, "UpdateSecret", SecretId="s", SecretString="v2", ClientRequestToken=token(2))
    assert stages(aws, "s") == {1: ["AWSPREVIOUS"], 2: ["AWSCURRENT"]}


def test_a_hundred_deprecated_versions_are_kept(aws: Cloud) -> None:
    create(aws, "s")
    for number in range(2, 105):
        put(aws, "s", f"v{number}", number)
    every = {"SecretId": "s", "IncludeDeprecated": True}
    first = secrets(aws, "ListSecretVersionIds", **every)
    rest = secrets(aws, "ListSecretVersionIds", NextToken=first["NextToken"], **every)
    listed = [int(version["VersionId"]) for version in first["Versions"] + rest["Versions"]]
    assert listed == list(range(3, 105))


# -- deleting ------------------------------------------------------------------------------------------------


def test_a_deleted_secret_can_be_restored_for_a_while(aws: Cloud) -> None:
    create(aws, "s")
    answer = secrets(aws, "DeleteSecret", SecretId="s", RecoveryWindowInDays=7)
    assert answer["DeletionDate"] == aws.clock.now() + 7 * DAY
    refused(aws, "GetSecretValue", "InvalidRequestException", MARKED, SecretId="s")
    scheduled = (
        "You can't create this secret because a secret with this name is already scheduled for deletion."
    )
    request = {"Name": "s", "ClientRequestToken": token(2)}
    refused(aws, "CreateSecret", "InvalidRequestException", scheduled, **request)
    assert secrets(aws, "DescribeSecret", SecretId="s")["DeletedDate"] == answer["DeletionDate"]
    assert secrets(aws, "ListSecrets")["SecretList"] == []
    assert len(secrets(aws, "ListSecrets", IncludePlannedDeletion=True)["SecretList"]) == 1
    secrets(aws, "RestoreSecret", SecretId="s")
    assert value(aws, "s") == "v1"
    secrets(aws, "DeleteSecret", SecretId="s")
    aws.clock.advance(30 * DAY)
    refused(aws, "DescribeSecret", "ResourceNotFoundException", NO_SECRET, SecretId="s")
    create(aws, "s", "again", 5)
    assert stages(aws, "s") == {5: ["AWSCURRENT"]}


def test_a_secret_is_deleted_at_once_by_force(aws: Cloud) -> None:
    create(aws, "s")
    secrets(aws, "DeleteSecret", SecretId="s", ForceDeleteWithoutRecovery=True)
    refused(aws, "DescribeSecret", "ResourceNotFoundException", NO_SECRET, SecretId="s")
    again = secrets(aws, "DeleteSecret", SecretId="s", ForceDeleteWithoutRecovery=True)
    assert (again["Name"], again["DeletionDate"]) == ("s", aws.clock.now())
    both = "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays."
    request = {"SecretId": "s", "ForceDeleteWithoutRecovery": True, "RecoveryWindowInDays": 7}
    refused(aws, "DeleteSecret", "InvalidParameterException", both, **request)
    window = "The RecoveryWindowInDays value must be between 7 and 30 days (inclusive)."
    request = {"SecretId": "s", "RecoveryWindowInDays": 6}
    refused(aws, "DeleteSecret", "InvalidParameterException", window, **request)


# -- lists ---------------------------------------------------------------------------------------------------


def test_secrets_are_listed_by_filters(aws: Cloud) -> None:
    described = {"testing1/one": "a secret", "/testing2/two": "an secret", "testing3/three": "asecret"}
    for number, (name, description) in enumerate({**described, "/testing4/four": "thesecret"}.items()):
        aws.clock.advance(1.0)
        create(aws, name, Description=description, number=number, Tags=[{"Key": f"k{number}", "Value": "v"}])

    def found(*filters: tuple[str, str]) -> list[str]:
        wanted = [{"Key": key, "Values": [text]} for key, text in filters]
        return [each["Name"] for each in secrets(aws, "ListSecrets", Filters=wanted)["SecretList"]]

    one, two, three, four = "testing1/one", "/testing2/two", "testing3/three", "/testing4/four"
    assert found(("name", "/")) == [two, four]
    assert found(("name", "!/")) == [one, three]
    assert found(("name", "testing1 one")) == []
    assert found(("description", "A")) == [one, two, three]
    assert found(("description", "!a")) == [four]
    assert found(("description", "a secret")) == [one, two]
    assert found(("description", "a"), ("name", "an")) == []
    assert found(("tag-key", "k1")) == [two]
    assert found(("all", "k2")) == [three]
    first = secrets(aws, "ListSecrets", SortOrder="desc", MaxResults=3)
    assert [each["Name"] for each in first["SecretList"]] == [four, three, two]
    rest = secrets(aws, "ListSecrets", SortOrder="desc", NextToken=first["NextToken"])
    assert [each["Name"] for each in rest["SecretList"]] == [one]


def test_several_values_are_read_at_once(aws: Cloud) -> None:
    create(aws, "a", "1")
    create(aws, "b", "2")
    answer = secrets(aws, "BatchGetSecretValue", SecretIdList=["b", "none", "a"])
    assert [each["SecretString"] for each in answer["SecretValues"]] == ["2", "1"]
    assert answer["Errors"] == [
        {"SecretId": "none", "ErrorCode": "ResourceNotFoundException", "Message": NO_SECRET}
    ]
    by_name = [{"Key": "name", "Values": ["a"]}]
    (found,) = secrets(aws, "BatchGetSecretValue", Filters=by_name)["SecretValues"]
    assert found["SecretString"] == "1"
    neither = "Either 'SecretIdList' or 'Filters' must be provided, but not both."
    refused(aws, "BatchGetSecretValue", "InvalidParameterException", neither)


# -- passwords, policies, rotation ---------------------------------------------------------------------------


def password(aws: Cloud, **request: Any) -> str:
    text: str = secrets(aws, "GetRandomPassword", **request)["RandomPassword"]
    return text


def test_random_passwords_hold_what_was_asked_for(aws: Cloud) -> None:
    plain = password(aws)
    assert len(plain) == 32
    for letters in (string.ascii_lowercase, string.ascii_uppercase, string.digits, string.punctuation):
        assert set(plain) & set(letters)
    assert set(password(aws, ExcludePunctuation=True, PasswordLength=200)) <= set(
        string.ascii_letters + string.digits
    )
    spaced = password(aws, IncludeSpace=True, PasswordLength=5)
    assert " " in spaced
    only_digits = {"ExcludeLowercase": True, "ExcludeUppercase": True, "ExcludePunctuation": True}
    assert set(password(aws, ExcludeCharacters="01234", **only_digits)) <= set("56789")
    short = "Password length is too short based on the required types."
    refused(aws, "GetRandomPassword", "InvalidParameterException", short, PasswordLength=3)
    assert len(password(aws, PasswordLength=3, RequireEachIncludedType=False)) == 3


def test_a_policy_is_kept_as_given(aws: Cloud) -> None:
    create(aws, "s")
    assert "ResourcePolicy" not in secrets(aws, "GetResourcePolicy", SecretId="s")
    statement = {"Effect": "Allow", "Principal": "*", "Action": "secretsmanager:*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    secrets(aws, "PutResourcePolicy", SecretId="s", ResourcePolicy=policy)
    assert secrets(aws, "GetResourcePolicy", SecretId="s")["ResourcePolicy"] == policy
    public = (
        "The BlockPublicPolicy parameter is set to true, and the resource policy did not prevent broad access to the "
        "secret."
    )
    request = {"SecretId": "s", "ResourcePolicy": policy, "BlockPublicPolicy": True}
    refused(aws, "PutResourcePolicy", "PublicPolicyException", public, **request)
    malformed = "This resource policy contains invalid Json."
    request = {"SecretId": "s", "ResourcePolicy": "{"}
    refused(aws, "PutResourcePolicy", "MalformedPolicyDocumentException", malformed, **request)
    assert not secrets(aws, "ValidateResourcePolicy", ResourcePolicy=policy)["PolicyValidationPassed"]
    secrets(aws, "DeleteResourcePolicy", SecretId="s")
    assert "ResourcePolicy" not in secrets(aws, "GetResourcePolicy", SecretId="s")


def test_rotation_is_refused(aws: Cloud) -> None:
    create(aws, "s")
    none = "No Lambda rotation function ARN is associated with this secret."
    request = {"SecretId": "s", "ClientRequestToken": token(2)}
    refused(aws, "RotateSecret", "InvalidRequestException", none, **request)
    absent = (
        "Secrets Manager cannot invoke the specified Lambda function. Ensure that the function policy grants access "
        "to the principal secretsmanager.amazonaws.com."
    )
    request["RotationLambdaARN"] = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f"
    refused(aws, "RotateSecret", "AccessDeniedException", absent, **request)
    assert stages(aws, "s") == {1: ["AWSCURRENT"]}
