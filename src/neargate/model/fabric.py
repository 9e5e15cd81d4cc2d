"""The port to the VPC network of this machine: its nouns, its errors and the verbs of `Fabric`.

A fabric belongs to one server (its owner). Several servers share a machine: an address is used by one
task at a time on the whole machine, whichever server or VPC the task belongs to, so VPCs with the same
CIDR live side by side.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any, Protocol

import attrs

HOST_ADDRESS = "169.254.170.1"
"""Where the machine's own connections to a task come from (health checks, the load balancer). Only a task
and this machine ever see it."""

LINK_LOCAL_ADDRESS = "169.254.170.2"
"""Where credentials and metadata answer inside a task."""


class FabricFailure(Exception):
    """What a fabric could not do. The text is for a person."""


class FabricUnavailable(FabricFailure):
    """This machine cannot carry task networks. `how_to_fix` is the next step."""

    def __init__(self, reason: str, how_to_fix: str) -> None:
        super().__init__(f"{reason} {how_to_fix}".strip())
        self.reason = reason
        self.how_to_fix = how_to_fix


class AlreadyAttached(FabricFailure):
    """The interface is attached, or its namespace has an interface already; `attached()` tells which."""


class AddressInUse(FabricFailure):
    """The address belongs to another task, another server or the machine itself."""

    def __init__(self, address: str) -> None:
        super().__init__(f"The address {address} is in use on this machine.")
        self.address = address


class NoSuchNamespace(FabricFailure):
    """Nothing that is a network namespace (any more) is at this path."""

    def __init__(self, netns_path: str) -> None:
        super().__init__(f"There is no network namespace at {netns_path}.")
        self.netns_path = netns_path


def _ipv4(_interface: object, _attribute: attrs.Attribute[str], value: str) -> None:
    ipaddress.IPv4Address(value)


@attrs.frozen
class Interface:
    """An elastic network interface as a task is to see it: its `eth0`.

    `ip` and `gateway` are different addresses of one subnet, whose mask is `prefix_length`; the gateway is
    the subnet's first host (.1 of a /24). `mac` is six lower-case hex pairs, unicast. `labels` are short:
    together with the rest they must fit into a link's description (some 100 characters; a task id does,
    two ARNs do not), or `attach` raises `ValueError`.
    """

    eni_id: str = attrs.field(validator=attrs.validators.matches_re(r"eni-[0-9a-zA-Z-]+"))
    ip: str = attrs.field(validator=_ipv4)
    prefix_length: int = attrs.field(validator=[attrs.validators.ge(8), attrs.validators.le(30)])
    gateway: str = attrs.field(validator=_ipv4)
    mac: str = attrs.field(
        validator=attrs.validators.matches_re(re.compile("[0-9a-f][02468ace](:[0-9a-f]{2}){5}"))
    )
    hostname: str = ""
    labels: Mapping[str, str] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        subnet = self.subnet
        if self.ip == self.gateway or ipaddress.IPv4Address(self.gateway) not in subnet:
            raise ValueError(f"{self.gateway} is not a gateway for {self.ip} in {subnet}")

    @property
    def subnet(self) -> ipaddress.IPv4Network:
        """The network that `ip` and `prefix_length` describe."""
        return ipaddress.IPv4Network((self.ip, self.prefix_length), strict=False)


@attrs.frozen
class Attachment:
    """An interface that is plugged in. `link` is the machine's end of it, as `ip link` shows it."""

    interface: Interface
    link: str


class Fabric(Protocol):
    """Gives tasks their addresses. Several calls may run at once.

    Attachments outlive the server and the fabric object; they end with `detach`, or with the task's
    namespace. Cancelling a call leaves either all of its effect or none, and `attached()` tells which.
    """

    async def open(self) -> None:
        """Make the machine carry this server's tasks: forwarding, masquerade, anti-spoofing.

        Opening again is fine and repairs what has been lost since. It also removes what an `attach` that
        died half-way left. Raises `FabricUnavailable`.
        """
        ...

    async def close(self) -> None:
        """Take down what `open` set up. Attached tasks keep their interfaces but lose the outside world.

        A server that stops only to start again need not close. Closing twice is fine.
        """
        ...

    async def attach(self, netns_path: str, interface: Interface) -> Attachment:
        """Make the interface `eth0` of this namespace and route its address to it.

        Afterwards this machine and the server's other tasks reach the task at `interface.ip`, it reaches
        them and the outside world, and it can send from no address but its own. `lo` is up. The path is
        one that `setns` takes, such as `/proc/PID/ns/net`. Raises `AlreadyAttached`, `AddressInUse`,
        `NoSuchNamespace`, and `FabricFailure` on a fabric that is not open.
        """
        ...

    async def detach(self, eni_id: str) -> None:
        """Remove the interface and the route. One that is not attached is fine."""
        ...

    async def attached(self) -> list[Attachment]:
        """All attachments of this owner, whichever process made them, in the order of their eni ids."""
        ...

    async def free(self, ip: str) -> bool:
        """Nobody on this machine is known to use the address: no task of any server, not the machine
        itself, no route to this one address, no neighbour on a directly attached network.

        Another server may take it a moment later; `attach` then raises `AddressInUse`.
        """
        ...

    async def claim(self, address: str) -> None:
        """Make an address of a VPC this machine's own: a load balancer listens on it. Tasks and this machine reach
        it, nobody else does. Claiming again is fine. Raises `AddressInUse`.

        Like an attachment, it outlives the server.
        """
        ...

    async def release(self, address: str) -> None:
        """Give it back. One that is not claimed is fine."""
        ...

    async def claimed(self) -> list[str]:
        """All addresses that this owner claimed, whichever process did."""
        ...

    async def listener(self, netns_path: str, address: str, port: int) -> Any:
        """A listening, non-blocking `socket.socket` at address:port inside the namespace.

        The address is added to the namespace's `lo` where it is missing. Whoever connects is in that
        namespace. The caller closes it. Raises `NoSuchNamespace`, `AddressInUse` where something listens
        there.
        """
        ...

    async def connected(self, netns_path: str, address: str, port: int) -> Any:
        """A connected, non-blocking TCP `socket.socket` that speaks from inside the namespace: 127.0.0.1 is its
        own loopback. The caller closes it. Raises `NoSuchNamespace`, `OSError` where nobody answers."""
        ...

    async def name_sockets(self, netns_path: str, address: str) -> tuple[Any, Any]:
        """Two non-blocking `socket.socket`s at address:53 inside the namespace: one of UDP, and a listening one.

        As `listener` in everything else.
        """
        ...

    async def remove_owned(self) -> None:
        """Detach everything of this owner, release its addresses, then close."""
        ...
