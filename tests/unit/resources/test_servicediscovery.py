"""AWS::ServiceDiscovery over Cloud Map."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.resources.stacks import Stacks
from tests.unit.resources.test_recorded_services import own, resource, tags

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("kind", ["Http", "PrivateDns", "PublicDns"])
async def test_a_namespace_with_a_service_and_an_instance(stacks: Stacks, kind: str) -> None:
    more: dict[str, Any] = {}
    if kind == "PrivateDns":
        more["Vpc"] = (await stacks.call("ec2", "CreateVpc", CidrBlock="10.0.0.0/16"))["Vpc"]["VpcId"]

    def namespace(description: str, **pairs: str) -> dict[str, Any]:
        return resource(
            f"ServiceDiscovery::{kind}Namespace",
            Name="shop.local",
            Description=description,
            Tags=tags(**pairs),
            **more,
        )

    def service(ttl: int) -> dict[str, Any]:
        dns = {"DnsRecords": [{"Type": "A", "TTL": ttl}], "RoutingPolicy": "MULTIVALUE"}
        given = {} if kind == "Http" else {"DnsConfig": dns}
        return resource("ServiceDiscovery::Service", Name="web", NamespaceId={"Ref": "Space"}, **given)

    instance = resource(
        "ServiceDiscovery::Instance",
        ServiceId={"Ref": "Web"},
        InstanceId="one",
        InstanceAttributes={"AWS_INSTANCE_IPV4": "10.0.0.1"},
    )
    await stacks.make(Space=namespace("one", a="1"), Web=service(10), One=instance)
    template = {"Space": namespace("two", b="2"), "Web": service(20), "One": instance}
    said = await stacks.outputs(
        template,
        Space={"Fn::GetAtt": ["Space", "Arn"]},
        Id={"Fn::GetAtt": ["Web", "Id"]},
    )
    space = await stacks.physical("Space")
    assert said["Space"].endswith(f":namespace/{space}")
    assert said["Id"] == await stacks.physical("Web")
    listed = await stacks.call("servicediscovery", "ListTagsForResource", ResourceARN=said["Space"])
    assert own(listed["Tags"]) == {"b": "2"}
    found = (await stacks.call("servicediscovery", "GetNamespace", Id=space))["Namespace"]
    assert found["Description"] == "two"
    if kind != "Http":
        web = (await stacks.call("servicediscovery", "GetService", Id=said["Id"]))["Service"]
        assert web["DnsConfig"]["DnsRecords"] == [{"Type": "A", "TTL": 20}]
        zone_id = (await stacks.outputs(template, Zone={"Fn::GetAtt": ["Space", "HostedZoneId"]}))["Zone"]
        assert zone_id
    await stacks.remove()
    assert (await stacks.call("servicediscovery", "ListNamespaces"))["Namespaces"] == []


async def test_a_services_own_attributes_change_in_place(stacks: Stacks) -> None:
    space = resource("ServiceDiscovery::HttpNamespace", Name="apps")

    def web(**attributes: Any) -> dict[str, Any]:
        given = {"ServiceAttributes": attributes} if attributes else {}
        return resource("ServiceDiscovery::Service", NamespaceId={"Ref": "Space"}, **given)

    async def kept() -> Any:
        found = await stacks.call("servicediscovery", "GetServiceAttributes", ServiceId=name)
        return found["ServiceAttributes"]["Attributes"]

    await stacks.make(Space=space, Web=web(a="1", b=2))
    name = await stacks.physical("Web")
    assert await kept() == {"a": "1", "b": "2"}
    await stacks.change(Space=space, Web=web(b="3"))
    assert await kept() == {"b": "3"}
    await stacks.change(Space=space, Web=web())
    assert await kept() == {}
    await stacks.remove()
