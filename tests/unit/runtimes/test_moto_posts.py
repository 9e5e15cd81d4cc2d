"""SNS's messages to HTTP endpoints."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from tests.unit.services.cloud import cloud

pytest.importorskip("moto")


@contextmanager
def endpoint(receive: Callable[[dict[str, str], dict[str, Any]], None]) -> Iterator[str]:
    """An HTTP endpoint that gives each post's headers and JSON to `receive` before it answers."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receive({name.lower(): value for name, value in self.headers.items()}, json.loads(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(autouse=True)
def posts_end() -> Iterator[None]:
    """No post outlives its test."""
    yield
    for thread in threading.enumerate():
        if thread.name == "moto-post":
            thread.join(5)


def test_a_subscriber_may_ask_neargate_before_it_answers() -> None:
    got: list[Any] = []
    done = threading.Event()
    with cloud() as aws:
        topic = aws.call("sns", "CreateTopic", Name="news")["TopicArn"]

        def receive(headers: dict[str, str], message: dict[str, Any]) -> None:
            topics = aws.call("sns", "ListTopics")["Topics"]
            got.append((headers["x-amz-sns-message-type"], headers["x-amz-sns-topic-arn"], message, topics))
            done.set()

        with endpoint(receive) as url:
            aws.call("sns", "Subscribe", TopicArn=topic, Protocol="http", Endpoint=url)
            sent = aws.call("sns", "Publish", TopicArn=topic, Message="hello")
            assert done.wait(5)
    ((kind, about, message, topics),) = got
    assert (kind, about, topics) == ("Notification", topic, [{"TopicArn": topic}])
    assert (message["Message"], message["MessageId"]) == ("hello", sent["MessageId"])


def test_nobody_there_is_no_failure_of_the_publisher() -> None:
    with cloud() as aws:
        topic = aws.call("sns", "CreateTopic", Name="news")["TopicArn"]
        aws.call("sns", "Subscribe", TopicArn=topic, Protocol="http", Endpoint="http://127.0.0.1:1/")
        assert "MessageId" in aws.call("sns", "Publish", TopicArn=topic, Message="hello")
