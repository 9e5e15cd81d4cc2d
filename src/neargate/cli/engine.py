"""What the command line itself asks of a container engine: does it answer, which images does it have.

The server finds and runs the engine. This looks without touching, for `doctor` and for what `up` needs before a
delivery; the places are those of DESIGN.md section 5.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import attrs

BASE_IMAGES = {
    "python:3.12-slim": "what most Dockerfiles of Python services start from",
    "neargate/codebuild:1": "stands in for the aws/codebuild images",
}
"""What `python -m neargate.runtimes.base_images` makes."""

PRIVATE_PACKAGES = "podman runc netavark aardvark-dns catatonit"

_SECONDS = 2.0


@attrs.frozen
class Engine:
    """An engine that answers. `private` is the one that Neargate runs for itself."""

    url: str
    name: str
    private: bool = False

    def has_image(self, reference: str) -> bool:
        return _get(self.url, f"/images/{quote(reference, safe='')}/json") is not None


def engine_directory(environ: Mapping[str, str]) -> Path:
    """Where Neargate's private engine lives."""
    if explicit := environ.get("NEARGATE_ENGINE_DIR"):
        return Path(explicit).expanduser().absolute()
    base = environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser().absolute() / "neargate" / "engine"


def urls(environ: Mapping[str, str]) -> Iterator[tuple[str, bool]]:
    """Where an engine may listen, best first, and whether that is the private one."""
    explicit = environ.get("NEARGATE_ENGINE") or environ.get("DOCKER_HOST")
    if explicit and explicit != "private":
        yield (f"unix://{explicit}" if explicit.startswith("/") else explicit), False
        return
    if explicit != "private":
        yield "unix:///var/run/docker.sock", False
        yield "unix:///run/podman/podman.sock", False
        if runtime := environ.get("XDG_RUNTIME_DIR"):
            yield f"unix://{runtime}/docker.sock", False
            yield f"unix://{runtime}/podman/podman.sock", False
        if home := environ.get("HOME"):
            yield f"unix://{home}/.docker/run/docker.sock", False
    yield f"unix://{engine_directory(environ)}/podman.sock", True


def find(environ: Mapping[str, str] | None = None) -> Engine | None:
    """The engine that answers, None where none does now."""
    for url, private in urls(os.environ if environ is None else environ):
        version = _get(url, "/version")
        if version is not None:
            components = version.get("Components") or [{}]
            name = components[0].get("Name", "Docker").removesuffix(" Engine")
            return Engine(url, f"{name} {version.get('Version', '')}".strip(), private)
    return None


def missing_images(engine: Engine) -> list[str]:
    return [name for name in BASE_IMAGES if not engine.has_image(name)]


def make_base_images(engine: Engine) -> bool:
    """Make those that are missing; it says what it does. False where it failed, and said why."""
    command = [sys.executable, "-m", "neargate.runtimes.base_images"]
    environment = {**os.environ, "NEARGATE_ENGINE": engine.url}
    return subprocess.run(command, check=False, stdin=subprocess.DEVNULL, env=environment).returncode == 0


def waiting_sentence(engine: Mapping[str, Any]) -> str:
    """Why health's engine is not ready, and how to get one."""
    reason = str(engine.get("reason") or "No container engine answers.")
    return f"{reason} {engine.get('how_to_fix') or ''}".strip()


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("engine", timeout=_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _get(url: str, path: str) -> dict[str, Any] | None:
    """A JSON answer of the Engine API; None where nothing answers so, or not with 200."""
    parts = urlsplit(url)
    connection: http.client.HTTPConnection
    if parts.scheme == "unix":
        connection = _UnixConnection(parts.path)
    elif parts.scheme in ("tcp", "http"):
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 2375, timeout=_SECONDS)
    else:
        return None  # TLS and SSH: only the server's own client speaks these
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        answer = json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
    return answer if response.status == 200 and isinstance(answer, dict) else None
