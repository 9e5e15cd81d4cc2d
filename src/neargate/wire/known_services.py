"""The services Neargate knows by the names that requests carry, so that no model is loaded to find the right one.

A test compares this table with botocore's models.
"""

from __future__ import annotations

from functools import cache

import attrs


@attrs.frozen
class Known:
    """What identifies a service on the wire. `version` is the API version of the model that answers."""

    version: str
    signing: str
    target_prefix: str | None = None
    rest: bool = False


SERVICES: dict[str, Known] = {
    "acm": Known("2015-12-08", "acm", "CertificateManager"),
    "apigateway": Known("2015-07-09", "apigateway", rest=True),
    "application-autoscaling": Known("2016-02-06", "application-autoscaling", "AnyScaleFrontendService"),
    "autoscaling": Known("2011-01-01", "autoscaling"),
    "cloudcontrol": Known("2021-09-30", "cloudcontrolapi", "CloudApiService"),
    "cloudformation": Known("2010-05-15", "cloudformation"),
    "cloudwatch": Known("2010-08-01", "monitoring", "GraniteServiceVersion20100801"),
    "codebuild": Known("2016-10-06", "codebuild", "CodeBuild_20161006"),
    "codecommit": Known("2015-04-13", "codecommit", "CodeCommit_20150413"),
    "codeconnections": Known(
        "2023-12-01", "codeconnections", "com.amazonaws.codeconnections.CodeConnections_20231201"
    ),
    "codedeploy": Known("2014-10-06", "codedeploy", "CodeDeploy_20141006"),
    "codepipeline": Known("2015-07-09", "codepipeline", "CodePipeline_20150709"),
    "codestar-connections": Known(
        "2019-12-01",
        "codestar-connections",
        "com.amazonaws.codestar.connections.CodeStar_connections_20191201",
    ),
    "dynamodb": Known("2012-08-10", "dynamodb", "DynamoDB_20120810"),
    "dynamodbstreams": Known("2012-08-10", "dynamodb", "DynamoDBStreams_20120810"),
    "ec2": Known("2016-11-15", "ec2"),
    "ecr": Known("2015-09-21", "ecr", "AmazonEC2ContainerRegistry_V20150921"),
    "ecs": Known("2014-11-13", "ecs", "AmazonEC2ContainerServiceV20141113"),
    "efs": Known("2015-02-01", "elasticfilesystem", rest=True),
    "elb": Known("2012-06-01", "elasticloadbalancing"),
    "elbv2": Known("2015-12-01", "elasticloadbalancing"),
    "es": Known("2015-01-01", "es", rest=True),
    "events": Known("2015-10-07", "events", "AWSEvents"),
    "firehose": Known("2015-08-04", "firehose", "Firehose_20150804"),
    "iam": Known("2010-05-08", "iam"),
    "kinesis": Known("2013-12-02", "kinesis", "Kinesis_20131202"),
    "kms": Known("2014-11-01", "kms", "TrentService"),
    "lambda": Known("2015-03-31", "lambda", rest=True),
    "logs": Known("2014-03-28", "logs", "Logs_20140328"),
    "opensearch": Known("2021-01-01", "es", rest=True),
    "rds": Known("2014-10-31", "rds"),
    "redshift": Known("2012-12-01", "redshift"),
    "resource-groups": Known("2017-11-27", "resource-groups", rest=True),
    "resourcegroupstaggingapi": Known("2017-01-26", "tagging", "ResourceGroupsTaggingAPI_20170126"),
    "route53": Known("2013-04-01", "route53", rest=True),
    "s3": Known("2006-03-01", "s3", rest=True),
    "scheduler": Known("2021-06-30", "scheduler", rest=True),
    "secretsmanager": Known("2017-10-17", "secretsmanager", "secretsmanager"),
    "servicediscovery": Known("2017-03-14", "servicediscovery", "Route53AutoNaming_v20170314"),
    "sns": Known("2010-03-31", "sns"),
    "sqs": Known("2012-11-05", "sqs", "AmazonSQS"),
    "ssm": Known("2014-11-06", "ssm", "AmazonSSM"),
    "stepfunctions": Known("2016-11-23", "states", "AWSStepFunctions"),
    "sts": Known("2011-06-15", "sts"),
}

_SIGNING_ALIASES = {"s3express": "s3", "s3-object-lambda": "s3"}


@cache
def by_target_prefix() -> dict[str, str]:
    """The service that an X-Amz-Target prefix names."""
    return {known.target_prefix: name for name, known in SERVICES.items() if known.target_prefix}


@cache
def signed_as(signing_name: str) -> tuple[str, ...]:
    """The services that requests signed for `signing_name` may be for; empty if it is not known."""
    signing_name = _SIGNING_ALIASES.get(signing_name, signing_name)
    return tuple(name for name, known in SERVICES.items() if known.signing == signing_name)


@cache
def versioned(version: str) -> tuple[str, ...]:
    """The services whose API has this version."""
    return tuple(name for name, known in SERVICES.items() if known.version == version)
