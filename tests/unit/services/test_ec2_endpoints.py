"""VPC endpoints, prefix lists, flow logs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.services.cloud import Cloud, cloud
from tests.unit.services.ec2_calls import Ec2, where

LOGS, S3 = "com.amazonaws.us-east-1.logs", "com.amazonaws.us-east-1.s3"


@pytest.fixture
def aws() -> Iterator[Cloud]:
    with cloud() as made:
        yield made


@pytest.fixture
def ec2(aws: Cloud) -> Ec2:
    return Ec2(aws)


# -- VPC endpoints -----------------------------------------------------------------------------------------


def endpoint(ec2: Ec2, **request: Any) -> str:
    return str(ec2("CreateVpcEndpoint", **request)["VpcEndpoint"]["VpcEndpointId"])


def shown(ec2: Ec2, made: str) -> dict[str, Any]:
    (found,) = ec2("DescribeVpcEndpoints", VpcEndpointIds=[made])["VpcEndpoints"]
    return dict(found)


def interface_endpoint(vpc: str, *subnets: str, **more: Any) -> dict[str, Any]:
    placed = {"VpcId": vpc, "ServiceName": LOGS, "VpcEndpointType": "Interface", "SubnetIds": list(subnets)}
    return {**placed, **more}


def test_a_gateway_endpoint_is_a_route_to_the_services_prefix_list(ec2: Ec2) -> None:
    vpc = ec2.vpc()
    one, other = ec2.table(vpc), ec2.table(vpc)
    made = endpoint(ec2, VpcId=vpc, ServiceName=S3, RouteTableIds=[one])
    via = ("pl-63a5400a", made, "active")
    assert ec2.routes(one)[1:] == [via]
    assert ec2.refused("CreateVpcEndpoint", VpcId=vpc, ServiceName=S3, RouteTableIds=[one]) == (
        "RouteAlreadyExists",
        f"route table {one} already has a route with destination-prefix-list-id pl-63a5400a",
    )
    assert ec2.refused("DeleteRoute", RouteTableId=one, DestinationPrefixListId="pl-63a5400a") == (
        "InvalidParameterValue",
        f"cannot remove VPC endpoint route pl-63a5400a in route table {one}",
    )
    assert json.loads(shown(ec2, made)["PolicyDocument"])["Statement"][0]["Action"] == "*"

    policy = json.dumps({"Statement": []})
    ec2(
        "ModifyVpcEndpoint",
        VpcEndpointId=made,
        AddRouteTableIds=[other],
        RemoveRouteTableIds=[one],
        PolicyDocument=policy,
    )

    assert (ec2.routes(one)[1:], ec2.routes(other)[1:]) == ([], [via])
    assert (shown(ec2, made)["RouteTableIds"], shown(ec2, made)["PolicyDocument"]) == ([other], policy)
    assert ec2.refused("DeleteVpc", VpcId=vpc)[0] == "DependencyViolation"
    assert ec2("DeleteVpcEndpoints", VpcEndpointIds=[made]) == {"Unsuccessful": []}
    assert ec2.routes(other)[1:] == []
    (failed,) = ec2("DeleteVpcEndpoints", VpcEndpointIds=[made])["Unsuccessful"]
    assert failed["Error"]["Code"] == "InvalidVpcEndpoint.NotFound"


def test_an_interface_endpoint_has_an_interface_in_each_subnet(ec2: Ec2) -> None:
    vpc = ec2.vpc()
    one = ec2.subnet(vpc, AvailabilityZone="us-east-1a")
    other = ec2.subnet(vpc, "10.0.1.0/24", AvailabilityZone="us-east-1b")
    ec2("ModifyVpcAttribute", VpcId=vpc, EnableDnsHostnames={"Value": True})
    answer = ec2("CreateVpcEndpoint", **interface_endpoint(vpc, one, other, PrivateDnsEnabled=True))
    assert answer["VpcEndpoint"]["State"] == "pending"
    made = answer["VpcEndpoint"]["VpcEndpointId"]

    found = shown(ec2, made)

    assert (found["State"], found["Groups"][0]["GroupName"]) == ("available", "default")
    held = ec2("DescribeNetworkInterfaces", NetworkInterfaceIds=found["NetworkInterfaceIds"])
    kinds = [(i["SubnetId"], i["InterfaceType"]) for i in held["NetworkInterfaces"]]
    assert sorted(kinds) == sorted([(one, "vpc_endpoint"), (other, "vpc_endpoint")])
    names = [entry["DnsName"].removeprefix(made) for entry in found["DnsEntries"]]
    assert [name.partition(".")[2] for name in names[:3]] == ["logs.us-east-1.vpce.amazonaws.com"] * 3
    assert names[1].partition(".")[0].endswith("-us-east-1a")
    assert names[3:] == ["logs.us-east-1.amazonaws.com"]

    group = ec2("CreateSecurityGroup", GroupName="web", Description="web", VpcId=vpc)["GroupId"]
    default = found["Groups"][0]["GroupId"]
    changes = {"AddSecurityGroupIds": [group], "RemoveSecurityGroupIds": [default]}
    ec2("ModifyVpcEndpoint", VpcEndpointId=made, RemoveSubnetIds=[one], PrivateDnsEnabled=False, **changes)
    (left,) = ec2("DescribeNetworkInterfaces")["NetworkInterfaces"]
    assert (left["SubnetId"], [g["GroupId"] for g in left["Groups"]]) == (other, [group])
    assert len(shown(ec2, made)["DnsEntries"]) == 2
    ec2("DeleteVpcEndpoints", VpcEndpointIds=[made])
    assert ec2("DescribeNetworkInterfaces")["NetworkInterfaces"] == []


def test_endpoints_that_are_refused(ec2: Ec2) -> None:
    vpc = ec2.vpc()
    one, other = ec2.subnet(vpc), ec2.subnet(vpc, "10.0.1.0/24")  # both in the first zone
    nowhere = {"VpcId": vpc, "ServiceName": "com.amazonaws.us-east-1.mars"}
    assert ec2.refused("CreateVpcEndpoint", **nowhere) == (
        "InvalidServiceName",
        "The Vpc Endpoint Service 'com.amazonaws.us-east-1.mars' does not exist",
    )
    assert ec2.refused("CreateVpcEndpoint", VpcId=vpc, ServiceName=LOGS) == (
        "InvalidParameter",
        f"The VPC endpoint service {LOGS} does not support the endpoint type Gateway.",
    )
    private = interface_endpoint(vpc, one, PrivateDnsEnabled=True)
    assert ec2.refused("CreateVpcEndpoint", **private) == (
        "InvalidParameter",
        "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true for "
        f"{vpc}",
    )
    code, message = ec2.refused("CreateVpcEndpoint", **interface_endpoint(vpc, one, other))
    assert code == "DuplicateSubnetsInSameZone"
    assert message.startswith(f"Found another VPC endpoint subnet in the availability zone of {other}.")
    ec2("ModifyVpcAttribute", VpcId=vpc, EnableDnsHostnames={"Value": True})
    ec2("CreateVpcEndpoint", **private)
    assert ec2.refused("CreateVpcEndpoint", **private) == (
        "InvalidParameter",
        "private-dns-enabled cannot be set because there is already a conflicting DNS domain for "
        f"logs.us-east-1.amazonaws.com in the VPC {vpc}",
    )


def test_endpoint_services_are_listed(ec2: Ec2) -> None:
    found = ec2("DescribeVpcEndpointServices", ServiceNames=[S3], Filters=where(service_type="Gateway"))
    assert found["ServiceNames"] == [S3]
    assert found["ServiceDetails"][0]["ServiceType"] == [{"ServiceType": "Gateway"}]
    ecr = ec2("DescribeVpcEndpointServices", ServiceNames=["com.amazonaws.us-east-1.ecr.dkr"])
    assert ecr["ServiceDetails"][0]["PrivateDnsName"] == "*.dkr.ecr.us-east-1.amazonaws.com"
    assert ec2.refused("DescribeVpcEndpointServices", ServiceNames=["mars"])[0] == "InvalidServiceName"


# -- prefix lists ------------------------------------------------------------------------------------------


def prefix_list(ec2: Ec2, *cidrs: str, most: int = 3) -> str:
    entries = [{"Cidr": cidr, "Description": "office"} for cidr in cidrs]
    made = ec2(
        "CreateManagedPrefixList",
        PrefixListName="offices",
        AddressFamily="IPv4",
        MaxEntries=most,
        Entries=entries,
    )
    return str(made["PrefixList"]["PrefixListId"])


def cidrs(ec2: Ec2, made: str, **version: int) -> list[str]:
    return [e["Cidr"] for e in ec2("GetManagedPrefixListEntries", PrefixListId=made, **version)["Entries"]]


def test_new_entries_of_a_prefix_list_are_a_new_version(ec2: Ec2) -> None:
    made = prefix_list(ec2, "192.0.2.0/24")
    change = {"PrefixListId": made, "AddEntries": [{"Cidr": "198.51.100.0/24"}]}
    assert ec2.refused("ModifyManagedPrefixList", **change, CurrentVersion=7) == (
        "PrefixListVersionMismatch",
        "The prefix list has the incorrect version number. The current version number is 1.",
    )
    ec2("ModifyManagedPrefixList", **change, CurrentVersion=1, RemoveEntries=[{"Cidr": "192.0.2.0/24"}])
    assert (cidrs(ec2, made), cidrs(ec2, made, TargetVersion=1)) == (["198.51.100.0/24"], ["192.0.2.0/24"])
    (found,) = ec2("DescribeManagedPrefixLists", PrefixListIds=[made])["PrefixLists"]
    assert (found["Version"], found["State"]) == (2, "modify-complete")
    too_many = [{"Cidr": f"203.0.113.{n}/32"} for n in range(3)]
    assert ec2.refused(
        "ModifyManagedPrefixList", PrefixListId=made, CurrentVersion=2, AddEntries=too_many
    ) == (
        "PrefixListMaxEntriesExceeded",
        "You've reached the maximum number of entries for the prefix list (3).",
    )


def test_a_prefix_list_in_a_rule_stays(ec2: Ec2) -> None:
    made = prefix_list(ec2, "192.0.2.0/24")
    group = ec2("CreateSecurityGroup", GroupName="web", Description="web")["GroupId"]
    peer = [{"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "PrefixListIds": [{"PrefixListId": made}]}]
    ec2("AuthorizeSecurityGroupIngress", GroupId=group, IpPermissions=peer)
    (shown_group,) = ec2("DescribeSecurityGroups", GroupIds=[group])["SecurityGroups"]
    assert shown_group["IpPermissions"][0]["PrefixListIds"] == [{"PrefixListId": made}]
    found = ec2("GetManagedPrefixListAssociations", PrefixListId=made)["PrefixListAssociations"]
    assert [one["ResourceId"] for one in found] == [group]
    assert ec2.refused("DeleteManagedPrefixList", PrefixListId=made) == (
        "DependencyViolation",
        f"The prefix list '{made}' is in use and cannot be deleted.",
    )
    ec2("RevokeSecurityGroupIngress", GroupId=group, IpPermissions=peer)
    ec2("DeleteManagedPrefixList", PrefixListId=made)
    assert ec2.refused("GetManagedPrefixListEntries", PrefixListId=made) == (
        "InvalidPrefixListID.NotFound",
        f"The prefix list ID '{made}' does not exist",
    )


def test_awss_own_prefix_lists_are_there(ec2: Ec2) -> None:
    found = ec2("DescribePrefixLists", Filters=where(prefix_list_name=S3))["PrefixLists"]
    assert [one["PrefixListId"] for one in found] == ["pl-63a5400a"]
    own = ec2("DescribeManagedPrefixLists", Filters=where(owner_id="AWS"))["PrefixLists"]
    cloudfront = "com.amazonaws.global.cloudfront.origin-facing"
    assert {one["PrefixListName"] for one in own} == {S3, "com.amazonaws.us-east-1.dynamodb", cloudfront}


def test_a_rule_lets_cloudfront_in_by_its_prefix_list(ec2: Ec2) -> None:
    (found,) = ec2(
        "DescribeManagedPrefixLists",
        Filters=where(prefix_list_name="com.amazonaws.global.cloudfront.origin-facing"),
    )["PrefixLists"]
    assert (found["PrefixListId"], found["OwnerId"]) == ("pl-3b927c52", "AWS")
    group = ec2("CreateSecurityGroup", GroupName="web", Description="web")["GroupId"]
    peer = {
        "IpProtocol": "tcp",
        "FromPort": 443,
        "ToPort": 443,
        "PrefixListIds": [{"PrefixListId": "pl-3b927c52"}],
    }
    ec2("AuthorizeSecurityGroupIngress", GroupId=group, IpPermissions=[peer])
    rules = ec2("DescribeSecurityGroupRules", Filters=where(group_id=group))["SecurityGroupRules"]
    assert [rule["PrefixListId"] for rule in rules if not rule["IsEgress"]] == ["pl-3b927c52"]


# -- flow logs ---------------------------------------------------------------------------------------------


def test_a_flow_log_into_a_bucket(aws: Cloud, ec2: Ec2) -> None:
    vpc = ec2.vpc()
    log = {
        "ResourceIds": [vpc],
        "ResourceType": "VPC",
        "LogDestinationType": "s3",
        "LogDestination": "arn:aws:s3:::flows/web/",
        "TrafficType": "ALL",
    }
    (missing,) = ec2("CreateFlowLogs", **log)["Unsuccessful"]
    assert missing["Error"] == {"Code": "400", "Message": "LogDestination: flows does not exist"}
    aws.call("s3", "CreateBucket", Bucket="flows")
    (made,) = ec2("CreateFlowLogs", **log)["FlowLogIds"]
    (found,) = ec2("DescribeFlowLogs", FlowLogIds=[made])["FlowLogs"]
    assert (found["FlowLogStatus"], found["MaxAggregationInterval"]) == ("ACTIVE", 600)
    assert found["DestinationOptions"]["FileFormat"] == "plain-text"
    (again,) = ec2("CreateFlowLogs", **log)["Unsuccessful"]
    assert again["Error"]["Code"] == "FlowLogAlreadyExists"
    assert ec2("DeleteFlowLogs", FlowLogIds=[made]) == {"Unsuccessful": []}
    assert ec2("DescribeFlowLogs")["FlowLogs"] == []


def test_a_flow_log_into_a_log_group(ec2: Ec2) -> None:
    vpc = ec2.vpc()
    made = ec2(
        "CreateFlowLogs",
        ResourceIds=[vpc],
        ResourceType="VPC",
        LogDestination="arn:aws:logs:us-east-1:000000000000:log-group:/flow",
        DeliverLogsPermissionArn="arn:aws:iam::000000000000:role/flow",
        TrafficType="REJECT",
    )["FlowLogIds"]
    (found,) = ec2("DescribeFlowLogs", Filter=where(resource_id=vpc))["FlowLogs"]
    assert ([found["FlowLogId"]], found["LogGroupName"]) == (made, "/flow")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            {"LogDestination": "arn:aws:s3:::flows", "LogGroupName": "flow"},
            "Please only provide LogGroupName or only provide LogDestination.",
        ),
        ({}, "LogDestination can't be empty if LogGroupName is not provided."),
        (
            {"LogGroupName": "flow"},
            "LogDestination type must be cloud-watch-logs if LogGroupName is provided.",
        ),
        (
            {"LogDestinationType": "cloud-watch-logs", "LogGroupName": "flow"},
            "DeliverLogsPermissionArn can't be empty if LogDestinationType is cloud-watch-logs.",
        ),
    ],
)
def test_flow_logs_that_are_refused(ec2: Ec2, more: dict[str, str], message: str) -> None:
    given = {"ResourceIds": [ec2.vpc()], "ResourceType": "VPC", "TrafficType": "ALL"}
    request = {**given, "LogDestinationType": "s3", **more}
    assert ec2.refused("CreateFlowLogs", **request) == ("InvalidParameter", message)
