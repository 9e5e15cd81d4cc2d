"""Bucket configurations that are recorded as given: website, CORS, lifecycle, logging; and those that are only asked
for, which say what S3 says of a bucket that has none.

Recorded means just that: nothing expires or is logged yet.
"""

from __future__ import annotations

from typing import Any

import attrs

from neargate.model.errors import AwsError
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.model.s3 import BucketRecord
from neargate.services.s3.lookup import malformed, refuse, the_bucket

_METHODS = frozenset({"GET", "PUT", "POST", "DELETE", "HEAD"})


def _recorded(bucket: BucketRecord, name: str, code: str, message: str) -> Json:
    """What was put under `name`. Raises the error of a bucket without it."""
    found = bucket.configurations.get(name)
    if found is None:
        raise AwsError(code, message, status=404, BucketName=bucket.name)
    configuration: Json = found
    return configuration


def _record(cx: Context, request: Json, name: str, configuration: Any) -> None:
    """None forgets it."""
    bucket = the_bucket(cx, request)
    others = {key: value for key, value in bucket.configurations.items() if key != name}
    if configuration is not None:
        others[name] = configuration
    cx.tx.put(attrs.evolve(bucket, configurations=others))


# -- CORS ----------------------------------------------------------------------------------------------------


@operation("s3", "PutBucketCors")
def put_bucket_cors(cx: Context, request: Json) -> Json:
    rules = request["CORSConfiguration"].get("CORSRules") or []
    if not rules:
        raise malformed()
    for method in (method for rule in rules for method in rule["AllowedMethods"]):
        if method not in _METHODS:
            raise AwsError(
                "InvalidRequest",
                f"Found unsupported HTTP method in CORS config. Unsupported method is {method}",
            )
    _record(cx, request, "cors", {"CORSRules": rules})
    return {}


@operation("s3", "GetBucketCors", reads=True)
def get_bucket_cors(cx: Context, request: Json) -> Json:
    bucket = the_bucket(cx, request)
    return _recorded(bucket, "cors", "NoSuchCORSConfiguration", "The CORS configuration does not exist")


@operation("s3", "DeleteBucketCors")
def delete_bucket_cors(cx: Context, request: Json) -> Json:
    _record(cx, request, "cors", None)
    return {}


# -- website -------------------------------------------------------------------------------------------------


@operation("s3", "PutBucketWebsite")
def put_bucket_website(cx: Context, request: Json) -> Json:
    website = request["WebsiteConfiguration"]
    suffix = (website.get("IndexDocument") or {}).get("Suffix")
    if website.get("RedirectAllRequestsTo"):
        if len(website) > 1:
            raise AwsError(
                "InvalidArgument",
                "RedirectAllRequestsTo cannot be provided in conjunction with other Routing Rules.",
                ArgumentName="RedirectAllRequestsTo",
                ArgumentValue="not null",
            )
    elif suffix is None:
        raise AwsError(
            "InvalidArgument",
            "A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty",
            ArgumentName="IndexDocument",
            ArgumentValue="null",
        )
    elif not suffix or "/" in suffix:
        raise AwsError(
            "InvalidArgument",
            "The IndexDocument Suffix is not well formed",
            ArgumentName="IndexDocument",
            ArgumentValue=suffix,
        )
    _record(cx, request, "website", website)
    return {}


@operation("s3", "GetBucketWebsite", reads=True)
def get_bucket_website(cx: Context, request: Json) -> Json:
    bucket = the_bucket(cx, request)
    message = "The specified bucket does not have a website configuration"
    return _recorded(bucket, "website", "NoSuchWebsiteConfiguration", message)


@operation("s3", "DeleteBucketWebsite")
def delete_bucket_website(cx: Context, request: Json) -> Json:
    _record(cx, request, "website", None)
    return {}


# -- lifecycle -----------------------------------------------------------------------------------------------


@operation("s3", "PutBucketLifecycleConfiguration")
def put_bucket_lifecycle_configuration(cx: Context, request: Json) -> Json:
    """A rule without an id gets one, as on AWS."""
    rules = (request.get("LifecycleConfiguration") or {}).get("Rules") or []
    if not rules:
        raise malformed()
    named = [{**rule, "ID": rule.get("ID") or cx.ids.uuid()} for rule in rules]
    ids = [rule["ID"] for rule in named]
    if len(set(ids)) < len(ids):
        raise AwsError("InvalidArgument", "Rule ID must be unique. Found same ID for more than one rule")
    minimum = request.get("TransitionDefaultMinimumObjectSize", "all_storage_classes_128K")
    _record(cx, request, "lifecycle", {"Rules": named, "TransitionDefaultMinimumObjectSize": minimum})
    return {"TransitionDefaultMinimumObjectSize": minimum}


@operation("s3", "GetBucketLifecycleConfiguration", reads=True)
def get_bucket_lifecycle_configuration(cx: Context, request: Json) -> Json:
    bucket = the_bucket(cx, request)
    message = "The lifecycle configuration does not exist"
    return _recorded(bucket, "lifecycle", "NoSuchLifecycleConfiguration", message)


@operation("s3", "DeleteBucketLifecycle")
def delete_bucket_lifecycle(cx: Context, request: Json) -> Json:
    _record(cx, request, "lifecycle", None)
    return {}


# -- logging: an empty configuration is none -----------------------------------------------------------------


@operation("s3", "PutBucketLogging")
def put_bucket_logging(cx: Context, request: Json) -> Json:
    status = request["BucketLoggingStatus"]
    enabled = status.get("LoggingEnabled")
    if enabled and cx.tx.get(BucketRecord, enabled["TargetBucket"]) is None:
        raise AwsError(
            "InvalidTargetBucketForLogging",
            "The target bucket for logging does not exist",
            TargetBucket=enabled["TargetBucket"],
        )
    _record(cx, request, "logging", status if enabled else None)
    return {}


@operation("s3", "GetBucketLogging", reads=True)
def get_bucket_logging(cx: Context, request: Json) -> Json:
    return dict(the_bucket(cx, request).configurations.get("logging", {}))


# -- what no bucket here has ---------------------------------------------------------------------------------


@operation("s3", "GetBucketReplication", reads=True)
def get_bucket_replication(cx: Context, request: Json) -> Json:
    bucket = the_bucket(cx, request)
    message = "The replication configuration was not found"
    return _recorded(bucket, "replication", "ReplicationConfigurationNotFoundError", message)


@operation("s3", "GetBucketAccelerateConfiguration", reads=True)
def get_bucket_accelerate_configuration(cx: Context, request: Json) -> Json:
    the_bucket(cx, request)
    return {}


@operation("s3", "GetBucketRequestPayment", reads=True)
def get_bucket_request_payment(cx: Context, request: Json) -> Json:
    the_bucket(cx, request)
    return {"Payer": "BucketOwner"}


@operation("s3", "PutBucketRequestPayment")
def put_bucket_request_payment(cx: Context, request: Json) -> Json:
    """Nobody pays here; the owner paying is the only setting there is."""
    the_bucket(cx, request)
    payment = request["RequestPaymentConfiguration"]
    if payment.get("Payer") == "Requester":
        refuse("PutBucketRequestPayment", payment, "Payer")
    return {}
