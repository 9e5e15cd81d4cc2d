"""What a browser sends on behalf of a web page: any page anywhere can make it ask an address on loopback.

Nobody has to sign a request here, so such a page could delete stacks or empty the engine. Browsers say where a
request comes from (Fetch standard, `Origin`; Fetch Metadata, `Sec-Fetch-Site`); clients that are no browsers say
nothing and are not concerned.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit


def foreign_page(headers: Mapping[str, str]) -> str | None:
    """Which page of another site asks, in words; None for everybody else. Header names are lower case.

    A link that a person follows is no page's request, whatever site it stands on.
    """
    origin = headers.get("origin")
    if origin is not None:
        return None if _is_local(origin) else f"a web page of {origin}"
    if headers.get("sec-fetch-site") == "cross-site" and headers.get("sec-fetch-dest") != "document":
        return "a web page of another site"
    return None


def _is_local(origin: str) -> bool:
    try:
        host = urlsplit(origin).hostname or ""
    except ValueError:
        return False
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
