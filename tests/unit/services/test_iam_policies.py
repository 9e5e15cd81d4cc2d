"""Inline and managed policies, users and their keys."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import pytest

from neargate.model.errors import AwsError
from tests.unit.services.cloud import Cloud, cloud

ROOT = "arn:aws:iam::000000000000"
ECR_READ = "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryReadOnly"
EXECUTION = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "ecs-tasks.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)


def allowing(action: str) -> str:
    statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


LOGS = allowing("logs:PutLogEvents")


@pytest.fixture
def aws() -> Iterator[Cloud]:
    with cloud() as made:
        made.call("iam", "CreateRole", RoleName="task", AssumeRolePolicyDocument=TRUST)
        yield made


def refused(aws: Cloud, operation: str, **request: Any) -> tuple[str, str, int]:
    with pytest.raises(AwsError) as error:
        aws.call("iam", operation, **request)
    return error.value.code, error.value.message, error.value.status


def own(aws: Cloud, name: str = "mine", document: str = LOGS) -> str:
    made = aws.call("iam", "CreatePolicy", PolicyName=name, PolicyDocument=document)["Policy"]
    return str(made["Arn"])


def test_a_document_without_a_version_is_an_inline_policy_but_no_managed_one(aws: Cloud) -> None:
    old = json.dumps({"Statement": json.loads(LOGS)["Statement"]})
    aws.call("iam", "PutRolePolicy", RoleName="task", PolicyName="logs", PolicyDocument=old)
    kept = aws.call("iam", "GetRolePolicy", RoleName="task", PolicyName="logs")["PolicyDocument"]
    assert unquote(kept) == old
    message = "Policy document must be version 2012-10-17 or greater."
    assert refused(aws, "CreatePolicy", PolicyName="mine", PolicyDocument=old) == (
        "MalformedPolicyDocument",
        message,
        400,
    )
    arn = own(aws)
    assert refused(aws, "CreatePolicyVersion", PolicyArn=arn, PolicyDocument=old)[1] == message


def test_an_inline_policy_is_kept_as_it_was_given(aws: Cloud) -> None:
    aws.call("iam", "PutRolePolicy", RoleName="task", PolicyName="logs", PolicyDocument=LOGS)
    assert aws.call("iam", "ListRolePolicies", RoleName="task")["PolicyNames"] == ["logs"]
    read = aws.call("iam", "GetRolePolicy", RoleName="task", PolicyName="logs")
    assert unquote(read["PolicyDocument"]) == LOGS
    missing = refused(aws, "GetRolePolicy", RoleName="task", PolicyName="gone")
    assert missing == ("NoSuchEntity", "The role policy with name gone cannot be found.", 404)


def test_a_bad_or_too_long_inline_policy_is_refused(aws: Cloud) -> None:
    bad = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*"}]})
    assert refused(aws, "PutRolePolicy", RoleName="task", PolicyName="bad", PolicyDocument=bad) == (
        "MalformedPolicyDocument",
        "Policy statement must contain resources.",
        400,
    )
    long = allowing("s3:" + "x" * 10240)
    assert refused(aws, "PutRolePolicy", RoleName="task", PolicyName="long", PolicyDocument=long) == (
        "LimitExceeded",
        "Maximum policy size of 10240 bytes exceeded for role task",
        409,
    )


def test_aws_managed_policies_are_those_that_aws_has(aws: Cloud) -> None:
    for arn in (ECR_READ, EXECUTION):
        aws.call("iam", "AttachRolePolicy", RoleName="task", PolicyArn=arn)
    attached = aws.call("iam", "ListAttachedRolePolicies", RoleName="task")["AttachedPolicies"]
    assert [policy["PolicyArn"] for policy in attached] == [ECR_READ, EXECUTION]
    for wrong in (
        "arn:aws:iam::aws:policy/AmazonECSTaskExecutionRolePolicy",
        "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryReadonly",
        "arn:aws:iam::aws:policy/aws-service-role/AmazonECSServiceRolePolicy",
        f"{ROOT}:policy/gone",
    ):
        assert refused(aws, "AttachRolePolicy", RoleName="task", PolicyArn=wrong) == (
            "NoSuchEntity",
            f"Policy {wrong} does not exist or is not attachable.",
            404,
        )
    assert refused(
        aws, "AttachRolePolicy", RoleName="task", PolicyArn="AmazonEC2ContainerRegistryReadOnly"
    ) == (
        "InvalidInput",
        "ARN AmazonEC2ContainerRegistryReadOnly is not valid.",
        400,
    )


def test_an_aws_managed_policy_shows_its_document(aws: Cloud) -> None:
    policy = aws.call("iam", "GetPolicy", PolicyArn=EXECUTION)["Policy"]
    version = aws.call("iam", "GetPolicyVersion", PolicyArn=EXECUTION, VersionId=policy["DefaultVersionId"])[
        "PolicyVersion"
    ]
    actions = json.loads(unquote(version["Document"]))["Statement"][0]["Action"]
    assert "ecr:GetAuthorizationToken" in actions
    assert "logs:PutLogEvents" in actions


def test_a_document_that_is_not_carried_is_not_invented(aws: Cloud) -> None:
    arn = "arn:aws:iam::aws:policy/ReadOnlyAccess"
    version = aws.call("iam", "GetPolicy", PolicyArn=arn)["Policy"]["DefaultVersionId"]
    code, message, status = refused(aws, "GetPolicyVersion", PolicyArn=arn, VersionId=version)
    assert (code, status) == ("NotImplemented", 501)
    assert arn in message


def test_ten_policies_fit_on_a_role(aws: Cloud) -> None:
    for number in range(10):
        aws.call("iam", "AttachRolePolicy", RoleName="task", PolicyArn=own(aws, f"p{number}"))
    assert refused(aws, "AttachRolePolicy", RoleName="task", PolicyArn=ECR_READ) == (
        "LimitExceeded",
        "Cannot exceed quota for PoliciesPerRole: 10",
        409,
    )


def test_a_managed_policy_counts_who_uses_it_and_goes_last(aws: Cloud) -> None:
    arn = own(aws)
    aws.call("iam", "AttachRolePolicy", RoleName="task", PolicyArn=arn)
    assert aws.call("iam", "GetPolicy", PolicyArn=arn)["Policy"]["AttachmentCount"] == 1
    entities = aws.call("iam", "ListEntitiesForPolicy", PolicyArn=arn)
    assert [role["RoleName"] for role in entities["PolicyRoles"]] == ["task"]
    assert [
        p["Arn"] for p in aws.call("iam", "ListPolicies", Scope="Local", OnlyAttached=True)["Policies"]
    ] == [arn]
    conflict = refused(aws, "DeletePolicy", PolicyArn=arn)
    assert conflict == ("DeleteConflict", "Cannot delete a policy attached to entities.", 409)
    aws.call("iam", "DetachRolePolicy", RoleName="task", PolicyArn=arn)
    again = refused(aws, "DetachRolePolicy", RoleName="task", PolicyArn=arn)
    assert again == ("NoSuchEntity", f"Policy {arn} was not found.", 404)
    aws.call("iam", "DeletePolicy", PolicyArn=arn)
    gone = ("NoSuchEntity", f"Policy {arn} was not found.", 404)
    assert refused(aws, "GetPolicy", PolicyArn=arn) == gone


def test_a_policy_name_is_taken_once(aws: Cloud) -> None:
    own(aws)
    assert refused(aws, "CreatePolicy", PolicyName="mine", PolicyDocument=LOGS) == (
        "EntityAlreadyExists",
        "A policy called mine already exists. Duplicate names are not allowed.",
        409,
    )


def test_versions_of_a_policy(aws: Cloud) -> None:
    arn, newer = own(aws), allowing("s3:GetObject")
    made = aws.call("iam", "CreatePolicyVersion", PolicyArn=arn, PolicyDocument=newer, SetAsDefault=True)
    assert (made["PolicyVersion"]["VersionId"], made["PolicyVersion"]["IsDefaultVersion"]) == ("v2", True)
    versions = aws.call("iam", "ListPolicyVersions", PolicyArn=arn)["Versions"]
    assert [(v["VersionId"], v["IsDefaultVersion"]) for v in versions] == [("v2", True), ("v1", False)]
    read = aws.call("iam", "GetPolicyVersion", PolicyArn=arn, VersionId="v2")["PolicyVersion"]
    assert unquote(read["Document"]) == newer
    assert refused(aws, "DeletePolicyVersion", PolicyArn=arn, VersionId="v2") == (
        "DeleteConflict",
        "Cannot delete the default version of a policy.",
        409,
    )
    code, message, _ = refused(aws, "DeletePolicy", PolicyArn=arn)
    assert (code, message) == (
        "DeleteConflict",
        "This policy has more than one version. Before you delete a policy, you must delete the policy's "
        "versions. The default version is deleted with the policy.",
    )
    for _ in range(3):
        aws.call("iam", "CreatePolicyVersion", PolicyArn=arn, PolicyDocument=newer)
    code, message, _ = refused(aws, "CreatePolicyVersion", PolicyArn=arn, PolicyDocument=newer)
    assert code == "LimitExceeded"
    assert message.startswith("A managed policy can have up to 5 versions.")
    aws.call("iam", "DeletePolicyVersion", PolicyArn=arn, VersionId="v1")
    aws.call("iam", "SetDefaultPolicyVersion", PolicyArn=arn, VersionId="v5")
    assert aws.call("iam", "GetPolicy", PolicyArn=arn)["Policy"]["DefaultVersionId"] == "v5"


def test_nobody_changes_what_aws_manages(aws: Cloud) -> None:
    code, message, status = refused(aws, "DeletePolicy", PolicyArn=ECR_READ)
    assert (code, status) == ("AccessDenied", 403)
    assert message == f"Policy {ECR_READ} is outside your own account."


def test_a_user_and_its_two_keys(aws: Cloud) -> None:
    aws.call("iam", "CreateUser", UserName="ci")
    key = aws.call("iam", "CreateAccessKey", UserName="ci")["AccessKey"]
    assert key["AccessKeyId"].startswith("AKIA")
    assert (len(key["AccessKeyId"]), len(key["SecretAccessKey"])) == (20, 40)
    aws.call("iam", "CreateAccessKey", UserName="ci")
    third = refused(aws, "CreateAccessKey", UserName="ci")
    assert third == ("LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: 2", 409)
    listed = aws.call("iam", "ListAccessKeys", UserName="ci")["AccessKeyMetadata"]
    assert {one["Status"] for one in listed} == {"Active"}
    conflict = refused(aws, "DeleteUser", UserName="ci")
    assert conflict == ("DeleteConflict", "Cannot delete entity, must delete access keys first.", 409)
    for one in listed:
        aws.call("iam", "DeleteAccessKey", UserName="ci", AccessKeyId=one["AccessKeyId"])
    aws.call("iam", "DeleteUser", UserName="ci")
    missing = refused(aws, "GetUser", UserName="ci")
    assert missing == ("NoSuchEntity", "The user with name ci cannot be found.", 404)


def test_the_account_is_counted(aws: Cloud) -> None:
    own(aws)
    counted = aws.call("iam", "GetAccountSummary")["SummaryMap"]
    assert (counted["Roles"], counted["Policies"], counted["Users"]) == (1, 1, 0)
    assert aws.call("iam", "ListAccountAliases")["AccountAliases"] == []
