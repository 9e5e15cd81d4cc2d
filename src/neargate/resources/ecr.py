"""AWS::ECR::Repository."""

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
    return sdk_error("Ecr", error), handler_code(error)


def _create(want: Desired) -> Steps[Identity]:
    p = want.properties
    request: Json = {"repositoryName": want.name, "imageTagMutability": p.get("ImageTagMutability")}
    scanning = p.get("ImageScanningConfiguration")
    if scanning:
        request["imageScanningConfiguration"] = {"scanOnPush": _flag(scanning.get("ScanOnPush"))}
    encryption = p.get("EncryptionConfiguration")
    if encryption:
        request["encryptionConfiguration"] = {"encryptionType": encryption["EncryptionType"]}
        if "KmsKey" in encryption:
            request["encryptionConfiguration"]["kmsKey"] = encryption["KmsKey"]
    request["tags"] = upper(want.all_tags) or None
    yield Call(
        "ecr", "CreateRepository", {name: value for name, value in request.items() if value is not None}
    )
    yield from _policies(want.name or "", want)
    return Identity(want.name or "")


def _flag(value: object) -> bool:
    return str(value).lower() == "true"


def _policies(name: str, want: Desired) -> Steps[None]:
    lifecycle = (want.properties.get("LifecyclePolicy") or {}).get("LifecyclePolicyText")
    if lifecycle:
        yield Call("ecr", "PutLifecyclePolicy", {"repositoryName": name, "lifecyclePolicyText": lifecycle})
    policy = want.properties.get("RepositoryPolicyText")
    if policy:
        text = policy if isinstance(policy, str) else json.dumps(policy)
        yield Call("ecr", "SetRepositoryPolicy", {"repositoryName": name, "policyText": text})


def _update(old: Existing, want: Desired) -> Steps[None]:
    was, now = old.desired.properties, want.properties
    if was.get("ImageTagMutability") != now.get("ImageTagMutability"):
        mutability = now.get("ImageTagMutability") or "MUTABLE"
        yield Call(
            "ecr", "PutImageTagMutability", {"repositoryName": old.id, "imageTagMutability": mutability}
        )
    if was.get("ImageScanningConfiguration") != now.get("ImageScanningConfiguration"):
        scan = _flag((now.get("ImageScanningConfiguration") or {}).get("ScanOnPush"))
        yield Call(
            "ecr",
            "PutImageScanningConfiguration",
            {"repositoryName": old.id, "imageScanningConfiguration": {"scanOnPush": scan}},
        )
    if was.get("LifecyclePolicy") and not now.get("LifecyclePolicy"):
        yield Call("ecr", "DeleteLifecyclePolicy", {"repositoryName": old.id})
    if was.get("RepositoryPolicyText") and not now.get("RepositoryPolicyText"):
        yield Call("ecr", "DeleteRepositoryPolicy", {"repositoryName": old.id})
    yield from _policies(old.id, want)
    if want.all_tags != old.desired.all_tags:
        arn = f"arn:aws:ecr:{want.region}:{want.account}:repository/{old.id}"
        gone = sorted(old.desired.all_tags.keys() - want.all_tags.keys())
        if gone:
            yield Call("ecr", "UntagResource", {"resourceArn": arn, "tagKeys": gone})
        yield Call("ecr", "TagResource", {"resourceArn": arn, "tags": upper(want.all_tags)})


def _read(existing: Existing) -> Steps[Json]:
    answer = yield Call("ecr", "DescribeRepositories", {"repositoryNames": [existing.id]})
    repository = answer["repositories"][0]
    return {"Arn": repository["repositoryArn"], "RepositoryUri": repository["repositoryUri"]}


def _delete(existing: Existing) -> Steps[None]:
    force = _flag(existing.desired.properties.get("EmptyOnDelete"))
    yield Call("ecr", "DeleteRepository", {"repositoryName": existing.id, "force": force})


TYPES = {
    "AWS::ECR::Repository": ResourceType(
        type="AWS::ECR::Repository",
        honoured=frozenset(
            "EmptyOnDelete EncryptionConfiguration ImageScanningConfiguration ImageTagMutability LifecyclePolicy "
            "RepositoryName RepositoryPolicyText Tags".split()
        ),
        naming=Naming("RepositoryName", max_length=256, style="lower"),
        create=_create,
        read=_read,
        update=_update,
        delete=_delete,
        error=_error,
    )
}
