"""The cloud as a client sees it: AWS's APIs, and `/_neargate` where the cloud is the local one."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import click

from neargate.cli.place import Place

Json = dict[str, Any]

_RETRY_SECONDS = 0.3
_OWN_SECONDS = 30.0


class Refused(click.ClickException):
    """AWS, or Neargate as AWS, said no. `code` is AWS's."""

    def __init__(self, code: str, message: str, operation: str) -> None:
        super().__init__(f"{operation}: {message} ({code})")
        self.code = code
        self.text = message


class Unreachable(click.ClickException):
    """Nothing answers where the cloud should be."""


class Cloud:
    """Calls by name. With `patience`, a server that went away is waited for, so many seconds for each call, and
    looked for at the address that it then announces; `lost` is told once each time it is gone, `found` when it is
    back. Raises Refused, Unreachable."""

    def __init__(
        self,
        place: Place,
        *,
        patience: float = 0.0,
        lost: Callable[[], None] = lambda: None,
        found: Callable[[], None] = lambda: None,
    ) -> None:
        self.place = place
        self.patience = patience
        self._lost = lost
        self._found = found
        self._address: str | None = None
        self._clients: dict[str, Any] = {}
        self._session: Any = None

    @property
    def local(self) -> bool:
        return not self.place.aws

    def address(self) -> str:
        """Where the local cloud answers, without a slash at the end."""
        if self._address is None:
            announced = self.place.announced()
            if announced is None:
                raise Unreachable(
                    f"No Neargate server works in {self.place.data}. Start it: neargate start --detach"
                )
            self._address = announced.address.rstrip("/")
        return self._address

    def call(self, service: str, operation: str, **request: Any) -> Json:
        """One API operation, named as in AWS's reference: `call("ecs", "ListTasks", cluster=…)`."""
        return self._patiently(lambda: self._call(service, operation, request))

    def pages(self, service: str, operation: str, member: str, **request: Any) -> list[Any]:
        """All items of a list operation, whichever way the service names its next page."""
        items: list[Any] = []
        more: Json = {}
        while True:
            answer = self.call(service, operation, **request, **more)
            items += answer.get(member) or []
            name = next((n for n in ("nextToken", "NextToken") if answer.get(n)), None)
            if name is None:
                return items
            more = {name: answer[name]}

    def own(self, method: str, path: str, body: Json | None = None, *, seconds: float = _OWN_SECONDS) -> Json:
        """One request to `/_neargate`."""
        return self._patiently(lambda: own(self.address(), method, path, body, seconds=seconds))

    # -- below ---------------------------------------------------------------------------------------------

    def _patiently(self, ask: Callable[[], Json]) -> Json:
        until = time.monotonic() + self.patience
        missing = False
        while True:
            try:
                answer = ask()
            except Unreachable:
                if self.place.aws or time.monotonic() >= until:
                    raise
                if not missing:
                    missing = True
                    self._lost()
                self._address = None
                self._clients.clear()
                time.sleep(_RETRY_SECONDS)
                continue
            if missing:
                self._found()
            return answer

    def _call(self, service: str, operation: str, request: Json) -> Json:
        from botocore import exceptions, xform_name

        try:
            answer: Json = getattr(self._client(service), xform_name(operation))(**request)
        except exceptions.ClientError as error:
            said = error.response.get("Error", {})
            raise Refused(said.get("Code", ""), said.get("Message", str(error)), operation) from error
        except (exceptions.ConnectionError, exceptions.HTTPClientError) as error:
            raise Unreachable(self._silence(error)) from error
        except exceptions.ParamValidationError as error:
            raise click.ClickException(str(error)) from error
        except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError) as error:
            raise click.ClickException(f"{error}. Run `aws configure`, or give --profile.") from error
        except exceptions.BotoCoreError as error:
            raise click.ClickException(str(error)) from error
        return answer

    def _silence(self, error: Exception) -> str:
        if self.place.aws:
            return f"AWS does not answer: {error}"
        return f"The local cloud at {self._address} does not answer. Start it: neargate start --detach"

    def _client(self, service: str) -> Any:
        if service in self._clients:
            return self._clients[service]
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
        from botocore.session import Session

        try:
            if self.place.aws:
                session = self._session or Session(profile=self.place.profile)
                client = session.create_client(service, region_name=self.place.region)
            else:
                session = self._session or Session()
                client = session.create_client(
                    service,
                    endpoint_url=self.address(),
                    region_name=self.place.region_name(),
                    aws_access_key_id=self.place.access_key(),
                    aws_secret_access_key="test",
                    config=Config(retries={"total_max_attempts": 1}, read_timeout=60, proxies={}),
                )
        except BotoCoreError as error:
            raise click.ClickException(str(error)) from error
        self._session = session
        self._clients[service] = client
        return client


def own(
    address: str, method: str, path: str, body: Json | None = None, *, seconds: float = _OWN_SECONDS
) -> Json:
    """One request to `/_neargate/PATH` of the server at this address. No proxy stands between."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port or 80, timeout=seconds)
    try:
        text = None if body is None else json.dumps(body)
        connection.request(method, f"/_neargate/{path}", text, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer: Json = json.loads(response.read() or b"{}")
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Unreachable(f"The local cloud at {address} does not answer: {error}") from error
    finally:
        connection.close()
    if response.status >= 400:
        raise Refused(answer.get("code", str(response.status)), answer.get("error", ""), f"{method} {path}")
    return answer
