"""OpenID Connect identity providers: whose tokens a role may trust. Recorded; nobody's token is checked here."""

from __future__ import annotations

from urllib.parse import urlsplit

import attrs

from neargate.model import tags
from neargate.model.errors import AwsError
from neargate.model.iam import OpenIdProvider, key_of
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.services.iam import tagging
from neargate.services.iam.lookup import already_exists, limit_exceeded, require_openid_provider

_CLIENTS_QUOTA = 100
_ARN = "OpenIDConnectProviderArn"


@operation("iam", "CreateOpenIDConnectProvider")
def create_openid_connect_provider(cx: Context, request: Json) -> Json:
    """Without thumbprints AWS asks the provider for them; here the list stays empty."""
    url = _without_scheme(request["Url"])
    if cx.tx.get(OpenIdProvider, key_of(cx.account, url)) is not None:
        raise already_exists(f"Provider with url https://{url} already exists.")
    provider = OpenIdProvider(
        account=cx.account,
        url=url,
        created=cx.now,
        client_ids=_client_ids(request.get("ClientIDList") or ()),
        thumbprints=tuple(request.get("ThumbprintList") or ()),
        tags=tagging.given(request),
    )
    cx.tx.put(provider)
    answer: Json = {_ARN: provider.arn}
    if provider.tags:
        answer["Tags"] = tags.upper(provider.tags)
    return answer


def _without_scheme(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.netloc or parts.query or parts.fragment:
        raise AwsError("ValidationError", "Invalid Open ID Connect Provider URL")
    return parts.netloc + parts.path.rstrip("/")


def _client_ids(given: tuple[str, ...] | list[str]) -> tuple[str, ...]:
    if len(given) > _CLIENTS_QUOTA:
        raise limit_exceeded(f"Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: {_CLIENTS_QUOTA}")
    return tuple(dict.fromkeys(given))


@operation("iam", "GetOpenIDConnectProvider", reads=True)
def get_openid_connect_provider(cx: Context, request: Json) -> Json:
    provider = require_openid_provider(cx, request[_ARN])
    return {
        "Url": provider.url,
        "ClientIDList": list(provider.client_ids),
        "ThumbprintList": list(provider.thumbprints),
        "CreateDate": provider.created,
        "Tags": tags.upper(provider.tags),
    }


@operation("iam", "ListOpenIDConnectProviders", reads=True)
def list_openid_connect_providers(cx: Context, request: Json) -> Json:
    found = cx.tx.scan(OpenIdProvider, f"{cx.account}/")
    return {"OpenIDConnectProviderList": [{"Arn": provider.arn} for provider in found]}


@operation("iam", "AddClientIDToOpenIDConnectProvider")
def add_client_id(cx: Context, request: Json) -> Json:
    provider = require_openid_provider(cx, request[_ARN])
    client_ids = _client_ids((*provider.client_ids, request["ClientID"]))
    cx.tx.put(attrs.evolve(provider, client_ids=client_ids))
    return {}


@operation("iam", "RemoveClientIDFromOpenIDConnectProvider")
def remove_client_id(cx: Context, request: Json) -> Json:
    """A client id that is not there: no error."""
    provider = require_openid_provider(cx, request[_ARN])
    kept = tuple(one for one in provider.client_ids if one != request["ClientID"])
    cx.tx.put(attrs.evolve(provider, client_ids=kept))
    return {}


@operation("iam", "UpdateOpenIDConnectProviderThumbprint")
def update_thumbprint(cx: Context, request: Json) -> Json:
    provider = require_openid_provider(cx, request[_ARN])
    cx.tx.put(attrs.evolve(provider, thumbprints=tuple(request["ThumbprintList"])))
    return {}


@operation("iam", "DeleteOpenIDConnectProvider")
def delete_openid_connect_provider(cx: Context, request: Json) -> Json:
    cx.tx.delete(OpenIdProvider, require_openid_provider(cx, request[_ARN]).key)
    return {}
