"""Authorization tokens: what `docker login -u AWS` takes as its password."""

from __future__ import annotations

import base64

from neargate.model.ecr import TOKEN_SECONDS, Registry, issue_token
from neargate.model.operations import Context, operation
from neargate.model.records import Json


@operation("ecr", "GetAuthorizationToken")
def get_authorization_token(cx: Context, request: Json) -> Json:
    """One token per registry asked for; the token itself says who the caller is, in which region."""
    token = issue_token(cx.tx, cx.ids, cx.caller, cx.now)
    data = [
        {
            "authorizationToken": base64.b64encode(f"AWS:{token}".encode()).decode(),
            "expiresAt": cx.now + TOKEN_SECONDS,
            "proxyEndpoint": f"https://{Registry(account, cx.region).host}",
        }
        for account in request.get("registryIds") or [cx.account]
    ]
    return {"authorizationData": data}
