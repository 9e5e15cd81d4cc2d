"""A service of four tasks behind a load balancer: rolled out under constant load, served while the server restarts."""

from __future__ import annotations

import http.client
import json
import re
import threading
import urllib.request
from collections import Counter
from pathlib import Path

import attrs
import pytest

from tests.acceptance.machine import Machine, wait_for

pytestmark = [pytest.mark.engine, pytest.mark.clients]

STACK = "front"
APP = (
    "import os\\n"
    "from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer\\n"
    "class App(BaseHTTPRequestHandler):\\n"
    "    protocol_version = 'HTTP/1.1'\\n"
    "    def do_GET(self):\\n"
    "        body = os.environ['VERSION'].encode()\\n"
    "        self.send_response(200)\\n"
    "        self.send_header('Content-Length', str(len(body)))\\n"
    "        self.end_headers()\\n"
    "        self.wfile.write(body)\\n"
    "    def log_message(self, *arguments): pass\\n"
    "ThreadingHTTPServer(('', 8080), App).serve_forever()\\n"
)
TEMPLATE = f"""
Parameters:
  Version: {{Type: String}}
  Subnets: {{Type: List<AWS::EC2::Subnet::Id>}}
  Vpc: {{Type: AWS::EC2::VPC::Id}}
Resources:
  Cluster: {{Type: AWS::ECS::Cluster}}
  Balancer:
    Type: AWS::ElasticLoadBalancingV2::LoadBalancer
    Properties: {{Subnets: !Ref Subnets}}
  Group:
    Type: AWS::ElasticLoadBalancingV2::TargetGroup
    Properties:
      Port: 8080
      Protocol: HTTP
      TargetType: ip
      VpcId: !Ref Vpc
      HealthCheckIntervalSeconds: 5
      HealthCheckTimeoutSeconds: 2
  Listener:
    Type: AWS::ElasticLoadBalancingV2::Listener
    Properties:
      LoadBalancerArn: !Ref Balancer
      Port: 80
      Protocol: HTTP
      DefaultActions: [{{Type: forward, TargetGroupArn: !Ref Group}}]
  Definition:
    Type: AWS::ECS::TaskDefinition
    Properties:
      Cpu: "256"
      Memory: "512"
      NetworkMode: awsvpc
      RequiresCompatibilities: [FARGATE]
      ContainerDefinitions:
        - Name: web
          Image: python:3.12-slim
          Command: [python, -c, "{APP}"]
          Environment: [{{Name: VERSION, Value: !Ref Version}}]
          PortMappings: [{{ContainerPort: 8080}}]
          StopTimeout: 2
  Service:
    Type: AWS::ECS::Service
    DependsOn: Listener
    Properties:
      Cluster: !Ref Cluster
      TaskDefinition: !Ref Definition
      DesiredCount: 4
      LaunchType: FARGATE
      LoadBalancers: [{{ContainerName: web, ContainerPort: 8080, TargetGroupArn: !Ref Group}}]
      NetworkConfiguration: {{AwsvpcConfiguration: {{Subnets: !Ref Subnets, AssignPublicIp: ENABLED}}}}
"""


@attrs.frozen
class Site:
    """The stack's load balancer: its name, and the port of the loopback address at which it answers."""

    machine: Machine
    template: Path
    arguments: tuple[str, ...]
    name: str
    door: int

    def deploy(self, version: str) -> str:
        return _deploy(self.machine, self.template, self.arguments, version)

    def get(self, connection: http.client.HTTPConnection | None = None) -> tuple[int, str]:
        """Status and body; on a connection of its own where none is given."""
        own = connection or http.client.HTTPConnection("127.0.0.1", self.door, timeout=20)
        try:
            own.request("GET", "/", headers={"Host": self.name})
            answer = own.getresponse()
            return answer.status, answer.read().decode()
        finally:
            if connection is None:
                own.close()


def _deploy(machine: Machine, template: Path, arguments: tuple[str, ...], version: str) -> str:
    given = (*arguments, "--parameter", f"Version={version}")
    done = machine.neargate("deploy", str(template), "--stack-name", STACK, *given)
    assert done.code == 0, done.output
    return done.output


@pytest.fixture(scope="module")
def site(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Site:
    template = tmp_path_factory.mktemp("site") / "template.yaml"
    template.write_text(TEMPLATE)
    subnets = machine.ask("ec2", "describe-subnets")["Subnets"][:2]
    ids = ",".join(subnet["SubnetId"] for subnet in subnets)
    arguments = ("--parameter", f"Subnets={ids}", "--parameter", f"Vpc={subnets[0]['VpcId']}")
    said = _deploy(machine, template, arguments, "one")
    (one,) = machine.ask("elbv2", "describe-load-balancers")["LoadBalancers"]
    name = one["DNSName"]
    assert one["State"]["Code"] == "active"
    with urllib.request.urlopen(f"{machine.endpoint}/_neargate/load-balancers", timeout=5) as answer:
        door = json.load(answer)["doors"][name]["80"]
    url = f"http://{name}" + ("" if door == 80 else f":{door}")
    assert url in said
    assert url in machine.neargate("ps").output
    return Site(machine, template, arguments, name, door)


class Load(threading.Thread):
    """A client that asks again and again, half of the time on connections that it keeps."""

    def __init__(self, site: Site, keeps: bool) -> None:
        super().__init__(daemon=True)
        self._site = site
        self._keeps = keeps
        self._over = threading.Event()
        self.seen: Counter[tuple[int, str]] = Counter()

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._site.door, timeout=20)
        while not self._over.wait(0.004):
            try:
                self.seen[self._site.get(connection if self._keeps else None)] += 1
            except (OSError, http.client.HTTPException) as error:
                self.seen[0, repr(error)] += 1
                connection.close()
        connection.close()

    def end(self) -> None:
        self._over.set()
        self.join(30)


def _under_load(site: Site) -> list[Load]:
    loads = [Load(site, keeps) for keeps in (True, False, True)]
    for load in loads:
        load.start()
    return loads


def _ended(loads: list[Load]) -> Counter[tuple[int, str]]:
    seen: Counter[tuple[int, str]] = Counter()
    for load in loads:
        load.end()
        seen += load.seen
    return seen


def test_a_rollout_of_four_tasks_under_load_fails_no_request(site: Site) -> None:
    loads = _under_load(site)
    wait_for(lambda: all(load.seen for load in loads), "the load is there")
    site.deploy("two")
    assert site.get() == (200, "two")
    seen = _ended(loads)
    assert set(seen) == {(200, "one"), (200, "two")}, seen


def test_requests_are_served_while_the_server_is_killed_and_starts_again(site: Site) -> None:
    loads = _under_load(site)
    site.machine.kill()
    assert site.get() == (200, "two")
    site.machine.start()
    wait_for(lambda: site.machine.health()["ready"], "the server works again")
    group = site.machine.ask("elbv2", "describe-target-groups")["TargetGroups"][0]["TargetGroupArn"]
    found = site.machine.ask("elbv2", "describe-target-health", "--target-group-arn", group)
    states = [each["TargetHealth"]["State"] for each in found["TargetHealthDescriptions"]]
    assert states == ["healthy"] * 4
    seen = _ended(loads)
    assert set(seen) == {(200, "two")}, seen


def test_a_task_that_is_killed_is_replaced_behind_the_load_balancer(site: Site) -> None:
    cluster = site.machine.ask("ecs", "list-clusters")["clusterArns"][0]
    before = site.machine.ask("ecs", "list-tasks", "--cluster", cluster)["taskArns"]
    site.machine.ask("ecs", "stop-task", "--cluster", cluster, "--task", before[0])
    loads = _under_load(site)

    def replaced() -> bool:
        now = site.machine.ask("ecs", "list-tasks", "--cluster", cluster)["taskArns"]
        return before[0] not in now and len(now) == 4

    wait_for(replaced, "another task runs")
    seen = _ended(loads)
    assert set(seen) == {(200, "two")}, seen


def test_deleting_the_stack_leaves_no_envoy(site: Site) -> None:
    done = site.machine.aws("cloudformation", "delete-stack", "--stack-name", STACK)
    assert done.code == 0, done.output
    waited = site.machine.aws("cloudformation", "wait", "stack-delete-complete", "--stack-name", STACK)
    assert waited.code == 0, waited.output
    wait_for(lambda: not (site.machine.data / "balancer").exists(), "Envoy is gone")
    with pytest.raises(ConnectionRefusedError):
        site.get()
    assert re.search("No task runs", site.machine.neargate("ps").output)
