"""Actions of listeners and rules: checked, and completed to the form in which the API shows them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from neargate.model.elbv2 import LoadBalancer, TargetGroup, groups_of, key_of
from neargate.model.errors import AwsError, not_implemented
from neargate.model.operations import Context
from neargate.model.records import Json
from neargate.services.elbv2.lookup import invalid, misconfigured, require
from neargate.services.elbv2.usage import used_by

MOST_GROUPS = 5
MOST_GROUPS_OF_A_BALANCER = 100
_HEAVIEST = 999
_LONGEST_STICKINESS = 604800
_CONTENT_TYPES = ("text/plain", "text/css", "text/html", "application/javascript", "application/json")
_TARGETS = {
    "HTTP": ("HTTP", "HTTPS"),
    "HTTPS": ("HTTP", "HTTPS"),
    "TCP": ("TCP", "TCP_UDP"),
    "TLS": ("TCP", "TLS"),
    "UDP": ("UDP", "TCP_UDP"),
    "TCP_UDP": ("TCP_UDP",),
}
"""By the listener's protocol, those of the target groups that it can forward to."""
_CONFIGS = {"forward": "ForwardConfig", "redirect": "RedirectConfig", "fixed-response": "FixedResponseConfig"}


def completed(
    cx: Context, balancer: LoadBalancer, protocol: str, actions: Sequence[Json]
) -> tuple[Json, ...]:
    """The actions of a listener of that protocol, as the API shows them. Raises ValidationError,
    InvalidLoadBalancerAction, TargetGroupNotFound, IncompatibleProtocols, TargetGroupAssociationLimit,
    TooManyUniqueTargetGroupsPerLoadBalancer."""
    ordered = sorted(actions, key=lambda action: action.get("Order") or 0)
    if not ordered:
        raise invalid("An action must be specified")
    for action in ordered:
        if action["Type"] not in _CONFIGS:
            raise not_implemented(f"elbv2 actions of type {action['Type']}", "elbv2")
    if len(ordered) > 1:
        raise _unfit("Only one action of type 'forward', 'redirect' or 'fixed-response' can be specified")
    if balancer.type == "network" and ordered[0]["Type"] != "forward":
        raise _unfit(f"The action type '{ordered[0]['Type']}' is not valid with network load balancer")
    done = tuple(_completed(cx, balancer, protocol, action) for action in ordered)
    _check_association(cx, balancer, groups_of(done))
    return done


def _completed(cx: Context, balancer: LoadBalancer, protocol: str, action: Json) -> Json:
    kind = action["Type"]
    for other, config in _CONFIGS.items():
        if other != kind and action.get(config):
            raise invalid(f"You cannot specify '{config}' with an action of type '{kind}'")
    done: Json = {"Type": kind}
    if action.get("Order"):
        done["Order"] = action["Order"]
    if kind == "forward":
        return {**done, **_forward(cx, balancer, protocol, action)}
    if action.get("TargetGroupArn"):
        raise invalid(f"You cannot specify a target group with an action of type '{kind}'")
    if kind == "redirect":
        return {**done, "RedirectConfig": _redirect(action.get("RedirectConfig"), protocol)}
    return {**done, "FixedResponseConfig": _fixed_response(action.get("FixedResponseConfig"))}


def _forward(cx: Context, balancer: LoadBalancer, protocol: str, action: Json) -> Json:
    config, single = action.get("ForwardConfig") or {}, action.get("TargetGroupArn")
    tuples = config.get("TargetGroups") or ([{"TargetGroupArn": single}] if single else [])
    if not tuples:
        raise invalid("A target group ARN must be specified")
    if single and [one.get("TargetGroupArn") for one in tuples] != [single]:
        raise invalid(
            "The target group ARN of a forward action must be the one target group of its forward configuration"
        )
    arns = [one.get("TargetGroupArn") or "" for one in tuples]
    if len(set(arns)) < len(arns):
        raise invalid("A target group cannot be specified more than once in a forward action")
    if len(arns) > MOST_GROUPS:
        raise AwsError(
            "TooManyTargetGroups",
            f"The maximum number of target groups in a forward action is '{MOST_GROUPS}'",
        )
    _check_groups([require(cx, TargetGroup, arn) for arn in arns], balancer, protocol)
    groups = []
    for one in tuples:
        weight = 1 if one.get("Weight") is None else one["Weight"]
        if not 0 <= weight <= _HEAVIEST:
            raise invalid(f"Target group weight '{weight}' must be between '0-{_HEAVIEST}' inclusive")
        groups.append({"TargetGroupArn": one["TargetGroupArn"], "Weight": weight})
    stickiness = _stickiness(config.get("TargetGroupStickinessConfig") or {}, balancer)
    done: Json = {"ForwardConfig": {"TargetGroups": groups, "TargetGroupStickinessConfig": stickiness}}
    if len(groups) == 1:
        done["TargetGroupArn"] = groups[0]["TargetGroupArn"]
    return done


def _stickiness(wanted: Json, balancer: LoadBalancer) -> Json:
    enabled, seconds = bool(wanted.get("Enabled")), wanted.get("DurationSeconds")
    if enabled and balancer.type == "network":
        raise _unfit("Target group stickiness is not supported with network load balancers")
    if enabled and seconds is None:
        raise invalid("A duration must be specified when target group stickiness is enabled")
    if seconds is None:
        return {"Enabled": enabled}
    if not 1 <= seconds <= _LONGEST_STICKINESS:
        raise invalid(
            f"Target group stickiness duration '{seconds}' must be between '1-{_LONGEST_STICKINESS}' inclusive"
        )
    return {"Enabled": enabled, "DurationSeconds": seconds}


def _check_groups(groups: Sequence[TargetGroup], balancer: LoadBalancer, protocol: str) -> None:
    """What a listener of this protocol can forward to: IncompatibleProtocols, InvalidLoadBalancerAction."""
    wrong = [group for group in groups if group.protocol not in _TARGETS[protocol]]
    if wrong:
        named = ", ".join(f"'{group.arn}'" for group in wrong)
        raise AwsError(
            "IncompatibleProtocols",
            f"The listener and the following target groups have incompatible protocols: {named}",
        )
    for group in groups:
        if protocol == "HTTP" and group.protocol_version != "HTTP1":
            raise _unfit(
                "Listener protocol 'HTTP' is not supported with a target group with the protocol-version "
                f"'{group.protocol_version}'"
            )
        if group.vpc_id != balancer.vpc_id:
            raise misconfigured(
                f"The target group '{group.arn}' and the load balancer '{balancer.arn}' must be in the same VPC"
            )


def _check_association(cx: Context, balancer: LoadBalancer, arns: Collection[str]) -> None:
    """A target group serves one load balancer; a load balancer uses a hundred groups at most."""
    taken = []
    for arn in arns:
        group = cx.tx.get(TargetGroup, key_of(arn))
        if group is not None and any(key != balancer.key for key in group.load_balancers):
            taken.append(arn)
    if taken:
        raise AwsError(
            "TargetGroupAssociationLimit",
            "The following target groups cannot be associated with more than one load balancer: "
            + ", ".join(taken),
        )
    if len({*used_by(cx, balancer), *arns}) > MOST_GROUPS_OF_A_BALANCER:
        raise AwsError(
            "TooManyUniqueTargetGroupsPerLoadBalancer",
            "You have reached the maximum number of unique target groups that you can associate with a load balancer "
            f"of type '{balancer.type}': [{MOST_GROUPS_OF_A_BALANCER}]",
        )


def _redirect(config: Json | None, protocol: str) -> Json:
    if not config:
        raise invalid("A redirect configuration must be specified with an action of type 'redirect'")
    done: Json = {
        "Protocol": config.get("Protocol") or "#{protocol}",
        "Port": config.get("Port") or "#{port}",
        "Host": config.get("Host") or "#{host}",
        "Path": config.get("Path") or "/#{path}",
        "Query": "#{query}" if config.get("Query") is None else config["Query"],
        "StatusCode": config["StatusCode"],
    }
    port = done["Port"]
    if port != "#{port}" and not (port.isdecimal() and 1 <= int(port) <= 65535):
        raise invalid(f"The redirect port '{port}' must be '#{{port}}' or a number between '1-65535'")
    if not done["Path"].startswith("/"):
        raise _unfit(
            "The Path parameter must be a valid path, should start with a '/', and may contain up to one of each of "
            "these placeholders: '#{path}', '#{host}', '#{port}'."
        )
    if protocol == "HTTPS" and done["Protocol"] == "HTTP":
        raise _unfit("You cannot redirect HTTPS to HTTP")
    same_protocol = done["Protocol"] in ("#{protocol}", protocol)
    if same_protocol and (port, done["Host"], done["Path"]) == ("#{port}", "#{host}", "/#{path}"):
        raise _unfit("The redirect configuration is not valid because it creates a loop.")
    return done


def _fixed_response(config: Json | None) -> Json:
    if not config:
        raise invalid(
            "A fixed response configuration must be specified with an action of type 'fixed-response'"
        )
    kind = config.get("ContentType")
    if kind and kind not in _CONTENT_TYPES:
        raise _unfit(
            "The ContentType must be one of:'text/html', 'application/json', 'application/javascript', 'text/css', "
            "'text/plain'"
        )
    done: Json = {"StatusCode": config["StatusCode"]}
    if config.get("MessageBody") is not None:
        done["MessageBody"] = config["MessageBody"]
    if kind or config.get("MessageBody") is not None:
        done["ContentType"] = kind or "text/plain"
    return done


def _unfit(message: str) -> AwsError:
    return AwsError("InvalidLoadBalancerAction", message)
