"""Containers of the build: `docker run`, `create`, `start`, `attach`, `wait`, `logs`, `ps`, `exec`, `rm`.

A build runs what it could run itself: nothing privileged, no paths or devices of the machine, no container but
its own. Another's container does not exist.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

from neargate.gateway.engine_socket.names import is_container_name
from neargate.gateway.engine_socket.raw_engine import take_over
from neargate.gateway.engine_socket.session import BUILD_LABEL, Session
from neargate.gateway.engine_socket.wire import Exchange, Refusal
from neargate.runtimes.engine_connection import Refused

_FORBIDDEN = tuple(
    "Binds Mounts Devices DeviceRequests DeviceCgroupRules CapAdd SecurityOpt Privileged PidMode UsernsMode UTSMode "
    "CgroupnsMode CgroupParent Cgroup VolumesFrom VolumeDriver Sysctls Links Annotations Runtime".split()
)
_MEMBERS = ("HostConfig", "Image", "Labels", "Volumes", "NetworkingConfig")
_HOST_MEMBERS = (
    *_FORBIDDEN,
    *"AutoRemove IpcMode LogConfig MaskedPaths NetworkMode PortBindings PublishAllPorts ReadonlyPaths".split(),
)
_HARMLESS = {"PidMode": {""}, "UsernsMode": {""}, "UTSMode": {""}, "CgroupnsMode": {"", "private"}}
_AUTO_REMOVE = "dev.neargate.auto-remove"
"""`docker run --rm`. Podman forgets the exit code of a container that it removes, so removing is done here."""
_NETWORKS = frozenset({"", "default", "bridge", "none", "host"})


async def create(session: Session, exchange: Exchange) -> None:
    wanted = await exchange.json()
    _require_spelling(wanted, _MEMBERS)
    host = wanted.get("HostConfig") or {}
    _require_spelling(host, _HOST_MEMBERS)
    _check(host)
    _check_volumes(wanted.get("Volumes") or {})
    published = bool(host.get("PortBindings") or host.get("PublishAllPorts"))
    host["NetworkMode"] = await _network(session, host.get("NetworkMode") or "", published)
    if host.get("IpcMode") not in {None, "", "private", "none", "shareable"}:
        raise Refusal(403, f"A build's container cannot use IpcMode {host['IpcMode']}.")
    image = wanted.get("Image") or ""
    wanted["Image"] = await session.require_image(image)
    wanted["Labels"] = {**(wanted.get("Labels") or {}), **session.labels}
    if host.pop("AutoRemove", False):
        wanted["Labels"][_AUTO_REMOVE] = "1"
    wanted["HostConfig"] = host
    wanted.pop("NetworkingConfig", None)
    name = exchange.query.get("name", "")
    query = f"?{urlencode({'name': session.names.container_prefix + name})}" if name else ""
    created = await session.engine.json("POST", f"containers/create{query}", body=wanted)
    await exchange.answer(201, {"Id": created["Id"], "Warnings": created.get("Warnings") or []})


async def list_all(session: Session, exchange: Exchange) -> None:
    filters = {name: list(values) for name, values in exchange.structured("filters").items()}
    labels = [f"{name}={value}" for name, value in session.labels.items()]
    filters["label"] = [*filters.get("label", ()), *labels]
    query = {key: value for key, value in exchange.query.items() if key in {"all", "limit", "size"}}
    query["filters"] = json.dumps(filters)
    found = await session.engine.json("GET", f"containers/json?{urlencode(query)}")
    await exchange.answer(200, json.loads(session.names.for_user(json.dumps(found))))


async def act(session: Session, exchange: Exchange, name: str, verb: str) -> None:
    """start, stop, kill, restart, pause, unpause, resize: passed on, and the engine's status back."""
    shown = await _own(session, name)
    query = f"?{exchange.raw_query}" if exchange.raw_query else ""
    try:
        await session.engine.json("POST", f"containers/{shown['Id']}/{verb}{query}")
    except Refused as error:
        if error.status == 304:
            await exchange.answer(304)
            return
        raise
    final = verb == "stop" or (
        verb == "kill" and exchange.query.get("signal", "") in {"", "KILL", "SIGKILL", "9"}
    )
    if final and _goes_with_its_end(shown):
        await session.engine.json("POST", f"containers/{shown['Id']}/wait?condition=not-running")
        await _discard(session, shown["Id"])
    await exchange.answer(200 if verb == "resize" else 204)


async def wait(session: Session, exchange: Exchange, name: str) -> None:
    """The headers go out when the engine's come: then it waits, and the CLI starts the container."""
    shown = await _own(session, name)
    condition = exchange.query.get("condition") or "not-running"
    if condition == "removed":
        started = shown["State"].get("Status") not in {"created", "configured", "initialized"}
        condition = "not-running" if started else "next-exit"
    path = f"containers/{shown['Id']}/wait?condition={condition}"
    async with session.engine.stream("POST", path) as answer:
        await exchange.begin(200, {"Content-Type": "application/json", "Transfer-Encoding": "chunked"})
        ended = await answer.read()
    if _goes_with_its_end(shown):
        await _discard(session, shown["Id"])
    await exchange.write(ended)
    await exchange.end()


async def show(session: Session, exchange: Exchange, name: str) -> None:
    shown = await _own(session, name)
    await exchange.answer(200, json.loads(session.names.for_user(json.dumps(shown))))


async def logs(session: Session, exchange: Exchange, name: str) -> None:
    container = (await _own(session, name))["Id"]
    async with session.engine.stream("GET", f"containers/{container}/logs?{exchange.raw_query}") as answer:
        kind = answer.headers.get("content-type", "application/vnd.docker.raw-stream")
        await exchange.begin(200, {"Content-Type": kind, "Transfer-Encoding": "chunked"})
        async for chunk in answer.content.iter_any():
            await exchange.write(chunk)
    await exchange.end()


async def attach(session: Session, exchange: Exchange, name: str) -> None:
    shown = await _own(session, name)
    path = f"containers/{shown['Id']}/attach?{exchange.raw_query}"
    await take_over(await session.engine.address(), exchange, path, b"", bool(shown["Config"].get("Tty")))


async def remove(session: Session, exchange: Exchange, name: str) -> None:
    container = (await _own(session, name))["Id"]
    await session.engine.json("DELETE", f"containers/{container}?{exchange.raw_query}")
    await exchange.answer(204)


async def exec_create(session: Session, exchange: Exchange, name: str) -> None:
    container = (await _own(session, name))["Id"]
    wanted = await exchange.json()
    _require_spelling(wanted, ("Privileged",))
    if wanted.get("Privileged"):
        raise Refusal(403, "A build's container cannot run a privileged command.")
    await exchange.answer(201, await session.engine.json("POST", f"containers/{container}/exec", body=wanted))


async def exec_show(session: Session, exchange: Exchange, id: str) -> None:
    await exchange.answer(200, await _own_exec(session, id))


async def exec_start(session: Session, exchange: Exchange, id: str) -> None:
    shown = await _own_exec(session, id)
    wanted = await exchange.json()
    if wanted.get("Detach"):
        await session.engine.json("POST", f"exec/{id}/start", body=wanted)
        await exchange.answer(200)
        return
    tty = bool((shown.get("ProcessConfig") or {}).get("tty"))
    path = f"exec/{id}/start"
    await take_over(await session.engine.address(), exchange, path, json.dumps(wanted).encode(), tty)


async def remove_all(session: Session) -> None:
    """Remove what the build left running."""
    wanted = [f"{name}={value}" for name, value in session.labels.items()]
    query = urlencode({"all": "1", "filters": json.dumps({"label": wanted})})
    found = await session.engine.json("GET", f"containers/json?{query}")

    async def gone(container: str) -> None:
        with contextlib.suppress(Refused):
            await session.engine.json("POST", f"containers/{container}/kill")
        await _discard(session, container)

    await asyncio.gather(*(gone(each["Id"]) for each in found))


async def _own(session: Session, name: str) -> dict[str, Any]:
    """What the engine shows of a container of this build, by name or id. Raises `Refusal` 404."""
    if not is_container_name(name):
        raise Refusal(404, f"No such container: {name}")
    for each in (session.names.container_prefix + name, name):
        with contextlib.suppress(Refused):
            shown: dict[str, Any] = await session.engine.json("GET", f"containers/{each}/json")
            if (shown["Config"].get("Labels") or {}).get(BUILD_LABEL) == session.build_id:
                return shown
    raise Refusal(404, f"No such container: {name}")


async def _own_exec(session: Session, id: str) -> dict[str, Any]:
    if not is_container_name(id):
        raise Refusal(404, f"No such exec instance: {id}")
    try:
        shown: dict[str, Any] = await session.engine.json("GET", f"exec/{id}/json")
        await _own(session, shown["ContainerID"])
    except (Refused, Refusal):
        raise Refusal(404, f"No such exec instance: {id}") from None
    return shown


def _goes_with_its_end(shown: dict[str, Any]) -> bool:
    return _AUTO_REMOVE in (shown["Config"].get("Labels") or {})


async def _discard(session: Session, container: str) -> None:
    with contextlib.suppress(Refused):  # removed by another request meanwhile
        await session.engine.json("DELETE", f"containers/{container}?force=1&v=1")


def _check(host: dict[str, Any]) -> None:
    for option in _FORBIDDEN:
        value = host.get(option)
        if value and value not in _HARMLESS.get(option, ()):
            raise Refusal(
                403,
                f"A build's container cannot have {option}: Neargate runs it with the build's own privileges.",
            )

    for option in ("MaskedPaths", "ReadonlyPaths"):
        if host.get(option) is not None:  # an empty list lays the machine's /proc open
            raise Refusal(403, f"A build's container cannot set {option}.")
    log = host.get("LogConfig") or {}
    _require_spelling(log, ("Config",))
    if log.get("Config"):
        raise Refusal(
            403, "A build's container cannot set options of its log: they name files of the machine."
        )


def _require_spelling(given: Any, members: Iterable[str]) -> None:
    """Raises `Refusal` for a member in other than Docker's spelling: engines read JSON's names in any case, so what is
    not spelled as it is checked would pass unchecked."""
    if not isinstance(given, dict):
        raise Refusal(400, "a JSON object is wanted")
    spelled = {member.casefold(): member for member in members}
    for name in given:
        known = spelled.get(name.casefold(), name)
        if known != name:
            raise Refusal(
                400, f"Neargate's engine socket takes {known} only in this spelling, not as {name}."
            )


def _check_volumes(volumes: dict[str, Any]) -> None:
    """Anonymous volumes only: Podman reads a key as `docker run --volume` does, `/etc:/host` as a bind mount."""
    for path in volumes:
        if ":" in path:
            raise Refusal(403, f"A build's container cannot have the volume {path}: only a path of its own.")


async def _network(session: Session, wanted: str, published: bool) -> str:
    """The machine's network, as builds have it, unless ports are to be published: that takes a bridge."""
    if wanted.startswith("container:"):
        shown = await _own(session, wanted.removeprefix("container:"))
        return f"container:{shown['Id']}"
    if wanted not in _NETWORKS:
        raise Refusal(403, f"A build's container cannot use the network {wanted}.")
    return "host" if wanted in {"", "default", "bridge"} and not published else wanted
