"""Authorization tokens: what `docker login -u AWS` takes as its password."""

from __future__ import annotations

import base64

from neargate.model.ecr import TOKEN_SECONDS, Grant, Registry, SigningKey, sign
from neargate.model.operations import Context, operation
from neargate.model.records import Json


@operation("ecr", "GetAuthorizationToken")
def get_authorization_token(cx: Context, request: Json) -> Json:
    """One token per registry asked for; the token itself says who the caller is, in which region."""
    token = issue(cx)
    data = [
        {
            "authorizationToken": base64.b64encode(f"AWS:{token}".encode()).decode(),
            "expiresAt": cx.now + TOKEN_SECONDS,
            "proxyEndpoint": f"https://{Registry(account, cx.region).host}",
        }
        for account in request.get("registryIds") or [cx.account]
    ]
    return {"authorizationData": data}


def issue(cx: Context) -> str:
    """A token of the caller's, valid for 12 hours from now."""
    key = cx.tx.get(SigningKey, "ecr")
    if key is None:
        key = SigningKey(secret=cx.ids.hex(64))
        cx.tx.put(key)
    caller = cx.caller
    grant = Grant(caller.account, caller.region, caller.principal, cx.now + TOKEN_SECONDS, caller.role)
    return sign(grant, key)
