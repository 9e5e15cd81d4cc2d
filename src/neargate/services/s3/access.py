"""Access control lists (canned ones) and bucket policies: recorded, and refused where S3 refuses them."""

from __future__ import annotations

import json
from typing import Any

import attrs

from neargate.model.errors import AwsError, not_implemented
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.model.s3 import BucketRecord, Version
from neargate.services.s3.lookup import access_denied, owner, refuse, the_bucket, the_version

_GRANTS = ("GrantFullControl", "GrantRead", "GrantReadACP", "GrantWrite", "GrantWriteACP")
_OWNERS_ONLY = frozenset({"private", "bucket-owner-full-control"})
_GROUPS = "http://acs.amazonaws.com/groups"
_CANNED: dict[str, tuple[tuple[str, str], ...]] = {
    "private": (),
    "bucket-owner-full-control": (),
    "public-read": (("global/AllUsers", "READ"),),
    "public-read-write": (("global/AllUsers", "READ"), ("global/AllUsers", "WRITE")),
    "authenticated-read": (("global/AuthenticatedUsers", "READ"),),
    "log-delivery-write": (("s3/LogDelivery", "WRITE"), ("s3/LogDelivery", "READ_ACP")),
}


def object_acl(name: str, bucket: BucketRecord, request: Json) -> str:
    """The canned ACL of an object that is written. Raises what S3 answers where the bucket forbids it."""
    refuse(name, request, *_GRANTS)
    acl: str = request.get("ACL", "private")
    _check_acl(acl, bucket)
    return acl


def _check_acl(acl: str, bucket: BucketRecord) -> None:
    if acl in _OWNERS_ONLY:
        return
    if bucket.ownership in {None, "BucketOwnerEnforced"}:
        raise AwsError("AccessControlListNotSupported", "The bucket does not allow ACLs")
    if acl not in _CANNED:
        raise not_implemented(f"the canned ACL {acl} of s3", "s3")
    blocked = (bucket.public_access_block or {}).get("BlockPublicAcls")
    if blocked and any(group.startswith("global/") for group, _ in _CANNED[acl]):
        raise access_denied()


@operation("s3", "GetBucketAcl", reads=True)
def get_bucket_acl(cx: Context, request: Json) -> Json:
    bucket = the_bucket(cx, request)
    return _grants(bucket.account, bucket.acl)


@operation("s3", "PutBucketAcl")
def put_bucket_acl(cx: Context, request: Json) -> Json:
    bucket = the_bucket(cx, request)
    acl = _canned("PutBucketAcl", bucket, request)
    _check_acl(acl, bucket)
    cx.tx.put(attrs.evolve(bucket, acl=acl))
    return {}


@operation("s3", "GetObjectAcl", reads=True)
def get_object_acl(cx: Context, request: Json) -> Json:
    bucket = the_bucket(cx, request)
    version: Version = the_version(cx, bucket, request["Key"], request.get("VersionId"), "GET")
    return _grants(bucket.account, version.acl)


def _canned(name: str, bucket: BucketRecord, request: Json) -> str:
    """The canned ACL of the request; the owner's full control, spelled out, is `private`."""
    refuse(name, request, *_GRANTS)
    policy = request.get("AccessControlPolicy")
    if policy is None:
        if "ACL" not in request:
            raise AwsError(
                "MissingSecurityHeader",
                "Your request was missing a required header",
                MissingHeaderName="x-amz-acl",
            )
        acl: str = request["ACL"]
        return acl
    wanted = [(grant["Grantee"].get("ID"), grant["Permission"]) for grant in policy.get("Grants") or ()]
    if wanted != [(owner(bucket.account)["ID"], "FULL_CONTROL")]:
        raise not_implemented(f"s3:{name} with single grants", "s3")
    return "private"


def _grants(account: str, acl: str) -> Json:
    own = {"Grantee": {**owner(account), "Type": "CanonicalUser"}, "Permission": "FULL_CONTROL"}
    others = [
        {"Grantee": {"Type": "Group", "URI": f"{_GROUPS}/{group}"}, "Permission": permission}
        for group, permission in _CANNED[acl]
    ]
    return {"Owner": owner(account), "Grants": [own, *others]}


# -- policies ------------------------------------------------------------------------------------------------


@operation("s3", "PutBucketPolicy")
def put_bucket_policy(cx: Context, request: Json) -> Json:
    bucket = the_bucket(cx, request)
    policy = _parsed(request["Policy"])
    if (bucket.public_access_block or {}).get("BlockPublicPolicy") and _is_public(policy):
        raise AwsError(
            "AccessDenied",
            f"User: {cx.caller.principal} is not authorized to perform: s3:PutBucketPolicy on resource: "
            f'"{bucket.arn}" because public policies are blocked by the BlockPublicPolicy block public access '
            "setting.",
            status=403,
        )
    cx.tx.put(attrs.evolve(bucket, policy=request["Policy"]))
    return {}


@operation("s3", "GetBucketPolicy", reads=True)
def get_bucket_policy(cx: Context, request: Json) -> Json:
    return {"Policy": _policy(the_bucket(cx, request))}


@operation("s3", "GetBucketPolicyStatus", reads=True)
def get_bucket_policy_status(cx: Context, request: Json) -> Json:
    return {"PolicyStatus": {"IsPublic": _is_public(_parsed(_policy(the_bucket(cx, request))))}}


@operation("s3", "DeleteBucketPolicy")
def delete_bucket_policy(cx: Context, request: Json) -> Json:
    cx.tx.put(attrs.evolve(the_bucket(cx, request), policy=None))
    return {}


def _policy(bucket: BucketRecord) -> str:
    if bucket.policy is None:
        raise AwsError(
            "NoSuchBucketPolicy", "The bucket policy does not exist", status=404, BucketName=bucket.name
        )
    return bucket.policy


def _parsed(text: str) -> Json:
    try:
        policy = json.loads(text)
    except ValueError:
        policy = None
    if not text.startswith("{") or not isinstance(policy, dict):
        raise AwsError("MalformedPolicy", "Policies must be valid JSON and the first byte must be '{'")
    if "Statement" not in policy:
        raise AwsError("MalformedPolicy", "Missing required field Statement")
    return policy


def _is_public(policy: Json) -> bool:
    """Whether a statement allows everybody something without any condition."""
    statements = policy["Statement"] if isinstance(policy["Statement"], list) else [policy["Statement"]]
    return any(
        statement.get("Effect") == "Allow"
        and not statement.get("Condition")
        and _is_everybody(statement.get("Principal"))
        for statement in statements
        if isinstance(statement, dict)
    )


def _is_everybody(principal: Any) -> bool:
    accounts = principal.get("AWS") if isinstance(principal, dict) else principal
    return accounts == "*" or (isinstance(accounts, list) and "*" in accounts)
