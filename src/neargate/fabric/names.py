"""What the kernel calls a server's things, so that they are found again and told from other servers'."""

from __future__ import annotations

import base64
import hashlib
import re
from urllib.parse import parse_qsl, urlencode

from neargate.model.fabric import Interface

_SCHEME = "neargate?"
_ALIAS_LIMIT = 254  # IFALIASZ is 256; what is left after two terminators
_LABEL = "label."


def checked_owner(owner: str) -> str:
    """The owner, if it can name kernel objects: 1 to 40 lower-case letters, digits and hyphens."""
    if not re.fullmatch(r"[a-z0-9-]{1,40}", owner):
        raise ValueError(f"A fabric's owner is 1 to 40 of a-z, 0-9 and hyphen, not {owner!r}")
    return owner


def table_name(owner: str) -> str:
    """The nft table of a server. No two owners share one."""
    return "neargate_" + owner.replace("-", "_")


def link_prefix(owner: str) -> str:
    """How the names of all the server's links begin; nftables matches them by it."""
    return "ng" + _short(owner, 4)


def link_name(owner: str, eni_id: str) -> str:
    """The machine's end of an interface: 15 characters, the kernel's limit."""
    return link_prefix(owner) + _short(eni_id, 9)


def claim_label(owner: str) -> str:
    """The label of the server's own addresses on `lo`."""
    return "lo:" + link_prefix(owner)


def describe(owner: str, interface: Interface) -> str:
    """The alias of the link, from which `parse` makes the interface again. A `ValueError` if it is too long."""
    members = {
        "owner": owner,
        "eni": interface.eni_id,
        "ip": f"{interface.ip}/{interface.prefix_length}",
        "gateway": interface.gateway,
        "mac": interface.mac,
        "hostname": interface.hostname,
    }
    members |= {_LABEL + name: value for name, value in sorted(interface.labels.items())}
    alias = _SCHEME + urlencode(members, safe="/:")
    if len(alias) > _ALIAS_LIMIT:
        raise ValueError(
            f"The labels of {interface.eni_id} are too long: its description has {len(alias)} characters, "
            f"a link takes {_ALIAS_LIMIT}"
        )
    return alias


def parse(alias: str | None) -> tuple[str, Interface] | None:
    """The owner and the interface that `describe` wrote, or None for anybody else's text."""
    if alias is None or not alias.startswith(_SCHEME):
        return None
    members = dict(parse_qsl(alias.removeprefix(_SCHEME), keep_blank_values=True))
    try:
        ip, prefix_length = members["ip"].split("/")
        interface = Interface(
            eni_id=members["eni"],
            ip=ip,
            prefix_length=int(prefix_length),
            gateway=members["gateway"],
            mac=members["mac"],
            hostname=members["hostname"],
            labels={
                name.removeprefix(_LABEL): value for name, value in members.items() if name.startswith(_LABEL)
            },
        )
        return members["owner"], interface
    except (KeyError, ValueError):
        return None


def _short(text: str, length: int) -> str:
    digest = hashlib.blake2s(text.encode(), digest_size=10).digest()
    return base64.b32encode(digest).decode().lower()[:length]
