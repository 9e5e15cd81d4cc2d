"""Links, routes and neighbours through rtnetlink. Every function blocks, for a few milliseconds.

The machine, wherever it is named, is the network namespace of the calling thread. pyroute2 is imported at
the first use: it costs 13 MB.

A task's side looks as on AWS, `eth0` with the mask of its subnet, but the subnet is not on that link: all
traffic goes to the gateway, and the gateway's hardware address is the machine's end of the pair. Both ends
hold a permanent neighbour, so nothing depends on ARP, proxy_arp or on routes of the machine.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from neargate.fabric.names import describe, link_name, link_prefix, parse
from neargate.fabric.namespaces import inside
from neargate.model.fabric import (
    HOST_ADDRESS,
    AddressInUse,
    AlreadyAttached,
    Attachment,
    FabricFailure,
    FabricUnavailable,
    Interface,
)

if TYPE_CHECKING:
    from pyroute2 import IPRoute

_MACHINE_MAC = "ee:ee:ee:ee:ee:ee"  # the same on every link: nobody but the task at its end sees it
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
        undo.callback(_remove, machine, name, index)
        machine.link("set", index=index, state="up")
        machine.addr("add", index=index, address=HOST_ADDRESS, prefixlen=32, scope=_SCOPE_LINK)
        _claim(machine, index, interface)
        machine.neigh("add", dst=interface.ip, lladdr=interface.mac, ifindex=index, state="permanent")
        inside(namespace, lambda: _configure_task(interface))
        machine.link("set", index=index, ifalias=alias)
        undo.pop_all()
    return Attachment(interface, name)


def unplug(owner: str, eni_id: str) -> None:
    """Remove the pair and with it the route; nothing happens where there is none."""
    with _netlink() as machine:
        for name, index, alias in _links(machine, link_name(owner, eni_id)):
            described = parse(alias)
            if described is not None and (described[0], described[1].eni_id) == (owner, eni_id):
                _remove(machine, name, index)


def attachments(owner: str) -> list[Attachment]:
    """Everything that `plug` finished for this owner and that is still there, in the order of eni ids."""
    found = []
    with _netlink() as machine:
        for name, _, alias in _links(machine):
            described = parse(alias)
            if described is not None and described[0] == owner:
                found.append(Attachment(described[1], name))
    return sorted(found, key=lambda attachment: attachment.interface.eni_id)


def remove_unfinished(owner: str) -> None:
    """Remove the links that carry the owner's prefix and no description."""
    with _netlink() as machine:
        for name, index, alias in _links(machine):
            if name.startswith(link_prefix(owner)) and not alias:
                _remove(machine, name, index)


def used(address: str) -> bool:
    """Somebody has the address: a task of any server, the machine, a live neighbour on a network of its own."""
    with _netlink() as machine:
        return _used(machine, address)


def listening(namespace: int, address: str, port: int) -> socket.socket:
    """A listening, non-blocking socket in the namespace (a descriptor). Raises `AddressInUse`."""

    def listen() -> socket.socket:
        _add_to_loopback(address)
        with ExitStack() as undo:
            listener = undo.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.setblocking(False)
            try:
                listener.bind((address, port))
                listener.listen(128)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                raise AddressInUse(f"{address}:{port}") from error
            undo.pop_all()
        return listener

    return inside(namespace, listen)


@contextmanager
def _netlink() -> Iterator[IPRoute]:
    """A netlink socket in the namespace of the calling thread; the kernel's refusals come as `FabricFailure`."""
    from pyroute2 import IPRoute
    from pyroute2.netlink.exceptions import NetlinkError

    with IPRoute() as route:
        try:
            yield route
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


def _links(machine: IPRoute, name: str | None = None) -> Iterator[tuple[str, int, str | None]]:
    """Name, index and alias of one link, where it exists, or of all."""
    from pyroute2.netlink.exceptions import NetlinkError

    try:
        found = machine.link("dump") if name is None else machine.link("get", ifname=name)
    except NetlinkError as error:
        if error.code != errno.ENODEV:
            raise
        return
    for link in found:
        yield link.get_attr("IFLA_IFNAME"), link["index"], link.get_attr("IFLA_IFALIAS")


def _remove(machine: IPRoute, name: str, index: int) -> None:
    """Delete a link; it may be gone a moment before, with the namespace of its other end."""
    from pyroute2.netlink.exceptions import NetlinkError

    try:
        machine.link("del", index=index)
    except NetlinkError:
        if _exists(name):
            raise


def _make_pair(machine: IPRoute, name: str, namespace: int, interface: Interface) -> None:
    from pyroute2.netlink.exceptions import NetlinkError

    peer = {"ifname": "eth0", "address": interface.mac, "net_ns_fd": namespace}
    try:
        machine.link("add", ifname=name, kind="veth", address=_MACHINE_MAC, peer=peer)
    except NetlinkError as error:
        if error.code != errno.EEXIST:
            raise
        raise AlreadyAttached("The task's network namespace has an eth0 already.") from error


def _claim(machine: IPRoute, index: int, interface: Interface) -> None:
    """Route the address to the link. The kernel takes one such route only: of two servers one gets it."""
    from pyroute2.netlink.exceptions import NetlinkError

    try:
        machine.route("add", dst=f"{interface.ip}/32", oif=index, scope=_SCOPE_LINK, prefsrc=HOST_ADDRESS)
    except NetlinkError as error:
        if error.code != errno.EEXIST:
            raise
        raise AddressInUse(interface.ip) from error


def _configure_task(interface: Interface) -> None:
    """On a thread inside the task's namespace."""
    with _netlink() as task:
        index = socket.if_nametoindex("eth0")
        task.link("set", index=_LOOPBACK, state="up")
        task.link("set", index=index, state="up")
        task.addr(
            "add",
            index=index,
            address=interface.ip,
            prefixlen=interface.prefix_length,
            flags=_NO_PREFIX_ROUTE,
        )
        task.neigh("add", dst=interface.gateway, lladdr=_MACHINE_MAC, ifindex=index, state="permanent")
        task.route("add", dst="0.0.0.0/0", gateway=interface.gateway, oif=index, flags=_ONLINK)


def _add_to_loopback(address: str) -> None:
    """On a thread inside the task's namespace. Of scope host, the address is never a source outwards."""
    from pyroute2.netlink.exceptions import NetlinkError

    with _netlink() as task:
        task.link("set", index=_LOOPBACK, state="up")
        try:
            task.addr("add", index=_LOOPBACK, address=address, prefixlen=32, scope=_SCOPE_HOST)
        except NetlinkError as error:
            if error.code != errno.EEXIST:
                raise


def _used(machine: IPRoute, address: str) -> bool:
    from pyroute2.netlink.exceptions import NetlinkError

    try:
        (route,) = machine.route("get", dst=address, flags=_FIB_MATCH)
    except NetlinkError as error:
        if error.code in _NO_ROUTE:
            return False
        raise
    if route["dst_len"] == 32 or route["type"] in _ROUTE_TO_SOMEBODY:
        return True
    link = route.get_attr("RTA_OIF")
    if link is None or route.get_attr("RTA_GATEWAY"):
        return False
    try:
        (neighbour,) = machine.neigh("get", dst=address, ifindex=link)
    except NetlinkError as error:
        if error.code != errno.ENOENT:
            raise
        return False
    return bool(neighbour["state"] & _NEIGHBOUR_ALIVE)
