"""The container engine itself: its API over its own socket, nothing in between.

What Neargate's tasks are compared with: one container of the same image and limits, created and started in a network
namespace that exists already, until its port listens.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import os
import shutil
import socket
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

IMAGE = "localhost/neargate-benchmark:2"
PORT = 3000
_BUSYBOX = Path(__file__).parent.parent / ".venv-bench" / "busybox"
_LISTENS_WITHIN = 20.0
_LOOK = 0.001  # seconds between two looks at the namespace's ports


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("engine", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Engine:
    """The engine behind a socket's path, with or without `unix://`, on one connection."""

    def __init__(self, address: str) -> None:
        self._connection = _UnixConnection(address.removeprefix("unix://"))

    def close(self) -> None:
        self._connection.close()

    def ask(self, method: str, path: str, body: Any = None, **query: str | list[str]) -> Any:
        """One call. Raises RuntimeError where the engine refuses."""
        content: bytes | None = (
            body if isinstance(body, bytes) else json.dumps(body).encode() if body else None
        )
        headers = {"Content-Type": "application/x-tar" if isinstance(body, bytes) else "application/json"}
        url = f"/v1.41/{path}" + (f"?{urlencode(query, doseq=True)}" if query else "")
        self._connection.request(method, url, content, headers)
        response = self._connection.getresponse()
        text = response.read()
        if response.status >= 400:
            raise RuntimeError(f"{method} {path}: {response.status} {text.decode(errors='replace')}")
        return json.loads(text) if text[:1] in (b"{", b"[") and text.count(b"\n") <= 1 else text

    def ensure_image(self) -> None:
        """The benchmark's image: Debian's static busybox, serving HTTP on port 3000."""
        with contextlib.suppress(RuntimeError):
            self.ask("GET", f"images/{IMAGE}/json")
            return
        command = json.dumps(["/bin/busybox", "httpd", "-f", "-p", str(PORT)])
        # A first process without a handler does not hear SIGTERM; each stop would wait for stopTimeout.
        changes = [f"CMD {command}", "STOPSIGNAL SIGKILL"]
        self.ask("POST", "images/create", _root_file_system(), fromSrc="-", repo=IMAGE, changes=changes)

    def seconds_to_listen(self, cpus: float, memory_mib: int) -> float:
        """From the create call until the container's port listens. The container is removed again."""
        with _network_namespace() as pid:
            body = _container(pid, cpus, memory_mib)
            started = time.perf_counter()
            created = self.ask("POST", "containers/create", body)["Id"]
            try:
                self.ask("POST", f"containers/{created}/start")
                _wait_until_listening(pid)
                return time.perf_counter() - started
            finally:
                self.ask("DELETE", f"containers/{created}", force="1")

    def seconds_to_start(self, cpus: float, memory_mib: int) -> float:
        """From the create call until the start is answered. The container is removed again."""
        with _network_namespace() as pid:
            started = time.perf_counter()
            created = self._start(_container(pid, cpus, memory_mib))
            seconds = time.perf_counter() - started
            self.ask("DELETE", f"containers/{created}", force="1")
            return seconds

    def seconds_to_start_many(self, address: str, count: int, cpus: float, memory_mib: int) -> float:
        """The same for so many at once, each over a connection of its own, until the last one is started."""
        with contextlib.ExitStack() as stack:
            pids = [stack.enter_context(_network_namespace()) for _ in range(count)]
            engines = [stack.enter_context(contextlib.closing(Engine(address))) for _ in range(count)]
            workers = stack.enter_context(ThreadPoolExecutor(count))
            bodies = [_container(pid, cpus, memory_mib) for pid in pids]
            started = time.perf_counter()
            created = list(
                workers.map(lambda pair: pair[0]._start(pair[1]), zip(engines, bodies, strict=True))
            )
            seconds = time.perf_counter() - started
            for each in created:
                self.ask("DELETE", f"containers/{each}", force="1")
            return seconds

    def _start(self, body: Any) -> str:
        created: str = self.ask("POST", "containers/create", body)["Id"]
        self.ask("POST", f"containers/{created}/start")
        return created


def _container(pid: int, cpus: float, memory_mib: int) -> dict[str, Any]:
    """What the engine is asked for: a container in the network namespace of a process."""
    return {
        "Image": IMAGE,
        "HostConfig": {
            "NetworkMode": f"ns:/proc/{pid}/ns/net",
            "NanoCpus": round(cpus * 1e9),
            "Memory": memory_mib << 20,
            "MemorySwap": memory_mib << 20,
        },
    }


@contextlib.contextmanager
def _network_namespace() -> Iterator[int]:
    """A process that holds a network namespace of its own."""
    process = subprocess.Popen(["unshare", "--net", "sleep", "600"])
    own = os.readlink("/proc/self/ns/net")
    try:
        while os.readlink(f"/proc/{process.pid}/ns/net") == own and process.poll() is None:
            time.sleep(_LOOK)
        yield process.pid
    finally:
        process.kill()
        process.wait()


def _wait_until_listening(pid: int) -> None:
    until = time.perf_counter() + _LISTENS_WITHIN
    while time.perf_counter() < until:
        if any(_listens(Path(f"/proc/{pid}/net/{table}")) for table in ("tcp", "tcp6")):
            return
        time.sleep(_LOOK)
    raise RuntimeError(f"Nothing listened on port {PORT} within {_LISTENS_WITHIN:.0f} s.")


def _listens(table: Path) -> bool:
    rows = (row.split() for row in table.read_text().splitlines()[1:])
    return any(row[1].endswith(f":{PORT:04X}") and row[3] == "0A" for row in rows)


def _root_file_system() -> bytes:
    """A tar with /bin/busybox and nothing else."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.add(_busybox(), "bin/busybox", filter=_executable)
    return archive.getvalue()


def _executable(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.mode, entry.uid, entry.gid = 0o755, 0, 0
    return entry


def _busybox() -> Path:
    """Debian's busybox-static, taken out of its package once; nothing is installed."""
    if _BUSYBOX.exists():
        return _BUSYBOX
    _BUSYBOX.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="neargate-benchmark-") as directory:
        subprocess.run(
            ["apt-get", "download", "--quiet", "--option=APT::Sandbox::User=root", "busybox-static"],
            cwd=directory,
            check=True,
        )
        package = next(Path(directory).glob("*.deb"))
        subprocess.run(["dpkg-deb", "--extract", str(package), directory], check=True)
        shutil.copy(next(p for p in Path(directory).glob("*bin/busybox")), _BUSYBOX)
    return _BUSYBOX
