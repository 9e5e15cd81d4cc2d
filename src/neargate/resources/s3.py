"""AWS::S3::Bucket, BucketPolicy."""

from __future__ import annotations

import json

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


def _error(verb: str, error: AwsError) -> tuple[str, str]:
    code = "GeneralServiceException" if error.code == "BucketNotEmpty" else handler_code(error)
    return sdk_error("S3", error), code


def _create_bucket(want: Desired) -> Steps[Identity]:
    request: Json = {"Bucket": want.name}
    if want.region != "us-east-1":
        request["CreateBucketConfiguration"] = {"LocationConstraint": want.region}
    yield Call("s3", "CreateBucket", request)
    yield from _configure(want.name or "", want)
    return Identity(want.name or "")


def _configure(bucket: str, want: Desired) -> Steps[None]:
    p = want.properties
    versioning = p.get("VersioningConfiguration")
    if versioning:
        yield Call(
            "s3",
            "PutBucketVersioning",
            {"Bucket": bucket, "VersioningConfiguration": {"Status": versioning["Status"]}},
        )
    encryption = p.get("BucketEncryption")
    if encryption:
        rules = [
            {
                "ApplyServerSideEncryptionByDefault": rule.get("ServerSideEncryptionByDefault", {}),
                "BucketKeyEnabled": str(rule.get("BucketKeyEnabled", False)).lower() == "true",
            }
            for rule in encryption["ServerSideEncryptionConfiguration"]
        ]
        yield Call(
            "s3",
            "PutBucketEncryption",
            {"Bucket": bucket, "ServerSideEncryptionConfiguration": {"Rules": rules}},
        )
    block = p.get("PublicAccessBlockConfiguration")
    if block:
        flags = {name: str(value).lower() == "true" for name, value in block.items()}
        yield Call("s3", "PutPublicAccessBlock", {"Bucket": bucket, "PublicAccessBlockConfiguration": flags})
    ownership = p.get("OwnershipControls")
    if ownership:
        yield Call("s3", "PutBucketOwnershipControls", {"Bucket": bucket, "OwnershipControls": ownership})
    if want.all_tags:
        yield Call("s3", "PutBucketTagging", {"Bucket": bucket, "Tagging": {"TagSet": upper(want.all_tags)}})


def _update_bucket(old: Existing, want: Desired) -> Steps[None]:
    if (
        old.desired.properties.get("VersioningConfiguration")
        and "VersioningConfiguration" not in want.properties
    ):
        yield Call(
            "s3",
            "PutBucketVersioning",
            {"Bucket": old.id, "VersioningConfiguration": {"Status": "Suspended"}},
        )
    if old.desired.properties.get("PublicAccessBlockConfiguration") and (
        "PublicAccessBlockConfiguration" not in want.properties
    ):
        yield Call("s3", "DeletePublicAccessBlock", {"Bucket": old.id})
    if old.desired.properties.get("BucketEncryption") and "BucketEncryption" not in want.properties:
        yield Call("s3", "DeleteBucketEncryption", {"Bucket": old.id})
    if old.desired.properties.get("OwnershipControls") and "OwnershipControls" not in want.properties:
        yield Call("s3", "DeleteBucketOwnershipControls", {"Bucket": old.id})
    yield from _configure(old.id, want)


def _read_bucket(existing: Existing) -> Steps[Json]:
    yield Call("s3", "HeadBucket", {"Bucket": existing.id})
    name, region = existing.id, existing.desired.region
    return {
        "Arn": f"arn:aws:s3:::{name}",
        "DomainName": f"{name}.s3.amazonaws.com",
        "RegionalDomainName": f"{name}.s3.{region}.amazonaws.com",
        "DualStackDomainName": f"{name}.s3.dualstack.{region}.amazonaws.com",
        "WebsiteURL": f"http://{name}.s3-website-{region}.amazonaws.com",
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
                "BucketName BucketEncryption OwnershipControls PublicAccessBlockConfiguration Tags "
                "VersioningConfiguration".split()
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
