"""Whether Elastic Load Balancing may write a load balancer's logs into the bucket that its attributes name.

AWS looks when logs are switched on, by writing a test file. No log is written here; the look is the same.
"""

from __future__ import annotations

from collections.abc import Mapping

from neargate.model.elbv2 import LoadBalancer
from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.planners import policy_document
from neargate.planners.policy_document import Statement
from neargate.planners.policy_evaluation import Request, decide
from neargate.services.elbv2.lookup import invalid, misconfigured

_TEST_FILES = {
    "access_logs": "ELBAccessLogTestFile",
    "connection_logs": "ELBConnectionLogTestFile",
    "health_check_logs": "ELBHealthCheckLogTestFile",
}
_SERVICES = {
    "application": "logdelivery.elasticloadbalancing.amazonaws.com",
    "network": "delivery.logs.amazonaws.com",
}
_ACCOUNTS = """
af-south-1 098369216593
ap-east-1 754344448648
ap-northeast-1 582318560864
ap-northeast-2 600734575887
ap-northeast-3 383597477331
ap-south-1 718504428378
ap-southeast-1 114774131450
ap-southeast-2 783225319266
ap-southeast-3 589379963580
ca-central-1 985666609251
eu-central-1 054676820928
eu-north-1 897822967062
eu-south-1 635631232127
eu-west-1 156460612806
eu-west-2 652711504416
eu-west-3 009996457667
me-south-1 076674570225
sa-east-1 507241528517
us-east-1 127311923021
us-east-2 033677994240
us-west-1 027434742980
us-west-2 797873946194
"""
"""Elastic Load Balancing's own account in each region older than August 2022 (AWS's guide, "Enable access logs")."""
_ACCOUNT = dict(line.split() for line in _ACCOUNTS.strip().splitlines())


def require_access(
    cx: Context, balancer: LoadBalancer, before: Mapping[str, str], after: Mapping[str, str]
) -> None:
    """InvalidConfigurationRequest where logs are switched on, or go elsewhere, and the bucket does not take them."""
    for kind, file in _TEST_FILES.items():
        names = [name for name in after if name.startswith(f"{kind}.s3.")]
        changed = any(before.get(name) != after[name] for name in names)
        if not changed or after.get(f"{kind}.s3.enabled") != "true":
            continue
        bucket, prefix = after[f"{kind}.s3.bucket"], after[f"{kind}.s3.prefix"].strip("/")
        if not bucket:
            raise invalid(f"'{kind}.s3.bucket' cannot be empty when '{kind}.s3.enabled' is 'true'")
        key = f"{prefix}/" if prefix else ""
        resource = f"arn:aws:s3:::{bucket}/{key}AWSLogs/{balancer.account}/{file}"
        if not _may_write(cx, balancer, bucket, resource):
            raise misconfigured(f"Access Denied for bucket: {bucket}. Please check S3bucket permission")


def _may_write(cx: Context, balancer: LoadBalancer, bucket: str, resource: str) -> bool:
    try:
        policy = cx.invoke("s3", "GetBucketPolicy", {"Bucket": bucket})["Policy"]
        document = policy_document.read(policy)
    except AwsError:
        return False
    context = {
        "aws:SourceAccount": (balancer.account,),
        "aws:SourceArn": (balancer.arn,),
        "aws:SecureTransport": ("true",),
        "s3:x-amz-acl": ("bucket-owner-full-control",),
    }
    ours = tuple(one for one in document.statements if _names_us(one, balancer))
    return (
        decide([policy_document.Document(document.version, ours)], Request("s3:PutObject", resource, context))
        == "allowed"
    )


def _names_us(statement: Statement, balancer: LoadBalancer) -> bool:
    """Whether a statement speaks of who writes the logs: a service, or in older regions an account of AWS's."""
    names = statement.principals
    if names is None:
        return statement.not_principals is not None and not statement.allow
    account = _ACCOUNT.get(balancer.region, "")
    known = {"*", account, f"arn:aws:iam::{account}:root", _SERVICES[balancer.type]}
    return any(name in known for kind in names.values() for name in kind)
