"""169.254.170.2 as a task or build sees it: its role's credentials, the ECS agent, and the AWS API.

Who asks is known from the listener, so nothing in the request has to prove it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
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
LIFETIME = 6 * 3600.0
"""Seconds for which a task's credentials are good, as ECS's are, however long others may assume the role."""
RENEW_BEFORE = 15 * 60.0  # seconds before the end; ECS renews as early
_AGENT = re.compile(r"/v[34]/|/v2/(?:metadata|stats)(?:/|\Z)|/api/[0-9a-f]{32}-\d+/")
_LONGEST_REQUEST = 64 * 1024


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


Agent = Callable[[Identity, str, str, bytes], Awaitable[tuple[int, Any]]]
"""`agent(identity, method, path, body)`: the HTTP status and the JSON body of the agent's answer."""


async def no_agent(identity: Identity, method: str, path: str, body: bytes) -> tuple[int, Any]:
    """Where there are no tasks."""
    return 404, "404 page not found"


class TaskSide:
    """The ASGI app. `agent` answers the metadata of versions 2, 3 and 4, and `$ECS_AGENT_URI`."""

    def __init__(self, front: AsgiApp, dispatcher: Dispatcher, clock: Clock, agent: Agent) -> None:
        self._front = front
        self._dispatcher = dispatcher
        self._clock = clock
        self._agent = agent
        self._issued: dict[str, tuple[float, Json]] = {}

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        path: str = scope.get("path", "")
        identity: Identity | None = scope.get("state", {}).get(LINK_LOCAL)
        if identity is None:
            await self._front(scope, receive, send)
        elif path.startswith(CREDENTIALS):
            await self._credentials(identity, path[len(CREDENTIALS) :], send)
        elif _AGENT.match(path):
            await _json(send, *await self._agent(identity, scope["method"], path, await _body(receive)))
        else:
            await self._front(scope, receive, send)

    async def _credentials(self, identity: Identity, given: str, send: Send) -> None:
        if not given:
            await _json(
                send,
                400,
                {"code": "NoIdInRequest", "message": "CredentialsV2Request: No Credential ID in the request"},
            )
            return
        if given != identity.credentials_id or identity.role_arn is None:
            message = "CredentialsV2Request: Credentials not found"
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
        request = {
            "RoleArn": role,
            "RoleSessionName": identity.session_name,
            "DurationSeconds": int(LIFETIME),
        }
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


async def _body(receive: Receive) -> bytes:
    """The request's body; of one that is too long for the agent, its beginning."""
    body = b""
    while len(body) < _LONGEST_REQUEST:
        message = await receive()
        body += bytes(message.get("body", b""))
        if not message.get("more_body", False):
            break
    return body


async def _json(send: Send, status: int, answer: Any) -> None:
    body = json.dumps(answer).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
