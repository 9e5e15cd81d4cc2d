"""What AWS::S3::Bucket's properties are in S3's API: each a configuration with its own operations.

The templates' names differ from the API's in places (`ExposedHeaders`, `TransitionInDays`, `Queue`); the functions
here rename, and leave it to the operation's shape to give scalars their type.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from neargate.model.records import Json
from neargate.resources.declaration import Call
from neargate.resources.shapes import call, pick, without

Value = Mapping[str, Any]


@attrs.frozen
class Configuration:
    """A property, the operation that puts it as `member`, its translation (of the value and the bucket's name).

    Once the property is gone from the template, `removal` deletes it; where S3 has no such operation, `default` is
    put instead. `beside` names what stands in the property and beside the member in the request.
    """

    property: str
    put: str
    member: str
    translate: Callable[[Value, str], Json]
    removal: str | None = None
    default: Json | None = None
    beside: tuple[str, ...] = ()

    def set(self, bucket: str, value: Value) -> Call:
        inside = self.translate(without(value, *self.beside), bucket)
        return call("s3", self.put, {"Bucket": bucket, self.member: inside, **pick(value, self.beside)})

    def unset(self, bucket: str) -> Call:
        if self.removal is not None:
            return Call("s3", self.removal, {"Bucket": bucket})
        return Call("s3", self.put, {"Bucket": bucket, self.member: self.default or {}})


def _as_given(value: Value, bucket: str) -> Json:
    return dict(value)


def _renamed(value: Value, **names: str) -> Json:
    """The value with its members called otherwise; those not named keep their names."""
    return {names.get(name, name): item for name, item in value.items()}


def _encryption(value: Value, bucket: str) -> Json:
    rules = [
        {"BucketKeyEnabled": False, **_renamed(rule, ServerSideEncryptionByDefault=_BY_DEFAULT)}
        for rule in value["ServerSideEncryptionConfiguration"]
    ]
    return {"Rules": rules}


_BY_DEFAULT = "ApplyServerSideEncryptionByDefault"


def _cors(value: Value, bucket: str) -> Json:
    rules = value["CorsRules"]
    return {
        "CORSRules": [
            _renamed(rule, ExposedHeaders="ExposeHeaders", Id="ID", MaxAge="MaxAgeSeconds") for rule in rules
        ]
    }


def _website(value: Value, bucket: str) -> Json:
    website: Json = dict(value)
    if "IndexDocument" in website:
        website["IndexDocument"] = {"Suffix": website["IndexDocument"]}
    if "ErrorDocument" in website:
        website["ErrorDocument"] = {"Key": website["ErrorDocument"]}
    if "RoutingRules" in website:
        website["RoutingRules"] = [
            _renamed(rule, RoutingRuleCondition="Condition", RedirectRule="Redirect")
            for rule in website["RoutingRules"]
        ]
    return website


def _logging(value: Value, bucket: str) -> Json:
    """Without a destination, a bucket logs to itself."""
    named = _renamed(value, DestinationBucketName="TargetBucket", LogFilePrefix="TargetPrefix")
    return {"LoggingEnabled": {"TargetBucket": bucket, "TargetPrefix": "", **named}}


# -- lifecycle -----------------------------------------------------------------------------------------------


def _lifecycle(value: Value, bucket: str) -> Json:
    return {"Rules": [_lifecycle_rule(rule) for rule in value["Rules"]]}


def _lifecycle_rule(rule: Value) -> Json:
    made: Json = {"Status": rule["Status"], "Filter": _lifecycle_filter(rule)}
    if "Id" in rule:
        made["ID"] = rule["Id"]
    if "AbortIncompleteMultipartUpload" in rule:
        made["AbortIncompleteMultipartUpload"] = rule["AbortIncompleteMultipartUpload"]
    expiration = {
        member: rule[name]
        for name, member in (
            ("ExpirationInDays", "Days"),
            ("ExpirationDate", "Date"),
            ("ExpiredObjectDeleteMarker", "ExpiredObjectDeleteMarker"),
        )
        if name in rule
    }
    if expiration:
        made["Expiration"] = expiration
    transitions = [*rule.get("Transitions", ()), *([rule["Transition"]] if "Transition" in rule else ())]
    if transitions:
        made["Transitions"] = [
            _renamed(one, TransitionInDays="Days", TransitionDate="Date") for one in transitions
        ]
    made.update(_noncurrent(rule))
    return made


def _noncurrent(rule: Value) -> Json:
    made: Json = {}
    if "NoncurrentVersionExpiration" in rule:
        made["NoncurrentVersionExpiration"] = rule["NoncurrentVersionExpiration"]
    elif "NoncurrentVersionExpirationInDays" in rule:
        made["NoncurrentVersionExpiration"] = {"NoncurrentDays": rule["NoncurrentVersionExpirationInDays"]}
    single = [rule["NoncurrentVersionTransition"]] if "NoncurrentVersionTransition" in rule else []
    transitions = [*rule.get("NoncurrentVersionTransitions", ()), *single]
    if transitions:
        made["NoncurrentVersionTransitions"] = [
            _renamed(one, TransitionInDays="NoncurrentDays") for one in transitions
        ]
    return made


def _lifecycle_filter(rule: Value) -> Json:
    """One condition stands alone; several stand in `And`; none is the empty prefix, which means every object."""
    named = ("Prefix", "ObjectSizeGreaterThan", "ObjectSizeLessThan")
    conditions: Json = {name: rule[name] for name in named if name in rule}
    tags = list(rule.get("TagFilters") or ())
    if len(conditions) + len(tags) > 1:
        return {"And": {**conditions, **({"Tags": tags} if tags else {})}}
    if tags:
        return {"Tag": tags[0]}
    return conditions or {"Prefix": ""}


# -- notifications -------------------------------------------------------------------------------------------


def _notification(value: Value, bucket: str) -> Json:
    made: Json = {}
    for name, target, member in (
        ("QueueConfigurations", "Queue", "QueueArn"),
        ("TopicConfigurations", "Topic", "TopicArn"),
    ):
        if value.get(name):
            made[name] = [_target(one, target, member) for one in value[name]]
    if value.get("LambdaConfigurations"):
        made["LambdaFunctionConfigurations"] = [
            _target(one, "Function", "LambdaFunctionArn") for one in value["LambdaConfigurations"]
        ]
    bridge = value.get("EventBridgeConfiguration")
    if bridge is not None and str(bridge.get("EventBridgeEnabled", True)).lower() == "true":
        made["EventBridgeConfiguration"] = {}
    return made


def _target(one: Value, target: str, member: str) -> Json:
    made: Json = {member: one[target], "Events": [one["Event"]]}
    rules = one.get("Filter", {}).get("S3Key", {}).get("Rules")
    if rules:
        made["Filter"] = {"Key": {"FilterRules": rules}}
    return made


# In the order in which they are put: who owns objects and who is kept out, before what they forbid.
CONFIGURATIONS = (
    Configuration(
        "OwnershipControls",
        "PutBucketOwnershipControls",
        "OwnershipControls",
        _as_given,
        "DeleteBucketOwnershipControls",
    ),
    Configuration(
        "PublicAccessBlockConfiguration",
        "PutPublicAccessBlock",
        "PublicAccessBlockConfiguration",
        _as_given,
        "DeletePublicAccessBlock",
    ),
    Configuration(
        "VersioningConfiguration",
        "PutBucketVersioning",
        "VersioningConfiguration",
        _as_given,
        default={"Status": "Suspended"},
    ),
    Configuration(
        "BucketEncryption",
        "PutBucketEncryption",
        "ServerSideEncryptionConfiguration",
        _encryption,
        "DeleteBucketEncryption",
    ),
    Configuration("CorsConfiguration", "PutBucketCors", "CORSConfiguration", _cors, "DeleteBucketCors"),
    Configuration(
        "WebsiteConfiguration", "PutBucketWebsite", "WebsiteConfiguration", _website, "DeleteBucketWebsite"
    ),
    Configuration(
        "LifecycleConfiguration",
        "PutBucketLifecycleConfiguration",
        "LifecycleConfiguration",
        _lifecycle,
        "DeleteBucketLifecycle",
        beside=("TransitionDefaultMinimumObjectSize",),
    ),
    Configuration("LoggingConfiguration", "PutBucketLogging", "BucketLoggingStatus", _logging),
    Configuration(
        "NotificationConfiguration",
        "PutBucketNotificationConfiguration",
        "NotificationConfiguration",
        _notification,
    ),
    Configuration(
        "ObjectLockConfiguration",
        "PutObjectLockConfiguration",
        "ObjectLockConfiguration",
        _as_given,
        default={"ObjectLockEnabled": "Enabled"},
    ),
)
