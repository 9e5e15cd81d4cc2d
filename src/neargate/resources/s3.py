"""AWS::S3::Bucket, BucketPolicy."""

from __future__ import annotations

import json
import re

from neargate.model.errors import AwsError
from neargate.model.records import Json
from neargate.model.tags import upper
from neargate.resources.declaration import (
    Call,
    Desired,
    Existing,
    Identity,
    Naming,
    ResourceType,
    Steps,
    handler_code,
    sdk_error,
)
from neargate.resources.s3_configurations import CONFIGURATIONS


def _error(verb: str, error: AwsError) -> tuple[str, str]:
    code = "GeneralServiceException" if error.code == "BucketNotEmpty" else handler_code(error)
    return sdk_error("S3", error), code


# How buckets in these regions name their website; newer regions have a dot where these have a dash.
_DASHED_WEBSITES = frozenset(
    "us-east-1 us-west-1 us-west-2 ap-southeast-1 ap-southeast-2 ap-northeast-1 eu-west-1 sa-east-1".split()
)


def _create_bucket(want: Desired) -> Steps[Identity]:
    p = want.properties
    request: Json = {"Bucket": want.name}
    if want.region != "us-east-1":
        request["CreateBucketConfiguration"] = {"LocationConstraint": want.region}
    if "OwnershipControls" not in p and "AccessControl" in p:
        request["ACL"] = _canned_acl(p)
    if _has_lock(p):
        request["ObjectLockEnabledForBucket"] = True
    yield Call("s3", "CreateBucket", request)
    name = want.name or ""
    for configuration in CONFIGURATIONS:
        if configuration.property in p:
            yield configuration.set(name, p[configuration.property])
    if "OwnershipControls" in p and "AccessControl" in p:
        yield Call("s3", "PutBucketAcl", {"Bucket": name, "ACL": _canned_acl(p)})
    if want.all_tags:
        yield _tag(name, want)
    return Identity(name)


def _has_lock(properties: Json) -> bool:
    return str(properties.get("ObjectLockEnabled", "")).lower() == "true"


def _canned_acl(properties: Json) -> str:
    """`PublicRead` in a template is S3's `public-read`."""
    words = re.findall("[A-Z][a-z]+", properties.get("AccessControl", "Private"))
    return "-".join(word.lower() for word in words)


def _tag(bucket: str, want: Desired) -> Call:
    return Call("s3", "PutBucketTagging", {"Bucket": bucket, "Tagging": {"TagSet": upper(want.all_tags)}})


def _update_bucket(old: Existing, want: Desired) -> Steps[None]:
    was, now = old.desired.properties, want.properties
    if _has_lock(now) and not _has_lock(was) and "ObjectLockConfiguration" not in now:
        enabled = {"ObjectLockEnabled": "Enabled"}
        yield Call("s3", "PutObjectLockConfiguration", {"Bucket": old.id, "ObjectLockConfiguration": enabled})
    for configuration in CONFIGURATIONS:
        before, after = was.get(configuration.property), now.get(configuration.property)
        if after is None and before is not None:
            yield configuration.unset(old.id)
        elif after is not None and after != before:
            yield configuration.set(old.id, after)
    if _canned_acl(was) != _canned_acl(now):
        yield Call("s3", "PutBucketAcl", {"Bucket": old.id, "ACL": _canned_acl(now)})
    if want.all_tags:
        yield _tag(old.id, want)
    elif old.desired.all_tags:
        yield Call("s3", "DeleteBucketTagging", {"Bucket": old.id})


def _read_bucket(existing: Existing) -> Steps[Json]:
    yield Call("s3", "HeadBucket", {"Bucket": existing.id})
    name, region = existing.id, existing.desired.region
    website = f"s3-website-{region}" if region in _DASHED_WEBSITES else f"s3-website.{region}"
    return {
        "Arn": f"arn:aws:s3:::{name}",
        "DomainName": f"{name}.s3.amazonaws.com",
        "RegionalDomainName": f"{name}.s3.{region}.amazonaws.com",
        "DualStackDomainName": f"{name}.s3.dualstack.{region}.amazonaws.com",
        "WebsiteURL": f"http://{name}.{website}.amazonaws.com",
    }


def _delete_bucket(existing: Existing) -> Steps[None]:
    yield Call("s3", "DeleteBucket", {"Bucket": existing.id})


def _put_policy(bucket: str, want: Desired) -> Steps[None]:
    document = want.properties["PolicyDocument"]
    text = document if isinstance(document, str) else json.dumps(document)
    yield Call("s3", "PutBucketPolicy", {"Bucket": bucket, "Policy": text})


def _create_policy(want: Desired) -> Steps[Identity]:
    bucket = str(want.properties["Bucket"])
    yield from _put_policy(bucket, want)
    return Identity(bucket)


def _update_policy(old: Existing, want: Desired) -> Steps[None]:
    yield from _put_policy(old.id, want)


def _read_policy(existing: Existing) -> Steps[Json]:
    yield Call("s3", "GetBucketPolicy", {"Bucket": existing.id})
    return {}


def _delete_policy(existing: Existing) -> Steps[None]:
    yield Call("s3", "DeleteBucketPolicy", {"Bucket": existing.id})


TYPES = {
    declared.type: declared
    for declared in (
        ResourceType(
            type="AWS::S3::Bucket",
            honoured=frozenset(
                {"AccessControl", "BucketName", "ObjectLockEnabled", "Tags"}
                | {each.property for each in CONFIGURATIONS}
            ),
            naming=Naming("BucketName", max_length=63, style="lower"),
            create=_create_bucket,
            read=_read_bucket,
            update=_update_bucket,
            delete=_delete_bucket,
            error=_error,
        ),
        ResourceType(
            type="AWS::S3::BucketPolicy",
            honoured=frozenset({"Bucket", "PolicyDocument"}),
            create=_create_policy,
            read=_read_policy,
            update=_update_policy,
            delete=_delete_policy,
            error=_error,
        ),
    )
}
