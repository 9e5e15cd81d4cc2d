"""The predefined SSL policies, as AWS's guide "Security policies for your Application Load Balancer" lists them."""

from __future__ import annotations

from functools import cache

from neargate.model.errors import AwsError
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.services.elbv2.lookup import page

_CIPHERS = """
ECDHE-ECDSA-AES128-GCM-SHA256 gcm
ECDHE-RSA-AES128-GCM-SHA256 gcm
ECDHE-ECDSA-AES128-SHA256 ecdhe
ECDHE-RSA-AES128-SHA256 ecdhe
ECDHE-ECDSA-AES128-SHA ecdhe-sha
ECDHE-RSA-AES128-SHA ecdhe-sha
ECDHE-ECDSA-AES256-GCM-SHA384 gcm
ECDHE-RSA-AES256-GCM-SHA384 gcm
ECDHE-ECDSA-AES256-SHA384 ecdhe
ECDHE-RSA-AES256-SHA384 ecdhe
ECDHE-ECDSA-AES256-SHA ecdhe-sha
ECDHE-RSA-AES256-SHA ecdhe-sha
AES128-GCM-SHA256 rsa
AES128-SHA256 rsa
AES128-SHA rsa-sha
AES256-GCM-SHA384 rsa
AES256-SHA256 rsa
AES256-SHA rsa-sha
DES-CBC3-SHA des
"""
_TLS13 = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
_STRONG = "gcm ecdhe"
_FORWARD_SECRET = "gcm ecdhe ecdhe-sha"
_MIXED = "gcm ecdhe rsa"
_ALL = "gcm ecdhe ecdhe-sha rsa rsa-sha"

# name: oldest and newest protocol, and the kinds of ciphers beside those of TLS 1.3
_POLICIES: dict[str, tuple[str, str, str]] = {
    **{
        f"ELBSecurityPolicy-TLS13-{name}{mark}-{date}": (oldest, "1.3", ciphers)
        for mark, date in (("", "2021-06"), ("-PQ", "2025-09"), ("-FIPS", "2023-04"))
        for name, oldest, ciphers in (
            ("1-3", "1.3", ""),
            ("1-2", "1.2", _STRONG),
            ("1-2-Res", "1.2", "gcm"),
            ("1-2-Ext2", "1.2", _ALL),
            ("1-2-Ext1", "1.2", _MIXED),
            *((("1-2-Ext0", "1.2", _FORWARD_SECRET),) if mark == "-FIPS" else ()),
            *((("1-1", "1.1", _ALL),) if mark != "-PQ" else ()),
            ("1-0", "1", _ALL),
        )
    },
    "ELBSecurityPolicy-TLS-1-2-Ext-2018-06": ("1.2", "1.2", _ALL),
    "ELBSecurityPolicy-TLS-1-2-2017-01": ("1.2", "1.2", _MIXED),
    "ELBSecurityPolicy-TLS-1-1-2017-01": ("1.1", "1.2", _ALL),
    "ELBSecurityPolicy-TLS-1-0-2015-04": ("1", "1.2", f"{_ALL} des"),
    "ELBSecurityPolicy-FS-1-2-Res-2020-10": ("1.2", "1.2", "gcm"),
    "ELBSecurityPolicy-FS-1-2-Res-2019-08": ("1.2", "1.2", _STRONG),
    "ELBSecurityPolicy-FS-1-2-2019-08": ("1.2", "1.2", _FORWARD_SECRET),
    "ELBSecurityPolicy-FS-1-1-2019-08": ("1.1", "1.2", _FORWARD_SECRET),
    "ELBSecurityPolicy-FS-2018-06": ("1", "1.2", _FORWARD_SECRET),
    "ELBSecurityPolicy-2015-05": ("1", "1.2", _ALL),
    "ELBSecurityPolicy-2016-08": ("1", "1.2", _ALL),
}
NAMES = frozenset(_POLICIES)


@operation("elbv2", "DescribeSSLPolicies", reads=True)
def describe_ssl_policies(cx: Context, request: Json) -> Json:
    wanted = request.get("Names") or list(_POLICIES)
    for name in wanted:
        if name not in _POLICIES:
            raise AwsError("SSLPolicyNotFound", f"SSL policy '{name}' not found")
    kind = request.get("LoadBalancerType")
    found = [described(name) for name in wanted]
    shown = [one for one in found if kind in (None, *one["SupportedLoadBalancerTypes"])]
    return page(request, "SslPolicies", shown, dict)


@cache
def described(name: str) -> Json:
    """A policy as DescribeSSLPolicies shows it, the preferred cipher first."""
    oldest, newest, kinds = _POLICIES[name]
    versions = ["1.3", "1.2", "1.1", "1"]
    spoken = versions[versions.index(newest) : versions.index(oldest) + 1]
    modern = _TLS13[:2] if "-FIPS-" in name else _TLS13
    rows = [line.split() for line in _CIPHERS.strip().splitlines()]
    ciphers = [
        *(modern if newest == "1.3" else ()),
        *(cipher for cipher, kind in rows if kind in kinds.split()),
    ]
    return {
        "Name": name,
        "SslProtocols": [f"TLSv{version}" for version in spoken],
        "Ciphers": [{"Name": cipher, "Priority": place} for place, cipher in enumerate(ciphers, 1)],
        "SupportedLoadBalancerTypes": ["application", "network"],
    }
