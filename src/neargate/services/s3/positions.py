"""Opaque continuation tokens: a name, in base64."""

from __future__ import annotations

import base64
import binascii

from neargate.services.s3.lookup import invalid_argument


def token_of(name: str) -> str:
    return base64.urlsafe_b64encode(b"1" + name.encode()).decode()


def read_position(token: str | None) -> str | None:
    """What `token_of` was given; None of no token. Raises InvalidArgument for a foreign one."""
    if not token:
        return None
    try:
        content = base64.b64decode(token.encode(), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        content = ""
    if not content.startswith("1"):
        raise invalid_argument("The continuation token provided is incorrect", "continuation-token", token)
    return content[1:]
