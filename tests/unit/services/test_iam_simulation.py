"""SimulatePrincipalPolicy and SimulateCustomPolicy."""

from __future__ import annotations

import json
from typing import Any

import pytest

from neargate.model.errors import AwsError
from tests.unit.services.cloud import Cloud, cloud

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


def document(effect: str, *actions: str) -> str:
    statement = {"Effect": effect, "Action": list(actions), "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def decisions(answer: dict[str, Any]) -> dict[str, str]:
    return {result["EvalActionName"]: result["EvalDecision"] for result in answer["EvaluationResults"]}


def role(aws: Cloud) -> str:
    arn: str = aws.call("iam", "CreateRole", RoleName="r", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    return arn


def test_inline_and_attached_policies_of_a_role_count_together() -> None:
    with cloud() as aws:
        arn = role(aws)
        aws.call(
            "iam", "PutRolePolicy", RoleName="r", PolicyName="p", PolicyDocument=document("Allow", "sns:*")
        )
        managed = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
        aws.call("iam", "AttachRolePolicy", RoleName="r", PolicyArn=managed)
        own = aws.call("iam", "CreatePolicy", PolicyName="no", PolicyDocument=document("Deny", "sns:Publish"))
        aws.call("iam", "AttachRolePolicy", RoleName="r", PolicyArn=own["Policy"]["Arn"])
        answer = aws.call(
            "iam",
            "SimulatePrincipalPolicy",
            PolicySourceArn=arn,
            ActionNames=["sns:Subscribe", "sns:Publish", "logs:PutLogEvents", "s3:GetObject"],
        )
        assert decisions(answer) == {
            "sns:Subscribe": "allowed",
            "sns:Publish": "explicitDeny",
            "logs:PutLogEvents": "allowed",
            "s3:GetObject": "implicitDeny",
        }


def test_a_boundary_must_allow_as_well() -> None:
    with cloud() as aws:
        answer = aws.call(
            "iam",
            "SimulateCustomPolicy",
            PolicyInputList=[document("Allow", "*")],
            PermissionsBoundaryPolicyInputList=[document("Allow", "s3:*")],
            ActionNames=["s3:GetObject", "sns:Publish"],
        )
        assert decisions(answer) == {"s3:GetObject": "allowed", "sns:Publish": "implicitDeny"}


def test_an_arn_of_nobody_is_refused() -> None:
    with cloud() as aws:
        with pytest.raises(AwsError, match="cannot be found") as refused:
            aws.call(
                "iam",
                "SimulatePrincipalPolicy",
                PolicySourceArn="arn:aws:iam::000000000000:role/none",
                ActionNames=["s3:GetObject"],
            )
        assert refused.value.code == "NoSuchEntity"
