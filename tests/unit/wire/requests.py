"""Requests written by hand."""

from __future__ import annotations

from neargate.wire import HttpRequest


def form(body: str, method: str = "POST", query: str = "") -> HttpRequest:
    headers = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
    return HttpRequest(method, "/", query, headers, body.encode())


def json(target: str, body: bytes = b"{}", version: str = "1.1") -> HttpRequest:
    headers = {"content-type": f"application/x-amz-json-{version}", "x-amz-target": target}
    return HttpRequest("POST", "/", "", headers, body)


def cbor(path: str, body: bytes = b"\xa0") -> HttpRequest:
    headers = {"content-type": "application/cbor", "smithy-protocol": "rpc-v2-cbor"}
    return HttpRequest("POST", path, "", headers, body)


def rest(method: str, path: str, query: str = "", body: bytes = b"", **headers: str) -> HttpRequest:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpRequest(method, path, query, named, body)
