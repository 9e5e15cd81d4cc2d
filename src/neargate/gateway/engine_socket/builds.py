"""`docker build`: the context streams through to the engine, names translated both ways."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

from neargate.gateway.engine_socket.build_context import rewrite_file
from neargate.gateway.engine_socket.dockerfile import rewritten
from neargate.gateway.engine_socket.names import qualified
from neargate.gateway.engine_socket.session import Session, all_credentials, complain, encoded
from neargate.gateway.engine_socket.wire import Exchange, Refusal
from neargate.model.ecr import parse_reference, parse_registry

# Not passed on: `cachefrom`, as the engine's own cache is used anyway.
_PASSED_ON = frozenset(
    "buildargs cpuperiod cpuquota cpusetcpus cpusetmems cpushares dockerfile extrahosts forcerm memory memswap "
    "networkmode nocache platform pull q rm shmsize squash target ulimits version remote".split()
)
_REFUSED = ("cgroupparent", "outputs", "securityopt")
_HOST_NETWORK = frozenset({"", "default", "bridge", "host"})


async def build(session: Session, exchange: Exchange) -> None:
    if exchange.query.get("version") == "2":
        raise Refusal(501, "Neargate's engine socket has the classic builder only: set DOCKER_BUILDKIT=0.")
    if exchange.query.get("remote", "").startswith("client-session"):
        raise Refusal(501, "Neargate's engine socket does not support BuildKit sessions.")
    for parameter in _REFUSED:
        if exchange.query.get(parameter, "") not in {"", "null", "[]"}:
            raise Refusal(501, f"Neargate's engine socket does not support {parameter} in a build.")
    tags = await session.tags()

    def rename(name: str) -> str:
        """The engine's name of an image that the Dockerfile names, so that it can mean no other build's."""
        if parse_reference(name) is not None:
            return session.names.image(name)
        return session.names.resolve(name, tags) or qualified(name)

    query = urlencode(_parameters(session, exchange))
    headers = {"X-Registry-Config": encoded(_logins(session, exchange))}
    given = exchange.structured("buildargs")
    arguments = {name: value for name, value in given.items() if value is not None}
    dockerfile = exchange.query.get("dockerfile") or "Dockerfile"
    body: AsyncIterator[bytes] | None = rewrite_file(
        exchange.chunks(),
        dockerfile,
        lambda content: rewritten(content.decode("utf-8", "surrogateescape"), rename, arguments).encode(
            "utf-8", "surrogateescape"
        ),
    )
    if exchange.query.get("remote"):
        body = None
    lines = await session.relay(exchange, "POST", f"build?{query}", body=body, headers=headers)
    if not any(_is_end(line) for line in lines) and exchange.query.get("q", "") not in {"1", "true"}:
        await complain(exchange, "The container engine went away in the middle of the build.")


def _is_end(line: dict[str, Any]) -> bool:
    """True for the line that closes a build: its failure, or the image it made."""
    return "error" in line or "aux" in line or "Successfully built" in str(line.get("stream", ""))


def _parameters(session: Session, exchange: Exchange) -> list[tuple[str, str]]:
    """The engine's parameters: what the client asks for, its names and labels made the build's own."""
    network = exchange.query.get("networkmode", "")
    if network not in _HOST_NETWORK | {"none"}:
        raise Refusal(403, f"A build cannot use the network {network}.")
    labels = {**exchange.structured("labels"), **session.labels}
    parameters = [(key, value) for key, value in exchange.pairs if key in _PASSED_ON and key != "networkmode"]
    parameters += [("t", session.names.image(value)) for key, value in exchange.pairs if key == "t" and value]
    parameters.append(("labels", json.dumps(labels)))
    parameters.append(("networkmode", "none" if network == "none" else "host"))
    return parameters


def _logins(session: Session, exchange: Exchange) -> dict[str, dict[str, str]]:
    """The client's logins. One to ECR also stands for the registry on loopback: a valid one where there is one,
    else any, so that the registry says what is wrong with it where an image of ECR's is needed."""
    logins: dict[str, dict[str, str]] = {}
    for host, login in all_credentials(exchange).items():
        registry = parse_registry(host)
        if registry is None:
            logins[host] = login
            continue
        username, password = login.get("username") or "", login.get("password") or ""
        loopback = {"username": username, "password": password, "serveraddress": session.names.loopback}
        try:
            session.check_token(registry, username, password)
        except Refusal:
            logins.setdefault(session.names.loopback, loopback)
        else:
            logins[session.names.loopback] = loopback
    return logins
