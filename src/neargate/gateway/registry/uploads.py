"""Blobs on their way in. Sessions live in memory: after a restart a client begins its upload again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from neargate.gateway.registry.errors import RegistryError
from neargate.model.ports import Clock, Ids
from neargate.model.records import Blob
from neargate.store.blobs import BlobDirectory, Spool

_WRITE_ABOVE = 1 << 20  # bytes gathered before the disk is bothered
_ABANDONED_AFTER = 3600.0  # s


class Upload:
    """One session: bytes are appended in order, then it is finished once."""

    def __init__(self, id: str, repository: str, spool: Spool, now: float) -> None:
        self.id = id
        self.repository = repository
        self.touched = now
        self._spool = spool
        self._busy = asyncio.Lock()

    @property
    def size(self) -> int:
        return self._spool.size

    async def append(self, chunks: AsyncIterator[bytes], start: int | None = None) -> None:
        """Write what arrives. `start`, where the client says it, must be where the last piece ended."""
        async with self._busy:
            if start is not None and start != self.size:
                raise RegistryError(
                    416,
                    "BLOB_UPLOAD_INVALID",
                    f"The piece begins at byte {start}; {self.size} bytes have been received.",
                    (("Range", f"0-{max(self.size - 1, 0)}"),),
                )
            gathered = bytearray()
            async for chunk in chunks:
                gathered += chunk
                if len(gathered) >= _WRITE_ABOVE:
                    await asyncio.to_thread(self._spool.write, bytes(gathered))
                    gathered.clear()
            if gathered:
                self._spool.write(bytes(gathered))

    async def finish(self, digest: str) -> Blob:
        """The content as a blob. Raises DIGEST_INVALID where it is not what the client says."""
        async with self._busy:
            blob = await asyncio.to_thread(self._spool.finish)
        if digest != f"sha256:{blob.sha256}":
            raise RegistryError(
                400, "DIGEST_INVALID", f"provided digest did not match uploaded content: sha256:{blob.sha256}"
            )
        return blob

    def discard(self) -> None:
        self._spool.discard()


class Uploads:
    """The open sessions."""

    def __init__(self, blobs: BlobDirectory, clock: Clock, ids: Ids) -> None:
        self._blobs = blobs
        self._clock = clock
        self._ids = ids
        self._open: dict[str, Upload] = {}

    def begin(self, repository: str) -> Upload:
        """A new session for a repository (its key). Sessions that nobody touched for an hour end here."""
        now = self._clock.now()
        for old in [each for each in self._open.values() if each.touched < now - _ABANDONED_AFTER]:
            self.end(old).discard()
        upload = Upload(self._ids.uuid(), repository, self._blobs.spool(), now)
        self._open[upload.id] = upload
        return upload

    def get(self, repository: str, id: str) -> Upload:
        """Raises BLOB_UPLOAD_UNKNOWN."""
        upload = self._open.get(id)
        if upload is None or upload.repository != repository:
            raise RegistryError(404, "BLOB_UPLOAD_UNKNOWN", f"The upload {id} does not exist.")
        upload.touched = self._clock.now()
        return upload

    def end(self, upload: Upload) -> Upload:
        """Forget the session; its content is finished or to be discarded."""
        self._open.pop(upload.id, None)
        return upload

    def close(self) -> None:
        for upload in self._open.values():
            upload.discard()
        self._open.clear()
