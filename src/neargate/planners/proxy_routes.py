"""A listener's rules as Envoy routes, in the order in which they are tried."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping

import attrs

from neargate.model.balancer import Entry, Pool
from neargate.model.elbv2 import LoadBalancer, Rule, TargetGroup
from neargate.model.records import Json
from neargate.planners.proxy_replies import SERVER, TYPE, body, header, plain

SOURCE_HEADER = "x-neargate-source"
"""Carries the client's address to the rules that ask for it; no target sees it."""

STICKY_GROUP = "AWSALBTG"
STICKY_TARGET = "AWSALB"
STICKY_TARGET_OF_APP = "AWSALBAPP-0"

_SESSION = "envoy.filters.http.stateful_session"


@attrs.frozen
class Place:
    """Where the routes are for: the port that clients see, and the doors by the listener's port, for redirects."""

    scheme: str
    port: int
    doors: Mapping[int, int] = attrs.field(factory=dict)


def routes(balancer: LoadBalancer, entry: Entry, pools: Mapping[str, Pool], place: Place) -> list[Json]:
    """All of a listener's routes; the last one, of the default rule, matches everything."""
    made = [
        route for rule in entry.rules for route in _rule_routes(balancer, rule, _match(rule), pools, place)
    ]
    listener = entry.listener
    default = Rule(
        account=listener.account,
        region=listener.region,
        listener=f"{listener.balancer}/{listener.id}",
        id=listener.default_rule_id or "default",
        priority=0,
        conditions=(),
        actions=listener.default_actions,
        created=listener.created,
    )
    return [*made, *_rule_routes(balancer, default, {"prefix": "/"}, pools, place)]


def _rule_routes(
    balancer: LoadBalancer, rule: Rule, match: Json, pools: Mapping[str, Pool], place: Place
) -> Iterator[Json]:
    action = rule.actions[-1]
    named: Json = {"name": rule.key}
    match action["Type"]:
        case "redirect":
            yield {**named, "match": match, **_redirect(action["RedirectConfig"], place)}
        case "fixed-response":
            fixed = action["FixedResponseConfig"]
            content_type = fixed.get("ContentType") or "text/plain; charset=utf-8"
            answer = plain(int(fixed["StatusCode"]), fixed.get("MessageBody") or "", content_type)
            yield {**named, "match": match, **answer}
        case "forward":
            for forward in _forwards(balancer, action["ForwardConfig"], match, pools):
                yield {**named, **forward}
        case other:
            raise ValueError(f"A balancer knows no action {other}")


# -- what a request must be like -------------------------------------------------------------------------------


def _match(rule: Rule) -> Json:
    """All conditions of a rule together."""
    match: Json = {"prefix": "/"}
    headers: list[Json] = []
    for condition in rule.conditions:
        match condition["Field"]:
            case "path-pattern":
                values = condition["PathPatternConfig"]["Values"]
                pattern = {"regex": _any(_wildcards(value, ".") for value in values)}
                if "safe_regex" in match:
                    headers.append(
                        _header(":path", _any(_wildcards(v, "[^?]") for v in values) + r"(?:\?.*)?")
                    )
                else:
                    match = {"safe_regex": pattern}
            case "host-header":
                hosts = _any(_wildcards(value, "[^:]") for value in condition["HostHeaderConfig"]["Values"])
                headers.append(_header(":authority", rf"(?i){hosts}(?::\d+)?"))
            case "http-header":
                config = condition["HttpHeaderConfig"]
                found = _any(_wildcards(value, ".") for value in config["Values"])
                headers.append(_header(config["HttpHeaderName"].lower(), f"(?i){found}"))
            case "http-request-method":
                methods = condition["HttpRequestMethodConfig"]["Values"]
                headers.append(_header(":method", _any(re.escape(method) for method in methods)))
            case "query-string":
                pairs = _any(map(_pair, condition["QueryStringConfig"]["Values"]))
                headers.append(_header(":path", rf"(?i)[^?]*\?(?:.*&)?{pairs}(?:&.*)?"))
            case "source-ip":
                ranges = _any(map(addresses_in, condition["SourceIpConfig"]["Values"]))
                headers.append(_header(SOURCE_HEADER, ranges))
            case other:
                raise ValueError(f"A balancer knows no condition {other}")
    return {**match, "headers": headers} if headers else match


def _header(name: str, regex: str) -> Json:
    return {"name": name, "string_match": {"safe_regex": {"regex": regex}}}


def _any(patterns: Iterable[str]) -> str:
    return f"(?:{'|'.join(patterns)})"


def _wildcards(value: str, character: str) -> str:
    """A pattern of AWS's, with `*` for any characters and `?` for one, as RE2."""
    found: list[str] = []
    escaped = False
    for letter in value:
        if escaped:
            found.append(re.escape(letter))
            escaped = False
        elif letter == "\\":
            escaped = True
        elif letter == "*":
            found.append(character + "*")
        elif letter == "?":
            found.append(character)
        else:
            found.append(re.escape(letter))
    return "".join(found)


def _pair(pair: Json) -> str:
    """A key and a value of the query string; without a key, any key's value."""
    value = _wildcards(pair["Value"], "[^&]")
    return f"{_wildcards(pair['Key'], '[^&=]')}={value}" if pair.get("Key") else f"(?:[^&=]*=)?{value}"


def addresses_in(cidr: str) -> str:
    """The text of every IPv4 address of a block, as RE2; nothing for a block of IPv6, for no client here has one."""
    network = ipaddress.ip_network(cidr, strict=False)
    if network.version == 6:
        return "-"
    whole, bits = divmod(network.prefixlen, 8)
    octets = str(network.network_address).split(".")
    parts = octets[:whole]
    if bits:
        first = int(octets[whole])
        parts.append(_any(str(octet) for octet in range(first, first + (1 << 8 - bits))))
    parts += [r"\d+"] * (4 - len(parts))
    return r"\.".join(parts)


# -- what becomes of it ----------------------------------------------------------------------------------------


def _redirect(config: Json, place: Place) -> Json:
    """Carried out by the script, which fills in `#{…}`. To another listener of this machine through its door."""
    port = config.get("Port") or "#{port}"
    if port.isdigit():
        port = str(place.doors.get(int(port), port))
    query = config.get("Query")
    to = {
        "scheme": place.scheme,
        "from": str(place.port),
        "protocol": config.get("Protocol") or "#{protocol}",
        "host": config.get("Host") or "#{host}",
        "port": port,
        "path": config.get("Path") or "/#{path}",
        "query": "#{query}" if query is None else query,
        "status": config["StatusCode"].removeprefix("HTTP_"),
    }
    answered = {"direct_response": {"status": int(to["status"])}}
    return {"metadata": {"filter_metadata": {"envoy.filters.http.lua": {"redirect": to}}}, **answered}


def _forwards(balancer: LoadBalancer, config: Json, match: Json, pools: Mapping[str, Pool]) -> Iterator[Json]:
    weighted = [
        (pools[each["TargetGroupArn"]].group, int(each.get("Weight", 1)))
        for each in config["TargetGroups"]
        if each["TargetGroupArn"] in pools
    ]
    alive = [(group, weight) for group, weight in weighted if weight > 0]
    if not alive:
        yield {"match": match, **_unavailable()}
        return
    idle = f"{balancer.attributes.get('idle_timeout.timeout_seconds', '60')}s"
    base: Json = {"timeout": "0s", "idle_timeout": idle}
    if len(alive) == 1 and len(weighted) == 1:
        group = alive[0][0]
        yield {"match": match, "route": {**base, "cluster": group.key}, **_stickiness(group)}
        return
    lasting = config.get("TargetGroupStickinessConfig") or {}
    seconds = int(lasting.get("DurationSeconds") or 0) if lasting.get("Enabled") else 0
    if seconds:
        for group, _ in alive:
            yield {
                "match": _with_cookie(match, group),
                "route": {**base, "cluster": group.key},
                "response_headers_to_add": _group_cookies(group, seconds),
                **_stickiness(group),
            }
    clusters: list[Json] = []
    for group, weight in alive:
        cluster: Json = {"name": group.key, "weight": weight, **_stickiness(group)}
        if seconds:
            cluster["response_headers_to_add"] = _group_cookies(group, seconds)
        clusters.append(cluster)
    yield {"match": match, "route": {**base, "weighted_clusters": {"clusters": clusters}}}


def _unavailable() -> Json:
    return {
        "direct_response": {"status": 503, "body": {"inline_string": body(503)}},
        "response_headers_to_add": [header("server", SERVER), header("content-type", "text/html")],
    }


def _with_cookie(match: Json, group: TargetGroup) -> Json:
    cookie = _header("cookie", rf"(?:.*;\s*)?{STICKY_GROUP}(?:CORS)?={group.id}(?:;.*)?")
    return {**match, "headers": [*match.get("headers", ()), cookie]}


def _group_cookies(group: TargetGroup, seconds: int) -> list[Json]:
    lasting = f"={group.id}; Max-Age={seconds}; Path=/"
    return [
        header("set-cookie", f"{STICKY_GROUP}{lasting}", append=True),
        header("set-cookie", f"{STICKY_GROUP}CORS{lasting}; SameSite=None; Secure", append=True),
    ]


def _stickiness(group: TargetGroup) -> Json:
    """A client's requests to the target that its cookie names, while that takes new ones."""
    if group.attributes.get("stickiness.enabled") != "true":
        return {}
    if group.attributes.get("stickiness.type") == "app_cookie":
        name = STICKY_TARGET_OF_APP
        seconds = group.attributes.get("stickiness.app_cookie.duration_seconds", "86400")
    else:
        name = STICKY_TARGET
        seconds = group.attributes.get("stickiness.lb_cookie.duration_seconds", "86400")
    cookie = {"name": name, "path": "/", "ttl": f"{seconds}s"}
    kind = TYPE + "envoy.extensions.http.stateful_session.cookie.v3.CookieBasedSessionState"
    state = {
        "name": "envoy.http.stateful_session.cookie",
        "typed_config": {"@type": kind, "cookie": cookie},
    }
    config = {
        "@type": TYPE + "envoy.extensions.filters.http.stateful_session.v3.StatefulSessionPerRoute",
        "stateful_session": {"session_state": state},
    }
    return {"typed_per_filter_config": {_SESSION: config}}
