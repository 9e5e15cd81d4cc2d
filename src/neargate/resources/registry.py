"""Which resource types Neargate has, by name. A declaration module is loaded when one of its types is asked for."""

from __future__ import annotations

import importlib

from neargate.resources.declaration import ResourceType

_MODULES = {
    "AWS::ApiGateway": "apigateway",
    "AWS::ApplicationAutoScaling": "application_autoscaling",
    "AWS::CDK": "waiting",
    "AWS::CertificateManager": "acm",
    "AWS::CloudFormation": "cloudformation",
    "AWS::CloudWatch": "cloudwatch",
    "AWS::CodeBuild": "codebuild",
    "AWS::CodeConnections": "codeconnections",
    "AWS::CodePipeline": "codepipeline",
    "AWS::CodeStarConnections": "codeconnections",
    "AWS::DynamoDB": "dynamodb",
    "AWS::EC2": "ec2",
    "AWS::ECR": "ecr",
    "AWS::ECS": "ecs",
    "AWS::EFS": "efs",
    "AWS::ElasticLoadBalancingV2": "elasticloadbalancingv2",
    "AWS::Elasticsearch": "opensearch",
    "AWS::Events": "events",
    "AWS::IAM": "iam",
    "AWS::KMS": "kms",
    "AWS::Kinesis": "kinesis",
    "AWS::KinesisFirehose": "firehose",
    "AWS::Logs": "logs",
    "AWS::OpenSearchService": "opensearch",
    "AWS::Redshift": "redshift",
    "AWS::ResourceGroups": "resource_groups",
    "AWS::Route53": "route53",
    "AWS::S3": "s3",
    "AWS::SNS": "sns",
    "AWS::SQS": "sqs",
    "AWS::SSM": "ssm",
    "AWS::Scheduler": "scheduler",
    "AWS::SecretsManager": "secretsmanager",
    "AWS::ServiceDiscovery": "servicediscovery",
    "AWS::StepFunctions": "stepfunctions",
}


# Namespaces whose services the optional moto extra answers; a test compares them with the calls of their handlers.
MOTO = frozenset(
    "AWS::" + name
    for name in (
        "ApiGateway CertificateManager DynamoDB EFS Elasticsearch Events KMS Kinesis KinesisFirehose "
        "OpenSearchService Redshift ResourceGroups Route53 SNS SQS Scheduler StepFunctions"
    ).split()
)


def needs_moto(type_name: str) -> bool:
    """Whether a type can be made only where the moto extra is installed."""
    return "::".join(type_name.split("::")[:2]) in MOTO


def find_or_none(type_name: str) -> ResourceType | None:
    """The declaration, or None for a type that is not supported."""
    module = _MODULES.get("::".join(type_name.split("::")[:2]))
    if module is None:
        return None
    types: dict[str, ResourceType] = importlib.import_module(f"neargate.resources.{module}").TYPES
    return types.get(type_name)


def find(type_name: str) -> ResourceType:
    """The declaration. The call refused unsupported types before, so a miss is a bug."""
    found = find_or_none(type_name)
    if found is None:
        raise LookupError(f"no declaration for {type_name}")
    return found


def supported() -> list[ResourceType]:
    """Every declaration, by type name: what the coverage page lists."""
    found: dict[str, ResourceType] = {}
    for module in sorted(set(_MODULES.values())):
        found.update(importlib.import_module(f"neargate.resources.{module}").TYPES)
    return [found[name] for name in sorted(found)]
