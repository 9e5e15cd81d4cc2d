"""The AWS CLI v1 with a load balancer, from its creation to its end. Tests run in order."""

from __future__ import annotations

import http.client
import json
import socket
from contextlib import closing
from typing import Any

import pytest

from tests.acceptance.machine import Machine, wait_for

pytestmark = [pytest.mark.engine, pytest.mark.clients]

TEAPOT = {
    "Type": "fixed-response",
    "FixedResponseConfig": {
        "StatusCode": "418",
        "ContentType": "text/plain",
        "MessageBody": "short and stout",
    },
}
AWAY = {"Type": "redirect", "RedirectConfig": {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}}


@pytest.fixture(scope="module")
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def balancer(machine: Machine) -> dict[str, Any]:
    (found,) = machine.ask("elbv2", "describe-load-balancers", "--names=front")["LoadBalancers"]
    return dict(found)


def asked(host: str, port: int, path: str) -> tuple[int, str, str]:
    """Status, body and Location of a request to the load balancer's name, which means this machine."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request("GET", path, headers={"Host": f"{host}:{port}"})
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), answer.getheader("Location") or ""


def answered(host: str, port: int, path: str) -> tuple[int, str, str] | None:
    """The same, or None where nobody listens yet."""
    try:
        return asked(host, port, path)
    except ConnectionRefusedError:
        return None


def test_it_is_available_when_the_waiter_returns(machine: Machine) -> None:
    subnets = [subnet["SubnetId"] for subnet in machine.ask("ec2", "describe-subnets")["Subnets"][:2]]
    made = machine.ask("elbv2", "create-load-balancer", "--name=front", "--subnets", *subnets)
    assert made["LoadBalancers"][0]["State"]["Code"] in ("provisioning", "active")
    done = machine.aws("elbv2", "wait", "load-balancer-available", "--names=front")
    assert done.code == 0, done.output
    assert balancer(machine)["State"] == {"Code": "active"}


def test_a_listener_and_a_rule_answer(machine: Machine, port: int) -> None:
    arn, name = balancer(machine)["LoadBalancerArn"], balancer(machine)["DNSName"]
    made = machine.ask(
        "elbv2",
        "create-listener",
        f"--load-balancer-arn={arn}",
        "--protocol=HTTP",
        f"--port={port}",
        f"--default-actions={json.dumps([TEAPOT])}",
    )
    listener = made["Listeners"][0]["ListenerArn"]
    machine.ask(
        "elbv2",
        "create-rule",
        f"--listener-arn={listener}",
        "--priority=10",
        "--conditions=Field=path-pattern,Values=/away/*",
        f"--actions={json.dumps([AWAY])}",
    )
    shown = machine.ask("elbv2", "describe-rules", f"--listener-arn={listener}")["Rules"]
    assert [rule["Priority"] for rule in shown] == ["10", "default"]
    status, body, _ = wait_for(lambda: answered(name, port, "/tea"), "the listener answers")
    assert (status, body) == (418, "short and stout")
    status, _, location = asked(name, port, "/away/from/here")
    assert status == 301
    assert location == f"https://{name}:443/away/from/here"


def test_it_goes_with_all_that_it_held(machine: Machine) -> None:
    found = machine.ask("ec2", "describe-network-interfaces", "--filters=Name=requester-id,Values=amazon-elb")
    assert len(found["NetworkInterfaces"]) == 2
    arn = balancer(machine)["LoadBalancerArn"]
    assert machine.aws("elbv2", "delete-load-balancer", f"--load-balancer-arn={arn}").code == 0
    done = machine.aws("elbv2", "wait", "load-balancers-deleted", "--names=front")
    assert done.code == 0, done.output
    found = machine.ask("ec2", "describe-network-interfaces", "--filters=Name=requester-id,Values=amazon-elb")
    assert found["NetworkInterfaces"] == []
    gone = machine.aws("elbv2", "describe-load-balancers", "--names=front")
    assert "Load balancers '[front]' not found" in gone.output
