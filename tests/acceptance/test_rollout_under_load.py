"""A service of four tasks is rolled out behind a load balancer while clients ask it all the time: no request fails.

Rolling first, then blue/green in steps, with the AWS CLI, real containers and the real proxy. Tests run in order.
"""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.acceptance.machine import Machine

pytestmark = [pytest.mark.engine, pytest.mark.clients]

CLIENTS = 6
SERVER = """
import http.server, os
class Greeting(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        text = os.environ["GREETING"].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
    def log_message(self, *arguments):
        pass
http.server.ThreadingHTTPServer(("", 3000), Greeting).serve_forever()
"""
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "ecs.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}


class Shop:
    """The service's load balancer, as its clients see it."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        vpc = machine.ask("ec2", "describe-vpcs")["Vpcs"][0]["VpcId"]
        self.subnets = [s["SubnetId"] for s in machine.ask("ec2", "describe-subnets")["Subnets"]][:2]
        made = machine.ask("elbv2", "create-load-balancer", "--name", "shop", "--subnets", *self.subnets)
        balancer = made["LoadBalancers"][0]
        self.host: str = balancer["DNSName"]
        self.port = _free_port()
        self.groups = {name: self._group(name, vpc) for name in ("blue", "green")}
        self.listener = machine.ask(
            "elbv2",
            "create-listener",
            f"--load-balancer-arn={balancer['LoadBalancerArn']}",
            "--protocol=HTTP",
            f"--port={self.port}",
            "--default-actions",
            json.dumps([{"Type": "forward", "TargetGroupArn": self.groups["blue"]}]),
        )["Listeners"][0]["ListenerArn"]

    def _group(self, name: str, vpc: str) -> str:
        made = self.machine.ask(
            *("elbv2", "create-target-group", "--name", name, "--protocol", "HTTP", "--port", "80"),
            *("--vpc-id", vpc, "--target-type", "ip", "--health-check-interval-seconds", "10"),
        )
        return str(made["TargetGroups"][0]["TargetGroupArn"])

    def rule(self, path: str, priority: int, weights: dict[str, int]) -> str:
        groups = [{"TargetGroupArn": self.groups[name], "Weight": weight} for name, weight in weights.items()]
        made = self.machine.ask(
            *("elbv2", "create-rule", "--listener-arn", self.listener, "--priority", str(priority)),
            *("--conditions", json.dumps([{"Field": "path-pattern", "Values": [path]}])),
            *("--actions", json.dumps([{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}])),
        )
        return str(made["Rules"][0]["RuleArn"])

    def register(self, greeting: str) -> str:
        container = {
            "name": "web",
            "image": "python:3.12-slim",
            "command": ["python3", "-c", SERVER],
            "environment": [{"name": "GREETING", "value": greeting}],
            "portMappings": [{"containerPort": 3000}],
            "stopTimeout": 2,
        }
        made = self.machine.ask(
            *("ecs", "register-task-definition", "--family", "shop", "--cpu", "256", "--memory", "512"),
            *("--network-mode", "awsvpc", "--requires-compatibilities", "FARGATE"),
            *("--container-definitions", json.dumps([container])),
        )
        return str(made["taskDefinition"]["taskDefinitionArn"])

    def wait(self) -> None:
        done = self.machine.aws("ecs", "wait", "services-stable", "--cluster", "shop", "--services", "shop")
        assert done.code == 0, done.output

    def ask(self) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            return _get(connection, self.host)
        finally:
            connection.close()

    @contextmanager
    def under_load(self) -> Iterator[Counter[tuple[int, str]]]:
        """Clients that ask again and again over connections that stay; what they were answered, or what failed."""
        seen: Counter[tuple[int, str]] = Counter()
        over = threading.Event()
        clients = [threading.Thread(target=self._client, args=(seen, over)) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        try:
            yield seen
        finally:
            over.set()
            for client in clients:
                client.join()

    def _client(self, seen: Counter[tuple[int, str]], over: threading.Event) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        while not over.wait(0.01):
            try:
                seen[_get(connection, self.host)] += 1
            except OSError as error:
                seen[0, repr(error)] += 1
                connection.close()
        connection.close()


def _get(connection: http.client.HTTPConnection, host: str) -> tuple[int, str]:
    connection.request("GET", "/", headers={"Host": host})
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def shop(machine: Machine) -> Shop:
    machine.ask("ecs", "create-cluster", "--cluster-name", "shop")
    return Shop(machine)


def network(shop: Shop) -> str:
    return json.dumps({"awsvpcConfiguration": {"subnets": shop.subnets, "assignPublicIp": "ENABLED"}})


def test_a_service_comes_up_behind_its_load_balancer(shop: Shop) -> None:
    balancers: list[dict[str, Any]] = [
        {"targetGroupArn": shop.groups["blue"], "containerName": "web", "containerPort": 3000}
    ]
    shop.machine.ask(
        *("ecs", "create-service", "--cluster", "shop", "--service-name", "shop", "--desired-count", "4"),
        *("--task-definition", shop.register("one"), "--launch-type", "FARGATE"),
        *("--network-configuration", network(shop), "--load-balancers", json.dumps(balancers)),
    )
    shop.wait()
    assert shop.ask() == (200, "one")


def test_no_request_fails_while_it_is_rolled_out(shop: Shop) -> None:
    with shop.under_load() as seen:
        shop.machine.ask(
            *("ecs", "update-service", "--cluster", "shop", "--service", "shop"),
            *("--task-definition", shop.register("two")),
        )
        shop.wait()
    assert set(seen) == {(200, "one"), (200, "two")}, seen
    assert shop.ask() == (200, "two")


def test_no_request_fails_while_the_traffic_goes_to_green_in_steps(shop: Shop) -> None:
    made = shop.machine.ask(
        *("iam", "create-role", "--role-name", "shift", "--assume-role-policy-document", json.dumps(TRUST))
    )
    advanced = {
        "alternateTargetGroupArn": shop.groups["green"],
        "productionListenerRule": shop.rule("/*", 10, {"blue": 100, "green": 0}),
        "testListenerRule": shop.rule("/test*", 5, {"green": 1}),
        "roleArn": made["Role"]["Arn"],
    }
    item = {
        "targetGroupArn": shop.groups["blue"],
        "containerName": "web",
        "containerPort": 3000,
        "advancedConfiguration": advanced,
    }
    linear = {"stepPercent": 25.0, "stepBakeTimeInMinutes": 0}
    strategy = {"strategy": "LINEAR", "bakeTimeInMinutes": 0, "linearConfiguration": linear}
    with shop.under_load() as seen:
        shop.machine.ask(
            *("ecs", "update-service", "--cluster", "shop", "--service", "shop"),
            *("--task-definition", shop.register("three"), "--load-balancers", json.dumps([item])),
            *("--deployment-configuration", json.dumps(strategy)),
        )
        shop.wait()
    assert set(seen) == {(200, "two"), (200, "three")}, seen
    shown = shop.machine.ask("ecs", "list-service-deployments", "--cluster", "shop", "--service", "shop")
    assert [one["status"] for one in shown["serviceDeployments"]] == ["SUCCESSFUL"] * 3
