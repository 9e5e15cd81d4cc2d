"""Load balancers: where people open them, and the end of an Envoy that no server looks after.

Here a listener's port may have another door on the loopback address; Neargate's own API says which.
"""

from __future__ import annotations

import os
import signal
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import attrs

from neargate.cli.cloud import Cloud, Json, Refused

_DEFAULT_PORTS = {"HTTP": 80, "HTTPS": 443}


@attrs.frozen
class Front:
    """A load balancer with the URLs of its listeners, in the order of their ports."""

    name: str
    state: str
    urls: tuple[str, ...]


def fronts(cloud: Cloud, arn: str = "") -> list[Front]:
    """All load balancers of the account and region, or the one; none where one may not look."""
    try:
        found = list(_described(cloud, arn))
        doors = _doors(cloud) if found else {}
        return [
            Front(one["LoadBalancerName"], one["State"]["Code"], _urls(cloud, one, doors)) for one in found
        ]
    except Refused:
        return []


def _described(cloud: Cloud, arn: str) -> Iterator[Json]:
    more: Json = {"LoadBalancerArns": [arn]} if arn else {}
    while True:
        answer = cloud.call("elbv2", "DescribeLoadBalancers", **more)
        yield from answer["LoadBalancers"]
        if not answer.get("NextMarker"):
            return
        more = {"Marker": answer["NextMarker"]}


def _doors(cloud: Cloud) -> dict[str, dict[str, int]]:
    """The ports of this machine's loopback address by name and listener's port; none on AWS."""
    doors: dict[str, dict[str, int]] = cloud.own("GET", "load-balancers")["doors"] if cloud.local else {}
    return doors


def _urls(cloud: Cloud, balancer: Json, doors: dict[str, dict[str, int]]) -> tuple[str, ...]:
    arn, name = balancer["LoadBalancerArn"], balancer["DNSName"]
    listeners = cloud.call("elbv2", "DescribeListeners", LoadBalancerArn=arn)["Listeners"]
    known = doors.get(name, {})
    return tuple(
        url(listener["Protocol"], name, known.get(str(listener["Port"]), listener["Port"]))
        for listener in sorted(listeners, key=lambda each: int(each["Port"]))
    )


def url(protocol: str, name: str, port: int) -> str:
    """`http://NAME`, with the port where it is not the protocol's own."""
    return f"{protocol.lower()}://{name}" + ("" if _DEFAULT_PORTS.get(protocol) == port else f":{port}")


def end_left_behind(data: Path) -> int | None:
    """End the Envoy of a data directory in which no server works: the last one was killed, or its tasks went on. The
    id of its process; None where there is none."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            directory = os.open(data / "balancer", os.O_PATH | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:  # by the descriptor, for a socket's path may have 107 characters
            probe.connect(f"/proc/self/fd/{directory}/admin.sock")
        except OSError:
            return None
        finally:
            os.close(directory)
        peer = probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    pid: int = struct.unpack("iII", peer)[0]
    os.kill(pid, signal.SIGTERM)
    return pid
