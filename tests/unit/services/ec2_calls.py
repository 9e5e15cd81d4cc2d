"""Calls of EC2 whose every answer is held against botocore's model, and the things that most tests begin with."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import botocore.session
import pytest
from botocore.model import ServiceModel

from neargate.model.errors import AwsError
from tests.unit.services.cloud import Cloud
from tests.unit.services.test_ec2_answers import strangers


@cache
def _model() -> ServiceModel:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return botocore.session.get_session().get_service_model("ec2")


class Ec2:
    """`ec2("CreateVpc", CidrBlock=…)`."""

    def __init__(self, aws: Cloud) -> None:
        self.aws = aws

    def __call__(self, operation: str, **request: Any) -> dict[str, Any]:
        answer = self.aws.call("ec2", operation, **request)
        assert strangers(_model().operation_model(operation).output_shape, answer, operation) == []
        return answer

    def refused(self, operation: str, **request: Any) -> tuple[str, str]:
        """Code and message of the refusal that must come."""
        with pytest.raises(AwsError) as error:
            self.aws.call("ec2", operation, **request)
        return error.value.code, error.value.message

    def vpc(self, cidr: str = "10.0.0.0/16") -> str:
        return str(self("CreateVpc", CidrBlock=cidr)["Vpc"]["VpcId"])

    def subnet(self, vpc: str, cidr: str = "10.0.0.0/24", **more: Any) -> str:
        return str(self("CreateSubnet", VpcId=vpc, CidrBlock=cidr, **more)["Subnet"]["SubnetId"])

    def gateway(self, vpc: str) -> str:
        """An internet gateway, attached."""
        made = str(self("CreateInternetGateway")["InternetGateway"]["InternetGatewayId"])
        self("AttachInternetGateway", InternetGatewayId=made, VpcId=vpc)
        return made

    def address(self) -> str:
        return str(self("AllocateAddress", Domain="vpc")["AllocationId"])

    def interface(self, subnet: str, **more: Any) -> str:
        made = self("CreateNetworkInterface", SubnetId=subnet, **more)
        return str(made["NetworkInterface"]["NetworkInterfaceId"])

    def table(self, vpc: str) -> str:
        return str(self("CreateRouteTable", VpcId=vpc)["RouteTable"]["RouteTableId"])

    def routes(self, table: str) -> list[tuple[str, ...]]:
        """(destination, target, state) of each."""
        (shown,) = self("DescribeRouteTables", RouteTableIds=[table])["RouteTables"]
        found = []
        for route in shown["Routes"]:
            destination = next(route[name] for name in route if name.startswith("Destination"))
            target = next(route[name] for name in route if name.endswith("Id") and "Destination" not in name)
            found.append((destination, target, route["State"]))
        return found


def where(**filters: str) -> list[dict[str, Any]]:
    """Filters; `vpc_id` is the filter `vpc-id`."""
    return [{"Name": name.replace("_", "-"), "Values": [value]} for name, value in filters.items()]
