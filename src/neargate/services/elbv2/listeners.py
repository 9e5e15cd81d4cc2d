"""Listeners: the ports at which a load balancer answers."""

from __future__ import annotations

import attrs

from neargate.model.elbv2 import Listener, LoadBalancer, Rule, groups_of
from neargate.model.errors import AwsError, not_implemented
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.planners import load_balancer_attributes as attributes
from neargate.services.elbv2 import tagging
from neargate.services.elbv2.actions import completed
from neargate.services.elbv2.certificates import checked_certificates
from neargate.services.elbv2.lookup import described_all, invalid, listeners_of, page, require, rules_of
from neargate.services.elbv2.ssl_policies import NAMES
from neargate.services.elbv2.usage import refresh

PROTOCOLS = {"application": ("HTTP", "HTTPS"), "network": ("TCP", "TLS", "UDP", "TCP_UDP")}
MOST = 50
_SECURE = ("HTTPS", "TLS")


@operation("elbv2", "CreateListener")
def create_listener(cx: Context, request: Json) -> Json:
    """The same listener again makes nothing, as on AWS; another one on the port is DuplicateListener."""
    balancer = require(cx, LoadBalancer, request["LoadBalancerArn"])
    _refuse(request)
    if request.get("Port") is None:
        raise invalid("A listener port must be specified")
    if request.get("Protocol") is None:
        raise invalid("A listener protocol must be specified")
    protocol = _protocol(balancer, request["Protocol"])
    listener = Listener(
        account=balancer.account,
        region=balancer.region,
        balancer=balancer.full_name,
        id=cx.ids.hex(16),
        port=request["Port"],
        protocol=protocol,
        default_actions=completed(cx, balancer, protocol, request["DefaultActions"]),
        certificates=checked_certificates(cx, protocol, request.get("Certificates")),
        ssl_policy=_ssl_policy(protocol, request.get("SslPolicy")),
        alpn_policy=_alpn_policy(protocol, request.get("AlpnPolicy")),
        attributes=attributes.defaults(attributes.LISTENER[protocol]),
        created=cx.now,
        tags=tagging.given(cx, request),
        default_rule_id=cx.ids.hex(16),
    )
    for other in listeners_of(cx, balancer):
        if other.port == listener.port:
            if _same(other, listener):
                return {"Listeners": [described(other)]}
            raise AwsError(
                "DuplicateListener",
                f"A listener already exists on this port for this load balancer '{balancer.arn}'",
            )
    if len(listeners_of(cx, balancer)) >= MOST:
        raise AwsError(
            "TooManyListeners", "You've reached the limit on the number of listeners per load balancer"
        )
    cx.tx.put(listener)
    refresh(cx, balancer, groups_of(listener.default_actions))
    return {"Listeners": [described(listener)]}


def _same(have: Listener, wanted: Listener) -> bool:
    def compared(listener: Listener) -> tuple[object, ...]:
        return (
            listener.protocol,
            listener.default_actions,
            listener.certificates[:1],
            listener.ssl_policy,
            listener.alpn_policy,
        )

    return compared(have) == compared(wanted)


def _refuse(request: Json) -> None:
    mutual = request.get("MutualAuthentication") or {}
    if mutual.get("Mode", "off") != "off":
        raise not_implemented("elbv2 mutual authentication", "elbv2")


def _protocol(balancer: LoadBalancer, wanted: str) -> str:
    allowed = PROTOCOLS[balancer.type]
    if wanted not in allowed:
        raise invalid(f"Listener protocol '{wanted}' must be one of '{', '.join(allowed)}'")
    return wanted


def _ssl_policy(protocol: str, wanted: str | None) -> str:
    if protocol not in _SECURE:
        if wanted:
            raise invalid(f"An SSL policy cannot be specified for {protocol} listeners")
        return ""
    if wanted == "":
        raise invalid(f"An SSL policy must be specified for {protocol} listeners")
    if wanted is not None and wanted not in NAMES:
        raise AwsError("SSLPolicyNotFound", f"SSL policy '{wanted}' not found")
    return wanted or attributes.DEFAULT_SSL_POLICY


def _alpn_policy(protocol: str, wanted: list[str] | None) -> tuple[str, ...]:
    if not wanted:
        return ()
    if protocol != "TLS":
        raise invalid(f"An ALPN policy cannot be specified for {protocol} listeners")
    allowed = ("HTTP1Only", "HTTP2Only", "HTTP2Optional", "HTTP2Preferred", "None")
    if len(wanted) != 1 or wanted[0] not in allowed:
        raise AwsError("ALPNPolicyNotSupported", f"ALPN policy must be one of '{', '.join(allowed)}'")
    return tuple(wanted)


@operation("elbv2", "ModifyListener")
def modify_listener(cx: Context, request: Json) -> Json:
    """What is not named stays; a change of protocol takes the defaults of the new one."""
    listener = require(cx, Listener, request["ListenerArn"])
    balancer = require_balancer(cx, listener)
    _refuse(request)
    before = groups_of(listener.default_actions)
    protocol = _protocol(balancer, request.get("Protocol") or listener.protocol)
    port = request.get("Port") or listener.port
    if any(other.port == port and other.id != listener.id for other in listeners_of(cx, balancer)):
        raise invalid(f"Listener port '{port}' is already in use")
    secure = protocol in _SECURE
    kept = [{"CertificateArn": arn} for arn in listener.certificates] if secure else []
    certificates = checked_certificates(cx, protocol, request.get("Certificates") or kept[:1])
    changed = attrs.evolve(
        listener,
        port=port,
        protocol=protocol,
        certificates=(
            *certificates,
            *(arn for arn in listener.certificates[1:] if secure and arn not in certificates),
        ),
        ssl_policy=_ssl_policy(
            protocol, request.get("SslPolicy") or (listener.ssl_policy if secure else "") or None
        ),
    )
    if protocol != listener.protocol:
        changed = attrs.evolve(changed, attributes=attributes.defaults(attributes.LISTENER[protocol]))
    if "AlpnPolicy" in request or protocol != "TLS":
        changed = attrs.evolve(changed, alpn_policy=_alpn_policy(protocol, request.get("AlpnPolicy")))
    if request.get("DefaultActions"):
        actions = completed(cx, balancer, protocol, request["DefaultActions"])
        changed = attrs.evolve(changed, default_actions=actions)
    cx.tx.put(changed)
    refresh(cx, balancer, (*before, *groups_of(changed.default_actions)))
    return {"Listeners": [described(changed)]}


def require_balancer(cx: Context, listener: Listener) -> LoadBalancer:
    """A listener's load balancer; it is there as long as the listener."""
    balancer = cx.tx.get(LoadBalancer, listener.balancer_key)
    if balancer is None:
        raise LookupError(f"listener {listener.key} has no load balancer")
    return balancer


@operation("elbv2", "DeleteListener")
def delete_listener(cx: Context, request: Json) -> Json:
    listener = require(cx, Listener, request["ListenerArn"])
    balancer = require_balancer(cx, listener)
    refresh(cx, balancer, remove(cx, listener))
    return {}


def remove(cx: Context, listener: Listener) -> list[str]:
    """Delete a listener and its rules; the ARNs of the target groups that they used."""
    touched = list(groups_of(listener.default_actions))
    for rule in rules_of(cx, listener):
        touched += groups_of(rule.actions)
        cx.tx.delete(Rule, rule.key)
    cx.tx.delete(Listener, listener.key)
    return touched


@operation("elbv2", "DescribeListeners", reads=True)
def describe_listeners(cx: Context, request: Json) -> Json:
    arns, balancer = request.get("ListenerArns"), request.get("LoadBalancerArn")
    if arns and balancer:
        raise invalid("Listener ARNs and a load balancer ARN cannot be specified at the same time")
    if not arns and not balancer:
        raise invalid("You must specify either listener ARNs or a load balancer ARN")
    if arns:
        return page(request, "Listeners", described_all(cx, Listener, arns), described)
    found = listeners_of(cx, require(cx, LoadBalancer, balancer or ""))
    return page(request, "Listeners", found, described)


def described(listener: Listener) -> Json:
    answer: Json = {
        "ListenerArn": listener.arn,
        "LoadBalancerArn": listener.arn.replace(":listener/", ":loadbalancer/").rpartition("/")[0],
        "Port": listener.port,
        "Protocol": listener.protocol,
        "DefaultActions": list(listener.default_actions),
    }
    if listener.protocol in _SECURE:
        answer["Certificates"] = [{"CertificateArn": arn} for arn in listener.certificates[:1]]
        answer["SslPolicy"] = listener.ssl_policy
    if listener.protocol == "HTTPS":
        answer["MutualAuthentication"] = {"Mode": "off"}
    if listener.alpn_policy:
        answer["AlpnPolicy"] = list(listener.alpn_policy)
    return answer


@operation("elbv2", "DescribeListenerAttributes", reads=True)
def describe_listener_attributes(cx: Context, request: Json) -> Json:
    return attributes.shown(require(cx, Listener, request["ListenerArn"]).attributes)


@operation("elbv2", "ModifyListenerAttributes")
def modify_listener_attributes(cx: Context, request: Json) -> Json:
    listener = require(cx, Listener, request["ListenerArn"])
    known = attributes.LISTENER[listener.protocol]
    values = attributes.changed(known, listener.attributes, request, "Listener")
    cx.tx.put(attrs.evolve(listener, attributes=values))
    return attributes.shown(values)
