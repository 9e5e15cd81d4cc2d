"""A build context on its way to the engine: a tar stream in which one file may be rewritten as it passes."""

from __future__ import annotations

import tarfile
from collections.abc import AsyncGenerator, AsyncIterator, Callable

_BLOCK = 512
_LARGEST_DOCKERFILE = 1 << 20


async def rewrite_file(
    chunks: AsyncIterator[bytes], path: str, rewrite: Callable[[bytes], bytes]
) -> AsyncGenerator[bytes, None]:
    """The stream with the content of the regular file `path` replaced.

    Everything else passes byte by byte; so does a stream that is no plain tar (a compressed one), and a file
    of that name that is larger than a Dockerfile can be.
    """
    reader = _Blocks(chunks)
    while len(header := await reader.take(_BLOCK)) == _BLOCK:
        try:
            entry = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
        except tarfile.HeaderError:  # the end, or no tar
            yield header
            break
        padded = -(-entry.size // _BLOCK) * _BLOCK
        wanted = entry.isreg() and _same(entry.name, path) and entry.size <= _LARGEST_DOCKERFILE
        if wanted:
            content = (await reader.take(padded))[: entry.size]
            changed = rewrite(content)
            yield header if len(changed) == len(content) else _with_size(header, len(changed))
            yield changed + b"\0" * (-len(changed) % _BLOCK)
            continue
        yield header
        async for piece in reader.pass_on(padded):
            yield piece
    else:
        yield header
    async for piece in reader.rest():
        yield piece


class _Blocks:
    """Reads exact numbers of bytes from chunks of any size."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._pending = bytearray()

    async def take(self, size: int) -> bytes:
        """`size` bytes, fewer only at the end."""
        while len(self._pending) < size:
            chunk = await anext(self._chunks, b"")
            if not chunk:
                break
            self._pending += chunk
        taken = bytes(self._pending[:size])
        del self._pending[:size]
        return taken

    async def pass_on(self, size: int) -> AsyncGenerator[bytes, None]:
        while size > 0:
            piece = await self.take(min(size, max(len(self._pending), _BLOCK)))
            if not piece:
                return
            size -= len(piece)
            yield piece

    async def rest(self) -> AsyncGenerator[bytes, None]:
        if self._pending:
            yield bytes(self._pending)
            self._pending.clear()
        async for chunk in self._chunks:
            yield chunk


def _same(name: str, path: str) -> bool:
    return name.removeprefix("./") == path.removeprefix("./")


def _with_size(header: bytes, size: int) -> bytes:
    """The header with another size: its octal field and the checksum over the whole."""
    changed = bytearray(header)
    changed[124:136] = b"%011o\0" % size
    changed[148:156] = b" " * 8
    changed[148:156] = b"%06o\0 " % sum(changed)
    return bytes(changed)
