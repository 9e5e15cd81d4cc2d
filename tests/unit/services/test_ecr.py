"""ECR's API: repositories, images, policies, tokens."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from neargate.model.ecr import Grant, Registry, Repository, SigningKey, parse_reference, sign, verify
from neargate.model.errors import AwsError
from neargate.services.ecr.layers import record_layer
from tests.unit.services.cloud import ACCOUNT, REGION, Cloud, cloud

SCHEMA2 = "application/vnd.docker.distribution.manifest.v2+json"


@pytest.fixture
def aws() -> Iterator[Cloud]:
    with cloud() as it:
        yield it


def push(aws: Cloud, name: str, tag: str | None, content: str = "one", **more: Any) -> str:
    """Put an image of one layer; its digest."""
    parts = [aws.blobs.put(f"{kind} {content}".encode()) for kind in ("config", "layer")]
    repository = aws.store.read(lambda view: view.get(Repository, Registry(ACCOUNT, REGION).scope(name)))
    assert repository is not None
    for blob in parts:
        aws.write(lambda tx, blob=blob: record_layer(tx, repository, blob))  # type: ignore[misc]
    config, layer = ({"digest": f"sha256:{blob.sha256}", "size": blob.size} for blob in parts)
    manifest = json.dumps({"schemaVersion": 2, "mediaType": SCHEMA2, "config": config, "layers": [layer]})
    request = {"repositoryName": name, "imageManifest": manifest, **more}
    if tag is not None:
        request["imageTag"] = tag
    digest: str = aws.call("ecr", "PutImage", **request)["image"]["imageId"]["imageDigest"]
    assert digest == "sha256:" + hashlib.sha256(manifest.encode()).hexdigest()
    return digest


def refused(aws: Cloud, operation: str, **request: Any) -> tuple[str, str]:
    with pytest.raises(AwsError) as caught:
        aws.call("ecr", operation, **request)
    return caught.value.code, caught.value.message


def test_a_repository_is_described_as_it_was_created(aws: Cloud) -> None:
    created = aws.call(
        "ecr", "CreateRepository", repositoryName="team/web", tags=[{"Key": "a", "Value": "1"}]
    )["repository"]
    assert created == {
        "repositoryArn": f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/team/web",
        "registryId": ACCOUNT,
        "repositoryName": "team/web",
        "repositoryUri": f"{ACCOUNT}.dkr.ecr.{REGION}.localhost:4566/team/web",
        "createdAt": aws.clock.now(),
        "imageTagMutability": "MUTABLE",
        "imageScanningConfiguration": {"scanOnPush": False},
        "encryptionConfiguration": {"encryptionType": "AES256"},
    }
    assert aws.call("ecr", "DescribeRepositories")["repositories"] == [created]
    arn = created["repositoryArn"]
    assert aws.call("ecr", "ListTagsForResource", resourceArn=arn)["tags"] == [{"Key": "a", "Value": "1"}]
    assert refused(aws, "CreateRepository", repositoryName="team/web") == (
        "RepositoryAlreadyExistsException",
        f"The repository with name 'team/web' already exists in the registry with id '{ACCOUNT}'",
    )


def test_what_is_missing_is_said_in_ecrs_words(aws: Cloud) -> None:
    missing = (
        "RepositoryNotFoundException",
        f"The repository with name 'web' does not exist in the registry with id '{ACCOUNT}'",
    )
    assert refused(aws, "DescribeRepositories", repositoryNames=["web"]) == missing
    assert refused(aws, "DescribeImages", repositoryName="web") == missing
    assert refused(aws, "DeleteRepository", repositoryName="web") == missing
    aws.call("ecr", "CreateRepository", repositoryName="web")
    assert refused(aws, "DescribeImages", repositoryName="web", imageIds=[{"imageTag": "v1"}]) == (
        "ImageNotFoundException",
        "The image with imageId {imageDigest:'null', imageTag:'v1'} does not exist within the repository with "
        f"name 'web' in the registry with id '{ACCOUNT}'",
    )
    assert refused(aws, "GetRepositoryPolicy", repositoryName="web")[0] == "RepositoryPolicyNotFoundException"
    assert refused(aws, "GetLifecyclePolicy", repositoryName="web")[0] == "LifecyclePolicyNotFoundException"


def test_a_tag_moves_and_its_old_image_stays_untagged(aws: Cloud) -> None:
    aws.call("ecr", "CreateRepository", repositoryName="web")
    aws.call("ecr", "CreateRepository", repositoryName="web/other")
    first, second = push(aws, "web", "latest"), push(aws, "web", "latest", "two")
    push(aws, "web/other", "x")
    ids = aws.call("ecr", "ListImages", repositoryName="web")["imageIds"]
    assert sorted(ids, key=str) == sorted(
        [{"imageDigest": first}, {"imageDigest": second, "imageTag": "latest"}], key=str
    )
    untagged = aws.call("ecr", "ListImages", repositoryName="web", filter={"tagStatus": "UNTAGGED"})
    assert untagged["imageIds"] == [{"imageDigest": first}]
    detail = aws.call("ecr", "DescribeImages", repositoryName="web", imageIds=[{"imageTag": "latest"}])
    assert detail["imageDetails"][0]["imageDigest"] == second
    assert detail["imageDetails"][0]["imageTags"] == ["latest"]
    assert detail["imageDetails"][0]["imageSizeInBytes"] == len("config two") + len("layer two")


def test_an_immutable_tag_stays(aws: Cloud) -> None:
    aws.call("ecr", "CreateRepository", repositoryName="web", imageTagMutability="IMMUTABLE")
    push(aws, "web", "v1")
    with pytest.raises(AwsError) as caught:
        push(aws, "web", "v1", "two")
    assert (caught.value.code, caught.value.message) == (
        "ImageTagAlreadyExistsException",
        "The image tag 'v1' already exists in the 'web' repository and cannot be overwritten because the "
        "repository is immutable.",
    )
    filters = [{"filterType": "WILDCARD", "filter": "dev-*"}]
    aws.call(
        "ecr",
        "PutImageTagMutability",
        repositoryName="web",
        imageTagMutability="IMMUTABLE_WITH_EXCLUSION",
        imageTagMutabilityExclusionFilters=filters,
    )
    push(aws, "web", "dev-1")
    push(aws, "web", "dev-1", "two")
    with pytest.raises(AwsError):
        push(aws, "web", "v1", "three")


def test_an_image_needs_its_layers(aws: Cloud) -> None:
    aws.call("ecr", "CreateRepository", repositoryName="web")
    absent = "sha256:" + "0" * 64
    manifest = json.dumps(
        {"schemaVersion": 2, "mediaType": SCHEMA2, "config": {"digest": absent}, "layers": []}
    )
    code, message = refused(aws, "PutImage", repositoryName="web", imageManifest=manifest)
    assert code == "LayersNotFoundException"
    assert message.startswith(f"Layers with digests '[{absent}]' required for pushing image")
    assert refused(aws, "PutImage", repositoryName="web", imageManifest="{")[0] == "InvalidParameterException"


def test_the_last_tag_takes_its_image_along(aws: Cloud) -> None:
    aws.call("ecr", "CreateRepository", repositoryName="web")
    digest = push(aws, "web", "v1")
    assert push(aws, "web", "v2") == digest
    one = aws.call("ecr", "BatchDeleteImage", repositoryName="web", imageIds=[{"imageTag": "v1"}])
    assert one["imageIds"] == [{"imageDigest": digest, "imageTag": "v1"}]
    got = aws.call(
        "ecr", "BatchGetImage", repositoryName="web", imageIds=[{"imageTag": "v2"}, {"imageTag": "v1"}]
    )
    assert [each["imageId"]["imageTag"] for each in got["images"]] == ["v2"]
    assert [(each["failureCode"], each["failureReason"]) for each in got["failures"]] == [
        ("ImageNotFound", "Requested image not found")
    ]
    assert refused(aws, "DeleteRepository", repositoryName="web")[0] == "RepositoryNotEmptyException"
    aws.call("ecr", "BatchDeleteImage", repositoryName="web", imageIds=[{"imageTag": "v2"}])
    assert aws.call("ecr", "ListImages", repositoryName="web")["imageIds"] == []
    aws.call("ecr", "DeleteRepository", repositoryName="web")


def test_a_token_says_who_it_was_given_to_and_cannot_be_forged(aws: Cloud) -> None:
    data = aws.call("ecr", "GetAuthorizationToken")["authorizationData"][0]
    assert data["proxyEndpoint"] == f"https://{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
    assert data["expiresAt"] == aws.clock.now() + 12 * 3600
    user, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
    assert user == "AWS"
    key = aws.store.read(lambda view: view.get(SigningKey, "ecr"))
    grant = verify(password, key)
    assert grant == Grant(ACCOUNT, REGION, f"arn:aws:iam::{ACCOUNT}:root", data["expiresAt"])
    assert verify(sign(grant, SigningKey(secret="other")), key) is None
    assert verify("rubbish", key) is None
    assert verify(password, None) is None


@pytest.mark.parametrize("host", ["amazonaws.com", "localhost:4566", "localhost"])
def test_both_spellings_name_one_image(host: str) -> None:
    found = parse_reference(f"123456789012.dkr.ecr.eu-west-1.{host}/team/web:v1")
    assert found is not None
    assert str(found) == "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/web:v1"
    latest = parse_reference(f"123456789012.dkr.ecr.eu-west-1.{host}/web")
    assert latest is not None
    assert latest.tag == "latest"
    assert parse_reference("python:3.12-slim") is None


def test_policies_are_kept_as_they_were_given(aws: Cloud) -> None:
    aws.call("ecr", "CreateRepository", repositoryName="web")
    text = '{"Version": "2012-10-17",  "Statement": [{"Effect": "Allow"}]}'
    aws.call("ecr", "SetRepositoryPolicy", repositoryName="web", policyText=text)
    assert aws.call("ecr", "GetRepositoryPolicy", repositoryName="web")["policyText"] == text
    rule = {
        "rulePriority": 1,
        "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 5},
        "action": {"type": "expire"},
    }
    keep = json.dumps({"rules": [rule]})
    aws.call("ecr", "PutLifecyclePolicy", repositoryName="web", lifecyclePolicyText=keep)
    assert aws.call("ecr", "DeleteLifecyclePolicy", repositoryName="web")["lifecyclePolicyText"] == keep
    code, message = refused(
        aws,
        "PutLifecyclePolicy",
        repositoryName="web",
        lifecyclePolicyText=json.dumps({"rules": [rule, rule]}),
    )
    assert code == "InvalidParameterException"
    assert "rulePriority must be unique" in message


def test_a_layer_can_be_downloaded_once_an_image_uses_it(aws: Cloud) -> None:
    aws.call("ecr", "CreateRepository", repositoryName="web")
    push(aws, "web", "v1")
    layer = "sha256:" + hashlib.sha256(b"layer one").hexdigest()
    absent = "sha256:" + "1" * 64
    said = aws.call(
        "ecr", "BatchCheckLayerAvailability", repositoryName="web", layerDigests=[layer, absent, "junk"]
    )
    assert [each["layerAvailability"] for each in said["layers"]] == ["AVAILABLE", "UNAVAILABLE"]
    assert said["failures"][0]["failureCode"] == "InvalidLayerDigest"
    url = aws.call("ecr", "GetDownloadUrlForLayer", repositoryName="web", layerDigest=layer)["downloadUrl"]
    assert url.startswith(
        f"http://127.0.0.1:4566/v2/{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/web/blobs/{layer}?"
    )
    code, _ = refused(aws, "GetDownloadUrlForLayer", repositoryName="web", layerDigest=absent)
    assert code == "LayersNotFoundException"
