"""Content-addressed files: `sha256/ab/abcd…` under one directory, and `incoming/` for what is being written.

A blob that was handed out lies on the disk, synced, under its final name: content is written to `incoming/`,
synced, renamed. What a crash leaves in `incoming/` is removed at the next start. Every method may be called from
any thread; one process owns the directory.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO

from neargate.model.records import Blob

_CHUNK = 1 << 20


class BlobMissing(LookupError):
    """A record names content that the directory does not hold; the message says which and where."""


class BlobDirectory:
    """`model.records.Blobs` in a directory, which is created where it is missing."""

    def __init__(self, directory: Path) -> None:
        self._content = directory / "sha256"
        self._incoming = directory / "incoming"
        self._naming = threading.Lock()
        self._content.mkdir(parents=True, exist_ok=True)
        self._incoming.mkdir(exist_ok=True)
        for abandoned in self._incoming.iterdir():
            abandoned.unlink()

    def put(self, data: bytes) -> Blob:
        """Keep `data`. The same content is kept once."""
        with self.spool() as spool:
            spool.write(data)
            return spool.finish()

    def spool(self) -> Spool:
        """Begin to write content that arrives in pieces."""
        return Spool(self)

    def join(self, blobs: Sequence[Blob]) -> Blob:
        """One blob of the content of several, in order, in bounded memory. Raises BlobMissing."""
        with self.spool() as spool:
            for blob in blobs:
                with self._open(blob) as source:
                    while chunk := source.read(_CHUNK):
                        spool.write(chunk)
            return spool.finish()

    def read(self, blob: Blob, start: int = 0, end: int | None = None) -> bytes:
        """The bytes from `start` up to, not including, `end` (None: the end). Raises BlobMissing."""
        with self._open(blob) as source:
            source.seek(start)
            return source.read() if end is None else source.read(max(0, end - start))

    def path(self, blob: Blob) -> str:
        """Where the content lies (or would lie); readers must not write there."""
        return str(self._place(blob.sha256))

    def holds(self, blob: Blob) -> bool:
        return self._place(blob.sha256).exists()

    def delete(self, blob: Blob) -> bool:
        """Forget the content; False where it was not held. Who has it open can read on."""
        try:
            self._place(blob.sha256).unlink()
        except FileNotFoundError:
            return False
        return True

    def collect(self, live: set[str], *, grace: float = 3600.0) -> int:
        """Delete every blob whose SHA-256 is not in `live` and that nobody stored in the last `grace` seconds.

        The grace protects content that was spooled and whose record is not written yet, so it must be longer
        than any request takes. Returns how many were deleted.
        """
        deleted = 0
        before = time.time() - grace
        for shelf in self._content.iterdir():
            for file in shelf.iterdir():
                if file.name in live:
                    continue
                with self._naming:
                    if file.stat().st_mtime <= before:
                        file.unlink()
                        deleted += 1
        return deleted

    # ------------------------------------------------------------------------------------------------------

    def _place(self, sha256: str) -> Path:
        return self._content / sha256[:2] / sha256

    def _open(self, blob: Blob) -> IO[bytes]:
        place = self._place(blob.sha256)
        try:
            return place.open("rb")
        except FileNotFoundError:
            raise BlobMissing(f"blob {blob.sha256} is missing from {self._content}") from None

    def _begin(self) -> tuple[int, Path]:
        descriptor, name = tempfile.mkstemp(dir=self._incoming)
        return descriptor, Path(name)

    def _adopt(self, written: Path, sha256: str) -> None:
        """Give a synced file its final name; content that is already there stays and counts as fresh."""
        place = self._place(sha256)
        with self._naming:
            if place.exists():
                os.utime(place)
                written.unlink()
                return
            if not place.parent.exists():
                place.parent.mkdir(exist_ok=True)
                _sync_directory(self._content)
            written.rename(place)
        _sync_directory(place.parent)


class Spool:
    """Content on its way into the store: `write` pieces, then `finish`. As a context manager it discards what
    was not finished."""

    def __init__(self, directory: BlobDirectory) -> None:
        self._directory = directory
        self._sha256 = hashlib.sha256()
        self._md5 = hashlib.md5(usedforsecurity=False)
        descriptor, self._path = directory._begin()
        self._file = os.fdopen(descriptor, "wb")
        self.size = 0

    def write(self, chunk: bytes) -> None:
        self._file.write(chunk)
        self._sha256.update(chunk)
        self._md5.update(chunk)
        self.size += len(chunk)

    def finish(self) -> Blob:
        """The content as a blob; it is on the disk when this returns. Call it once."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        blob = Blob(self._sha256.hexdigest(), self.size, self._md5.hexdigest())
        self._directory._adopt(self._path, blob.sha256)
        return blob

    def discard(self) -> None:
        """Forget what was written. Does nothing after `finish`."""
        if not self._file.closed:
            self._file.close()
            with contextlib.suppress(FileNotFoundError):
                self._path.unlink()

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.discard()


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
