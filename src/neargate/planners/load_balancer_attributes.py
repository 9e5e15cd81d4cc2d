"""Attributes of load balancers, listeners and target groups: AWS's defaults, and which values each takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs

from neargate.model.errors import AwsError
from neargate.model.records import Json

DEFAULT_SSL_POLICY = "ELBSecurityPolicy-2016-08"
"""What a listener with TLS gets that names no policy, through the API and CloudFormation."""

Check = Callable[[str, str], None]
"""Takes an attribute's name and value; raises ValidationError."""


def invalid(message: str) -> AwsError:
    return AwsError("ValidationError", message)


def _boolean(name: str, value: str) -> None:
    if value not in ("true", "false"):
        raise invalid(f"'{name}' value '{value}' must be either 'true' or 'false'")


def _between(low: int, high: int, *others: str) -> Check:
    def check(name: str, value: str) -> None:
        if value in others:
            return
        if not value.isdecimal() or not low <= int(value) <= high:
            raise invalid(f"'{name}' value '{value}' must be between '{low}-{high}' inclusive")

    return check


def _one_of(*values: str) -> Check:
    def check(name: str, value: str) -> None:
        if value not in values:
            raise invalid(f"'{name}' value '{value}' must be one of [{', '.join(values)}]")

    return check


def _slow_start(name: str, value: str) -> None:
    if not value.isdecimal() or not (value == "0" or 30 <= int(value) <= 900):
        raise invalid(f"'{name}' value '{value}' must be 0 or between '30-900' inclusive")


def _text(name: str, value: str) -> None:
    """Any text."""


@attrs.frozen
class Attribute:
    default: str
    check: Check = _boolean


def _s3_logs(kind: str) -> dict[str, Attribute]:
    return {
        f"{kind}.s3.enabled": Attribute("false"),
        f"{kind}.s3.bucket": Attribute("", _text),
        f"{kind}.s3.prefix": Attribute("", _text),
    }


_EVERY_BALANCER = {
    **_s3_logs("access_logs"),
    "deletion_protection.enabled": Attribute("false"),
    "ipv6.deny_all_igw_traffic": Attribute("false"),
    "zonal_shift.config.enabled": Attribute("false"),
}
APPLICATION = {
    **_EVERY_BALANCER,
    **_s3_logs("connection_logs"),
    **_s3_logs("health_check_logs"),
    "client_keep_alive.seconds": Attribute("3600", _between(60, 604800)),
    "idle_timeout.timeout_seconds": Attribute("60", _between(1, 4000)),
    "load_balancing.cross_zone.enabled": Attribute("true", _one_of("true")),
    "routing.http.desync_mitigation_mode": Attribute(
        "defensive", _one_of("off", "monitor", "defensive", "strictest")
    ),
    "routing.http.drop_invalid_header_fields.enabled": Attribute("false"),
    "routing.http.preserve_host_header.enabled": Attribute("false"),
    "routing.http.x_amzn_tls_version_and_cipher_suite.enabled": Attribute("false"),
    "routing.http.xff_client_port.enabled": Attribute("false"),
    "routing.http.xff_header_processing.mode": Attribute("append", _one_of("append", "preserve", "remove")),
    "routing.http2.enabled": Attribute("true"),
    "waf.fail_open.enabled": Attribute("false"),
}
NETWORK = {
    **_EVERY_BALANCER,
    "dns_record.client_routing_policy": Attribute(
        "any_availability_zone",
        _one_of("availability_zone_affinity", "partial_availability_zone_affinity", "any_availability_zone"),
    ),
    "load_balancing.cross_zone.enabled": Attribute("false"),
    "secondary_ips.auto_assigned.per_subnet": Attribute("0", _between(0, 7)),
}

_HEALTHY_TARGETS = {
    f"target_group_health.{what}.minimum_healthy_targets.{unit}": Attribute(default, check)
    for what in ("dns_failover", "unhealthy_state_routing")
    for unit, default, check in (
        ("count", "1", _between(1, 1000, *(("off",) if what == "dns_failover" else ()))),
        ("percentage", "off", _between(1, 100, "off")),
    )
}
_EVERY_GROUP = {
    "deregistration_delay.timeout_seconds": Attribute("300", _between(0, 3600)),
    "load_balancing.cross_zone.enabled": Attribute(
        "use_load_balancer_configuration", _one_of("true", "false", "use_load_balancer_configuration")
    ),
    "stickiness.enabled": Attribute("false"),
    **_HEALTHY_TARGETS,
}
HTTP_GROUP = {
    **_EVERY_GROUP,
    "load_balancing.algorithm.anomaly_mitigation": Attribute("off", _one_of("on", "off")),
    "load_balancing.algorithm.type": Attribute(
        "round_robin", _one_of("round_robin", "least_outstanding_requests", "weighted_random")
    ),
    "slow_start.duration_seconds": Attribute("0", _slow_start),
    "stickiness.app_cookie.cookie_name": Attribute("", _text),
    "stickiness.app_cookie.duration_seconds": Attribute("86400", _between(1, 604800)),
    "stickiness.lb_cookie.duration_seconds": Attribute("86400", _between(1, 604800)),
    "stickiness.type": Attribute("lb_cookie", _one_of("lb_cookie", "app_cookie")),
}
TCP_GROUP = {
    **_EVERY_GROUP,
    "deregistration_delay.connection_termination.enabled": Attribute("false"),
    "preserve_client_ip.enabled": Attribute("false"),
    "proxy_protocol_v2.enabled": Attribute("false"),
    "stickiness.type": Attribute("source_ip", _one_of("source_ip")),
    "target_health_state.unhealthy.connection_termination.enabled": Attribute("true"),
    "target_health_state.unhealthy.draining_interval_seconds": Attribute("0", _between(0, 360000)),
}

_RESPONSE_HEADERS = (
    "access_control_allow_credentials access_control_allow_headers access_control_allow_methods "
    "access_control_allow_origin access_control_expose_headers access_control_max_age content_security_policy "
    "strict_transport_security x_content_type_options x_frame_options"
).split()
_HTTP_LISTENER = {
    "routing.http.response.server.enabled": Attribute("true"),
    **{f"routing.http.response.{name}.header_value": Attribute("", _text) for name in _RESPONSE_HEADERS},
}
_TLS_HEADERS = (
    "x_amzn_mtls_clientcert x_amzn_mtls_clientcert_issuer x_amzn_mtls_clientcert_leaf "
    "x_amzn_mtls_clientcert_serial_number x_amzn_mtls_clientcert_subject x_amzn_mtls_clientcert_validity "
    "x_amzn_tls_cipher_suite x_amzn_tls_version"
).split()
LISTENER: dict[str, dict[str, Attribute]] = {
    "HTTP": _HTTP_LISTENER,
    "HTTPS": {
        **_HTTP_LISTENER,
        **{f"routing.http.request.{name}.header_name": Attribute("", _text) for name in _TLS_HEADERS},
    },
    "TCP": {"tcp.idle_timeout.seconds": Attribute("350", _between(60, 6000))},
    "TCP_UDP": {"tcp.idle_timeout.seconds": Attribute("350", _between(60, 6000))},
    "TLS": {},
    "UDP": {},
}


def of_balancer(type: str) -> dict[str, Attribute]:
    return APPLICATION if type == "application" else NETWORK


def of_group(protocol: str) -> dict[str, Attribute]:
    return HTTP_GROUP if protocol in ("HTTP", "HTTPS") else TCP_GROUP


def defaults(known: Mapping[str, Attribute]) -> dict[str, str]:
    return {name: attribute.default for name, attribute in known.items()}


def changed(
    known: Mapping[str, Attribute], have: Mapping[str, str], request: Json, owner: str
) -> dict[str, str]:
    """All attributes after the request's `Attributes` were set. `owner` is AWS's word for what has them:
    `Load balancer`, `Target group`, `Listener`."""
    wanted: dict[str, str] = {}
    for item in request["Attributes"]:
        name, value = item.get("Key") or "", item.get("Value") or ""
        if name not in known:
            raise invalid(f"{owner} attribute key '{name}' is not recognized")
        if name in wanted:
            raise invalid(f"{owner} attribute '{name}' cannot be specified more than once")
        known[name].check(name, value)
        wanted[name] = value
    return {**defaults(known), **have, **wanted}


def shown(values: Mapping[str, str]) -> Json:
    return {"Attributes": [{"Key": name, "Value": value} for name, value in values.items()]}
