"""boto3's own client, whose requests go to an ASGI app in this process instead of a socket.

It serialises, signs and parses as for AWS, in a thread of its own as any client would be; the app answers on the loop.
"""

from __future__ import annotations

import asyncio
from functools import cache
from io import BytesIO
from typing import Any
from urllib.parse import unquote, urlsplit

import botocore.session
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config

from neargate.gateway.front import AsgiApp
from tests.scenarios.virtual_time import VirtualTimeLoop, loop

ENDPOINT = "http://localhost:4566"
REGION = "us-east-1"


class _Raw(BytesIO):
    """A body as urllib3 hands it to botocore."""

    def stream(self, amount: int = 65536, **ignored: Any) -> Any:
        while chunk := self.read(amount):
            yield chunk


class Client:
    """`serve(app)` says who answers; `call` is one API call."""

    def __init__(self) -> None:
        self._app: AsgiApp | None = None
        self._loop: VirtualTimeLoop | None = None

    def serve(self, app: AsgiApp) -> None:
        self._app, self._loop = app, loop()

    async def call(
        self, service: str, operation: str, parameters: dict[str, Any], *, agent: str | None = None
    ) -> dict[str, Any]:
        """The parsed answer without its metadata. Raises botocore's ClientError. `agent` is another User-Agent."""
        client = _client(service)
        name = botocore.xform_name(operation)
        answer: dict[str, Any] = await asyncio.to_thread(self._call, client, name, parameters, agent)
        answer.pop("ResponseMetadata", None)
        return answer

    def _call(self, client: Any, name: str, parameters: dict[str, Any], agent: str | None) -> Any:
        token = "neargate-in-process"

        def send(request: AWSPreparedRequest, **ignored: Any) -> AWSResponse:
            assert self._loop is not None
            if agent is not None:
                request.headers["User-Agent"] = agent
            return asyncio.run_coroutine_threadsafe(self._send(request), self._loop).result()

        client.meta.events.register("before-send", send, unique_id=token)
        try:
            return getattr(client, name)(**parameters)
        finally:
            client.meta.events.unregister("before-send", send, unique_id=token)

    async def _send(self, request: AWSPreparedRequest) -> AWSResponse:
        assert self._loop is not None
        assert self._app is not None
        # The caller's thread holds the clock; a request that waits inside the server must let it go on.
        with self._loop.release():
            status, headers, body = await exchange(self._app, request)
        return AWSResponse(request.url, status, headers, _Raw(body))


async def exchange(app: AsgiApp, request: AWSPreparedRequest) -> tuple[int, dict[str, str], bytes]:
    """One HTTP exchange with an ASGI app."""
    url = urlsplit(request.url)
    body = request.body or b""
    if hasattr(body, "read"):
        body = body.read()
    given = {
        "host": url.netloc,
        **{
            name.lower(): value.decode() if isinstance(value, bytes) else str(value)
            for name, value in request.headers.items()
        },
    }
    scope = {
        "type": "http",
        "method": request.method,
        "path": unquote(url.path) or "/",
        "raw_path": (url.path or "/").encode(),
        "query_string": url.query.encode(),
        "headers": [(name.encode(), value.encode("utf-8")) for name, value in given.items()],
    }
    incoming = [{"type": "http.request", "body": body.encode() if isinstance(body, str) else bytes(body)}]
    outgoing: list[Any] = []

    async def receive() -> Any:
        return incoming.pop() if incoming else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        outgoing.append(message)

    await app(scope, receive, send)
    start = outgoing[0]
    headers = {name.decode("latin-1"): value.decode("utf-8") for name, value in start["headers"]}
    return start["status"], headers, b"".join(message.get("body", b"") for message in outgoing[1:])


@cache
def _session() -> Any:
    return botocore.session.Session()


@cache
def _client(service: str) -> Any:
    return _session().create_client(
        service,
        region_name=REGION,
        endpoint_url=ENDPOINT,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(
            retries={"total_max_attempts": 1}, parameter_validation=False, s3={"addressing_style": "path"}
        ),
    )


def input_shape(service: str, operation: str) -> Any:
    """botocore's shape of an operation's input."""
    return _client(service).meta.service_model.operation_model(operation).input_shape


def operation_names(service: str) -> dict[str, str]:
    """The operations of a service by the name that the AWS CLI gives them."""
    names = _client(service).meta.service_model.operation_names
    return {botocore.xform_name(name, "-"): name for name in names}
