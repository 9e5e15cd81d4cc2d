"""What Neargate asks of rtnetlink, in the kernel's own format: links, addresses, neighbours and routes of IPv4.

linux/netlink.h, rtnetlink.h, if_link.h, if_addr.h and neighbour.h say what the numbers mean. A library for all of
netlink would hold 8 MB of an idle server and need a loop and several round trips for what is one message here.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator

import attrs

_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, sender
_ATTRIBUTE = struct.Struct("=HH")  # length, type
_LINK = struct.Struct("=BxHiII")  # family, hardware type, index, flags, which flags change
_ADDRESS = struct.Struct("=BBBBI")  # family, prefix length, flags, scope, link
_ROUTE = struct.Struct("=BBBBBBBBI")  # family, dst and src length, tos, table, protocol, scope, type, flags
_NEIGHBOUR = struct.Struct("=BxxxiHBB")  # family, link, state, flags, type

_NEW_LINK, _DELETE_LINK, _GET_LINK = 16, 17, 18
_NEW_ADDRESS, _DELETE_ADDRESS, _GET_ADDRESS = 20, 21, 22
_NEW_ROUTE, _GET_ROUTE = 24, 26
_NEW_NEIGHBOUR, _GET_NEIGHBOUR = 28, 30
_ERROR, _DONE = 2, 3

_REQUEST, _ACKNOWLEDGE, _DUMP, _NEW = 0x1, 0x4, 0x300, 0x600  # _NEW: create, and only where it is not there
_INTERRUPTED = 0x10  # of a dump, by a change
_CAPPED, _WITH_TEXT = 0x100, 0x200  # of an error: without the request, with attributes

_UP = 1  # IFF_UP
_MAIN_TABLE, _STATIC, _UNICAST, _PERMANENT = 254, 4, 1, 0x80
_SKIP_STATISTICS = 8  # RTEXT_FILTER_SKIP_STATS
_KIND_OF_ATTRIBUTE = 0x3FFF  # without the flags for nested and big-endian

_SOL_NETLINK, _EXTENDED_ERRORS = 270, 11
_DUMPS = 5  # tries
_LARGEST = 1 << 20  # bytes of one answer


class NetlinkError(Exception):
    """The kernel refused. `code` is the errno."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text or os.strerror(code))
        self.code = code


@attrs.frozen
class Link:
    name: str
    index: int
    alias: str | None


@attrs.frozen
class Route:
    """`link` is the index of the link it leads to, where it has one; `type` is one of RTN_."""

    prefix_length: int
    type: int
    link: int | None
    gateway: str | None


class Netlink:
    """A socket in the network namespace of the thread that makes it. Every call blocks until the kernel answers.

    Raises NetlinkError.
    """

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        self._socket.bind((0, 0))
        self._socket.setsockopt(_SOL_NETLINK, _EXTENDED_ERRORS, 1)
        self._sequence = 0

    def __enter__(self) -> Netlink:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    # -- links ---------------------------------------------------------------------------------------------

    def links(self) -> list[Link]:
        """All links of the namespace."""
        body = _link() + _attribute(29, struct.pack("=I", _SKIP_STATISTICS))
        return [_link_of(answer) for answer in self._dump(_GET_LINK, body)]

    def link(self, name: str) -> Link | None:
        """The link of this name; None where there is none."""
        try:
            (answer,) = self._ask(_GET_LINK, 0, _link() + _attribute(3, _text(name)))
        except NetlinkError as error:
            if error.code != errno.ENODEV:
                raise
            return None
        return _link_of(answer)

    def add_pair(self, name: str, mac: str, peer: str, peer_mac: str, namespace: int) -> None:
        """Two links that are ends of one wire; the peer is made in the namespace (a descriptor)."""
        other = (
            _link()
            + _attribute(3, _text(peer))
            + _attribute(1, _hardware(peer_mac))
            + _attribute(28, struct.pack("=I", namespace))
        )
        info = _attribute(1, _text("veth")) + _attribute(2, _attribute(1, other))
        body = _link() + _attribute(3, _text(name)) + _attribute(1, _hardware(mac)) + _attribute(18, info)
        self._tell(_NEW_LINK, _NEW, body)

    def remove_link(self, index: int) -> None:
        self._tell(_DELETE_LINK, 0, _link(index))

    def set_up(self, index: int) -> None:
        self._tell(_NEW_LINK, 0, _link(index, _UP))

    def set_alias(self, index: int, alias: str) -> None:
        self._tell(_NEW_LINK, 0, _link(index) + _attribute(20, alias.encode()))

    # -- addresses, neighbours, routes ---------------------------------------------------------------------

    def add_address(
        self,
        index: int,
        address: str,
        prefix_length: int,
        *,
        scope: int = 0,
        flags: int = 0,
        label: str = "",
    ) -> None:
        """A label is up to 15 characters, by which the address is known again."""
        packed = socket.inet_aton(address)
        body = _ADDRESS.pack(socket.AF_INET, prefix_length, 0, scope, index)
        body += _attribute(2, packed) + _attribute(1, packed) + _attribute(8, struct.pack("=I", flags))
        if label:
            body += _attribute(3, _text(label))
        self._tell(_NEW_ADDRESS, _NEW, body)

    def remove_address(self, index: int, address: str, prefix_length: int) -> None:
        body = _ADDRESS.pack(socket.AF_INET, prefix_length, 0, 0, index)
        self._tell(_DELETE_ADDRESS, 0, body + _attribute(2, socket.inet_aton(address)))

    def addresses(self, index: int) -> list[tuple[str, str]]:
        """Label and address of every IPv4 address of a link."""
        answers = self._dump(_GET_ADDRESS, _ADDRESS.pack(socket.AF_INET, 0, 0, 0, 0))
        found = ((_ADDRESS.unpack_from(each)[4], _attributes(each[_ADDRESS.size :])) for each in answers)
        return [
            (of.get(3, b"").rstrip(b"\0").decode(errors="replace"), socket.inet_ntoa(of[2]))
            for link, of in found
            if link == index and 2 in of
        ]

    def add_neighbour(self, index: int, address: str, mac: str) -> None:
        """For ever, whatever ARP says."""
        body = _NEIGHBOUR.pack(socket.AF_INET, index, _PERMANENT, 0, 0)
        body += _attribute(1, socket.inet_aton(address)) + _attribute(2, _hardware(mac))
        self._tell(_NEW_NEIGHBOUR, _NEW, body)

    def neighbour_state(self, index: int, address: str) -> int:
        """The NUD_ bits of what is known of a neighbour on a link; 0 where nothing is."""
        body = _NEIGHBOUR.pack(socket.AF_INET, index, 0, 0, 0) + _attribute(1, socket.inet_aton(address))
        try:
            (answer,) = self._ask(_GET_NEIGHBOUR, 0, body)
        except NetlinkError as error:
            if error.code != errno.ENOENT:
                raise
            return 0
        state: int = _NEIGHBOUR.unpack_from(answer)[2]
        return state

    def add_route_to(self, address: str, index: int, *, scope: int, source: str) -> None:
        """A route of one address to a link."""
        body = _route(prefix_length=32, scope=scope)
        body += _attribute(1, socket.inet_aton(address)) + _attribute(7, socket.inet_aton(source))
        self._tell(_NEW_ROUTE, _NEW, body + _attribute(4, struct.pack("=i", index)))

    def add_default_route(self, gateway: str, index: int, *, flags: int) -> None:
        body = _route(flags=flags) + _attribute(5, socket.inet_aton(gateway))
        self._tell(_NEW_ROUTE, _NEW, body + _attribute(4, struct.pack("=i", index)))

    def route_of(self, address: str, *, flags: int) -> Route:
        """What the kernel would do with a packet for the address."""
        body = _route(prefix_length=32, flags=flags) + _attribute(1, socket.inet_aton(address))
        (answer,) = self._ask(_GET_ROUTE, 0, body)
        fields, found = _ROUTE.unpack_from(answer), _attributes(answer[_ROUTE.size :])
        return Route(
            prefix_length=fields[1],
            type=fields[7],
            link=struct.unpack("=i", found[4])[0] if 4 in found else None,
            gateway=socket.inet_ntoa(found[5]) if 5 in found else None,
        )

    # -- messages ------------------------------------------------------------------------------------------

    def _tell(self, kind: int, flags: int, body: bytes) -> None:
        self._ask(kind, flags | _ACKNOWLEDGE, body)

    def _dump(self, kind: int, body: bytes) -> list[bytes]:
        for _ in range(_DUMPS):
            try:
                return self._ask(kind, _DUMP, body)
            except InterruptedError:
                continue
        raise NetlinkError(errno.EINTR, "The machine's links and addresses change all the time.")

    def _ask(self, kind: int, flags: int, body: bytes) -> list[bytes]:
        """The bodies of the answer's messages. Raises InterruptedError for a dump that the kernel cut short."""
        self._sequence += 1
        header = _HEADER.pack(_HEADER.size + len(body), kind, flags | _REQUEST, self._sequence, 0)
        self._socket.send(header + body)
        answers: list[bytes] = []
        interrupted = False
        while True:
            for kind_of, its_flags, sequence, content in _messages(self._socket.recv(_LARGEST)):
                if sequence != self._sequence:
                    continue
                interrupted = interrupted or bool(its_flags & _INTERRUPTED and flags & _DUMP)
                if kind_of == _ERROR:
                    _check(content, its_flags)
                    return answers
                if kind_of == _DONE:
                    if interrupted:
                        raise InterruptedError
                    return answers
                answers.append(content)
                if not flags & (_DUMP | _ACKNOWLEDGE):
                    return answers


def _messages(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Type, flags, sequence and body of each message in what one read gave."""
    while len(data) >= _HEADER.size:
        length, kind, flags, sequence, _ = _HEADER.unpack_from(data)
        yield kind, flags, sequence, data[_HEADER.size : length]
        data = data[_padded(length) :]


def _check(content: bytes, flags: int) -> None:
    """Raises NetlinkError where an acknowledgement says no, with the kernel's text where there is one."""
    (code,) = struct.unpack_from("=i", content)
    if code == 0:
        return
    text = ""
    if flags & _WITH_TEXT:
        (length,) = struct.unpack_from("=I", content, 4)
        start = 4 + (_HEADER.size if flags & _CAPPED else _padded(length))
        text = _attributes(content[start:]).get(1, b"").rstrip(b"\0").decode(errors="replace")
    raise NetlinkError(-code, f"{os.strerror(-code)}: {text}" if text else "")


def _attribute(kind: int, value: bytes) -> bytes:
    length = _ATTRIBUTE.size + len(value)
    return (_ATTRIBUTE.pack(length, kind) + value).ljust(_padded(length), b"\0")


def _attributes(data: bytes) -> dict[int, bytes]:
    found = {}
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        if length < _ATTRIBUTE.size:
            break
        found[kind & _KIND_OF_ATTRIBUTE] = data[_ATTRIBUTE.size : length]
        data = data[_padded(length) :]
    return found


def _padded(length: int) -> int:
    return (length + 3) & ~3


def _text(text: str) -> bytes:
    return text.encode() + b"\0"


def _hardware(address: str) -> bytes:
    return bytes.fromhex(address.replace(":", ""))


def _link(index: int = 0, flags: int = 0) -> bytes:
    return _LINK.pack(socket.AF_UNSPEC, 0, index, flags, flags)


def _link_of(answer: bytes) -> Link:
    found = _attributes(answer[_LINK.size :])
    alias = found.get(20)
    return Link(
        name=found[3].rstrip(b"\0").decode(errors="replace"),
        index=_LINK.unpack_from(answer)[2],
        alias=None if alias is None else alias.rstrip(b"\0").decode(errors="replace"),
    )


def _route(*, prefix_length: int = 0, scope: int = 0, flags: int = 0) -> bytes:
    return _ROUTE.pack(socket.AF_INET, prefix_length, 0, 0, _MAIN_TABLE, _STATIC, scope, _UNICAST, flags)
