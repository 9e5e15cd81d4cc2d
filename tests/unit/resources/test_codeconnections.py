"""Connections, under both names of their service."""

from __future__ import annotations

from typing import Any

import pytest

from neargate.model.errors import AwsError
from tests.unit.resources.stacks import Stacks

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("kind", "service"),
    [("CodeConnections", "codeconnections"), ("CodeStarConnections", "codestar-connections")],
)
async def test_a_connection_is_pending_as_on_aws_until_somebody_completes_it(
    stacks: Stacks, kind: str, service: str
) -> None:
    def connection(**tags: str) -> dict[str, Any]:
        listed = [{"Key": key, "Value": value} for key, value in tags.items()]
        properties = {"ConnectionName": "hub", "ProviderType": "GitHub", "Tags": listed}
        return {"Type": f"AWS::{kind}::Connection", "Properties": properties}

    await stacks.make(Hub=connection(a="1", b="1"))
    said = await stacks.outputs(
        {"Hub": connection(b="2")},
        Arn={"Ref": "Hub"},
        Status={"Fn::GetAtt": ["Hub", "ConnectionStatus"]},
        Owner={"Fn::GetAtt": ["Hub", "OwnerAccountId"]},
    )
    assert said["Arn"].startswith(f"arn:aws:{service}:us-east-1:000000000000:connection/")
    assert (said["Status"], said["Owner"]) == ("PENDING", "000000000000")
    listed = await stacks.call(service, "ListTagsForResource", ResourceArn=said["Arn"])
    own = {tag["Key"]: tag["Value"] for tag in listed["Tags"] if not tag["Key"].startswith("aws:")}
    assert own == {"b": "2"}
    await stacks.remove()
    with pytest.raises(AwsError, match="Connection not found"):
        await stacks.call(service, "GetConnection", ConnectionArn=said["Arn"])


async def test_connections_are_listed_in_pages(stacks: Stacks) -> None:
    for name, provider in (("a", "GitHub"), ("b", "GitLab"), ("c", "GitHub")):
        await stacks.call("codeconnections", "CreateConnection", ConnectionName=name, ProviderType=provider)
    hubs = await stacks.call("codeconnections", "ListConnections", ProviderTypeFilter="GitHub")
    assert sorted(one["ConnectionName"] for one in hubs["Connections"]) == ["a", "c"]
    names: list[str] = []
    token: dict[str, str] = {}
    for _ in range(3):
        page = await stacks.call("codeconnections", "ListConnections", MaxResults=1, **token)
        names += [one["ConnectionName"] for one in page["Connections"]]
        token = {"NextToken": page["NextToken"]} if "NextToken" in page else {}
    assert sorted(names) == ["a", "b", "c"]
    assert token == {}


async def test_a_connection_has_a_provider_or_a_host(stacks: Stacks) -> None:
    with pytest.raises(AwsError, match="Exactly one of ProviderType and HostArn"):
        await stacks.call("codeconnections", "CreateConnection", ConnectionName="a")
    host = "arn:aws:codeconnections:us-east-1:000000000000:host/a-1"
    with pytest.raises(AwsError, match="with HostArn is not implemented"):
        await stacks.call("codeconnections", "CreateConnection", ConnectionName="a", HostArn=host)
