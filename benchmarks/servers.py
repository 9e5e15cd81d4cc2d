"""The servers under measurement, each started by its own command and ended by its own process id."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HOST = "127.0.0.1"
MINISTACK = "ministack==1.5.33"
MINISTACK_VENV = Path(__file__).parent.parent / ".venv-bench"

_ANSWERS_WITHIN = 30.0
_READY_WITHIN = 60.0
_ENDS_WITHIN = 20.0


@dataclass(frozen=True)
class Running:
    """A server that answers, or will in a moment: the process, its port, and when it was started."""

    name: str
    pid: int
    port: int
    started: float
    """On the clock of time.perf_counter."""

    def health(self) -> dict[str, Any]:
        """What Neargate says of itself."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=_ANSWERS_WITHIN)
        try:
            connection.request("GET", "/_neargate/health")
            answer: dict[str, Any] = json.loads(connection.getresponse().read())
            return answer
        finally:
            connection.close()

    def prune(self) -> None:
        """Remove what Neargate keeps in the engine and the network for its data directory, which goes with it."""
        with contextlib.suppress(RuntimeError):
            self.wait_for_engine()
        connection = http.client.HTTPConnection(HOST, self.port, timeout=_READY_WITHIN)
        try:
            connection.request("POST", "/_neargate/prune", "{}", {"Content-Type": "application/json"})
            connection.getresponse().read()
        finally:
            connection.close()

    def wait_for_engine(self) -> str:
        """The socket of the engine that Neargate found. Raises RuntimeError where there is none."""
        until = time.monotonic() + _READY_WITHIN
        while time.monotonic() < until:
            engine = self.health()["engine"]
            if engine["state"] == "ready":
                return str(engine["socket"])
            if engine["state"] == "unavailable":
                raise RuntimeError(f"{engine['reason']} {engine['how_to_fix']}")
            time.sleep(0.1)
        raise RuntimeError(f"Neargate found no engine within {_READY_WITHIN:.0f} s.")

    def resident_megabytes(self) -> float:
        """The process's resident memory, as `ps` shows it, in MB of 10⁶ bytes."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) * 1024 / 1e6


@contextlib.contextmanager
def neargate() -> Iterator[Running]:
    """`neargate start` on a new data directory. It is yielded as soon as its process exists and names its port."""
    program = Path(sys.executable).with_name("neargate")
    with tempfile.TemporaryDirectory(prefix="neargate-benchmark-") as data:
        command = [str(program), "start", "--data", data, "--port", "0"]
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if f"http://{HOST}:" not in line:
                raise RuntimeError(f"{' '.join(command)} did not start: {line}")
            port = int(line.split(f"http://{HOST}:")[1].split()[0])
            server = Running("Neargate", process.pid, port, started)
            try:
                yield server
            finally:
                server.prune()
        finally:
            _end(process)


@contextlib.contextmanager
def ministack() -> Iterator[Running]:
    """MiniStack with its defaults, quiet, on loopback, without a container engine. Installed on first use."""
    program = MINISTACK_VENV / "bin" / "ministack"
    if not program.exists():
        subprocess.run([sys.executable, "-m", "venv", str(MINISTACK_VENV)], check=True)
        pip = [str(MINISTACK_VENV / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, MINISTACK], check=True)
    port = free_port()
    environment = {
        **os.environ,
        "BIND_HOST": HOST,
        "GATEWAY_PORT": str(port),
        "LOG_LEVEL": "WARNING",
        "DOCKER_HOST": "unix:///nonexistent/engine.sock",
    }
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="ministack-benchmark-") as home:
        process = subprocess.Popen(
            [str(program)],
            env={**environment, "TMPDIR": home},
            cwd=home,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait_for_port(process, port)
            yield Running("MiniStack", process.pid, port, started)
        finally:
            _end(process)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for_port(process: subprocess.Popen[Any], port: int) -> None:
    until = time.monotonic() + _ANSWERS_WITHIN
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended with {process.returncode}.")
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), 1):
            return
        time.sleep(0.02)
    raise RuntimeError(f"{process.args!r} did not listen within {_ANSWERS_WITHIN:.0f} s.")


def _end(process: subprocess.Popen[Any]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_ENDS_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
