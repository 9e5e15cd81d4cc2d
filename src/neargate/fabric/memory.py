"""The VPC network without a kernel: the same promises and refusals, no packets."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from socket import AF_INET, SOCK_DGRAM, SOCK_STREAM, SocketKind, socket

import attrs

from neargate.fabric.names import checked_owner, describe, link_name
from neargate.model.fabric import (
    HOST_ADDRESS,
    AddressInUse,
    AlreadyAttached,
    Attachment,
    FabricFailure,
    Interface,
    NoSuchNamespace,
)


@attrs.frozen
class _Plugged:
    owner: str
    netns_path: str
    attachment: Attachment


@attrs.define(eq=False)
class Machine:
    """What outlives a server: the interfaces of all servers on one machine.

    `namespace_exists` says whether a path is a namespace at this moment; an interface ends with its
    namespace. Without it every path is one. `own_addresses` are the machine's.
    """

    namespace_exists: Callable[[str], bool] = lambda _: True
    own_addresses: frozenset[str] = frozenset()
    claims: dict[str, str] = attrs.field(factory=dict, init=False)
    """The owner of each address that was claimed."""
    _plugged: list[_Plugged] = attrs.field(factory=list, init=False)

    def plugged(self) -> list[_Plugged]:
        self._plugged = [one for one in self._plugged if self.namespace_exists(one.netns_path)]
        return self._plugged


class MemoryFabric:
    """`Fabric` in memory. Objects that share a `Machine` are servers, or restarts of one, side by side."""

    def __init__(self, owner: str, machine: Machine | None = None) -> None:
        self._owner = checked_owner(owner)
        self._machine = machine or Machine()
        self._open = False
        self._listeners: dict[tuple[str, str, int], socket] = {}

    async def open(self) -> None:
        self._open = True

    async def close(self) -> None:
        self._open = False

    async def attach(self, netns_path: str, interface: Interface) -> Attachment:
        if not self._open:
            raise FabricFailure("The fabric is not open.")
        self._check_namespace(netns_path)
        describe(self._owner, interface)
        for one in self._machine.plugged():
            if (one.owner, one.attachment.interface.eni_id) == (self._owner, interface.eni_id):
                raise AlreadyAttached(f"{interface.eni_id} is attached already, as {one.attachment.link}.")
        if not await self.free(interface.ip):
            raise AddressInUse(interface.ip)
        if any(one.netns_path == netns_path for one in self._machine.plugged()):
            raise AlreadyAttached("The task's network namespace has an eth0 already.")
        attachment = Attachment(interface, link_name(self._owner, interface.eni_id))
        self._machine.plugged().append(_Plugged(self._owner, netns_path, attachment))
        return attachment

    async def detach(self, eni_id: str) -> None:
        for one in list(self._machine.plugged()):
            if (one.owner, one.attachment.interface.eni_id) == (self._owner, eni_id):
                self._machine.plugged().remove(one)

    async def attached(self) -> list[Attachment]:
        mine = [one.attachment for one in self._machine.plugged() if one.owner == self._owner]
        return sorted(mine, key=lambda attachment: attachment.interface.eni_id)

    async def free(self, ip: str) -> bool:
        if ipaddress.IPv4Address(ip).is_loopback or ip in self._machine.own_addresses | {HOST_ADDRESS}:
            return False
        if ip in self._machine.claims:
            return False
        return all(one.attachment.interface.ip != ip for one in self._machine.plugged())

    async def claim(self, address: str) -> None:
        if self._machine.claims.get(address) == self._owner:
            return
        if not await self.free(address):
            raise AddressInUse(address)
        self._machine.claims[address] = self._owner

    async def release(self, address: str) -> None:
        if self._machine.claims.get(address) == self._owner:
            del self._machine.claims[address]

    async def claimed(self) -> list[str]:
        return sorted(ip for ip, owner in self._machine.claims.items() if owner == self._owner)

    async def listener(self, netns_path: str, address: str, port: int) -> socket:
        """As in the port, but on a port of the machine's loopback that the kernel picks: `getsockname()`."""
        self._check_namespace(netns_path)
        earlier = self._listeners.get((netns_path, address, port))
        if earlier is not None and earlier.fileno() != -1:
            raise AddressInUse(f"{address}:{port}")
        listener = _on_loopback(SOCK_STREAM)
        listener.listen(128)
        self._listeners[netns_path, address, port] = listener
        return listener

    async def name_sockets(self, netns_path: str, address: str) -> tuple[socket, socket]:
        """As in the port, each on a port of the machine's loopback that the kernel picks."""
        streams = await self.listener(netns_path, address, 53)
        return _on_loopback(SOCK_DGRAM), streams

    async def remove_owned(self) -> None:
        for attachment in await self.attached():
            await self.detach(attachment.interface.eni_id)
        for address in await self.claimed():
            await self.release(address)
        await self.close()

    def _check_namespace(self, netns_path: str) -> None:
        if not self._machine.namespace_exists(netns_path):
            raise NoSuchNamespace(netns_path)


def _on_loopback(kind: SocketKind) -> socket:
    made = socket(AF_INET, kind)
    made.setblocking(False)
    made.bind(("127.0.0.1", 0))
    return made
