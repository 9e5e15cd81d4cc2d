"""Compressed request bodies are unpacked, and those that only claim to be are refused."""

from __future__ import annotations

import gzip

import pytest

from neargate.model.errors import AwsError
from neargate.wire import HttpRequest, unpacked


def request(body: bytes, encoding: str) -> HttpRequest:
    return HttpRequest("POST", "/", "", {"content-encoding": encoding, "host": "h"}, body)


def test_a_compressed_body_is_unpacked() -> None:
    plain = unpacked(request(gzip.compress(b"Action=ListMetrics"), "GZIP"))
    assert plain.body == b"Action=ListMetrics"
    assert plain.headers == {"host": "h"}


def test_another_body_stays() -> None:
    kept = request(b"x", "aws-chunked")
    assert unpacked(kept) is kept


@pytest.mark.parametrize("body", [b"no gzip", gzip.compress(b"x" * 1000, mtime=0)[:-9]])
def test_what_is_not_gzip_is_refused(body: bytes) -> None:
    with pytest.raises(AwsError, match="not gzip"):
        unpacked(request(body, "gzip"))
