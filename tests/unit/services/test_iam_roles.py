"""Roles: what CreateRole makes and refuses, what stands in DeleteRole's way."""

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
LOGS = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "logs:PutLogEvents", "Resource": "*"}],
    }
)


def trusting(**principal: Any) -> str:
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


TASKS = trusting(Service="ecs-tasks.amazonaws.com")


@pytest.fixture
def aws() -> Iterator[Cloud]:
    with cloud() as made:
        yield made


def refused(aws: Cloud, operation: str, **request: Any) -> tuple[str, str, int]:
    with pytest.raises(AwsError) as error:
        aws.call("iam", operation, **request)
    return error.value.code, error.value.message, error.value.status


def role(aws: Cloud, name: str = "task", **request: Any) -> Any:
    made = aws.call("iam", "CreateRole", **{"RoleName": name, "AssumeRolePolicyDocument": TASKS, **request})
    return made["Role"]


def test_a_role_is_made_and_read_back(aws: Cloud) -> None:
    made = role(aws, Path="/app/", Description="what tasks may", Tags=[{"Key": "team", "Value": "shop"}])
    assert made["Arn"] == f"{ROOT}:role/app/task"
    assert made["RoleId"].startswith("AROA")
    assert len(made["RoleId"]) == 21
    read = aws.call("iam", "GetRole", RoleName="task")["Role"]
    assert unquote(read["AssumeRolePolicyDocument"]) == TASKS
    assert (read["Description"], read["MaxSessionDuration"]) == ("what tasks may", 3600)
    assert read["Tags"] == [{"Key": "team", "Value": "shop"}]
    listed = aws.call("iam", "ListRoles", PathPrefix="/app/")
    assert [one["RoleName"] for one in listed["Roles"]] == ["task"]
    assert aws.call("iam", "ListRoles", PathPrefix="/other/")["Roles"] == []


def test_a_name_is_taken_without_regard_to_case(aws: Cloud) -> None:
    role(aws)
    again = refused(aws, "CreateRole", RoleName="Task", AssumeRolePolicyDocument=TASKS)
    assert again == ("EntityAlreadyExists", "Role with name Task already exists.", 409)


def test_a_role_that_does_not_exist(aws: Cloud) -> None:
    missing = ("NoSuchEntity", "The role with name gone cannot be found.", 404)
    assert refused(aws, "GetRole", RoleName="gone") == missing
    assert refused(aws, "DeleteRole", RoleName="gone") == missing
    assert refused(aws, "AttachRolePolicy", RoleName="gone", PolicyArn=ECR_READ) == missing


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{", "This policy contains invalid Json"),
        (
            trusting(Service="ecs-task.amazonaws.com"),
            'Invalid principal in policy: "SERVICE":"ecs-task.amazonaws.com"',
        ),
        (trusting(AWS=f"{ROOT}:role/gone"), f'Invalid principal in policy: "AWS":"{ROOT}:role/gone"'),
    ],
)
def test_a_malformed_trust_policy_makes_no_role(aws: Cloud, document: str, message: str) -> None:
    answer = refused(aws, "CreateRole", RoleName="task", AssumeRolePolicyDocument=document)
    assert answer == ("MalformedPolicyDocument", message, 400)
    assert aws.call("iam", "ListRoles")["Roles"] == []


@pytest.mark.parametrize(
    "service",
    [
        "ecs-tasks.amazonaws.com",
        "ecs.amazonaws.com",
        "codebuild.amazonaws.com",
        "codepipeline.amazonaws.com",
        "cloudformation.amazonaws.com",
        "events.amazonaws.com",
        "lambda.amazonaws.com",
        "codedeploy.amazonaws.com",
        "ec2.amazonaws.com",
        "ecs.application-autoscaling.amazonaws.com",
        "application-autoscaling.amazonaws.com",
        "logs.eu-west-1.amazonaws.com",
        "edgelambda.amazonaws.com",
        "build.apprunner.amazonaws.com",
        "tasks.apprunner.amazonaws.com",
        "eks-fargate-pods.amazonaws.com",
        "monitoring.rds.amazonaws.com",
    ],
)
def test_the_services_that_templates_name_are_known(aws: Cloud, service: str) -> None:
    assert role(aws, AssumeRolePolicyDocument=trusting(Service=service))["RoleName"] == "task"


def test_a_role_may_trust_another_that_exists(aws: Cloud) -> None:
    role(aws, "pipeline")
    role(aws, "deploy", AssumeRolePolicyDocument=trusting(AWS=f"{ROOT}:role/pipeline"))
    aws.call("iam", "UpdateAssumeRolePolicy", RoleName="deploy", PolicyDocument=TASKS)
    assert unquote(aws.call("iam", "GetRole", RoleName="deploy")["Role"]["AssumeRolePolicyDocument"]) == TASKS


def test_a_role_is_deleted_only_when_nothing_hangs_on_it(aws: Cloud) -> None:
    role(aws)
    aws.call("iam", "CreateInstanceProfile", InstanceProfileName="box")
    aws.call("iam", "AddRoleToInstanceProfile", InstanceProfileName="box", RoleName="task")
    aws.call("iam", "AttachRolePolicy", RoleName="task", PolicyArn=ECR_READ)
    aws.call("iam", "PutRolePolicy", RoleName="task", PolicyName="logs", PolicyDocument=LOGS)

    def conflict() -> str:
        code, message, status = refused(aws, "DeleteRole", RoleName="task")
        assert (code, status) == ("DeleteConflict", 409)
        return message

    assert conflict() == "Cannot delete entity, must remove roles from instance profile first."
    aws.call("iam", "RemoveRoleFromInstanceProfile", InstanceProfileName="box", RoleName="task")
    assert conflict() == "Cannot delete entity, must detach all policies first."
    aws.call("iam", "DetachRolePolicy", RoleName="task", PolicyArn=ECR_READ)
    assert conflict() == "Cannot delete entity, must delete policies first."
    aws.call("iam", "DeleteRolePolicy", RoleName="task", PolicyName="logs")
    aws.call("iam", "DeleteRole", RoleName="task")
    assert aws.call("iam", "ListRoles")["Roles"] == []


def test_a_permissions_boundary_must_be_a_policy(aws: Cloud) -> None:
    gone = f"{ROOT}:policy/gone"
    answer = refused(
        aws, "CreateRole", RoleName="task", AssumeRolePolicyDocument=TASKS, PermissionsBoundary=gone
    )
    assert answer == ("NoSuchEntity", f"Scope ARN: {gone} does not exist or is not attachable.", 404)
    made = role(aws, PermissionsBoundary=ECR_READ)
    assert made["PermissionsBoundary"]["PermissionsBoundaryArn"] == ECR_READ


def test_tags_are_put_over_and_taken_away(aws: Cloud) -> None:
    role(aws, Tags=[{"Key": "a", "Value": "1"}])
    aws.call("iam", "TagRole", RoleName="task", Tags=[{"Key": "A", "Value": "2"}, {"Key": "b", "Value": "3"}])
    listed = aws.call("iam", "ListRoleTags", RoleName="task")
    assert listed["Tags"] == [{"Key": "A", "Value": "2"}, {"Key": "b", "Value": "3"}]
    aws.call("iam", "UntagRole", RoleName="task", TagKeys=["A"])
    assert aws.call("iam", "ListRoleTags", RoleName="task")["Tags"] == [{"Key": "b", "Value": "3"}]


def test_a_service_linked_role_is_made_once_and_changed_by_nobody(aws: Cloud) -> None:
    made = aws.call("iam", "CreateServiceLinkedRole", AWSServiceName="ecs.amazonaws.com")["Role"]
    assert made["Arn"] == f"{ROOT}:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS"
    (trust,) = json.loads(unquote(made["AssumeRolePolicyDocument"]))["Statement"]
    assert trust["Principal"] == {"Service": "ecs.amazonaws.com"}
    assert refused(aws, "CreateServiceLinkedRole", AWSServiceName="ecs.amazonaws.com") == (
        "InvalidInput",
        "Service role name AWSServiceRoleForECS has been taken in this account, please try a different suffix.",
        400,
    )
    code, message, _ = refused(aws, "DeleteRole", RoleName="AWSServiceRoleForECS")
    assert (code, message) == (
        "UnmodifiableEntity",
        "Cannot perform the operation on the protected role 'AWSServiceRoleForECS' - this role is only "
        "modifiable by AWS",
    )
    task = aws.call("iam", "DeleteServiceLinkedRole", RoleName="AWSServiceRoleForECS")["DeletionTaskId"]
    status = aws.call("iam", "GetServiceLinkedRoleDeletionStatus", DeletionTaskId=task)
    assert status["Status"] == "SUCCEEDED"
    assert refused(aws, "GetRole", RoleName="AWSServiceRoleForECS")[0] == "NoSuchEntity"


def test_pages_continue_where_the_marker_says(aws: Cloud) -> None:
    for name in ("a", "b", "c"):
        role(aws, name)
    first = aws.call("iam", "ListRoles", MaxItems=2)
    assert first["IsTruncated"] is True
    second = aws.call("iam", "ListRoles", MaxItems=2, Marker=first["Marker"])
    assert second["IsTruncated"] is False
    names = [one["RoleName"] for one in [*first["Roles"], *second["Roles"]]]
    assert names == ["a", "b", "c"]
