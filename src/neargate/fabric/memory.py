"""The VPC network without a kernel: the same promises and refusals, no packets."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import os
from collections.abc import Callable
from socket import AF_INET, SOCK_DGRAM, SOCK_STREAM, SocketKind, socket
from typing import Any

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
    _plugged: dict[tuple[str, str], _Plugged] = attrs.field(factory=dict, init=False)
    _by_ip: dict[str, _Plugged] = attrs.field(factory=dict, init=False)
    _by_namespace: dict[str, _Plugged] = attrs.field(factory=dict, init=False)

    def plugged(self) -> list[_Plugged]:
        return [one for one in list(self._plugged.values()) if self._alive(one)]

    def find(self, owner: str, eni_id: str) -> _Plugged | None:
        """The attachment of an owner's interface."""
        return self._alive(self._plugged.get((owner, eni_id)))

    def at(self, ip: str) -> _Plugged | None:
        """The attachment, whoever's, that has this address."""
        return self._alive(self._by_ip.get(ip))

    def inside(self, netns_path: str) -> _Plugged | None:
        """The attachment in this namespace."""
        return self._alive(self._by_namespace.get(netns_path))

    def plug(self, one: _Plugged) -> None:
        interface = one.attachment.interface
        self._plugged[one.owner, interface.eni_id] = one
        self._by_ip[interface.ip] = self._by_namespace[one.netns_path] = one

    def unplug(self, one: _Plugged) -> None:
        interface = one.attachment.interface
        del self._plugged[one.owner, interface.eni_id]
        del self._by_ip[interface.ip]
        del self._by_namespace[one.netns_path]

    def _alive(self, one: _Plugged | None) -> _Plugged | None:
        if one is not None and not self.namespace_exists(one.netns_path):
            self.unplug(one)
            return None
        return one


class MemoryFabric:
    """`Fabric` in memory. Objects that share a `Machine` are servers, or restarts of one, side by side.

    `make_socket` makes what stands for a socket where that need not be one: a simulation has more tasks than a
    process may have files.
    """

    def __init__(
        self,
        owner: str,
        machine: Machine | None = None,
        make_socket: Callable[[SocketKind], Any] | None = None,
    ) -> None:
        self._owner = checked_owner(owner)
        self._machine = machine or Machine()
        self._make_socket = make_socket or _on_loopback
        self._open = False
        self._listeners: dict[tuple[str, str, int], Any] = {}

    async def open(self) -> None:
        self._open = True

    async def close(self) -> None:
        self._open = False

    async def attach(self, netns_path: str, interface: Interface) -> Attachment:
        if not self._open:
            raise FabricFailure("The fabric is not open.")
        self._check_namespace(netns_path)
        describe(self._owner, interface)
        earlier = self._machine.find(self._owner, interface.eni_id)
        if earlier is not None:
            raise AlreadyAttached(f"{interface.eni_id} is attached already, as {earlier.attachment.link}.")
        if not await self.free(interface.ip):
            raise AddressInUse(interface.ip)
        if self._machine.inside(netns_path) is not None:
            raise AlreadyAttached("The task's network namespace has an eth0 already.")
        attachment = Attachment(interface, link_name(self._owner, interface.eni_id))
        self._machine.plug(_Plugged(self._owner, netns_path, attachment))
        return attachment

    async def detach(self, eni_id: str) -> None:
        found = self._machine.find(self._owner, eni_id)
        if found is not None:
            self._machine.unplug(found)

    async def attached(self) -> list[Attachment]:
        mine = [one.attachment for one in self._machine.plugged() if one.owner == self._owner]
        return sorted(mine, key=lambda attachment: attachment.interface.eni_id)

    async def free(self, ip: str) -> bool:
        if ipaddress.IPv4Address(ip).is_loopback or ip in self._machine.own_addresses | {HOST_ADDRESS}:
            return False
        return ip not in self._machine.claims and self._machine.at(ip) is None

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

    async def listener(self, netns_path: str, address: str, port: int) -> Any:
        """As in the port, but on a port of the machine's loopback that the kernel picks: `getsockname()`."""
        self._check_namespace(netns_path)
        earlier = self._listeners.get((netns_path, address, port))
        if earlier is not None and earlier.fileno() != -1:
            raise AddressInUse(f"{address}:{port}")
        listener = self._make_socket(SOCK_STREAM)
        listener.listen(128)
        self._listeners[netns_path, address, port] = listener
        return listener

    async def connected(self, netns_path: str, address: str, port: int) -> Any:
        """As in the port; only what `listener` made listens."""
        self._check_namespace(netns_path)
        listener = self._listeners.get((netns_path, address, port))
        if listener is None or listener.fileno() == -1:
            raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        made = socket(AF_INET, SOCK_STREAM)
        made.setblocking(False)
        await asyncio.get_running_loop().sock_connect(made, listener.getsockname())
        return made

    async def name_sockets(self, netns_path: str, address: str) -> tuple[Any, Any]:
        """As in the port, each on a port of the machine's loopback that the kernel picks."""
        streams = await self.listener(netns_path, address, 53)
        return self._make_socket(SOCK_DGRAM), streams

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
