"""Where load balancers are opened, and the Envoy that is left behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from neargate.cli.cloud import Cloud, Refused
from neargate.cli.load_balancers import Front, end_left_behind, fronts, url
from neargate.cli.look import balancer_rows
from neargate.cli.place import Place

NAME = "web-123.us-east-1.elb.localhost"


@pytest.mark.parametrize(
    ("protocol", "port", "address"),
    [
        ("HTTP", 80, f"http://{NAME}"),
        ("HTTP", 8080, f"http://{NAME}:8080"),
        ("HTTPS", 443, f"https://{NAME}"),
        ("HTTPS", 80, f"https://{NAME}:80"),
        ("TCP", 5432, f"tcp://{NAME}:5432"),
    ],
)
def test_urls(protocol: str, port: int, address: str) -> None:
    assert url(protocol, NAME, port) == address


class Answering(Cloud):
    """A cloud with two load balancers on two pages."""

    def call(self, service: str, operation: str, **request: Any) -> dict[str, Any]:
        if operation == "DescribeListeners":
            if request["LoadBalancerArn"] == "second":
                return {"Listeners": []}
            return {"Listeners": [{"Port": 443, "Protocol": "HTTPS"}, {"Port": 80, "Protocol": "HTTP"}]}
        second = request.get("Marker") == "more"
        one = {
            "LoadBalancerArn": "second" if second else "first",
            "DNSName": NAME,
            "State": {"Code": "active"},
        }
        one["LoadBalancerName"] = "api" if second else "web"
        return {"LoadBalancers": [one], **({} if second else {"NextMarker": "more"})}

    def own(self, method: str, path: str, body: Any = None, *, seconds: float = 1.0) -> dict[str, Any]:
        assert (method, path) == ("GET", "load-balancers")
        return {"doors": {NAME: {"80": 49152, "443": 443}}}


def test_every_listener_has_a_url_by_its_door() -> None:
    found = fronts(Answering(Place(Path("/nowhere"))))
    assert found == [
        Front("web", "active", (f"http://{NAME}:49152", f"https://{NAME}")),
        Front("api", "active", ()),
    ]
    assert balancer_rows(found) == [
        ("web", "active", f"http://{NAME}:49152"),
        ("web", "active", f"https://{NAME}"),
        ("api", "active", "-"),
    ]


def test_who_may_not_look_sees_none() -> None:
    class Refusing(Cloud):
        def call(self, service: str, operation: str, **request: Any) -> dict[str, Any]:
            raise Refused("AccessDenied", "no", operation)

    assert fronts(Refusing(Place(Path("/nowhere")))) == []


def test_what_listens_for_a_servers_envoy_is_ended(tmp_path: Path) -> None:
    assert end_left_behind(tmp_path) is None
    (tmp_path / "balancer").mkdir()
    assert end_left_behind(tmp_path) is None
    program = (
        "import socket, sys\ns = socket.socket(socket.AF_UNIX)\ns.bind(sys.argv[1])\ns.listen()\n"
        "print('listens', flush=True)\ns.accept()\nsys.stdin.read()"
    )
    path = str(tmp_path / "balancer" / "admin.sock")
    with subprocess.Popen(
        [sys.executable, "-c", program, path], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "listens\n"
        assert end_left_behind(tmp_path) == process.pid
        assert process.wait() == -15
