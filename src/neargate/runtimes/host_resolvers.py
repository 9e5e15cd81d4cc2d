"""The name servers that this machine asks."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from pathlib import Path

_CONFIGURATIONS = (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf"))


def host_resolvers(configurations: Iterable[Path] = _CONFIGURATIONS) -> tuple[str, ...]:
    """IPv4 addresses, in order; the first configuration that names any that is not this machine's own is taken.

    Those on loopback (a local stub) are what is left where there is nothing else: only this machine reaches them.
    """
    stubs: tuple[str, ...] = ()
    for path in configurations:
        found = _servers(path)
        outside = tuple(one for one in found if not ipaddress.IPv4Address(one).is_loopback)
        if outside:
            return outside
        stubs = stubs or found
    return stubs


def _servers(path: Path) -> tuple[str, ...]:
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return ()
    words = [line.split() for line in lines]
    return tuple(each[1] for each in words if len(each) > 1 and each[0] == "nameserver" and _is_ipv4(each[1]))


def _is_ipv4(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True
