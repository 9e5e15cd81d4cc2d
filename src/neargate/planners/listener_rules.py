"""What a listener does with a request: the first rule whose conditions hold, and what its action comes to.

The meaning of rules, apart from any proxy. facts/aws-behaviour.md, section 4.3.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

import attrs

from neargate.model.balancer import Entry
from neargate.model.elbv2 import Rule
from neargate.model.records import Json


@attrs.frozen
class Asked:
    """A request as rules see it. `headers` by lower-case name; `target` is the path with its query string."""

    method: str = "GET"
    scheme: str = "http"
    host: str = ""
    port: int = 80
    target: str = "/"
    headers: Mapping[str, str] = attrs.field(factory=dict)
    source: str = "127.0.0.1"


def decide(entry: Entry, asked: Asked) -> Json:
    """The action, as records have it, of the rule that applies."""
    for rule in sorted(entry.rules, key=lambda each: each.priority):
        if holds(rule, asked):
            return rule.actions[-1]
    return entry.listener.default_actions[-1]


def holds(rule: Rule, asked: Asked) -> bool:
    """All conditions hold; of a condition's values, any."""
    return all(_CONDITIONS[each["Field"]](each, asked) for each in rule.conditions)


def location(redirect: Json, asked: Asked) -> str:
    """Where a redirect leads. It always names the port; an empty query leaves no question mark."""
    split = urlsplit(asked.target)
    known = {
        "protocol": asked.scheme,
        "host": asked.host.partition(":")[0],
        "port": str(asked.port),
        "path": split.path.removeprefix("/"),
        "query": split.query,
    }

    def filled(member: str, otherwise: str) -> str:
        text = redirect.get(member)
        return re.sub(r"#\{(\w+)\}", lambda found: known[found[1]], otherwise if text is None else text)

    scheme = filled("Protocol", "#{protocol}").lower()
    base = f"{scheme}://{filled('Host', '#{host}')}:{filled('Port', '#{port}')}{filled('Path', '/#{path}')}"
    query = filled("Query", "#{query}")
    return f"{base}?{query}" if query else base


def like(pattern: str, text: str, *, case: bool = True) -> bool:
    """`*` is any characters, `?` one; a backslash takes a wildcard's meaning away."""
    if not case:
        pattern, text = pattern.lower(), text.lower()
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    wild = {"*": ".*", "?": "."}
    return (
        re.fullmatch("".join(wild.get(each, re.escape(each[-1])) for each in parts), text, re.DOTALL)
        is not None
    )


def _path(condition: Json, asked: Asked) -> bool:
    path = asked.target.partition("?")[0]
    return any(like(value, path) for value in condition["PathPatternConfig"]["Values"])


def _host(condition: Json, asked: Asked) -> bool:
    host = asked.host.partition(":")[0]
    return any(like(value, host, case=False) for value in condition["HostHeaderConfig"]["Values"])


def _header(condition: Json, asked: Asked) -> bool:
    config = condition["HttpHeaderConfig"]
    have = asked.headers.get(config["HttpHeaderName"].lower())
    return have is not None and any(like(value, have, case=False) for value in config["Values"])


def _method(condition: Json, asked: Asked) -> bool:
    return asked.method in condition["HttpRequestMethodConfig"]["Values"]


def _query(condition: Json, asked: Asked) -> bool:
    pairs = [pair.partition("=") for pair in asked.target.partition("?")[2].split("&")]
    return any(
        like(wanted["Value"], value if found else key, case=False)
        and (not wanted.get("Key") or (bool(found) and like(wanted["Key"], key, case=False)))
        for wanted in condition["QueryStringConfig"]["Values"]
        for key, found, value in pairs
        if "?" in asked.target
    )


def _source(condition: Json, asked: Asked) -> bool:
    source = ipaddress.ip_address(asked.source)
    return any(
        source in ipaddress.ip_network(value, strict=False) for value in condition["SourceIpConfig"]["Values"]
    )


_CONDITIONS: dict[str, Callable[[Json, Asked], bool]] = {
    "path-pattern": _path,
    "host-header": _host,
    "http-header": _header,
    "http-request-method": _method,
    "query-string": _query,
    "source-ip": _source,
}
