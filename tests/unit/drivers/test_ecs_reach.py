"""What a task says whose network does not lead to its image."""

from __future__ import annotations

from typing import Any

import pytest

from neargate.drivers.ecs.failures import registry_of
from tests.unit.drivers.ecs_world import EcsWorld, container, ecs_world

pytestmark = pytest.mark.anyio

ECR = "000000000000.dkr.ecr.us-east-1.amazonaws.com/web:1"


@pytest.mark.parametrize(
    ("name", "ref", "url"),
    [
        ("nginx", "docker.io/library/nginx:latest", "https://registry-1.docker.io/v2/library/nginx/manifests/latest"),
        ("a/b:1", "docker.io/a/b:1", "https://registry-1.docker.io/v2/a/b/manifests/1"),
        ("ghcr.io/a/b:1", "ghcr.io/a/b:1", "https://ghcr.io/v2/a/b/manifests/1"),
        ("host:5000/b", "host:5000/b:latest", "https://host:5000/v2/b/manifests/latest"),
        ("q.io/b@sha256:0", "q.io/b@sha256:0", "https://q.io/v2/b/manifests/sha256:0"),
    ],
)  # fmt: skip
def test_the_full_name_of_an_image(name: str, ref: str, url: str) -> None:
    assert registry_of(name) == (ref, url)


async def stopped(world: EcsWorld, image: str, **network: Any) -> str:
    definition = await world.register(container(image=image))
    place = {"subnets": world.subnets, "assignPublicIp": "DISABLED", **network}
    answer = await world.call(
        "RunTask",
        cluster="c",
        taskDefinition=definition,
        launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": place},
    )
    shown = await world.until_status(answer["tasks"][0]["taskArn"], "STOPPED")
    return str(shown["stoppedReason"])


async def test_without_a_public_address_an_internet_gateway_is_no_way_out() -> None:
    async with ecs_world() as world:
        reason = await stopped(world, "app:1")
        assert reason.startswith(
            "CannotPullContainerError: pull image manifest has been retried 5 time(s): failed"
        )
        assert reason.endswith('manifests/1": dial tcp: i/o timeout')
        reason = await stopped(world, ECR)
        assert "unable to retrieve ecr registry auth" in reason
        assert reason.endswith("Please check your task network configuration.")


async def test_a_security_group_that_lets_nothing_out_shuts_the_task_in() -> None:
    async with ecs_world() as world:
        vpc = (await world.call("DescribeVpcs", "ec2"))["Vpcs"][0]["VpcId"]
        group = (
            await world.call("CreateSecurityGroup", "ec2", GroupName="shut", Description="d", VpcId=vpc)
        )["GroupId"]
        everything = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
        await world.call("RevokeSecurityGroupEgress", "ec2", GroupId=group, IpPermissions=everything)
        reason = await stopped(world, "app:1", assignPublicIp="ENABLED", securityGroups=[group])
        assert "i/o timeout" in reason
