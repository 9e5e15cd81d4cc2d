"""Cloud Map: what it keeps, what it refuses, and how instances are found."""

from __future__ import annotations

from typing import Any

import pytest

from neargate.model.errors import AwsError
from tests.unit.services.cloud import ACCOUNT, REGION, Cloud, cloud


def _vpc(aws: Cloud) -> str:
    id: str = aws.call("ec2", "CreateVpc", CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    return id


def _made(aws: Cloud, answer: dict[str, Any], kind: str = "NAMESPACE") -> str:
    done = aws.call("servicediscovery", "GetOperation", OperationId=answer["OperationId"])["Operation"]
    assert (done["Status"], done["OwnerAccount"]) == ("SUCCESS", ACCOUNT)
    target: str = done["Targets"][kind]
    return target


def _private(aws: Cloud, name: str = "corp.local", **more: Any) -> str:
    given = {"Vpc": _vpc(aws), **more}
    return _made(aws, aws.call("servicediscovery", "CreatePrivateDnsNamespace", Name=name, **given))


def _service(aws: Cloud, space: str, name: str = "web", **more: Any) -> dict[str, Any]:
    given = {"DnsConfig": {"DnsRecords": [{"Type": "A", "TTL": 10}]}, **more}
    made: dict[str, Any] = aws.call(
        "servicediscovery", "CreateService", Name=name, NamespaceId=space, **given
    )["Service"]
    return made


def _refusal(aws: Cloud, operation: str, **request: Any) -> AwsError:
    with pytest.raises(AwsError) as refused:
        aws.call("servicediscovery", operation, **request)
    return refused.value


def test_a_private_namespace_belongs_to_a_vpc_that_exists() -> None:
    with cloud() as aws:
        space = _private(aws, Description="inside", Tags=[{"Key": "a", "Value": "1"}])
        found = aws.call("servicediscovery", "GetNamespace", Id=space)["Namespace"]
        assert found["Arn"] == f"arn:aws:servicediscovery:{REGION}:{ACCOUNT}:namespace/{space}"
        assert found["Type"] == "DNS_PRIVATE"
        assert found["Properties"]["DnsProperties"]["SOA"] == {"TTL": 15}
        tags = aws.call("servicediscovery", "ListTagsForResource", ResourceARN=found["Arn"])["Tags"]
        assert tags == [{"Key": "a", "Value": "1"}]
        refused = _refusal(aws, "CreatePrivateDnsNamespace", Name="x.local", Vpc="vpc-0123456789abcdef0")
        assert (refused.code, refused.message) == (
            "InvalidInput",
            f"The VPC vpc-0123456789abcdef0 in region {REGION} does not exist.",
        )


def test_the_same_creator_request_gets_the_same_operation() -> None:
    with cloud() as aws:
        first = aws.call("servicediscovery", "CreateHttpNamespace", Name="apps", CreatorRequestId="once")
        assert (
            aws.call("servicediscovery", "CreateHttpNamespace", Name="apps", CreatorRequestId="once") == first
        )
        assert (
            _refusal(aws, "CreateHttpNamespace", Name="other", CreatorRequestId="once").code
            == "DuplicateRequest"
        )
        taken = _refusal(aws, "CreateHttpNamespace", Name="apps")
        assert (taken.code, taken.members["CreatorRequestId"]) == ("NamespaceAlreadyExists", "once")
        assert len(aws.call("servicediscovery", "ListNamespaces")["Namespaces"]) == 1


def test_one_private_name_may_stand_in_two_vpcs() -> None:
    with cloud() as aws:
        assert _private(aws) != _private(aws)


def test_namespaces_are_filtered_and_paged() -> None:
    with cloud() as aws:
        _private(aws)
        for name in ("one", "two"):
            aws.call("servicediscovery", "CreateHttpNamespace", Name=name)
        http = [{"Name": "TYPE", "Values": ["HTTP"], "Condition": "EQ"}]
        first = aws.call("servicediscovery", "ListNamespaces", Filters=http, MaxResults=1)
        rest = aws.call("servicediscovery", "ListNamespaces", Filters=http, NextToken=first["NextToken"])
        names = [one["Name"] for one in first["Namespaces"] + rest["Namespaces"]]
        assert sorted(names) == ["one", "two"]
        assert "NextToken" not in rest
        begins = [{"Name": "NAME", "Values": ["corp"], "Condition": "BEGINS_WITH"}]
        assert len(aws.call("servicediscovery", "ListNamespaces", Filters=begins)["Namespaces"]) == 1
        between = [{"Name": "TYPE", "Values": ["HTTP"], "Condition": "BETWEEN"}]
        assert _refusal(aws, "ListNamespaces", Filters=between).code == "InvalidInput"


def test_what_is_in_use_is_not_deleted() -> None:
    with cloud() as aws:
        space = _private(aws)
        web = _service(aws, space)
        assert _refusal(aws, "DeleteNamespace", Id=space).code == "ResourceInUse"
        register = {"ServiceId": web["Id"], "InstanceId": "i1"}
        aws.call(
            "servicediscovery", "RegisterInstance", **register, Attributes={"AWS_INSTANCE_IPV4": "10.0.0.5"}
        )
        refused = _refusal(aws, "DeleteService", Id=web["Id"])
        assert refused.code == "ResourceInUse"
        assert _made(aws, aws.call("servicediscovery", "DeregisterInstance", **register), "INSTANCE") == "i1"
        aws.call("servicediscovery", "DeleteService", Id=web["Id"])
        aws.call("servicediscovery", "DeleteNamespace", Id=space)
        assert _refusal(aws, "GetNamespace", Id=space).code == "NamespaceNotFound"
        done = aws.call(
            "servicediscovery", "ListOperations", Filters=[{"Name": "NAMESPACE_ID", "Values": [space]}]
        )
        assert len(done["Operations"]) == 2


def test_a_service_says_what_dns_has_of_it() -> None:
    with cloud() as aws:
        space = _private(aws)
        web = _service(aws, space, HealthCheckCustomConfig={"FailureThreshold": 5})
        assert web["Type"] == "DNS_HTTP"
        assert web["DnsConfig"]["RoutingPolicy"] == "MULTIVALUE"
        assert web["HealthCheckCustomConfig"] == {"FailureThreshold": 1}
        assert _service(aws, space, "api", DnsConfig=None)["Type"] == "HTTP"
        taken = _refusal(aws, "CreateService", Name="WEB", NamespaceId=space)
        assert (taken.code, taken.members["ServiceId"]) == ("ServiceAlreadyExists", web["Id"])
        change = {"DnsConfig": {"DnsRecords": [{"Type": "A", "TTL": 60}]}}
        _made(aws, aws.call("servicediscovery", "UpdateService", Id=web["Id"], Service=change), "SERVICE")
        found = aws.call("servicediscovery", "GetService", Id=web["Arn"])["Service"]
        assert found["DnsConfig"]["DnsRecords"] == [{"Type": "A", "TTL": 60}]
        listed = aws.call(
            "servicediscovery", "ListServices", Filters=[{"Name": "NAMESPACE_ID", "Values": [space]}]
        )["Services"]
        assert {one["Name"] for one in listed} == {"web", "api"}


@pytest.mark.parametrize(
    ("records", "policy"),
    [
        ([{"Type": "CNAME", "TTL": 1}, {"Type": "A", "TTL": 1}], "WEIGHTED"),
        ([{"Type": "CNAME", "TTL": 1}], "MULTIVALUE"),
        ([{"Type": "A", "TTL": 1}, {"Type": "A", "TTL": 2}], "MULTIVALUE"),
    ],
)
def test_record_types_that_do_not_go_together(records: list[dict[str, Any]], policy: str) -> None:
    with cloud() as aws:
        dns = {"DnsRecords": records, "RoutingPolicy": policy}
        refused = _refusal(aws, "CreateService", Name="web", NamespaceId=_private(aws), DnsConfig=dns)
        assert refused.code == "InvalidInput"


def test_an_instance_needs_what_its_records_say() -> None:
    with cloud() as aws:
        both = {"DnsRecords": [{"Type": "A", "TTL": 1}, {"Type": "SRV", "TTL": 1}]}
        web = _service(aws, _private(aws), DnsConfig=both)["Id"]
        for attributes in (
            {},
            {"AWS_INSTANCE_IPV4": "10.0.0.5"},
            {"AWS_INSTANCE_IPV4": "nowhere", "AWS_INSTANCE_PORT": "80"},
            {"AWS_INSTANCE_IPV4": "10.0.0.5", "AWS_INSTANCE_PORT": "65536"},
            {"AWS_INSTANCE_IPV4": "10.0.0.5", "AWS_INSTANCE_PORT": "80", "AWS_INIT_HEALTH_STATUS": "HEALTHY"},
        ):
            refused = _refusal(aws, "RegisterInstance", ServiceId=web, InstanceId="i", Attributes=attributes)
            assert refused.code == "InvalidInput", attributes
        good = {"AWS_INSTANCE_IPV4": "10.0.0.5", "AWS_INSTANCE_PORT": "80", "stage": "blue"}
        aws.call("servicediscovery", "RegisterInstance", ServiceId=web, InstanceId="i", Attributes=good)
        found = aws.call("servicediscovery", "GetInstance", ServiceId=web, InstanceId="i")["Instance"]
        assert found["Attributes"] == good


def test_discovery_prefers_the_healthy_and_falls_back_to_all() -> None:
    with cloud() as aws:
        web = _service(aws, _private(aws), HealthCheckCustomConfig={})["Id"]
        named = {"NamespaceName": "corp.local", "ServiceName": "web"}
        for id, stage in (("a", "blue"), ("b", "green")):
            attributes = {"AWS_INSTANCE_IPV4": "10.0.0.5", "stage": stage}
            aws.call(
                "servicediscovery", "RegisterInstance", ServiceId=web, InstanceId=id, Attributes=attributes
            )

        def found(**more: Any) -> list[str]:
            answer = aws.call("servicediscovery", "DiscoverInstances", **named, **more)
            return [one["InstanceId"] for one in answer["Instances"]]

        def sick(id: str) -> None:
            health = {"ServiceId": web, "InstanceId": id, "Status": "UNHEALTHY"}
            aws.call("servicediscovery", "UpdateInstanceCustomHealthStatus", **health)

        before = aws.call("servicediscovery", "DiscoverInstancesRevision", **named)["InstancesRevision"]
        assert found() == ["a", "b"]
        assert found(QueryParameters={"stage": "green"}) == ["b"]
        assert found(OptionalParameters={"stage": "red"}) == ["a", "b"]
        sick("a")
        assert found() == ["b"]
        assert found(HealthStatus="UNHEALTHY") == ["a"]
        sick("b")
        assert found() == ["a", "b"]
        assert found(HealthStatus="HEALTHY") == []
        status = aws.call("servicediscovery", "GetInstancesHealthStatus", ServiceId=web)["Status"]
        assert status == {"a": "UNHEALTHY", "b": "UNHEALTHY"}
        after = aws.call("servicediscovery", "DiscoverInstancesRevision", **named)["InstancesRevision"]
        assert after == before + 2
        missing = {**named, "ServiceName": "nothing"}
        assert _refusal(aws, "DiscoverInstances", **missing).code == "ServiceNotFound"


def test_a_service_without_custom_health_has_none() -> None:
    with cloud() as aws:
        web = _service(aws, _private(aws))["Id"]
        refused = _refusal(
            aws, "UpdateInstanceCustomHealthStatus", ServiceId=web, InstanceId="i", Status="HEALTHY"
        )
        assert refused.code == "CustomHealthNotFound"


def test_a_services_attributes() -> None:
    with cloud() as aws:
        web = _service(aws, _private(aws))["Id"]
        aws.call(
            "servicediscovery", "UpdateServiceAttributes", ServiceId=web, Attributes={"a": "1", "b": "2"}
        )
        aws.call("servicediscovery", "DeleteServiceAttributes", ServiceId=web, Attributes=["a"])
        found = aws.call("servicediscovery", "GetServiceAttributes", ServiceId=web)["ServiceAttributes"]
        assert found["Attributes"] == {"b": "2"}
        many = {f"k{n}": "v" for n in range(30)}
        refused = _refusal(aws, "UpdateServiceAttributes", ServiceId=web, Attributes=many)
        assert refused.code == "ServiceAttributesLimitExceededException"
