"""Links, routes and neighbours through rtnetlink. Every function blocks, for a few milliseconds.

The machine, wherever it is named, is the network namespace of the calling thread.

A task's side looks as on AWS, `eth0` with the mask of its subnet, but the subnet is not on that link: all
traffic goes to the gateway, and the gateway's hardware address is the machine's end of the pair. Both ends
hold a permanent neighbour, so nothing depends on ARP, proxy_arp or on routes of the machine.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from neargate.fabric.names import claim_label, describe, link_name, link_prefix, parse
from neargate.fabric.namespaces import inside
from neargate.fabric.netlink import Link, Netlink, NetlinkError
from neargate.model.fabric import (
    HOST_ADDRESS,
    AddressInUse,
    AlreadyAttached,
    Attachment,
    FabricFailure,
    FabricUnavailable,
    Interface,
)

_MACHINE_MAC = "ee:ee:ee:ee:ee:ee"  # the same on every link: nobody but the task at its end sees it
_NAMES = 53  # the port of DNS
_LOOPBACK = 1  # the index of lo in every namespace
_SCOPE_LINK = 253
_SCOPE_HOST = 254
_NO_PREFIX_ROUTE = 0x200  # IFA_F_NOPREFIXROUTE
_ONLINK = 4  # RTNH_F_ONLINK
_FIB_MATCH = 0x2000  # RTM_F_FIB_MATCH: answer with the route, not with the destination
_ROUTE_TO_SOMEBODY = (2, 3, 4, 5)  # RTN_LOCAL, BROADCAST, ANYCAST, MULTICAST
_NO_ROUTE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES, errno.EINVAL)  # none, or one that refuses
_NEIGHBOUR_ALIVE = 0x02 | 0x04 | 0x08 | 0x10 | 0x40 | 0x80  # every NUD_ but none, incomplete and failed


def plug(namespace: int, owner: str, interface: Interface) -> Attachment:
    """Make a pair of links, one end `eth0` in the namespace (a descriptor), and route the address to it.

    The description is the last thing set: a link without one belongs to an attempt that died half-way.
    Raises `AlreadyAttached`, `AddressInUse`, `ValueError` for a description that is too long.
    """
    alias = describe(owner, interface)
    name = link_name(owner, interface.eni_id)
    with _netlink() as machine, ExitStack() as undo:
        if _exists(name):
            raise AlreadyAttached(f"{interface.eni_id} is attached already, as {name}.")
        if _used(machine, interface.ip):
            raise AddressInUse(interface.ip)
        _make_pair(machine, name, namespace, interface)
        index = socket.if_nametoindex(name)
        undo.callback(_remove, machine, Link(name, index, None))
        machine.set_up(index)
        machine.add_address(index, HOST_ADDRESS, 32, scope=_SCOPE_LINK)
        _claim(machine, index, interface)
        machine.add_neighbour(index, interface.ip, interface.mac)
        inside(namespace, lambda: _configure_task(interface))
        machine.set_alias(index, alias)
        undo.pop_all()
    return Attachment(interface, name)


def unplug(owner: str, eni_id: str) -> None:
    """Remove the pair and with it the route; nothing happens where there is none."""
    with _netlink() as machine:
        link = machine.link(link_name(owner, eni_id))
        described = None if link is None else parse(link.alias)
        if link is not None and described and (described[0], described[1].eni_id) == (owner, eni_id):
            _remove(machine, link)


def attachments(owner: str) -> list[Attachment]:
    """Everything that `plug` finished for this owner and that is still there, in the order of eni ids."""
    found = []
    with _netlink() as machine:
        for link in machine.links():
            described = parse(link.alias)
            if described is not None and described[0] == owner:
                found.append(Attachment(described[1], link.name))
    return sorted(found, key=lambda attachment: attachment.interface.eni_id)


def remove_unfinished(owner: str) -> None:
    """Remove the links that carry the owner's prefix and no description."""
    with _netlink() as machine:
        for link in machine.links():
            if link.name.startswith(link_prefix(owner)) and not link.alias:
                _remove(machine, link)


def claim(owner: str, address: str) -> None:
    """Add an address to the machine's own, labelled with its owner. Of scope host, it is never a source outwards.
    Raises `AddressInUse`."""
    with _netlink() as machine:
        if _used(machine, address):
            raise AddressInUse(address)
        try:
            machine.add_address(_LOOPBACK, address, 32, scope=_SCOPE_HOST, label=claim_label(owner))
        except NetlinkError as error:
            if error.code != errno.EEXIST:
                raise
            raise AddressInUse(address) from error


def release(owner: str, address: str) -> None:
    """Take the address away again, if it is the owner's."""
    with _netlink() as machine:
        if (claim_label(owner), address) in machine.addresses(_LOOPBACK):
            machine.remove_address(_LOOPBACK, address, 32)


def claims(owner: str) -> list[str]:
    """The addresses that `claim` added for this owner, in their order as text."""
    label = claim_label(owner)
    with _netlink() as machine:
        return sorted(address for its, address in machine.addresses(_LOOPBACK) if its == label)


def used(address: str) -> bool:
    """Somebody has the address: a task of any server, the machine, a live neighbour on a network of its own."""
    with _netlink() as machine:
        return _used(machine, address)


def listening(namespace: int, address: str, port: int) -> socket.socket:
    """A listening, non-blocking socket in the namespace (a descriptor). Raises `AddressInUse`."""

    def listen() -> socket.socket:
        _add_to_loopback(address)
        return _bound(socket.SOCK_STREAM, address, port)

    return inside(namespace, listen)


def client(namespace: int) -> socket.socket:
    """A non-blocking TCP socket in the namespace, not connected yet."""

    def make() -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        made.setblocking(False)
        return made

    return inside(namespace, make)


def name_sockets(namespace: int, address: str) -> tuple[socket.socket, socket.socket]:
    """Non-blocking sockets at port 53 in the namespace: of datagrams, and listening. Raises `AddressInUse`."""

    def bind() -> tuple[socket.socket, socket.socket]:
        _add_to_loopback(address)
        with ExitStack() as undo:
            datagrams = undo.enter_context(_bound(socket.SOCK_DGRAM, address, _NAMES))
            streams = _bound(socket.SOCK_STREAM, address, _NAMES)
            undo.pop_all()
        return datagrams, streams

    return inside(namespace, bind)


def _bound(kind: socket.SocketKind, address: str, port: int) -> socket.socket:
    """A non-blocking socket at the address; it listens where its kind does. Raises `AddressInUse`."""
    with ExitStack() as undo:
        made = undo.enter_context(socket.socket(socket.AF_INET, kind))
        made.setblocking(False)
        try:
            if kind == socket.SOCK_STREAM:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind((address, port))
            if kind == socket.SOCK_STREAM:
                made.listen(128)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            raise AddressInUse(f"{address}:{port}") from error
        undo.pop_all()
    return made


@contextmanager
def _netlink() -> Iterator[Netlink]:
    """A netlink socket in the namespace of the calling thread; the kernel's refusals come as `FabricFailure`."""
    with Netlink() as netlink:
        try:
            yield netlink
        except NetlinkError as error:
            if error.code == errno.EPERM:
                raise FabricUnavailable(
                    "Changing network links is not permitted.", "Run Neargate as root."
                ) from error
            raise FabricFailure(f"The kernel refused to set up a task's network: {error}") from error


def _exists(name: str) -> bool:
    try:
        return socket.if_nametoindex(name) > 0
    except OSError:
        return False


def _remove(machine: Netlink, link: Link) -> None:
    """Delete a link; it may be gone a moment before, with the namespace of its other end."""
    try:
        machine.remove_link(link.index)
    except NetlinkError:
        if _exists(link.name):
            raise


def _make_pair(machine: Netlink, name: str, namespace: int, interface: Interface) -> None:
    try:
        machine.add_pair(name, _MACHINE_MAC, "eth0", interface.mac, namespace)
    except NetlinkError as error:
        if error.code != errno.EEXIST:
            raise
        raise AlreadyAttached("The task's network namespace has an eth0 already.") from error


def _claim(machine: Netlink, index: int, interface: Interface) -> None:
    """Route the address to the link. The kernel takes one such route only: of two servers one gets it."""
    try:
        machine.add_route_to(interface.ip, index, scope=_SCOPE_LINK, source=HOST_ADDRESS)
    except NetlinkError as error:
        if error.code != errno.EEXIST:
            raise
        raise AddressInUse(interface.ip) from error


def _configure_task(interface: Interface) -> None:
    """On a thread inside the task's namespace."""
    with _netlink() as task:
        index = socket.if_nametoindex("eth0")
        task.set_up(_LOOPBACK)
        task.set_up(index)
        task.add_address(index, interface.ip, interface.prefix_length, flags=_NO_PREFIX_ROUTE)
        task.add_neighbour(index, interface.gateway, _MACHINE_MAC)
        task.add_default_route(interface.gateway, index, flags=_ONLINK)


def _add_to_loopback(address: str) -> None:
    """On a thread inside the task's namespace. Of scope host, the address is never a source outwards."""
    with _netlink() as task:
        task.set_up(_LOOPBACK)
        try:
            task.add_address(_LOOPBACK, address, 32, scope=_SCOPE_HOST)
        except NetlinkError as error:
            if error.code != errno.EEXIST:
                raise


def _used(machine: Netlink, address: str) -> bool:
    try:
        route = machine.route_of(address, flags=_FIB_MATCH)
    except NetlinkError as error:
        if error.code in _NO_ROUTE:
            return False
        raise
    if route.prefix_length == 32 or route.type in _ROUTE_TO_SOMEBODY:
        return True
    if route.link is None or route.gateway:
        return False
    return bool(machine.neighbour_state(route.link, address) & _NEIGHBOUR_ALIVE)
