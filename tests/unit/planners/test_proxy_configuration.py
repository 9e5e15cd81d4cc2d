"""What is served, as Envoy's documents: routes mean what rules mean, and everything that is named exists."""

from __future__ import annotations

import json
import re
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neargate.model.balancer import Certificate, Endpoint, Entry, Pool, Served, Traffic
from neargate.model.elbv2 import Listener
from neargate.model.records import Json
from neargate.planners.listener_rules import Asked, decide, location
from neargate.planners.proxy_configuration import Documents, documents, hosts_of
from neargate.planners.proxy_replies import body
from neargate.planners.proxy_routes import SOURCE_HEADER, addresses_in
from tests.contract.balancing import (
    fixed,
    forward,
    header_is,
    host_is,
    listener,
    load_balancer,
    method_is,
    path_is,
    query_is,
    redirect,
    rule,
    source_is,
    target_group,
)

WEB = load_balancer("web")
BLUE, GREEN = target_group("blue"), target_group("green")
DOOR = 20080


def made(*served: Served, **changes: Any) -> Documents:
    pools = {each.arn: Pool(each, (Endpoint("172.31.0.5", 80),)) for each in (BLUE, GREEN)}
    return documents(Traffic(served, pools, **changes), lambda kind, name: {"path": f"{kind}-{name}"})


def served(one: Listener, *rules: tuple[Json, tuple[Json, ...]], door: int = DOOR) -> Served:
    entry = Entry(
        one, tuple(rule(one, n, act, *conditions) for n, (act, conditions) in enumerate(rules, 1)), door
    )
    return Served(WEB, (entry,), ("172.31.0.2", "172.31.16.2"))


def routes(found: Documents) -> list[Json]:
    """Those of the load balancer's own address."""
    (name,) = (name for name in found.routes if name.startswith("vpc/"))
    (host,) = found.routes[name]["virtual_hosts"]
    return list(host["routes"])


def matches(match: Json, asked: Asked) -> bool:
    """What Envoy does with a route's match: patterns match as a whole, paths without their query."""
    path = asked.target.partition("?")[0]
    if "safe_regex" in match and not re.fullmatch(match["safe_regex"]["regex"], path):
        return False
    have = {
        **asked.headers,
        ":path": asked.target,
        ":authority": asked.host,
        ":method": asked.method,
        SOURCE_HEADER: asked.source,
    }
    return all(
        each["name"] in have and re.fullmatch(each["string_match"]["safe_regex"]["regex"], have[each["name"]])
        for each in match.get("headers", ())
    )


LETTERS = st.text("aAbB.-_", min_size=1, max_size=4)
PATTERN = st.lists(
    st.sampled_from(["a", "A", "b", "*", "?", ".", "/", "-", "\\*"]), min_size=1, max_size=5
).map("".join)
HOSTS = st.sampled_from(["a.example.com", "*.example.com", "?.example.com", "example.com", "A.EXAMPLE.com"])
CIDRS = st.sampled_from(
    ["10.0.0.0/8", "10.1.16.0/20", "10.1.2.3/32", "0.0.0.0/0", "10.1.2.0/30", "2001:db8::/32"]
)
CONDITIONS = st.one_of(
    st.lists(PATTERN.map(lambda text: "/" + text), min_size=1, max_size=2).map(
        lambda values: path_is(*values)
    ),
    HOSTS.map(host_is),
    st.tuples(st.sampled_from(["X-A", "x-b"]), PATTERN).map(lambda pair: header_is(*pair)),
    st.sampled_from(["GET", "POST"]).map(method_is),
    st.tuples(st.one_of(st.none(), LETTERS), PATTERN.filter(lambda text: "/" not in text)).map(
        lambda pair: query_is(*pair)
    ),
    CIDRS.map(source_is),
)
REQUESTS = st.builds(
    Asked,
    method=st.sampled_from(["GET", "POST", "PUT"]),
    host=st.sampled_from(
        ["a.example.com", "a.example.com:8080", "example.com", "b.A.example.com", "other.org"]
    ),
    target=st.builds(
        lambda path, query: "/" + path + query,
        st.text("aAb./-*", max_size=5),
        st.one_of(
            st.just(""),
            st.lists(st.builds(lambda k, v: f"{k}={v}", LETTERS, LETTERS), max_size=2).map(
                lambda pairs: "?" + "&".join(pairs)
            ),
        ),
    ),
    headers=st.dictionaries(st.sampled_from(["x-a", "x-b"]), st.text("aAb.*/-", max_size=4)),
    source=st.sampled_from(["10.0.0.1", "10.1.17.1", "10.1.2.3", "192.0.2.1"]),
)


@given(
    st.lists(st.lists(CONDITIONS, min_size=1, max_size=3), max_size=4),
    st.lists(REQUESTS, min_size=1, max_size=5),
)
def test_the_first_route_that_matches_is_the_rule_that_applies(
    rules: list[list[Json]], requests: list[Asked]
) -> None:
    one = listener(WEB, fixed("default"))
    wanted = served(one, *((fixed(f"rule {n}"), tuple(each)) for n, each in enumerate(rules)))
    found = routes(made(wanted))
    for asked in requests:
        first = next(each for each in found if matches(each["match"], asked))
        expected = decide(wanted.entries[0], asked)["FixedResponseConfig"]["MessageBody"]
        assert first["direct_response"]["body"]["inline_string"] == expected


@given(CIDRS.filter(lambda cidr: ":" not in cidr), st.integers(0, 2**32 - 1))
def test_blocks_of_addresses(cidr: str, number: int) -> None:
    import ipaddress

    address = ipaddress.IPv4Address(number)
    assert bool(re.fullmatch(addresses_in(cidr), str(address))) == (address in ipaddress.ip_network(cidr))


def test_everything_that_is_named_exists() -> None:
    one = listener(WEB, forward((BLUE, 1), (GREEN, 3), sticky=60))
    found = made(served(one, (forward(GREEN), (path_is("/g*"),)), (redirect(Port="443"), (path_is("/r"),))))
    text = json.dumps([*found.routes.values(), *found.listeners.values()])
    named = set(re.findall(r'"cluster": "([^"]+)"', text))
    assert named == set(found.clusters) == set(found.endpoints) == {BLUE.key, GREEN.key}
    for name, document in found.listeners.items():
        (filters,) = (chain["filters"] for chain in document["filter_chains"])
        assert filters[0]["typed_config"]["rds"]["route_config_name"] == name
        assert name in found.routes


def test_nothing_listens_but_on_loopback_and_the_addresses_of_the_vpc() -> None:
    found = made(served(listener(WEB, fixed("x"))))
    addresses = set(re.findall(r'"address": "([^"]+)"', json.dumps(list(found.listeners.values()))))
    assert addresses == {"127.0.0.1", "172.31.0.2", "172.31.16.2"}
    assert all(document["enable_reuse_port"] is False for document in found.listeners.values())


def test_endpoints_that_do_not_serve_stay_to_be_seen() -> None:
    pool = Pool(BLUE, (Endpoint("172.31.0.5", 80, False), Endpoint("172.31.0.6", 80)))
    found = documents(
        Traffic((served(listener(WEB, forward(BLUE))),), {BLUE.arn: pool}), lambda kind, name: {}
    )
    (group,) = found.endpoints[BLUE.key]["endpoints"]
    assert [each["health_status"] for each in group["lb_endpoints"]] == ["DRAINING", "HEALTHY"]


def test_a_deleted_target_group_takes_no_requests() -> None:
    gone = target_group("gone")
    (route,) = routes(made(served(listener(WEB, forward(gone)))))
    assert route["direct_response"] == {"status": 503, "body": {"inline_string": body(503)}}


@pytest.mark.parametrize(
    ("algorithm", "policy"),
    [
        ("round_robin", "ROUND_ROBIN"),
        ("least_outstanding_requests", "LEAST_REQUEST"),
        ("weighted_random", "RANDOM"),
    ],
)
def test_algorithms(algorithm: str, policy: str) -> None:
    group = target_group("blue", load_balancing__algorithm__type=algorithm, slow_start__duration_seconds="30")
    found = documents(
        Traffic((served(listener(WEB, forward(group))),), {group.arn: Pool(group)}), lambda kind, name: {}
    )
    cluster = found.clusters[group.key]
    assert cluster["lb_policy"] == policy
    assert ("slow_start_window" in json.dumps(cluster)) == (policy != "RANDOM")


def test_a_door_keeps_hosts_that_two_load_balancers_name_to_neither() -> None:
    api = load_balancer("api")
    both, own = host_is("shared.example.com"), host_is("api.example.com", "a*z.example.com")
    theirs = listener(api, fixed("api"))
    other = Served(
        api, (Entry(theirs, (rule(theirs, 1, fixed("s"), both), rule(theirs, 2, fixed("o"), own)), DOOR),)
    )
    found = made(served(listener(WEB, fixed("web")), (fixed("s"), (both,))), other)
    hosts = {host["name"]: host["domains"] for host in found.routes[f"door/{DOOR}"]["virtual_hosts"]}
    assert hosts == {
        listener(WEB, fixed("web")).key: [WEB.dns_name],
        theirs.key: [api.dns_name, "api.example.com"],
        "nobody": ["*"],
    }
    assert hosts_of(other.entries[0]) == ("shared.example.com", "api.example.com")


def test_https_and_http_on_one_door_are_told_apart() -> None:
    arn = "arn:aws:acm:us-east-1:000000000000:certificate/one"
    api = load_balancer("api")
    secure = listener(api, fixed("api"), protocol="HTTPS", certificates=(arn,))
    found = made(
        served(listener(WEB, fixed("web"))),
        Served(api, (Entry(secure, (), DOOR),)),
        certificates={arn: Certificate("chain", "key")},
    )
    chains = found.listeners[f"door/{DOOR}"]["filter_chains"]
    assert [chain["filter_chain_match"] for chain in chains] == [
        {"transport_protocol": "raw_buffer"},
        {"transport_protocol": "tls", "server_names": [api.dns_name]},
        {"transport_protocol": "tls"},
    ]
    assert "listener_filters" in found.listeners[f"door/{DOOR}"]


@pytest.mark.parametrize("status", [301, 302, 400, 502, 503, 504])
def test_pages_are_as_long_as_awss(status: int) -> None:
    lengths = {301: 134, 302: 110, 400: 122, 502: 122, 503: 162, 504: 132}
    assert len(body(status)) == lengths[status]


def test_where_a_redirect_leads() -> None:
    asked = Asked(scheme="http", host="a.example.com:8080", port=8080, target="/x/y?q=1")
    kept = {"StatusCode": "HTTP_301"}
    assert location(kept, asked) == "http://a.example.com:8080/x/y?q=1"
    changed = {**kept, "Protocol": "HTTPS", "Port": "443", "Path": "/#{port}/#{path}", "Query": ""}
    assert location(changed, asked) == "https://a.example.com:443/8080/x/y"


def test_attributes_of_a_listener_change_answers() -> None:
    attributes = {
        "routing.http.response.server.enabled": "false",
        "routing.http.response.strict_transport_security.header_value": "max-age=60",
    }
    one = attrs.evolve(listener(WEB, fixed("x")), attributes=attributes)
    found = made(served(one))
    (host,) = found.routes[f"vpc/{one.key}"]["virtual_hosts"]
    assert host["response_headers_to_remove"] == ["server"]
    (added,) = host["response_headers_to_add"]
    assert added["header"] == {"key": "strict-transport-security", "value": "max-age=60"}


@pytest.mark.parametrize(
    ("port", "preserve", "strips"), [(80, "false", True), (80, "true", False), (8080, "false", False)]
)
def test_host_loses_a_port_that_goes_without_saying(port: int, preserve: str, strips: bool) -> None:
    one = load_balancer("web", attributes={"routing.http.preserve_host_header.enabled": preserve})
    entry = Entry(listener(one, fixed("x"), port=port))
    (document,) = made(Served(one, (entry,), ("172.31.0.2",))).listeners.values()
    (chain,) = document["filter_chains"]
    assert chain["filters"][0]["typed_config"]["strip_any_host_port"] is strips


def test_headers_about_tls_where_they_are_asked_for() -> None:
    one = load_balancer(
        "web", attributes={"routing.http.x_amzn_tls_version_and_cipher_suite.enabled": "true"}
    )
    entries = tuple(
        Entry(listener(one, fixed("x"), port=port, protocol=name))
        for port, name in ((80, "HTTP"), (443, "HTTPS"))
    )
    found = made(Served(one, entries, ("172.31.0.2",)))
    told = {name: "X-Amzn-Tls-Version" in json.dumps(table) for name, table in found.routes.items()}
    assert told == {f"vpc/{entries[0].listener.key}": False, f"vpc/{entries[1].listener.key}": True}
