"""What a changed template changes: every honoured property that may change without a replacement, and back again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from neargate.model.errors import AwsError
from neargate.model.records import Json, Tx
from neargate.resources import registry
from neargate.resources.carrying import carry_out
from neargate.resources.declaration import Desired, Existing, Steps
from tests.unit.drivers.test_pipeline_driver import PIPELINE, TRUST
from tests.unit.services.cloud import ACCOUNT, REGION, Cloud, cloud

READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"


@pytest.fixture
def aws() -> Iterator[Cloud]:
    with cloud() as made:
        yield made


def carried_out(aws: Cloud, steps: Steps[Any]) -> Any:
    def work(tx: Tx) -> Any:
        return carry_out(steps, aws.dispatcher.context(tx, aws.caller), None)

    return aws.write(work)


def wish(properties: Json, tags: dict[str, str]) -> Desired:
    return Desired("R", properties, "web", "stack", "arn:stack", ACCOUNT, REGION, "token", tags)


def updated(aws: Cloud, type_name: str, *states: tuple[Json, dict[str, str]]) -> None:
    """Create the resource `web` in the first state and take it through the others."""
    declared = registry.find(type_name)
    assert declared.update is not None
    first, *others = [wish(properties, tags) for properties, tags in states]
    identity = carried_out(aws, declared.create(first))
    old = first
    for want in others:
        carried_out(aws, declared.update(Existing(identity.id, old), want))
        old = want


def test_a_clusters_capacity_providers(aws: Cloud) -> None:
    strategy = [{"CapacityProvider": "FARGATE", "Weight": 1}]
    full = {"CapacityProviders": ["FARGATE", "FARGATE_SPOT"], "DefaultCapacityProviderStrategy": strategy}
    updated(aws, "AWS::ECS::Cluster", ({}, {}), (full, {}))
    cluster = aws.call("ecs", "DescribeClusters", clusters=["web"])["clusters"][0]
    assert cluster["capacityProviders"] == ["FARGATE", "FARGATE_SPOT"]
    assert [item["capacityProvider"] for item in cluster["defaultCapacityProviderStrategy"]] == ["FARGATE"]


@pytest.mark.parametrize("back", [False, True])
def test_a_roles_boundary_and_session(aws: Cloud, back: bool) -> None:
    plain: Json = {"AssumeRolePolicyDocument": TRUST}
    bound = {**plain, "PermissionsBoundary": READ_ONLY, "MaxSessionDuration": 7200}
    states: list[tuple[Json, dict[str, str]]] = [(plain, {}), (bound, {}), (plain, {})]
    updated(aws, "AWS::IAM::Role", *states[: 3 if back else 2])
    role = aws.call("iam", "GetRole", RoleName="web")["Role"]
    boundary = role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
    assert (boundary, role["MaxSessionDuration"]) == ((None, 3600) if back else (READ_ONLY, 7200))


def test_a_pipelines_tags(aws: Cloud) -> None:
    aws.call("iam", "CreateRole", RoleName="pipeline", AssumeRolePolicyDocument=json.dumps(TRUST))
    properties = capitalised({name: value for name, value in PIPELINE.items() if name != "name"})
    updated(
        aws,
        "AWS::CodePipeline::Pipeline",
        (properties, {"a": "1", "b": "1"}),
        (properties, {"b": "2", "c": "1"}),
    )
    arn = f"arn:aws:codepipeline:{REGION}:{ACCOUNT}:web"
    tags = aws.call("codepipeline", "ListTagsForResource", resourceArn=arn)["tags"]
    assert {tag["key"]: tag["value"] for tag in tags} == {"b": "2", "c": "1"}


def test_a_buckets_ownership_controls(aws: Cloud) -> None:
    controls = {"OwnershipControls": {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}}
    updated(aws, "AWS::S3::Bucket", (controls, {}), ({}, {}))
    with pytest.raises(AwsError) as missing:
        aws.call("s3", "GetBucketOwnershipControls", Bucket="web")
    assert missing.value.code == "OwnershipControlsNotFoundError"


def capitalised(value: Any) -> Any:
    """The API's members as a template writes them."""
    if isinstance(value, list):
        return [capitalised(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {name[0].upper() + name[1:]: capitalised(each) for name, each in value.items()}
