"""Who calls, and whom roles let in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import attrs
import pytest

from neargate.model.errors import AwsError
from neargate.model.iam import Session
from neargate.services.sts.issue import issue, sweep
from tests.unit.services.cloud import Cloud, cloud

ROOT = "arn:aws:iam::000000000000"
ROLE = f"{ROOT}:role/task"


@pytest.fixture
def aws() -> Iterator[Cloud]:
    with cloud() as made:
        yield made


def role(aws: Cloud, principal: dict[str, str], **request: Any) -> None:
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    aws.call("iam", "CreateRole", RoleName="task", AssumeRolePolicyDocument=document, **request)


def assume(aws: Cloud, **request: Any) -> Any:
    return aws.call("sts", "AssumeRole", **{"RoleArn": ROLE, "RoleSessionName": "run", **request})


def refused(aws: Cloud, **request: Any) -> tuple[str, str]:
    with pytest.raises(AwsError) as error:
        assume(aws, **request)
    return error.value.code, error.value.message


DENIED = (
    "AccessDenied",
    f"User: {ROOT}:root is not authorized to perform: sts:AssumeRole on resource: {ROLE}",
)


def test_plain_keys_are_the_accounts_root(aws: Cloud) -> None:
    assert aws.call("sts", "GetCallerIdentity") == {
        "UserId": "000000000000",
        "Account": "000000000000",
        "Arn": f"{ROOT}:root",
    }


def test_a_role_that_trusts_the_account_is_assumed(aws: Cloud) -> None:
    role(aws, {"AWS": f"{ROOT}:root"})
    answer = assume(aws, DurationSeconds=900)
    credentials, user = answer["Credentials"], answer["AssumedRoleUser"]
    assert user["Arn"] == "arn:aws:sts::000000000000:assumed-role/task/run"
    assert credentials["Expiration"] == aws.clock.now() + 900
    session = aws.store.read(lambda view: view.get(Session, credentials["AccessKeyId"]))
    assert session is not None
    assert (session.secret, session.token) == (credentials["SecretAccessKey"], credentials["SessionToken"])
    assert (session.role, session.principal) == (ROLE, user["Arn"])
    aws.caller = attrs.evolve(aws.caller, principal=user["Arn"], role=ROLE, access_key=session.id)
    assert aws.call("sts", "GetCallerIdentity") == {
        "UserId": user["AssumedRoleId"],
        "Account": "000000000000",
        "Arn": user["Arn"],
    }


def test_a_role_that_is_missing_or_trusts_another_is_denied_alike(aws: Cloud) -> None:
    assert refused(aws) == DENIED
    role(aws, {"Service": "ecs-tasks.amazonaws.com"})
    assert refused(aws) == DENIED


def test_a_service_assumes_the_roles_that_trust_it(aws: Cloud) -> None:
    role(aws, {"Service": "ecs-tasks.amazonaws.com"})
    aws.caller = attrs.evolve(aws.caller, via="codebuild.amazonaws.com")
    assert refused(aws) == DENIED
    aws.caller = attrs.evolve(aws.caller, via="ecs-tasks.amazonaws.com")
    assert assume(aws)["Credentials"]["AccessKeyId"].startswith("ASIA")


def test_a_session_lasts_no_longer_than_the_role_allows(aws: Cloud) -> None:
    role(aws, {"AWS": f"{ROOT}:root"}, MaxSessionDuration=7200)
    assert refused(aws, DurationSeconds=7201) == (
        "ValidationError",
        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
    )
    aws.caller = attrs.evolve(aws.caller, role=ROLE)
    assert refused(aws, DurationSeconds=3601) == (
        "ValidationError",
        "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
    )


def test_what_is_no_role_arn_is_invalid(aws: Cloud) -> None:
    assert refused(aws, RoleArn="arn:aws:iam::000000000000:user/ci") == (
        "ValidationError",
        "arn:aws:iam::000000000000:user/ci is invalid",
    )


def test_mfa_is_refused_rather_than_ignored(aws: Cloud) -> None:
    assert (
        refused(aws, SerialNumber="arn:aws:iam::000000000000:mfa/me", TokenCode="123456")[0]
        == "NotImplemented"
    )


def test_a_session_token_acts_as_its_owner_but_not_as_a_sessions(aws: Cloud) -> None:
    credentials = aws.call("sts", "GetSessionToken", DurationSeconds=36000)["Credentials"]
    assert credentials["Expiration"] == aws.clock.now() + 3600
    assert aws.call("sts", "GetAccessKeyInfo", AccessKeyId=credentials["AccessKeyId"]) == {
        "Account": "000000000000"
    }
    aws.caller = attrs.evolve(aws.caller, access_key=credentials["AccessKeyId"])
    with pytest.raises(AwsError) as error:
        aws.call("sts", "GetSessionToken")
    assert error.value.message == "Cannot call GetSessionToken with session credentials"


def test_keys_of_twelve_digits_name_their_account(aws: Cloud) -> None:
    assert aws.call("sts", "GetAccessKeyInfo", AccessKeyId="123456789012") == {"Account": "123456789012"}


def test_drivers_issue_without_asking_and_old_sessions_are_swept(aws: Cloud) -> None:
    role(aws, {"Service": "ecs-tasks.amazonaws.com"})
    session = aws.write(lambda tx: issue(aws.dispatcher.context(tx, aws.caller), ROLE, "0af1", 21600))
    assert session.principal == "arn:aws:sts::000000000000:assumed-role/task/0af1"
    assert session.expires - session.issued == 21600
    aws.clock.advance(21600 + 86401)
    assert aws.write(lambda tx: sweep(aws.dispatcher.context(tx, aws.caller))) == 1
    assert aws.store.read(lambda view: view.get(Session, session.id)) is None
