"""What is to be served, as Envoy's documents: listeners, route tables, clusters and endpoints, as pure functions.

Names are those of the records: a cluster is a target group's key, a listener of the VPC is `vpc/` and the listener's
key, one of this machine's loopback address is `door/` and its port. A route's name is the key of its rule, by which
requests are counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import attrs

from neargate.model.balancer import LOOPBACK, WEB, Certificate, Endpoint, Entry, Pool, Served, Traffic
from neargate.model.elbv2 import Listener, LoadBalancer, TargetGroup, groups_of
from neargate.model.records import Json
from neargate.planners.proxy_replies import LUA, TYPE, header, literal, local_replies, names_page
from neargate.planners.proxy_routes import SOURCE_HEADER, Place, routes

COUNTED = "neargate"
"""How the names of our own counters begin."""
COUNTED_BY = "|"
_COUNTED_OF = ("%UPSTREAM_CLUSTER_RAW%", "%RESPONSE_CODE%", "%RESPONSE_FLAGS%", "%UPSTREAM_HOST%")

SourceOf = Callable[[str, str], Json]

_CORE = TYPE + "envoy.config."
_PRESERVE_CASE = {
    "stateful_formatter": {
        "name": "preserve_case",
        "typed_config": {
            "@type": TYPE
            + "envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig",
            "forward_reason_phrase": True,
            "formatter_type_on_envoy_headers": "PROPER_CASE",
        },
    }
}
_NO_LIMIT = {"max_connections": 1 << 20, "max_pending_requests": 1 << 20, "max_requests": 1 << 20}
_TCP_IDLE = "350s"  # a network load balancer's
_CONNECT = "10s"
_WEB_IDLE = 60
_KEEP_ALIVE = 3600


@attrs.frozen
class Documents:
    """Resources by name, each complete with its `@type`."""

    listeners: Mapping[str, Json]
    routes: Mapping[str, Json]
    clusters: Mapping[str, Json]
    endpoints: Mapping[str, Json]


def documents(traffic: Traffic, source: SourceOf) -> Documents:
    """All of it. `source(kind, name)` says where Envoy reads the document of a route table (`rds`) or of a
    cluster's endpoints (`eds`)."""
    listeners: dict[str, Json] = {}
    tables: dict[str, Json] = {}
    for found in (*_of_vpcs(traffic, source), *_of_doors(traffic, source)):
        listeners[found.name] = found.listener
        if found.table is not None:
            tables[found.name] = found.table
    pools = [traffic.pools[arn] for arn in used_groups(traffic.served) if arn in traffic.pools]
    return Documents(
        listeners=listeners,
        routes=tables,
        clusters={pool.group.key: _cluster(pool.group, source) for pool in pools},
        endpoints={pool.group.key: endpoints(pool) for pool in pools},
    )


def used_groups(served: Iterable[Served]) -> tuple[str, ...]:
    """The ARNs of all target groups that a listener or a rule forwards to, each once."""
    found: dict[str, None] = {}
    for one in served:
        for entry in one.entries:
            found.update(dict.fromkeys(groups_of(entry.listener.default_actions)))
            for rule in entry.rules:
                found.update(dict.fromkeys(groups_of(rule.actions)))
    return tuple(found)


# -- clusters and endpoints ------------------------------------------------------------------------------------


def endpoints(pool: Pool) -> Json:
    """A pool's endpoints. Those that do not serve stay, so that what runs on them is seen."""
    members = [
        {"health_status": "HEALTHY" if each.serves else "DRAINING", "endpoint": {"address": _address(each)}}
        for each in pool.endpoints
    ]
    return {
        "@type": _CORE + "endpoint.v3.ClusterLoadAssignment",
        "cluster_name": pool.group.key,
        "endpoints": [{"lb_endpoints": members}] if members else [],
    }


def _address(endpoint: Endpoint) -> Json:
    return _socket(endpoint.address, endpoint.port)


def _socket(address: str, port: int) -> Json:
    return {"socket_address": {"address": address, "port_value": port}}


def _cluster(group: TargetGroup, source: SourceOf) -> Json:
    cluster: Json = {
        "@type": _CORE + "cluster.v3.Cluster",
        "name": group.key,
        "type": "EDS",
        "eds_cluster_config": {"eds_config": source("eds", group.key)},
        "connect_timeout": _CONNECT,
        # Which targets serve is decided by the health checker alone.
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "circuit_breakers": {"thresholds": [_NO_LIMIT]},
        **_algorithm(group),
    }
    if group.protocol in WEB:
        cluster["typed_extension_protocol_options"] = {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": _upstream_protocol(group)
        }
    if group.protocol in ("HTTPS", "TLS"):
        # As on AWS, no target's certificate is verified.
        tls = {"@type": TYPE + "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"}
        cluster["transport_socket"] = {"name": "envoy.transport_sockets.tls", "typed_config": tls}
    return cluster


def _upstream_protocol(group: TargetGroup) -> Json:
    version: Json = {"http_protocol_options": {"header_key_format": _PRESERVE_CASE}}
    if group.protocol_version in ("HTTP2", "GRPC"):
        version = {"http2_protocol_options": {}}
    return {
        "@type": TYPE + "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "common_http_protocol_options": {"idle_timeout": f"{_WEB_IDLE}s"},
        "explicit_http_config": version,
    }


def _algorithm(group: TargetGroup) -> Json:
    name = group.attributes.get("load_balancing.algorithm.type", "round_robin")
    slow = int(group.attributes.get("slow_start.duration_seconds", "0"))
    start = {"slow_start_config": {"slow_start_window": f"{slow}s"}} if slow else {}
    match name:
        case "least_outstanding_requests":
            return {
                "lb_policy": "LEAST_REQUEST",
                "least_request_lb_config": {"selection_method": "FULL_SCAN", **start},
            }
        case "weighted_random":
            return {"lb_policy": "RANDOM"}
        case _:
            return {"lb_policy": "ROUND_ROBIN", **({"round_robin_lb_config": start} if start else {})}


# -- listeners -------------------------------------------------------------------------------------------------


@attrs.frozen
class _Found:
    """A listener of Envoy's with its route table (none for TCP)."""

    name: str
    listener: Json
    table: Json | None = None


def _of_vpcs(traffic: Traffic, source: SourceOf) -> Iterator[_Found]:
    """A load balancer's own addresses."""
    for one in traffic.served:
        for entry in one.entries if one.addresses else ():
            listener, name = entry.listener, f"vpc/{entry.listener.key}"
            if listener.protocol not in WEB:
                chain = {"filters": [_tcp(entry, traffic.pools)], **_tls(_certificates(entry, traffic))}
                yield _Found(name, _listener(name, one.addresses, listener.port, [chain]))
                continue
            place = Place(listener.protocol.lower(), listener.port)
            host = _virtual_host(one, entry, traffic.pools, place, ("*",))
            connections = _connections(one.balancer, name, listener.port, source)
            chain = {"filters": [connections], **_tls(_certificates(entry, traffic), one.balancer)}
            yield _Found(
                name,
                _listener(name, one.addresses, listener.port, [chain]),
                _table(name, listener.port, [host]),
            )


def _of_doors(traffic: Traffic, source: SourceOf) -> Iterator[_Found]:
    """The machine's loopback address: a port for all that listen on it, told apart by name."""
    behind: dict[int, list[tuple[Served, Entry]]] = {}
    for one in traffic.served:
        for entry in one.entries:
            if entry.door:
                behind.setdefault(entry.door, []).append((one, entry))
    for port, members in sorted(behind.items()):
        name = f"door/{port}"
        first = members[0][1]
        if first.listener.protocol not in WEB:
            chain = {"filters": [_tcp(first, traffic.pools)], **_tls(_certificates(first, traffic))}
            yield _Found(name, _listener(name, (LOOPBACK,), port, [chain]))
            continue
        hosts = [_door_host(one, entry, members, traffic.pools) for one, entry in members]
        hosts.append(_nobody(port, [one.balancer.dns_name for one, _ in members]))
        connections = _connections(None, name, port, source)
        chains = list(_door_chains(members, traffic, connections))
        yield _Found(name, _listener(name, (LOOPBACK,), port, chains), _table(name, port, hosts))


def _door_host(
    one: Served, entry: Entry, members: list[tuple[Served, Entry]], pools: Mapping[str, Pool]
) -> Json:
    """Answers to the load balancer's name, and to the hosts that its rules name and no other's do."""
    others: set[str] = set()
    for other, its in members:
        if other is not one:
            others.update(hosts_of(its))
    domains = [one.balancer.dns_name, *(host for host in hosts_of(entry) if host not in others)]
    doors = {each.listener.port: each.door for each in one.entries if each.door}
    place = Place(entry.listener.protocol.lower(), entry.door, doors)
    return _virtual_host(one, entry, pools, place, tuple(dict.fromkeys(domains)))


def hosts_of(entry: Entry) -> tuple[str, ...]:
    """The host names of a listener's rules that Envoy can tell: plain ones, and `*.` before one."""
    found: dict[str, None] = {}
    for rule in entry.rules:
        for condition in rule.conditions:
            if condition["Field"] == "host-header":
                names = (value.lower() for value in condition["HostHeaderConfig"]["Values"])
                found.update(dict.fromkeys(name for name in names if _plain(name)))
    return tuple(found)


def _plain(name: str) -> bool:
    rest = name.removeprefix("*.")
    return bool(rest) and not set(rest) & set("*?:\\")


def _nobody(port: int, names: Iterable[str]) -> Json:
    content = names_page(port, names)
    answer = {"status": 404, "body": {"inline_string": content}}
    route = {
        "name": "",
        "match": {"prefix": "/"},
        "direct_response": answer,
        "response_headers_to_add": [header("content-type", "text/html; charset=utf-8")],
    }
    return {"name": "nobody", "domains": ["*"], "routes": [route]}


def _door_chains(members: list[tuple[Served, Entry]], traffic: Traffic, connections: Json) -> Iterator[Json]:
    """Plain HTTP; TLS under each load balancer's names; TLS under any other name, with the first certificate."""
    secure = [(one, entry) for one, entry in members if entry.listener.protocol == "HTTPS"]
    if len(secure) < len(members):
        plain = {"transport_protocol": "raw_buffer"} if secure else {}
        yield {"name": "plain", "filter_chain_match": plain, "filters": [connections]}
    claimed: set[str] = set()
    for one, entry in secure:
        names = [n for n in (one.balancer.dns_name.lower(), *hosts_of(entry)) if n not in claimed]
        claimed.update(names)
        match = {"transport_protocol": "tls", "server_names": names}
        tls = _tls(_certificates(entry, traffic), one.balancer)
        yield {"name": one.balancer.key, "filter_chain_match": match, "filters": [connections], **tls}
    for one, entry in secure[:1]:
        tls = _tls(_certificates(entry, traffic), one.balancer)
        match = {"transport_protocol": "tls"}
        yield {"name": "any", "filter_chain_match": match, "filters": [connections], **tls}


def _listener(name: str, addresses: tuple[str, ...], port: int, chains: list[Json]) -> Json:
    first, *others = addresses
    made: Json = {
        "@type": _CORE + "listener.v3.Listener",
        "name": name,
        "address": _socket(first, port),
        # With it, two proxies could listen on one port and each get half of the requests.
        "enable_reuse_port": False,
        "filter_chains": chains,
    }
    if others:
        made["additional_addresses"] = [{"address": _socket(address, port)} for address in others]
    if any("transport_protocol" in chain.get("filter_chain_match", {}) for chain in chains):
        kind = TYPE + "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"
        made["listener_filters"] = [
            {"name": "envoy.filters.listener.tls_inspector", "typed_config": {"@type": kind}}
        ]
    return made


def _certificates(entry: Entry, traffic: Traffic) -> tuple[Certificate, ...]:
    return tuple(traffic.certificates[arn] for arn in entry.listener.certificates)


def _tls(certificates: tuple[Certificate, ...], balancer: LoadBalancer | None = None) -> Json:
    """Nothing where there are no certificates. Envoy picks the one whose names fit the client's SNI."""
    if not certificates:
        return {}
    common: Json = {
        "tls_certificates": [
            {"certificate_chain": {"inline_string": each.chain}, "private_key": {"inline_string": each.key}}
            for each in certificates
        ]
    }
    if balancer is not None:
        common["alpn_protocols"] = ["h2", "http/1.1"] if _http2(balancer) else ["http/1.1"]
    kind = TYPE + "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"
    config = {"@type": kind, "common_tls_context": common}
    return {"transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": config}}


def _tcp(entry: Entry, pools: Mapping[str, Pool]) -> Json:
    forward = entry.listener.default_actions[-1]["ForwardConfig"]["TargetGroups"]
    weighted = [
        (pools[each["TargetGroupArn"]].group.key, int(each.get("Weight", 1)))
        for each in forward
        if each["TargetGroupArn"] in pools
    ]
    alive = [{"name": key, "weight": weight} for key, weight in weighted if weight > 0]
    config: Json = {
        "@type": TYPE + "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": "tcp",
        "idle_timeout": _TCP_IDLE,
        "access_log": [_counting(f"{entry.listener.key}/")],
    }
    if len(alive) == 1:
        config["cluster"] = alive[0]["name"]
    elif alive:
        config["weighted_clusters"] = {"clusters": alive}
    else:
        config["cluster"] = "nothing"
    return {"name": "envoy.filters.network.tcp_proxy", "typed_config": config}


def _http2(balancer: LoadBalancer) -> bool:
    return balancer.attributes.get("routing.http2.enabled", "true") == "true"


def _connections(balancer: LoadBalancer | None, name: str, port: int, source: SourceOf) -> Json:
    """What reads requests. On a door, which several share, connections are as a new load balancer has them."""
    given = balancer.attributes if balancer is not None else {}
    underscores = given.get("routing.http.drop_invalid_header_fields.enabled") == "true"
    config: Json = {
        "@type": TYPE + "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name.replace("/", "_"),
        "codec_type": "AUTO",
        "rds": {"route_config_name": name, "config_source": source("rds", name)},
        "use_remote_address": True,
        "skip_xff_append": True,
        "internal_address_config": {},
        "generate_request_id": False,
        "server_header_transformation": "PASS_THROUGH",
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "max_request_headers_kb": 64,
        # As on AWS, Host loses a port that goes without saying.
        "strip_any_host_port": port in (80, 443)
        and given.get("routing.http.preserve_host_header.enabled") != "true",
        "common_http_protocol_options": {
            "idle_timeout": f"{given.get('idle_timeout.timeout_seconds', _WEB_IDLE)}s",
            "max_connection_duration": f"{given.get('client_keep_alive.seconds', _KEEP_ALIVE)}s",
            "headers_with_underscores_action": "DROP_HEADER" if underscores else "ALLOW",
        },
        "http_protocol_options": {"header_key_format": _PRESERVE_CASE, "accept_http_10": True},
        "local_reply_config": local_replies(),
        "early_header_mutation_extensions": [_source_header()],
        "http_filters": _http_filters(),
        "access_log": [_counting("%ROUTE_NAME%")],
    }
    return {"name": "envoy.filters.network.http_connection_manager", "typed_config": config}


def _source_header() -> Json:
    kind = TYPE + "envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation"
    mutations = [
        {"append": header(SOURCE_HEADER, "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%")},
    ]
    return {
        "name": "envoy.http.early_header_mutation.header_mutation",
        "typed_config": {"@type": kind, "mutations": mutations},
    }


def _http_filters() -> list[Json]:
    http = TYPE + "envoy.extensions.filters.http."
    script = {"default_source_code": {"inline_string": LUA}}
    return [
        {"name": "envoy.filters.http.lua", "typed_config": {"@type": http + "lua.v3.Lua", **script}},
        {
            "name": "envoy.filters.http.stateful_session",
            "typed_config": {"@type": http + "stateful_session.v3.StatefulSession"},
        },
        {
            "name": "envoy.filters.http.router",
            "typed_config": {"@type": http + "router.v3.Router", "suppress_envoy_headers": True},
        },
    ]


def _counting(route: str) -> Json:
    """Counts requests by route, cluster, status, flags and target: all in one tag, for each tag costs every request
    some microseconds."""
    config = {
        "@type": TYPE + "envoy.extensions.access_loggers.stats.v3.Config",
        "stat_prefix": COUNTED,
        "counters": [
            {
                "stat": {
                    "name": "requests",
                    "tags": [{"name": "of", "value_format": COUNTED_BY.join((route, *_COUNTED_OF))}],
                },
                "value_fixed": 1,
            }
        ],
    }
    return {"name": "envoy.access_loggers.stats", "typed_config": config}


# -- route tables ----------------------------------------------------------------------------------------------


def _table(name: str, port: int, hosts: list[Json]) -> Json:
    return {
        "@type": _CORE + "route.v3.RouteConfiguration",
        "name": name,
        "virtual_hosts": hosts,
        "ignore_port_in_host_matching": True,
        "max_direct_response_body_size_bytes": 1 << 20,
        "request_headers_to_remove": [SOURCE_HEADER, "x-envoy-internal", "x-envoy-external-address"],
        "request_headers_to_add": [header("X-Forwarded-Port", str(port))],
    }


def _virtual_host(
    one: Served, entry: Entry, pools: Mapping[str, Pool], place: Place, domains: tuple[str, ...]
) -> Json:
    host: Json = {
        "name": entry.listener.key,
        "domains": list(domains),
        "routes": routes(one.balancer, entry, pools, place),
        **_forwarded(one.balancer, entry.listener),
    }
    removed = [
        name
        for name, value in (
            ("server", entry.listener.attributes.get("routing.http.response.server.enabled")),
        )
        if value == "false"
    ]
    added = [
        header(name.removeprefix(_RESPONSE).removesuffix(_VALUE).replace("_", "-"), literal(value))
        for name, value in sorted(entry.listener.attributes.items())
        if name.startswith(_RESPONSE) and name.endswith(_VALUE) and value
    ]
    if removed:
        host["response_headers_to_remove"] = removed
    if added:
        host["response_headers_to_add"] = added
    return host


_RESPONSE, _VALUE = "routing.http.response.", ".header_value"


def _forwarded(balancer: LoadBalancer, listener: Listener) -> Json:
    """The headers that tell a target of the client, as the load balancer's attributes say."""
    given = balancer.attributes
    added = []
    mode = given.get("routing.http.xff_header_processing.mode", "append")
    if mode == "append":
        with_port = given.get("routing.http.xff_client_port.enabled") == "true"
        client = "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS" + ("%" if with_port else "_WITHOUT_PORT%")
        added.append(header("X-Forwarded-For", client, append=True))
    tls = given.get("routing.http.x_amzn_tls_version_and_cipher_suite.enabled") == "true"
    if tls and listener.protocol == "HTTPS":
        added.append(header("X-Amzn-Tls-Version", "%DOWNSTREAM_TLS_VERSION%"))
        added.append(header("X-Amzn-Tls-Cipher-Suite", "%DOWNSTREAM_TLS_CIPHER%"))
    changes: Json = {"request_headers_to_add": added} if added else {}
    if mode == "remove":
        changes["request_headers_to_remove"] = ["x-forwarded-for"]
    return changes
