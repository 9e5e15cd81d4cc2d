"""What `neargate up` ends with: a stack's load balancers, and tasks that stand behind none."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from neargate.cli.addresses import environments
from neargate.cli.cloud import Cloud
from neargate.cli.place import Place

SERVICE = "arn:aws:ecs:us-east-1:000000000000:service/shop/web"


@pytest.fixture
def port() -> Iterator[int]:
    """Somebody listens there on loopback, for load balancers and tasks alike."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


class Stacked(Cloud):
    """A stack with a service of one task, and with a load balancer where it is said to have one."""

    def __init__(self, port: int, *, balanced: bool, registered: bool) -> None:
        super().__init__(Place(Path("/nowhere")))
        self._port, self._balanced, self._registered = port, balanced, registered

    def call(self, service: str, operation: str, **request: Any) -> dict[str, Any]:
        answers: dict[str, Any] = {
            "DescribeStacks": {"Stacks": [{"StackName": "shop", "StackStatus": "CREATE_COMPLETE"}]},
            "DescribeStackResources": {"StackResources": self._resources()},
            "DescribeLoadBalancers": {
                "LoadBalancers": [
                    {
                        "LoadBalancerArn": "front",
                        "LoadBalancerName": "front",
                        "DNSName": "localhost",
                        "State": {"Code": "active"},
                    }
                ]
            },
            "DescribeListeners": {"Listeners": [{"Port": 80, "Protocol": "HTTP"}]},
            "DescribeServices": {"services": [self._service()]},
            "ListTasks": {"taskArns": ["task"]},
            "DescribeTasks": {"tasks": [self._task()]},
            "DescribeTaskDefinition": {
                "taskDefinition": {
                    "containerDefinitions": [{"portMappings": [{"containerPort": self._port}]}]
                }
            },
        }
        found: dict[str, Any] = answers[operation]
        return found

    def own(self, method: str, path: str, body: Any = None, *, seconds: float = 1.0) -> dict[str, Any]:
        return {"doors": {"localhost": {"80": self._port}}}

    def _resources(self) -> list[dict[str, str]]:
        service = {"ResourceType": "AWS::ECS::Service", "PhysicalResourceId": SERVICE}
        balancer = {
            "ResourceType": "AWS::ElasticLoadBalancingV2::LoadBalancer",
            "PhysicalResourceId": "front",
        }
        return [service, *([balancer] if self._balanced else [])]

    def _service(self) -> dict[str, Any]:
        balancers = [{"targetGroupArn": "group"}] if self._registered else []
        return {"status": "ACTIVE", "taskDefinition": "web:1", "desiredCount": 1, "loadBalancers": balancers}

    def _task(self) -> dict[str, Any]:
        details = [{"name": "privateIPv4Address", "value": "127.0.0.1"}]
        return {"taskDefinitionArn": "web:1", "lastStatus": "RUNNING", "attachments": [{"details": details}]}


@pytest.mark.parametrize(
    ("balanced", "registered", "names"),
    [
        (True, True, ["http://localhost:{}"]),
        (True, False, ["http://localhost:{}", "http://127.0.0.1:{}"]),
        (False, True, ["http://127.0.0.1:{}"]),
    ],
)
def test_tasks_behind_the_stacks_load_balancer_are_not_shown(
    port: int, balanced: bool, registered: bool, names: list[str]
) -> None:
    cloud = Stacked(port, balanced=balanced, registered=registered)
    (found,) = environments(cloud, ["shop"], seconds=1.0)
    assert [address.url for address in found.addresses] == [name.format(port) for name in names]
    assert found.trouble == ""
