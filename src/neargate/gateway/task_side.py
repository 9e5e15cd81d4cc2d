"""169.254.170.2 as a task or build sees it: its role's credentials, its metadata, and the AWS API.

Who asks is known from the listener, so nothing in the request has to prove it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol

from neargate.gateway.front import AsgiApp, AsgiScope, Receive, Send
from neargate.gateway.link_local import LINK_LOCAL
from neargate.model.errors import AwsError
from neargate.model.operations import Caller
from neargate.model.ports import Clock
from neargate.model.records import Json
from neargate.services.dispatch import Dispatcher

CREDENTIALS = "/v2/credentials/"
RENEW_BEFORE = 15 * 60.0  # seconds before the end; ECS renews as early


class Identity(Protocol):
    """Whoever a listener belongs to: a task or a build."""

    @property
    def account(self) -> str: ...
    @property
    def region(self) -> str: ...
    @property
    def role_arn(self) -> str | None: ...
    @property
    def credentials_id(self) -> str: ...
    @property
    def session_name(self) -> str: ...
    @property
    def service(self) -> str: ...


Metadata = Callable[[Identity, str], Json | None]


class TaskSide:
    """The ASGI app. `metadata(identity, path)` answers `/v3/…` and `/v4/…`, None for what is not there."""

    def __init__(self, front: AsgiApp, dispatcher: Dispatcher, clock: Clock, metadata: Metadata) -> None:
        self._front = front
        self._dispatcher = dispatcher
        self._clock = clock
        self._metadata = metadata
        self._issued: dict[str, tuple[float, Json]] = {}

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        path: str = scope.get("path", "")
        identity: Identity | None = scope.get("state", {}).get(LINK_LOCAL)
        if identity is None or not path.startswith((CREDENTIALS, "/v3/", "/v4/")):
            await self._front(scope, receive, send)
        elif path.startswith(CREDENTIALS):
            await self._credentials(identity, path[len(CREDENTIALS) :], send)
        else:
            found = self._metadata(identity, path)
            if found is None:
                await _json(send, 404, {"error": f"There is no metadata at {path}."})
            else:
                await _json(send, 200, found)

    async def _credentials(self, identity: Identity, given: str, send: Send) -> None:
        if not given:
            await _json(
                send, 400, {"code": "NoIdInRequest", "message": "CredentialsV2Request: No ID in the request"}
            )
            return
        if given != identity.credentials_id or identity.role_arn is None:
            message = f"CredentialsV2Request: Credentials not found for ID {given}"
            await _json(send, 400, {"code": "InvalidIdInRequest", "message": message})
            return
        try:
            await _json(send, 200, await self._issue(identity, identity.role_arn))
        except AwsError as error:
            await _json(send, 500, {"code": "InternalServerError", "message": error.message})

    async def _issue(self, identity: Identity, role: str) -> Json:
        known = self._issued.get(identity.credentials_id)
        if known is not None and known[0] - self._clock.now() > RENEW_BEFORE:
            return known[1]
        caller = Caller(
            account=identity.account, region=identity.region, principal=identity.service, via=identity.service
        )
        request = {"RoleArn": role, "RoleSessionName": identity.session_name, "DurationSeconds": 3600}
        answer = await self._dispatcher.call(caller, "sts", "AssumeRole", request)
        issued = answer["Credentials"]
        shown: Json = {
            "RoleArn": role,
            "AccessKeyId": issued["AccessKeyId"],
            "SecretAccessKey": issued["SecretAccessKey"],
            "Token": issued["SessionToken"],
            "Expiration": datetime.fromtimestamp(issued["Expiration"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        now = self._clock.now()
        current = {known: each for known, each in self._issued.items() if each[0] > now}
        self._issued = {**current, identity.credentials_id: (issued["Expiration"], shown)}
        return shown


async def _json(send: Send, status: int, answer: Any) -> None:
    body = json.dumps(answer).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
