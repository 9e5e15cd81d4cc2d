"""The data directory: one server at a time, an identity of its own, and where everything in it lies."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class DataDirectoryInUse(Exception):
    """Another server works in it; the message says which."""


def default_directory(environ: Mapping[str, str] | None = None) -> Path:
    """NEARGATE_DATA, else `neargate/cloud` in the user's data directory."""
    environ = os.environ if environ is None else environ
    if explicit := environ.get("NEARGATE_DATA"):
        return Path(explicit).expanduser().absolute()
    data = environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(data).expanduser().absolute() / "neargate" / "cloud"


class DataDirectory:
    """Paths below one root. `claim` holds it for this process until it ends."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._lock: int | None = None

    @property
    def database(self) -> Path:
        return self.root / "neargate.db"

    @property
    def blobs(self) -> Path:
        return self.root / "blobs"

    @property
    def repositories(self) -> Path:
        return self.root / "git"

    @property
    def builds(self) -> Path:
        return self.root / "builds"

    @property
    def volumes(self) -> Path:
        return self.root / "volumes"

    @property
    def balancer(self) -> Path:
        return self.root / "balancer"

    @property
    def certificates(self) -> Path:
        return self.root / "certificates"

    @property
    def file_systems(self) -> Path:
        """EFS's, for good; a directory for each."""
        return self.root / "efs"

    @property
    def log(self) -> Path:
        return self.root / "neargate.log"

    @property
    def _server(self) -> Path:
        return self.root / "server.json"

    def claim(self) -> None:
        """Take the directory for this process. Raises DataDirectoryInUse, OSError."""
        self.root.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            running = self.running()
            who = f" (process {running['pid']}, {running['address']})" if running else ""
            raise DataDirectoryInUse(
                f"Another Neargate server works in {self.root}{who}. Stop it with `neargate stop`, or start this one "
                "with another --data directory."
            ) from None
        self._lock = lock

    def release(self) -> None:
        self._server.unlink(missing_ok=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def owner(self) -> str:
        """The identity that labels everything of this directory in the engine: 12 hex digits, made once."""
        path = self.root / "owner"
        try:
            return path.read_text().strip()
        except FileNotFoundError:
            self.root.mkdir(parents=True, exist_ok=True)
            owner = secrets.token_hex(6)
            temporary = path.with_suffix(".new")
            temporary.write_text(owner + "\n")
            temporary.rename(path)
            return owner

    def announce(self, address: str) -> None:
        """Say where the server of this directory answers."""
        text = json.dumps({"pid": os.getpid(), "address": address})
        temporary = self._server.with_suffix(".new")
        temporary.write_text(text)
        temporary.rename(self._server)

    def running(self) -> dict[str, Any] | None:
        """`{pid, address}` of the server that works here, None where none does."""
        try:
            said: dict[str, Any] = json.loads(self._server.read_text())
            os.kill(said["pid"], 0)
        except (FileNotFoundError, ProcessLookupError, ValueError, KeyError):
            return None
        except PermissionError:
            return said
        return said
