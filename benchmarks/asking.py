"""Requests as a real client sends them: signed by botocore, in the protocol of the service's own model."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree

from benchmarks.servers import HOST, Running

REGION = "us-east-1"
_VERSIONS = {"sts": "2011-06-15", "iam": "2010-05-08", "cloudformation": "2010-05-15", "ec2": "2016-11-15"}
_TARGETS = {"ecs": "AmazonEC2ContainerServiceV20141113", "logs": "Logs_20140328"}
_SECONDS = 60.0


@dataclass(frozen=True)
class Request:
    """A signed POST to `/`."""

    headers: dict[str, str]
    body: bytes

    def raw(self) -> bytes:
        """The bytes on the connection."""
        lines = ["POST / HTTP/1.1", *(f"{name}: {value}" for name, value in self.headers.items())]
        return "\r\n".join([*lines, "", ""]).encode() + self.body


def signed(server: Running, service: str, operation: str, parameters: dict[str, Any]) -> Request:
    """One operation. Parameters are the form's fields for query services, the document for JSON ones."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    if service in _TARGETS:
        body = json.dumps(parameters)
        headers = {
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": f"{_TARGETS[service]}.{operation}",
        }
    else:
        body = urlencode({"Action": operation, "Version": _VERSIONS[service], **parameters})
        headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    request = AWSRequest("POST", f"http://{HOST}:{server.port}/", headers, body)
    SigV4Auth(Credentials("test", "test"), service, REGION).add_auth(request)
    sent = {name: str(value) for name, value in request.headers.items()}
    sent |= {
        "Host": f"{HOST}:{server.port}",
        "User-Agent": "aws-cli/1.46.3 md/Botocore#1.43.3 ua/2.1 os/linux md/arch#x86_64 lang/python#3.11.2",
        "Accept-Encoding": "identity",
        "Content-Length": str(len(body)),
    }
    return Request(sent, body.encode())


class Client:
    """One keep-alive connection to a server."""

    def __init__(self, server: Running) -> None:
        self._server = server
        self._connection = http.client.HTTPConnection(HOST, server.port, timeout=_SECONDS)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def ask(self, service: str, operation: str, parameters: dict[str, Any]) -> bytes:
        """The answer's body. Raises RuntimeError where it is an error."""
        request = signed(self._server, service, operation, parameters)
        self._connection.request("POST", "/", request.body, request.headers)
        response = self._connection.getresponse()
        body = response.read()
        if response.status != 200:
            raise RuntimeError(f"{service} {operation}: {response.status} {body.decode(errors='replace')}")
        return body

    def json(self, service: str, operation: str, /, **parameters: Any) -> dict[str, Any]:
        """An operation of a JSON service."""
        answer: dict[str, Any] = json.loads(self.ask(service, operation, parameters) or b"{}")
        return answer

    def query(self, service: str, operation: str, /, **parameters: str) -> ElementTree.Element:
        """An operation of a query service; the answer's tags have no namespace."""
        root = ElementTree.fromstring(self.ask(service, operation, parameters))
        for element in root.iter():
            element.tag = element.tag.rpartition("}")[2]
        return root
