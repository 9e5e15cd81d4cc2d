"""Service-linked roles: AWS's services make them, only the service's name chooses what they are."""

from __future__ import annotations

import json

import attrs

from neargate.model.errors import AwsError, not_implemented
from neargate.model.iam import Role, ServiceLinkedRoleDeletion, key_of
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.services.iam.aws_managed import ARN_PREFIX
from neargate.services.iam.lookup import new_id, no_such_entity, require_role, travelling


@attrs.frozen
class _Service:
    """What follows `AWSServiceRoleFor`, and the AWS managed policy that the role gets."""

    role: str
    policy: str


_SERVICES = {
    f"{service}.amazonaws.com": _Service(role, policy)
    for service, role, policy in (
        ("autoscaling", "AutoScaling", "AutoScalingServiceRolePolicy"),
        ("cloudtrail", "CloudTrail", "CloudTrailServiceRolePolicy"),
        ("config", "Config", "AWSConfigServiceRolePolicy"),
        (
            "dynamodb.application-autoscaling",
            "ApplicationAutoScaling_DynamoDBTable",
            "AWSApplicationAutoscalingDynamoDBTablePolicy",
        ),
        ("ecs", "ECS", "AmazonECSServiceRolePolicy"),
        (
            "ecs.application-autoscaling",
            "ApplicationAutoScaling_ECSService",
            "AWSApplicationAutoscalingECSServicePolicy",
        ),
        ("eks", "AmazonEKS", "AmazonEKSServiceRolePolicy"),
        ("elasticache", "ElastiCache", "ElastiCacheServiceRolePolicy"),
        ("elasticbeanstalk", "ElasticBeanstalk", "AWSElasticBeanstalkServiceRolePolicy"),
        ("elasticfilesystem", "AmazonElasticFileSystem", "AmazonElasticFileSystemServiceRolePolicy"),
        ("elasticloadbalancing", "ElasticLoadBalancing", "AWSElasticLoadBalancingServiceRolePolicy"),
        ("es", "AmazonElasticsearchService", "AmazonElasticsearchServiceRolePolicy"),
        ("guardduty", "AmazonGuardDuty", "AmazonGuardDutyServiceRolePolicy"),
        ("opensearchservice", "AmazonOpenSearchService", "AmazonOpenSearchServiceRolePolicy"),
        ("ops.apigateway", "APIGateway", "APIGatewayServiceRolePolicy"),
        ("rds", "RDS", "AmazonRDSServiceRolePolicy"),
        ("redshift", "Redshift", "AmazonRedshiftServiceLinkedRolePolicy"),
        ("replication.ecr", "ECRReplication", "ECRReplicationServiceRolePolicy"),
        ("spot", "EC2Spot", "AWSEC2SpotServiceRolePolicy"),
    )
}


@operation("iam", "CreateServiceLinkedRole")
def create_service_linked_role(cx: Context, request: Json) -> Json:
    service = request["AWSServiceName"]
    known = _SERVICES.get(service)
    if known is None:
        raise not_implemented(f"iam:CreateServiceLinkedRole for {service}", "iam")
    suffix = request.get("CustomSuffix")
    if suffix and service != "autoscaling.amazonaws.com":
        raise AwsError("InvalidInput", f"Custom suffix is not allowed for {service}")
    name = f"AWSServiceRoleFor{known.role}" + (f"_{suffix}" if suffix else "")
    if cx.tx.get(Role, key_of(cx.account, name)) is not None:
        raise AwsError(
            "InvalidInput",
            f"Service role name {name} has been taken in this account, please try a different suffix.",
        )
    trust = {"Action": ["sts:AssumeRole"], "Effect": "Allow", "Principal": {"Service": service}}
    role = Role(
        account=cx.account,
        name=name,
        id=new_id(cx, "AROA"),
        trust_policy=json.dumps({"Version": "2012-10-17", "Statement": [trust]}, separators=(",", ":")),
        created=cx.now,
        path=f"/aws-service-role/{service}/",
        description=request.get("Description"),
        attached=(f"{ARN_PREFIX}/aws-service-role/{known.policy}",),
    )
    cx.tx.put(role)
    answer = {"Path": role.path, "RoleName": role.name, "RoleId": role.id, "Arn": role.arn}
    document = travelling(role.trust_policy)
    return {"Role": {**answer, "CreateDate": role.created, "AssumeRolePolicyDocument": document}}


@operation("iam", "DeleteServiceLinkedRole")
def delete_service_linked_role(cx: Context, request: Json) -> Json:
    role = require_role(cx, request["RoleName"])
    if not role.path.startswith("/aws-service-role/"):
        raise AwsError("InvalidInput", f"Role {role.name} is not a service linked role.")
    cx.tx.delete(Role, role.key)
    task = ServiceLinkedRoleDeletion(account=cx.account, id=f"task{role.path}{role.name}/{cx.ids.uuid()}")
    cx.tx.put(task)
    return {"DeletionTaskId": task.id}


@operation("iam", "GetServiceLinkedRoleDeletionStatus", reads=True)
def get_service_linked_role_deletion_status(cx: Context, request: Json) -> Json:
    task = request["DeletionTaskId"]
    if cx.tx.get(ServiceLinkedRoleDeletion, f"{cx.account}/{task}") is None:
        raise no_such_entity(f"Deletion task {task} was not found")
    return {"Status": "SUCCEEDED"}


def refuse_if_service_linked(role: Role) -> None:
    """Nobody but the service may change its role."""
    if role.path.startswith("/aws-service-role/"):
        raise AwsError(
            "UnmodifiableEntity",
            f"Cannot perform the operation on the protected role '{role.name}' - this role is only modifiable "
            "by AWS",
        )
