"""CIDR blocks of requests, in AWS's words where they are wrong."""

from __future__ import annotations

import ipaddress

from neargate.model.errors import AwsError
from neargate.services.ec2.estate import invalid

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def parsed_cidr(text: str, member: str = "cidrBlock") -> ipaddress.IPv4Network:
    """An IPv4 block; bits right of the mask are cleared, as AWS does. `member` is named where it is wrong."""
    try:
        if "/" in text:
            return ipaddress.IPv4Network(text, strict=False)
    except ValueError:
        pass
    raise invalid(f"Value ({text}) for parameter {member} is invalid. This is not a valid CIDR block.")


def parsed_ipv6(text: str, member: str = "ipv6CidrBlock") -> ipaddress.IPv6Network:
    """An IPv6 block, likewise."""
    try:
        if "/" in text:
            return ipaddress.IPv6Network(text, strict=False)
    except ValueError:
        pass
    raise invalid(f"Value ({text}) for parameter {member} is invalid. This is not a valid Ipv6 CIDR block.")


def vpc_cidr(text: str | None) -> str:
    """A VPC's IPv4 block, canonical: /16 to /28."""
    if text is None:
        raise AwsError(
            "MissingParameter",
            "Either 'cidrBlock' or 'ipv4IpamPoolId' should be provided when creating VPC resource.",
        )
    network = parsed_cidr(text)
    if not 16 <= network.prefixlen <= 28:
        raise AwsError("InvalidVpc.Range", f"The CIDR '{text}' is invalid.")
    return str(network)
