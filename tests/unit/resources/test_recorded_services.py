"""Types whose services moto answers and that nothing here depends on: certificates, zones, file systems, domains."""

from __future__ import annotations

import json
from typing import Any

import pytest

from neargate.model.errors import AwsError
from tests.unit.resources.stacks import Stacks

pytestmark = pytest.mark.anyio


def resource(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": f"AWS::{kind}", "Properties": properties}


def tags(**pairs: str) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in pairs.items()]


def own(listed: list[dict[str, Any]]) -> dict[str, str]:
    """The tags that a template gave."""
    return {tag["Key"]: tag["Value"] for tag in listed if not tag["Key"].startswith("aws:")}


# -- ACM -----------------------------------------------------------------------------------------------------


async def test_a_certificate(stacks: Stacks) -> None:
    def certificate(**more: Any) -> dict[str, Any]:
        return resource(
            "CertificateManager::Certificate", DomainName="shop.example", ValidationMethod="DNS", **more
        )

    await stacks.make(Cert=certificate(Tags=tags(a="1", b="1"), SubjectAlternativeNames=["www.shop.example"]))
    arn = await stacks.physical("Cert")
    assert arn.startswith("arn:aws:acm:us-east-1:000000000000:certificate/")
    await stacks.change(Cert=certificate(Tags=tags(b="2"), SubjectAlternativeNames=["www.shop.example"]))
    assert await stacks.physical("Cert") == arn
    listed = await stacks.call("acm", "ListTagsForCertificate", CertificateArn=arn)
    assert own(listed["Tags"]) == {"b": "2"}
    found = (await stacks.call("acm", "DescribeCertificate", CertificateArn=arn))["Certificate"]
    assert sorted(found["SubjectAlternativeNames"]) == ["shop.example", "www.shop.example"]
    await stacks.remove()
    assert (await stacks.call("acm", "ListCertificates"))["CertificateSummaryList"] == []


# -- EFS -----------------------------------------------------------------------------------------------------


async def test_a_file_system_with_an_access_point(stacks: Stacks) -> None:
    def system(**more: Any) -> dict[str, Any]:
        return resource("EFS::FileSystem", Encrypted="true", **more)

    point = resource(
        "EFS::AccessPoint",
        FileSystemId={"Ref": "System"},
        PosixUser={"Uid": 1000, "Gid": "1000"},
        RootDirectory={"Path": "/data"},
    )
    policies = [{"TransitionToIA": "AFTER_7_DAYS"}]
    await stacks.make(
        System=system(LifecyclePolicies=policies, FileSystemTags=tags(a="1", b="1")), Point=point
    )
    name = await stacks.physical("System")
    lifecycle = await stacks.call("efs", "DescribeLifecycleConfiguration", FileSystemId=name)
    assert lifecycle["LifecyclePolicies"] == policies

    template = {"System": system(FileSystemTags=tags(b="2")), "Point": point}
    said = await stacks.outputs(
        template, System={"Fn::GetAtt": ["System", "Arn"]}, Point={"Fn::GetAtt": ["Point", "Arn"]}
    )
    assert said["System"].endswith(f":file-system/{name}")
    assert said["Point"].endswith(":access-point/" + await stacks.physical("Point"))
    found = (await stacks.call("efs", "DescribeFileSystems", FileSystemId=name))["FileSystems"][0]
    assert own(found["Tags"]) == {"b": "2"}
    assert found["Encrypted"] is True
    lifecycle = await stacks.call("efs", "DescribeLifecycleConfiguration", FileSystemId=name)
    assert lifecycle["LifecyclePolicies"] == []
    await stacks.remove()
    assert (await stacks.call("efs", "DescribeFileSystems"))["FileSystems"] == []


# -- Route 53 ------------------------------------------------------------------------------------------------


async def records(stacks: Stacks, zone: str) -> dict[tuple[str, str], Any]:
    answer = await stacks.call("route53", "ListResourceRecordSets", HostedZoneId=zone)
    return {
        (record["Name"], record["Type"]): [value["Value"] for value in record.get("ResourceRecords") or ()]
        for record in answer["ResourceRecordSets"]
        if record["Type"] not in {"NS", "SOA"}
    }


def zone(**more: Any) -> dict[str, Any]:
    return resource("Route53::HostedZone", Name="shop.example", **more)


async def test_a_zone_and_a_record_that_changes_its_name(stacks: Stacks) -> None:
    def record(name: str, *values: str) -> dict[str, Any]:
        return resource(
            "Route53::RecordSet",
            HostedZoneId={"Ref": "Zone"},
            Name=name,
            Type="A",
            TTL="300",
            ResourceRecords=list(values),
        )

    await stacks.make(
        Zone=zone(HostedZoneTags=tags(a="1", b="1"), HostedZoneConfig={"Comment": "one"}),
        Web=record("www.shop.example.", "10.0.0.1"),
    )
    zone_id = await stacks.physical("Zone")
    assert await records(stacks, zone_id) == {("www.shop.example.", "A"): ["10.0.0.1"]}
    assert await stacks.physical("Web") == "www.shop.example"

    changed = zone(HostedZoneTags=tags(b="2"))
    await stacks.change(Zone=changed, Web=record("www.shop.example.", "10.0.0.2"))
    assert await records(stacks, zone_id) == {("www.shop.example.", "A"): ["10.0.0.2"]}
    listed = await stacks.call(
        "route53", "ListTagsForResource", ResourceType="hostedzone", ResourceId=zone_id
    )
    assert own(listed["ResourceTagSet"]["Tags"]) == {"b": "2"}

    await stacks.change(Zone=changed, Web=record("web.shop.example.", "10.0.0.2"))
    assert await records(stacks, zone_id) == {("web.shop.example.", "A"): ["10.0.0.2"]}
    said = await stacks.outputs(
        {"Zone": changed, "Web": record("web.shop.example.", "10.0.0.2")},
        Servers={"Fn::Join": [",", {"Fn::GetAtt": ["Zone", "NameServers"]}]},
    )
    assert said["Servers"].count(",") >= 1
    await stacks.remove()
    assert (await stacks.call("route53", "ListHostedZones"))["HostedZones"] == []


async def test_a_group_of_records_in_a_zone_by_name(stacks: Stacks) -> None:
    def group(*names: str) -> dict[str, Any]:
        sets = [
            {"Name": f"{name}.shop.example.", "Type": "A", "TTL": 60, "ResourceRecords": ["10.0.0.1"]}
            for name in names
        ]
        return resource("Route53::RecordSetGroup", HostedZoneName="shop.example.", RecordSets=sets) | {
            "DependsOn": "Zone"
        }

    await stacks.make(Zone=zone(), Names=group("a", "b"))
    zone_id = await stacks.physical("Zone")
    await stacks.change(Zone=zone(), Names=group("b", "c"))
    assert sorted(name for name, _ in await records(stacks, zone_id)) == [
        "b.shop.example.",
        "c.shop.example.",
    ]
    await stacks.change(Zone=zone())
    assert await records(stacks, zone_id) == {}


async def test_a_record_in_no_zone_fails(stacks: Stacks) -> None:
    record = resource(
        "Route53::RecordSet", HostedZoneName="nowhere.example.", Name="a.nowhere.example", Type="A", TTL=1
    )
    stack = await stacks.carry_out("CreateStack", Lost=record)
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert any("No hosted zones named nowhere.example. found." in reason for reason in await stacks.reasons())


async def test_a_health_check(stacks: Stacks) -> None:
    def check(path: str, **more: Any) -> dict[str, Any]:
        config = {"Type": "HTTP", "IPAddress": "10.0.0.1", "Port": "80", "ResourcePath": path}
        return resource("Route53::HealthCheck", HealthCheckConfig=config, **more)

    await stacks.make(Check=check("/a", HealthCheckTags=tags(a="1")))
    name = await stacks.physical("Check")
    await stacks.change(Check=check("/b"))
    found = (await stacks.call("route53", "GetHealthCheck", HealthCheckId=name))["HealthCheck"]
    assert (found["HealthCheckConfig"]["ResourcePath"], found["HealthCheckConfig"]["Port"]) == ("/b", 80)
    await stacks.remove()
    with pytest.raises(AwsError, match="does not exist"):
        await stacks.call("route53", "GetHealthCheck", HealthCheckId=name)


# -- search and warehouses -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "service", "cluster", "version"),
    [
        ("OpenSearchService", "opensearch", "ClusterConfig", {"EngineVersion": "OpenSearch_2.11"}),
        ("Elasticsearch", "es", "ElasticsearchClusterConfig", {"ElasticsearchVersion": "7.10"}),
    ],
)
async def test_a_search_domain(
    stacks: Stacks, kind: str, service: str, cluster: str, version: dict[str, str]
) -> None:
    def domain(count: str, **pairs: str) -> dict[str, Any]:
        given = {cluster: {"InstanceCount": count}, **version}
        policy = {"Version": "2012-10-17", "Statement": []}
        return resource(
            f"{kind}::Domain", DomainName="find", AccessPolicies=policy, Tags=tags(**pairs), **given
        )

    await stacks.make(Find=domain("1", a="1", b="1"))
    said = await stacks.outputs(
        {"Find": domain("2" if service == "opensearch" else "1", b="2")},
        Arn={"Fn::GetAtt": ["Find", "Arn"]},
        Endpoint={"Fn::GetAtt": ["Find", "DomainEndpoint"]},
    )
    assert said["Arn"] == "arn:aws:es:us-east-1:000000000000:domain/find"
    assert "find" in said["Endpoint"]
    listed = await stacks.call(service, "ListTags", ARN=said["Arn"])
    assert own(listed["TagList"]) == {"b": "2"}
    operation = "DescribeDomain" if service == "opensearch" else "DescribeElasticsearchDomain"
    status = (await stacks.call(service, operation, DomainName="find"))["DomainStatus"]
    assert status[cluster]["InstanceCount"] == (2 if service == "opensearch" else 1)
    assert json.loads(status["AccessPolicies"])["Version"] == "2012-10-17"
    if service == "es":
        stack = await stacks.carry_out("UpdateStack", Find=domain("3"))
        assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
        assert any("moto keeps the first" in reason for reason in await stacks.reasons())
    await stacks.remove()


async def test_a_warehouse(stacks: Stacks) -> None:
    def cluster(kind: str, **pairs: str) -> dict[str, Any]:
        return resource(
            "Redshift::Cluster",
            ClusterType="single-node",
            DBName="db",
            MasterUsername="root",
            MasterUserPassword="MasterPassword123",
            NodeType=kind,
            Port="5440",
            Tags=tags(**pairs),
        )

    await stacks.make(House=cluster("ra3.xlplus", a="1"))
    said = await stacks.outputs(
        {"House": cluster("ra3.4xlarge", b="2")},
        Address={"Fn::GetAtt": ["House", "Endpoint.Address"]},
        Port={"Fn::GetAtt": ["House", "Endpoint.Port"]},
    )
    name = await stacks.physical("House")
    assert said["Address"].startswith(name)
    assert said["Port"] == "5440"
    (found,) = (await stacks.call("redshift", "DescribeClusters", ClusterIdentifier=name))["Clusters"]
    assert found["NodeType"] == "ra3.4xlarge"
    assert own(found["Tags"]) == {"b": "2"}
    await stacks.remove()
    assert (await stacks.call("redshift", "DescribeClusters"))["Clusters"] == []


# -- resource groups -----------------------------------------------------------------------------------------


async def test_a_group_of_the_stacks_resources(stacks: Stacks) -> None:
    def group(description: str, **pairs: str) -> dict[str, Any]:
        query = {"Type": "CLOUDFORMATION_STACK_1_0"}
        return resource(
            "ResourceGroups::Group",
            Name="all",
            ResourceQuery=query,
            Description=description,
            Tags=tags(**pairs),
        )

    await stacks.make(All=group("one", a="1"))
    said = await stacks.outputs({"All": group("two", b="2")}, Arn={"Fn::GetAtt": ["All", "Arn"]})
    assert said["Arn"] == "arn:aws:resource-groups:us-east-1:000000000000:group/all"
    found = (await stacks.call("resource-groups", "GetGroup", GroupName="all"))["Group"]
    assert found["Description"] == "two"
    query = (await stacks.call("resource-groups", "GetGroupQuery", GroupName="all"))["GroupQuery"]
    assert json.loads(query["ResourceQuery"]["Query"])["StackIdentifier"] == stacks.id
    listed = await stacks.call("resource-groups", "GetTags", Arn=said["Arn"])
    assert {key: value for key, value in listed["Tags"].items() if not key.startswith("aws:")} == {"b": "2"}
    await stacks.remove()
    with pytest.raises(AwsError):
        await stacks.call("resource-groups", "GetGroup", GroupName="all")
