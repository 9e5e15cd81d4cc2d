"""Resources as they are, in the template's spelling: what drift detection compares with.

A reader returns the properties that it can see: None for one that is not there, and no member for what no API shows. A
type without a reader is not checked. An error that its declaration knows as NotFound says that the resource is gone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

from neargate.model.errors import AwsError
from neargate.model.records import Json
from neargate.model.tags import from_list, upper
from neargate.resources import states_ec2, states_elbv2, states_moto, states_scaling
from neargate.resources.declaration import Call, Existing, Steps
from neargate.resources.drift import spelled
from neargate.resources.ec2_groups import group_of
from neargate.resources.shapes import missing_is_fine

State = Callable[[Existing], Steps[Json]]
_STATES: dict[str, State] = {
    **states_moto.STATES,
    **states_ec2.STATES,
    **states_elbv2.STATES,
    **states_scaling.STATES,
}


def reader(type_name: str) -> State | None:
    """The reader of a type, if it has one."""
    return _STATES.get(type_name)


def _state(type_name: str) -> Callable[[State], State]:
    def register(state: State) -> State:
        _STATES[type_name] = state
        return state

    return register


def _document(text: str) -> Any:
    """A policy document, as IAM gives it (URL-encoded) and as the others do."""
    return json.loads(unquote(text))


def _tags(given: Any) -> list[dict[str, str]]:
    """Tags in any spelling as the template's list."""
    return upper(dict(given) if isinstance(given, Mapping) else from_list(given))


def _arn(existing: Existing, service: str, resource: str) -> str:
    want = existing.desired
    return f"arn:aws:{service}:{want.region}:{want.account}:{resource}"


def _as_written(existing: Existing, name: str, arn: str) -> str:
    """What the template says where it means this ARN's resource by a shorter name; otherwise the ARN."""
    written = str(existing.desired.properties.get(name, ""))
    short = arn.rpartition("/")[2]
    return written if written in {arn, short, short.rpartition(":")[0]} else arn


# -- logs, parameters, secrets -----------------------------------------------------------------------------


@_state("AWS::Logs::LogGroup")
def _log_group(existing: Existing) -> Steps[Json]:
    answer = yield Call("logs", "DescribeLogGroups", {"logGroupNamePrefix": existing.id})
    group = next((g for g in answer["logGroups"] if g["logGroupName"] == existing.id), None)
    if group is None:
        raise AwsError("ResourceNotFoundException", "The specified log group does not exist.")
    arn = _arn(existing, "logs", f"log-group:{existing.id}")
    tags = yield Call("logs", "ListTagsForResource", {"resourceArn": arn})
    return {
        "LogGroupName": existing.id,
        "RetentionInDays": None,
        **spelled("AWS::Logs::LogGroup", group, "RetentionInDays", "LogGroupClass", "KmsKeyId"),
        "Tags": _tags(tags["tags"]),
    }


@_state("AWS::SSM::Parameter")
def _parameter(existing: Existing) -> Steps[Json]:
    value = yield Call("ssm", "GetParameter", {"Name": existing.id})
    named = {"Key": "Name", "Option": "Equals", "Values": [existing.id]}
    described = yield Call("ssm", "DescribeParameters", {"ParameterFilters": [named]})
    tags = yield Call("ssm", "ListTagsForResource", {"ResourceType": "Parameter", "ResourceId": existing.id})
    return {
        "Name": existing.id,
        "Description": None,
        "AllowedPattern": None,
        **spelled("AWS::SSM::Parameter", described["Parameters"][0], "Description", "AllowedPattern", "Tier"),
        **spelled("AWS::SSM::Parameter", value["Parameter"], "Type", "Value", "DataType"),
        "Tags": from_list(tags["TagList"]),
    }


@_state("AWS::SecretsManager::Secret")
def _secret(existing: Existing) -> Steps[Json]:
    found = yield Call("secretsmanager", "DescribeSecret", {"SecretId": existing.id})
    if "DeletedDate" in found:
        raise AwsError("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
    return {
        "Description": None,
        "KmsKeyId": None,
        **spelled("AWS::SecretsManager::Secret", found, "Name", "Description", "KmsKeyId"),
        "Tags": _tags(found.get("Tags")),
    }


# -- IAM ---------------------------------------------------------------------------------------------------


@_state("AWS::IAM::Role")
def _role(existing: Existing) -> Steps[Json]:
    role = (yield Call("iam", "GetRole", {"RoleName": existing.id}))["Role"]
    attached = yield Call("iam", "ListAttachedRolePolicies", {"RoleName": existing.id})
    boundary = (role.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn")
    policies = yield from _inline_policies(existing)
    return {
        **spelled("AWS::IAM::Role", role, "RoleName", "Path", "MaxSessionDuration"),
        "Description": role.get("Description") or None,
        "AssumeRolePolicyDocument": _document(role["AssumeRolePolicyDocument"]),
        "ManagedPolicyArns": [policy["PolicyArn"] for policy in attached["AttachedPolicies"]],
        "Policies": policies,
        "PermissionsBoundary": boundary,
        "Tags": _tags(role.get("Tags")),
    }


def _inline_policies(existing: Existing) -> Steps[list[Json]]:
    """Those that the role's own template entry names: an AWS::IAM::Policy puts others on it."""
    found = []
    for policy in existing.desired.properties.get("Policies") or ():
        request = {"RoleName": existing.id, "PolicyName": policy["PolicyName"]}
        answer = yield from missing_is_fine(Call("iam", "GetRolePolicy", request), "NoSuchEntity")
        if answer:
            found.append(
                {"PolicyName": answer["PolicyName"], "PolicyDocument": _document(answer["PolicyDocument"])}
            )
    return found


@_state("AWS::IAM::ManagedPolicy")
def _managed_policy(existing: Existing) -> Steps[Json]:
    policy = (yield Call("iam", "GetPolicy", {"PolicyArn": existing.id}))["Policy"]
    request = {"PolicyArn": existing.id, "VersionId": policy["DefaultVersionId"]}
    version = yield Call("iam", "GetPolicyVersion", request)
    users = yield Call("iam", "ListEntitiesForPolicy", {"PolicyArn": existing.id})
    return {
        "ManagedPolicyName": policy["PolicyName"],
        "Path": policy["Path"],
        "PolicyDocument": _document(version["PolicyVersion"]["Document"]),
        "Roles": [role["RoleName"] for role in users["PolicyRoles"]],
    }


# -- S3 ----------------------------------------------------------------------------------------------------

_NOT_SET = (
    "NoSuchTagSet",
    "NoSuchPublicAccessBlockConfiguration",
    "ServerSideEncryptionConfigurationNotFoundError",
    "OwnershipControlsNotFoundError",
)


@_state("AWS::S3::Bucket")
def _bucket(existing: Existing) -> Steps[Json]:
    bucket = {"Bucket": existing.id}
    yield Call("s3", "HeadBucket", bucket)
    versioning = yield Call("s3", "GetBucketVersioning", bucket)
    encryption = yield from missing_is_fine(Call("s3", "GetBucketEncryption", bucket), *_NOT_SET)
    block = yield from missing_is_fine(Call("s3", "GetPublicAccessBlock", bucket), *_NOT_SET)
    ownership = yield from missing_is_fine(Call("s3", "GetBucketOwnershipControls", bucket), *_NOT_SET)
    tags = yield from missing_is_fine(Call("s3", "GetBucketTagging", bucket), *_NOT_SET)
    return {
        "BucketName": existing.id,
        "VersioningConfiguration": {"Status": versioning["Status"]} if versioning.get("Status") else None,
        "BucketEncryption": _encryption(encryption),
        "PublicAccessBlockConfiguration": block.get("PublicAccessBlockConfiguration"),
        "OwnershipControls": ownership.get("OwnershipControls"),
        "Tags": _tags(tags.get("TagSet")),
    }


def _encryption(answer: Json) -> Json | None:
    rules = (answer.get("ServerSideEncryptionConfiguration") or {}).get("Rules")
    if not rules:
        return None
    return {
        "ServerSideEncryptionConfiguration": [
            {
                "ServerSideEncryptionByDefault": rule.get("ApplyServerSideEncryptionByDefault"),
                "BucketKeyEnabled": rule.get("BucketKeyEnabled", False),
            }
            for rule in rules
        ]
    }


# -- EC2 ---------------------------------------------------------------------------------------------------


@_state("AWS::EC2::SecurityGroup")
def _security_group(existing: Existing) -> Steps[Json]:
    group = yield from group_of(existing)
    return {
        "GroupName": group["GroupName"],
        "GroupDescription": group["Description"],
        "VpcId": group["VpcId"],
        "SecurityGroupIngress": _rules(group["IpPermissions"], "Source"),
        "SecurityGroupEgress": _rules(group["IpPermissionsEgress"], "Destination"),
        "Tags": _tags(group.get("Tags")),
    }


def _rules(permissions: list[Json], far: str) -> list[Json]:
    """Each peer of each permission as a rule of its own."""
    members = {
        "IpRanges": ("CidrIp", "CidrIp"),
        "Ipv6Ranges": ("CidrIpv6", "CidrIpv6"),
        "PrefixListIds": ("PrefixListId", f"{far}PrefixListId"),
        "UserIdGroupPairs": ("GroupId", f"{far}SecurityGroupId"),
    }
    found = []
    for permission in permissions:
        ports: Json = {k: permission[k] for k in ("IpProtocol", "FromPort", "ToPort") if k in permission}
        for ranges, (theirs, ours) in members.items():
            for peer in permission.get(ranges) or ():
                about = {"Description": peer["Description"]} if "Description" in peer else {}
                found.append({**ports, ours: peer[theirs], **about})
    return found


# -- ECR, ECS ----------------------------------------------------------------------------------------------


@_state("AWS::ECR::Repository")
def _repository(existing: Existing) -> Steps[Json]:
    described = yield Call("ecr", "DescribeRepositories", {"repositoryNames": [existing.id]})
    repository = described["repositories"][0]
    named = {"repositoryName": existing.id}
    lifecycle = yield from missing_is_fine(
        Call("ecr", "GetLifecyclePolicy", named), "LifecyclePolicyNotFoundException"
    )
    policy = yield from missing_is_fine(
        Call("ecr", "GetRepositoryPolicy", named), "RepositoryPolicyNotFoundException"
    )
    tags = yield Call("ecr", "ListTagsForResource", {"resourceArn": repository["repositoryArn"]})
    names = ("RepositoryName", "ImageTagMutability", "ImageScanningConfiguration")
    return {
        **spelled("AWS::ECR::Repository", repository, *names),
        "LifecyclePolicy": {"LifecyclePolicyText": lifecycle["lifecyclePolicyText"]} if lifecycle else None,
        "RepositoryPolicyText": _document(policy["policyText"]) if policy else None,
        "Tags": _tags(tags["tags"]),
    }


@_state("AWS::ECS::Cluster")
def _cluster(existing: Existing) -> Steps[Json]:
    request = {"clusters": [existing.id], "include": ["SETTINGS", "CONFIGURATIONS", "TAGS"]}
    clusters = (yield Call("ecs", "DescribeClusters", request))["clusters"]
    if not clusters or clusters[0]["status"] == "INACTIVE":
        raise AwsError("ClusterNotFoundException", "Cluster not found.")
    found = clusters[0]
    return {
        "Configuration": None,
        "ServiceConnectDefaults": None,
        **spelled("AWS::ECS::Cluster", found),
        "ClusterSettings": spelled("AWS::ECS::Cluster", {"ClusterSettings": found.get("settings") or []})[
            "ClusterSettings"
        ],
        "Tags": _tags(found.get("tags")),
    }


@_state("AWS::ECS::TaskDefinition")
def _task_definition(existing: Existing) -> Steps[Json]:
    request = {"taskDefinition": existing.id, "include": ["TAGS"]}
    answer = yield Call("ecs", "DescribeTaskDefinition", request)
    found = answer["taskDefinition"]
    if found["status"] != "ACTIVE":
        raise AwsError("TaskDefinitionNotFoundException", "The task definition is inactive.")
    return {**spelled("AWS::ECS::TaskDefinition", found), "Tags": _tags(answer.get("tags"))}


@_state("AWS::ECS::Service")
def _service(existing: Existing) -> Steps[Json]:
    cluster = str(existing.desired.properties.get("Cluster") or "default")
    request = {"cluster": cluster, "services": [existing.id], "include": ["TAGS"]}
    services = (yield Call("ecs", "DescribeServices", request))["services"]
    if not services or services[0]["status"] == "INACTIVE":
        raise AwsError("ServiceNotFoundException", "Service not found.")
    found = services[0]
    return {
        **spelled("AWS::ECS::Service", found),
        "Cluster": _as_written(existing, "Cluster", found["clusterArn"]),
        "TaskDefinition": _as_written(existing, "TaskDefinition", found["taskDefinition"]),
        "Tags": _tags(found.get("tags")),
    }


# -- messaging ---------------------------------------------------------------------------------------------


@_state("AWS::SNS::Topic")
def _topic(existing: Existing) -> Steps[Json]:
    answer = yield Call("sns", "GetTopicAttributes", {"TopicArn": existing.id})
    attributes = {name: value for name, value in answer["Attributes"].items() if value != ""}
    tags = yield Call("sns", "ListTagsForResource", {"ResourceArn": existing.id})
    subscriptions = yield Call("sns", "ListSubscriptionsByTopic", {"TopicArn": existing.id})
    names = ("DisplayName", "KmsMasterKeyId", "FifoTopic", "ContentBasedDeduplication")
    return {
        "DisplayName": None,
        "KmsMasterKeyId": None,
        **spelled("AWS::SNS::Topic", attributes, *names),
        "TopicName": existing.id.rpartition(":")[2],
        "Subscription": [
            {"Protocol": s["Protocol"], "Endpoint": s["Endpoint"]} for s in subscriptions["Subscriptions"]
        ],
        "Tags": _tags(tags.get("Tags")),
    }
