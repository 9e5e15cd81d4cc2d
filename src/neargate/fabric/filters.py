"""What the machine does with tasks' packets: one nftables table per server, and IPv4 forwarding.

Every function blocks: `nft` takes some 5 to 20 ms. The machine is the network namespace of the calling
thread.

The table holds all of the server's own rules. It cannot overrule somebody else's chain that drops what is
forwarded: with iptables, that is how Docker and ufw set up `FORWARD`, a chain which programs share and add
to. There the server adds two rules, marked with the name of its table, to DOCKER-USER or else to FORWARD
itself, and takes them away again. A chain of any other program is left alone, and named in a warning.

Forwarding is switched off again by the last server that goes, if it was off before the first and nobody
else's rules want it. A chain in the table remembers this, so it survives a kill -9.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import attrs
import structlog

from neargate.fabric.names import link_prefix, table_name
from neargate.model.fabric import FabricFailure, FabricUnavailable

log = structlog.get_logger()

_FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
_IPTABLES_LEGACY = Path("/proc/thread-self/net/ip_tables_names")
_WAS_OFF = "forwarding_was_off"
_SHARED = ("ip", "filter", "FORWARD")
_SHARED_FOR_USERS = ("ip", "filter", "DOCKER-USER")

_Chain = tuple[str, str, str]  # family, table, name


@attrs.frozen
class Chains:
    """The chains of the machine, as far as they matter here."""

    all: frozenset[_Chain]
    forwarding: frozenset[_Chain]
    """Those of other programs through which forwarded packets go."""
    dropping: frozenset[_Chain]
    """Those among `forwarding` that drop what no rule accepts."""

    def remembers(self, table: str | None = None) -> bool:
        """Forwarding was off before a server came: this one, or any."""
        return any(
            name == _WAS_OFF and (owner == table if table else _is_neargates(owner))
            for _, owner, name in self.all
        )

    def other_servers(self, table: str) -> bool:
        """Another Neargate server has a table."""
        return any(_is_neargates(owner) and owner != table for _, owner, _ in self.all)


def open_machine(owner: str, subnets: Iterable[str], addresses: Iterable[str] = ()) -> None:
    """Load the server's table afresh, let its packets through shared chains, switch forwarding on."""
    chains = _look()
    was_off = not _forwards() or chains.remembers()
    _nft(ruleset(owner, subnets, was_off, addresses))
    _let_through(owner, chains)
    if not _forwards():
        _set_forwarding(True)


def close_machine(owner: str) -> None:
    """Take down what `open_machine` set up."""
    table = table_name(owner)
    chains = _look()
    _nft(_forget_rules(owner, chains) + f"add table inet {table}\ndelete table inet {table}\n")
    wanted = chains.forwarding or chains.other_servers(table) or _legacy_rules()
    if chains.remembers(table) and not wanted:
        _set_forwarding(False)


def add_subnet(owner: str, subnet: str) -> None:
    """Keep what tasks send to this subnet on the machine."""
    _nft(f"add element inet {table_name(owner)} subnets {{ {subnet} }}\n")


def shield(owner: str, address: str) -> None:
    """Let nobody but tasks and the machine itself reach this address of the machine's."""
    _nft(f"add element inet {table_name(owner)} addresses {{ {address} }}\n")


def ruleset(owner: str, subnets: Iterable[str], was_off: bool, addresses: Iterable[str] = ()) -> str:
    """The server's whole table, replacing the one that is there in one transaction.

    Refusals that a task meets are rejections, so that it learns of them at once.
    """
    table = table_name(owner)
    task = f'"{link_prefix(owner)}*"'
    elements = ", ".join(sorted(subnets))
    own = ", ".join(sorted(addresses))
    return f"""
add table inet {table}
delete table inet {table}
table inet {table} {{
    set subnets {{
        type ipv4_addr
        flags interval
        auto-merge
        {f"elements = {{ {elements} }}" if elements else ""}
    }}
    set addresses {{
        type ipv4_addr
        {f"elements = {{ {own} }}" if own else ""}
    }}
    {f"chain {_WAS_OFF} {{ }}" if was_off else ""}
    # The load balancers' addresses are of the VPC: nobody on the machine's networks reaches them.
    chain input {{
        type filter hook input priority filter; policy accept;
        ip daddr @addresses iifname != "lo" iifname != {task} drop
    }}
    # A task sends from its own address: the one whose route points to its link.
    chain prerouting {{
        type filter hook prerouting priority raw; policy accept;
        iifname {task} meta nfproto ipv6 drop
        iifname {task} fib saddr . iif oif missing drop
    }}
    # Tasks reach each other and the world, but not the machine's own metadata service or, where a task is
    # gone, whoever has its address in the real network. Nobody opens a connection to a task but this
    # machine and the server's tasks.
    chain forward {{
        type filter hook forward priority filter; policy accept;
        iifname {task} oifname {task} accept
        iifname {task} ip daddr 169.254.0.0/16 reject with icmpx admin-prohibited
        iifname {task} ip daddr @subnets reject with icmpx host-unreachable
        oifname {task} ct state established,related accept
        oifname {task} drop
    }}
    chain postrouting {{
        type nat hook postrouting priority srcnat; policy accept;
        iifname {task} oifname != {task} masquerade
    }}
}}
"""


def _let_through(owner: str, chains: Chains) -> None:
    forget = _forget_rules(owner, chains)
    add = ""
    for chain in sorted(chains.dropping):
        if chain != _SHARED:
            log.warning(
                "another program's firewall drops what tasks send to each other and to the world",
                chain=" ".join(chain),
                accept=f"iifname and oifname {link_prefix(owner)}*",
            )
            continue
        family, table, name = _SHARED_FOR_USERS if _SHARED_FOR_USERS in chains.all else _SHARED
        for end in ("iifname", "oifname"):
            match = f'{end} "{link_prefix(owner)}*"'
            add += f'insert rule {family} {table} {name} {match} accept comment "{table_name(owner)}"\n'
    if forget or add:
        _nft(forget + add)


def _forget_rules(owner: str, chains: Chains) -> str:
    """The commands that remove the server's rules from the shared chains."""
    commands = ""
    for family, table, name in sorted(chains.all & {_SHARED, _SHARED_FOR_USERS}):
        for entry in json.loads(_nft_print("-a", "list", "chain", family, table, name))["nftables"]:
            rule = entry.get("rule", {})
            if rule.get("comment") == table_name(owner):
                commands += f"delete rule {family} {table} {name} handle {rule['handle']}\n"
    return commands


def _look() -> Chains:
    listed: list[dict[str, Any]] = [
        entry["chain"] for entry in json.loads(_nft_print("list", "chains"))["nftables"] if "chain" in entry
    ]
    others = [
        chain for chain in listed if chain.get("hook") == "forward" and not _is_neargates(chain["table"])
    ]
    return Chains(
        all=frozenset(map(_identify, listed)),
        forwarding=frozenset(map(_identify, others)),
        dropping=frozenset(_identify(chain) for chain in others if chain.get("policy") == "drop"),
    )


def _identify(chain: dict[str, Any]) -> _Chain:
    return chain["family"], chain["table"], chain["name"]


def _is_neargates(table: str) -> bool:
    return table.startswith("neargate_")


def _forwards() -> bool:
    return _FORWARDING.read_text().strip() != "0"


def _set_forwarding(on: bool) -> None:
    try:
        _FORWARDING.write_text("1" if on else "0")
    except OSError as error:
        raise FabricUnavailable(
            f"IPv4 forwarding cannot be switched {'on' if on else 'off'}: {error.strerror}.",
            f"Run Neargate as root, or: sysctl -w net.ipv4.ip_forward={int(on)}",
        ) from error


def _legacy_rules() -> bool:
    """The older iptables, which nft does not show, is in use."""
    try:
        return bool(_IPTABLES_LEGACY.read_text().strip())
    except FileNotFoundError:
        return False


def _nft(script: str) -> None:
    _run(["nft", "-f", "-"], script)


def _nft_print(*arguments: str) -> str:
    return _run(["nft", "-j", *arguments], "")


def _run(command: list[str], script: str) -> str:
    try:
        done = subprocess.run(command, input=script, capture_output=True, text=True, timeout=30, check=False)
    except FileNotFoundError as error:
        raise FabricUnavailable("The program nft is missing.", "Install the package nftables.") from error
    if done.returncode == 0:
        return done.stdout
    if "Operation not permitted" in done.stderr:
        raise FabricUnavailable("Changing nftables is not permitted.", "Run Neargate as root.")
    raise FabricFailure(f"nft refused: {done.stderr.strip()}")
