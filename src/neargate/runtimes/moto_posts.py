"""What moto posts to HTTP endpoints, posted on threads of their own.

moto posts while it answers, without a limit of time: an endpoint that asks Neargate before it answers would wait for
itself. On AWS too the delivery is nothing that a publisher waits for.
"""

from __future__ import annotations

import json as text
import threading
import urllib.request
from collections.abc import Mapping
from typing import Any

import structlog

log = structlog.get_logger()

_PATIENCE = 15.0  # seconds; what SNS waits for an answer


def install() -> None:
    """Let SNS and Firehose of moto post here."""
    from moto.firehose import models as firehose
    from moto.sns import models as sns

    for module in (firehose, sns):
        vars(module)["requests"] = _Posts()


class _Posts:
    """Stands where moto has the `requests` library."""

    def post(self, url: str, json: Any, headers: Mapping[str, str]) -> None:
        request = urllib.request.Request(
            url, text.dumps(json).encode(), {**headers, **_about(json)}, method="POST"
        )
        threading.Thread(target=_send, args=(request,), name="moto-post", daemon=True).start()


_HEADERS = {
    "x-amz-sns-message-id": "MessageId",
    "x-amz-sns-message-type": "Type",
    "x-amz-sns-topic-arn": "TopicArn",
}


def _about(message: Any) -> dict[str, str]:
    """The headers by which subscribers tell SNS's messages apart."""
    if not isinstance(message, Mapping):
        return {}
    return {header: str(message[member]) for header, member in _HEADERS.items() if member in message}


def _send(request: urllib.request.Request) -> None:
    try:
        with urllib.request.urlopen(request, timeout=_PATIENCE) as answer:
            answer.read()
    except OSError as error:
        log.warning("moto.undelivered", url=request.full_url, error=str(error))
