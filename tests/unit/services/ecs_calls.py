"""The ECS API over a cloud without drivers: what its tests have in common."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from neargate.model.errors import AwsError
from tests.unit.services.cloud import Cloud


class Ecs:
    """The ECS API over a cloud, with a cluster `c` and the task definition `web:1`."""

    def __init__(self, aws: Cloud) -> None:
        self.aws = aws
        self("CreateCluster", clusterName="c")
        subnets = aws.call("ec2", "DescribeSubnets")["Subnets"]
        self.subnets = [subnet["SubnetId"] for subnet in subnets]
        self.register()

    def __call__(self, operation: str, /, **request: Any) -> dict[str, Any]:
        return asyncio.run(self.aws.dispatcher.call(self.aws.caller, "ecs", operation, request))

    def error(self, operation: str, /, **request: Any) -> tuple[str, str]:
        with pytest.raises(AwsError) as caught:
            self(operation, **request)
        return caught.value.code, caught.value.message

    def register(self, **members: Any) -> dict[str, Any]:
        request = {
            "family": "web",
            "requiresCompatibilities": ["FARGATE"],
            "networkMode": "awsvpc",
            "cpu": "256",
            "memory": "512",
            "containerDefinitions": [{"name": "app", "image": "nginx"}],
            **members,
        }
        return dict(self("RegisterTaskDefinition", **request)["taskDefinition"])

    @property
    def network(self) -> dict[str, Any]:
        return {"awsvpcConfiguration": {"subnets": self.subnets[:2]}}

    def service(self, **members: Any) -> dict[str, Any]:
        return dict(self("CreateService", **self.wanted(**members))["service"])

    def wanted(self, **members: Any) -> dict[str, Any]:
        return {
            "cluster": "c",
            "serviceName": "web",
            "taskDefinition": "web",
            "desiredCount": 1,
            "launchType": "FARGATE",
            "networkConfiguration": self.network,
            **members,
        }

    def run(self, **members: Any) -> list[dict[str, Any]]:
        return list(self("RunTask", **self.run_request(**members))["tasks"])

    def run_request(self, **members: Any) -> dict[str, Any]:
        return {
            "cluster": "c",
            "taskDefinition": "web",
            "launchType": "FARGATE",
            "networkConfiguration": self.network,
            **members,
        }
