"""The front door: who is not let in, and what is said to whom something went wrong for."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator, Mapping, MutableMapping
from types import MappingProxyType
from typing import Any

import pytest

from neargate.gateway import front as front_module
from neargate.gateway.api import Api
from neargate.gateway.front import AsgiScope, Front, Receive, Send
from neargate.gateway.web_pages import foreign_page
from tests.unit.services.cloud import Cloud, cloud

IDENTITY = b"Action=GetCallerIdentity&Version=2011-06-15"


@pytest.fixture
def aws() -> Iterator[Cloud]:
    with cloud() as made:
        yield made


async def own(scope: AsgiScope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"pruned"})


async def ask(
    aws: Cloud,
    headers: Mapping[str, str] = MappingProxyType({}),
    *,
    path: str = "/",
    body: bytes = IDENTITY,
    pieces: int = 1,
) -> tuple[int, str]:
    """POST to a front door with one mounted app."""
    given = {"content-type": "application/x-www-form-urlencoded", **headers}
    scope: AsgiScope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
    }
    arriving = [{"type": "http.request", "body": body, "more_body": at + 1 < pieces} for at in range(pieces)]
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return arriving.pop(0)

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await Front(Api(aws.dispatcher), aws.blobs, {"/_neargate/": own})(scope, receive, send)
    return sent[0]["status"], b"".join(each.get("body", b"") for each in sent[1:]).decode()


@pytest.mark.anyio
@pytest.mark.parametrize("path", ["/", "/_neargate/prune"])
async def test_a_web_page_of_another_site_is_not_answered(aws: Cloud, path: str) -> None:
    for headers in (
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost.evil.example:4566"},
        {"sec-fetch-site": "cross-site", "sec-fetch-dest": "image"},
    ):
        status, said = await ask(aws, headers, path=path)
        assert status == 403
        assert "only pages of this machine may ask it" in said


@pytest.mark.anyio
async def test_everybody_else_is(aws: Cloud) -> None:
    browsers: tuple[dict[str, str], ...] = (
        {},
        {"origin": "http://localhost:3000"},
        {"origin": "http://[::1]:3000"},
        {"origin": "http://web.localhost"},
        {"sec-fetch-site": "none", "sec-fetch-dest": "document"},
        {"sec-fetch-site": "cross-site", "sec-fetch-dest": "document"},
    )
    for headers in browsers:
        status, said = await ask(aws, headers)
        assert (status, "GetCallerIdentityResult" in said) == (200, True)
    assert await ask(aws, path="/_neargate/prune") == (200, "pruned")


def test_an_origin_that_is_no_url_is_foreign() -> None:
    assert foreign_page({"origin": "http://[::1"}) == "a web page of http://[::1"


@pytest.mark.anyio
async def test_too_long_a_request_is_told_so(aws: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front_module, "LONGEST_BODY", 1 << 20)
    status, said = await ask(aws, body=b"x" * (1 << 19), pieces=3)
    assert status == 413
    assert "The request is longer than 1 MiB. Upload a large object in parts" in said


@pytest.mark.anyio
@pytest.mark.parametrize("error", [sqlite3.OperationalError("disk I/O error"), AssertionError(), EOFError()])
async def test_whatever_fails_inside_is_answered(
    aws: Cloud, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(aws.dispatcher, "call", fail)
    status, said = await ask(aws)
    assert status == 500
    assert f"Neargate failed inside sts:GetCallerIdentity: {type(error).__name__}" in said


@pytest.mark.anyio
@pytest.mark.parametrize("ends", ["the client leaves", "the server stops"])
async def test_an_answer_that_goes_on_ends_with_its_client_or_the_server(
    aws: Cloud, monkeypatch: pytest.MonkeyPatch, ends: str
) -> None:
    monkeypatch.setattr("neargate.services.logs.live_tail.LiveTail.every", 0.0)
    await aws.dispatcher.call(aws.caller, "logs", "CreateLogGroup", {"logGroupName": "g"})
    body = b'{"logGroupIdentifiers": ["arn:aws:logs:us-east-1:000000000000:log-group:g"]}'
    headers = {
        b"x-amz-target": b"Logs_20140328.StartLiveTail",
        b"content-type": b"application/x-amz-json-1.1",
    }
    scope: AsgiScope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "query_string": b"",
        "headers": list(headers.items()),
    }
    sent: list[MutableMapping[str, Any]] = []
    enough = asyncio.Event()
    arriving = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> MutableMapping[str, Any]:
        for message in arriving:
            return message
        await enough.wait()
        if ends == "the server stops":
            await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)
        if len(sent) == 4:
            enough.set()

    front = Front(Api(aws.dispatcher), aws.blobs, {})
    answering = asyncio.create_task(front(scope, receive, send))
    async with asyncio.timeout(5):
        await enough.wait()
        if ends == "the server stops":
            answering.cancel()
        await answering
    start, *pieces = sent
    assert dict(start["headers"])[b"content-type"] == b"application/vnd.amazon.eventstream"
    assert b"content-length" not in dict(start["headers"])
    assert all(piece["more_body"] for piece in pieces)
    assert b"sessionStart" in pieces[0]["body"]
    assert b"sessionUpdate" in pieces[1]["body"]
