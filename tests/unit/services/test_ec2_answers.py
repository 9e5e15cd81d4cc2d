"""Every answer of EC2, IAM and STS holds only members that botocore's models have."""

from __future__ import annotations

import json
from typing import Any

import botocore.session
import pytest
from botocore.model import Shape

from neargate.model.ec2 import default_network
from neargate.model.operations import declared
from tests.unit.services.cloud import ACCOUNT, REGION, cloud

DEFAULT = default_network(ACCOUNT, REGION)
ROLE = f"arn:aws:iam::{ACCOUNT}:role/task"
TRUST = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}
ALLOW = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
POLICY = json.dumps({"Version": "2012-10-17", "Statement": ALLOW})
GROUP = {"GroupId": DEFAULT.security_group.id}
HTTP = [{"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]

WRITES: list[tuple[str, str, dict[str, Any]]] = [
    ("ec2", "CreateVpc", {"CidrBlock": "10.0.0.0/16"}),
    ("ec2", "CreateInternetGateway", {}),
    ("ec2", "CreateRouteTable", {"VpcId": DEFAULT.vpc.id}),
    ("ec2", "CreateSubnet", {"VpcId": DEFAULT.vpc.id, "CidrBlock": "172.31.240.0/24"}),
    ("ec2", "CreateNetworkInterface", {"SubnetId": DEFAULT.subnets[0].id}),
    ("ec2", "CreateSecurityGroup", {"GroupName": "web", "Description": "tests"}),
    ("ec2", "AuthorizeSecurityGroupIngress", {**GROUP, "IpPermissions": HTTP}),
    ("ec2", "RevokeSecurityGroupIngress", {**GROUP, "IpPermissions": HTTP}),
    (
        "iam",
        "CreateRole",
        {
            "RoleName": "task",
            "AssumeRolePolicyDocument": json.dumps({"Version": "2012-10-17", "Statement": TRUST}),
        },
    ),
    ("iam", "CreatePolicy", {"PolicyName": "own", "PolicyDocument": POLICY}),
    ("iam", "CreateInstanceProfile", {"InstanceProfileName": "box"}),
    ("iam", "CreateUser", {"UserName": "ci"}),
    ("iam", "CreateAccessKey", {"UserName": "ci"}),
    ("sts", "AssumeRole", {"RoleArn": ROLE, "RoleSessionName": "run"}),
    ("sts", "GetSessionToken", {}),
]

KNOWN = {
    "AccessKeyId": "123456789012",
    "Attribute": "enableDnsSupport",
    "InstanceProfileName": "box",
    "PolicyArn": f"arn:aws:iam::{ACCOUNT}:policy/own",
    "RoleName": "task",
    "UserName": "ci",
    "VersionId": "v1",
    "VpcId": DEFAULT.vpc.id,
}
"""Values for the required members of read operations."""


def strangers(shape: Shape | None, value: Any, where: str) -> list[str]:
    """Members of `value` that the shape lacks."""
    if shape is None:
        return [where] if value else []
    if shape.type_name == "structure":
        found = []
        for member, inner in value.items():
            if member not in shape.members:
                found.append(f"{where}.{member}")
            else:
                found += strangers(shape.members[member], inner, f"{where}.{member}")
        return found
    if shape.type_name == "list":
        return [one for item in value for one in strangers(shape.member, item, f"{where}[]")]
    kinds = {"boolean": bool, "integer": int, "string": str, "timestamp": float}
    wanted = kinds.get(shape.type_name)
    return [] if wanted is None or isinstance(value, wanted) else [f"{where} is no {shape.type_name}"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning:botocore")
def test_answers_follow_the_models() -> None:
    session = botocore.session.get_session()
    models = {name: session.get_service_model(name) for name in ("ec2", "iam", "sts")}
    with cloud() as aws:
        wrong = []
        for service, operation, request in WRITES:
            answer = aws.call(service, operation, **request)
            wrong += strangers(models[service].operation_model(operation).output_shape, answer, operation)
        for service, model in models.items():
            for name, operation_ in declared(service).items():
                shape = model.operation_model(name)
                members = shape.input_shape.required_members if shape.input_shape else []
                request = {member: KNOWN[member] for member in members if member in KNOWN}
                if name in {"ListAccessKeys", "GetUser"}:
                    request["UserName"] = "ci"
                if operation_.reads and len(request) >= len(members):
                    wrong += strangers(shape.output_shape, aws.call(service, name, **request), name)
    assert wrong == []
