"""A cloud with a load balancer: what the tests of Elastic Load Balancing have in common."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from neargate.model.ec2 import default_network
from neargate.model.errors import AwsError
from tests.unit.services.cloud import ACCOUNT, REGION, Cloud, cloud

NETWORK = default_network(ACCOUNT, REGION)
SUBNETS = [subnet.id for subnet in NETWORK.subnets[:2]]
ZONES = [subnet.zone for subnet in NETWORK.subnets[:2]]
INSIDE = "172.31.0.9"
"""An address of the first subnet."""


class Balancing:
    """The calls of one account, short."""

    def __init__(self, aws: Cloud) -> None:
        self.aws = aws

    def __call__(self, operation: str, **request: Any) -> dict[str, Any]:
        return self.aws.call("elbv2", operation, **request)

    def refused(self, operation: str, **request: Any) -> tuple[str, str]:
        with pytest.raises(AwsError) as error:
            self(operation, **request)
        return error.value.code, error.value.message

    def balancer(self, name: str = "front", **request: Any) -> str:
        made = self("CreateLoadBalancer", **{"Name": name, "Subnets": SUBNETS, **request})
        return str(made["LoadBalancers"][0]["LoadBalancerArn"])

    def group(self, name: str = "web", **request: Any) -> str:
        wanted = {"Protocol": "HTTP", "Port": 80, "VpcId": NETWORK.vpc.id, "TargetType": "ip", **request}
        return str(self("CreateTargetGroup", Name=name, **wanted)["TargetGroups"][0]["TargetGroupArn"])

    def listener(self, balancer: str, *actions: dict[str, Any], **request: Any) -> str:
        wanted = {"Protocol": "HTTP", "Port": 80, "DefaultActions": list(actions) or [FIXED], **request}
        made = self("CreateListener", LoadBalancerArn=balancer, **wanted)
        return str(made["Listeners"][0]["ListenerArn"])

    def rule(self, listener: str, priority: int = 10, **request: Any) -> str:
        wanted = {"Conditions": [path("/a")], "Actions": [FIXED], **request}
        made = self("CreateRule", ListenerArn=listener, Priority=priority, **wanted)
        return str(made["Rules"][0]["RuleArn"])

    def health(self, group: str) -> list[tuple[str, str, str | None]]:
        """Address and port, state and reason of each target."""
        shown = self("DescribeTargetHealth", TargetGroupArn=group)["TargetHealthDescriptions"]
        return [
            (
                f"{one['Target']['Id']}:{one['Target']['Port']}",
                one["TargetHealth"]["State"],
                one["TargetHealth"].get("Reason"),
            )
            for one in shown
        ]


FIXED = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}


def forward(group: str) -> dict[str, Any]:
    return {"Type": "forward", "TargetGroupArn": group}


def path(*values: str) -> dict[str, Any]:
    return {"Field": "path-pattern", "PathPatternConfig": {"Values": list(values)}}


@contextmanager
def balancing() -> Iterator[Balancing]:
    with cloud() as aws:
        yield Balancing(aws)
