"""Lines out of what engines keep of a container's output: conmon's log file, and the Engine API's frames.

Engines stamp what they read, not lines, so neighbours may share a timestamp (and Podman 4.3's API only gives
whole seconds). `Stamps` makes them unique by a rule that depends on nothing but the order of the lines, so
that a reader who starts over meets the same timestamps again.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import attrs

from neargate.model.runtime import LogLine, Stream
from neargate.runtimes.file_watch import FileWatch
from neargate.runtimes.payloads import nanoseconds

if TYPE_CHECKING:
    import aiohttp

LONGEST_LINE = 256 * 1024
"""CloudWatch Logs takes no longer event; longer lines are cut."""

_READ = 256 * 1024
_FRAME = struct.Struct(">BxxxL")


class Stamps:
    """Gives every line a timestamp of its own: its own where that is later than the one before, else one ns more."""

    def __init__(self) -> None:
        self._last = 0

    def next(self, timestamp: int) -> int:
        self._last = max(timestamp, self._last + 1)
        return self._last


@attrs.define
class _Unfinished:
    """Pieces of a line that has not ended yet."""

    timestamp: int = 0
    size: int = 0
    pieces: list[bytes] = attrs.field(factory=list)

    def add(self, timestamp: int, piece: bytes) -> None:
        self.timestamp = timestamp
        self.size += len(piece)
        self.pieces.append(piece)

    def take(self) -> str:
        text = b"".join(self.pieces).decode(errors="replace")
        self.pieces, self.size = [], 0
        return text


class LineAssembler:
    """Joins the pieces of long lines, per stream. A line has the time of its last piece."""

    def __init__(self) -> None:
        self._stamps = Stamps()
        self._unfinished: dict[Stream, _Unfinished] = {"stdout": _Unfinished(), "stderr": _Unfinished()}

    def add(self, stream: Stream, timestamp: int, piece: bytes, *, ends: bool) -> Iterator[LogLine]:
        """Take in one piece; gives the line that it ends, or that has become too long."""
        line = self._unfinished[stream]
        line.add(timestamp, piece)
        if ends or line.size >= LONGEST_LINE:
            yield LogLine(stream, self._stamps.next(timestamp), line.take())

    def finish(self) -> Iterator[LogLine]:
        """The last lines, which have no end."""
        for stream, line in sorted(self._unfinished.items(), key=lambda item: item[1].timestamp):
            if line.size:
                yield LogLine(stream, self._stamps.next(line.timestamp), line.take())


class ConmonLog:
    """conmon's `k8s-file` format: `TIME STREAM F|P TEXT`, P for a piece that the line goes on after."""

    def __init__(self) -> None:
        self._lines = LineAssembler()
        self._rest = b""
        self._second = (b"", 0)

    def feed(self, data: bytes) -> Iterator[LogLine]:
        """The lines that end in this stretch of the file."""
        whole, newline, rest = data.rpartition(b"\n")
        if not newline:
            self._rest += data
            return
        entries, self._rest = (self._rest + whole).split(b"\n"), rest
        for entry in entries:
            time, _, entry = entry.partition(b" ")
            name, _, entry = entry.partition(b" ")
            tag, _, text = entry.partition(b" ")
            stream: Stream = "stderr" if name == b"stderr" else "stdout"
            yield from self._lines.add(stream, self._nanoseconds(time), text, ends=tag == b"F")

    def finish(self) -> Iterator[LogLine]:
        """What remains once the container has exited."""
        return self._lines.finish()

    def _nanoseconds(self, time: bytes) -> int:
        """Parse, remembering the second: neighbours mostly share it."""
        if time[:19] != self._second[0]:
            whole = nanoseconds((time[:19] + time[-6:]).decode()) or 0
            self._second = (time[:19], whole)
        return self._second[1] + int(time[20:29])


async def follow_file(path: Path, ended: asyncio.Event, watch: FileWatch) -> AsyncGenerator[LogLine, None]:
    """All lines of conmon's file from its beginning, and what is added, until `ended` is set and all is read."""
    log = ConmonLog()
    grown = asyncio.Event()
    with _opened(path) as file, watch.watching(path, lambda _: grown.set()):
        while True:
            over = ended.is_set()
            grown.clear()
            async for line in _read_to_end(file, log):
                yield line
            if over:
                break
            await _either(grown, ended)
    for line in log.finish():
        yield line


def _opened(path: Path) -> BinaryIO:
    return open(path, "rb")


async def _read_to_end(file: BinaryIO, log: ConmonLog) -> AsyncGenerator[LogLine, None]:
    while data := file.read(_READ):
        for line in log.feed(data):
            yield line
        await asyncio.sleep(0)


async def _either(one: asyncio.Event, other: asyncio.Event) -> None:
    """Returns when either is set."""
    waits = [asyncio.ensure_future(each.wait()) for each in (one, other)]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waits:
            each.cancel()


async def frames(
    response: aiohttp.ClientResponse,
) -> AsyncGenerator[tuple[Stream, bytes], None]:
    """The frames of an Engine API stream: which stream, and the bytes.

    Raises `ConnectionError` where the engine breaks off inside or between frames without ending the answer.
    """
    import aiohttp

    pending = bytearray()
    try:
        async for chunk in response.content.iter_any():
            pending += chunk
            while len(pending) >= _FRAME.size:
                kind, length = _FRAME.unpack_from(pending)
                if len(pending) < _FRAME.size + length:
                    break
                yield (
                    ("stderr" if kind == 2 else "stdout"),
                    bytes(pending[_FRAME.size : _FRAME.size + length]),
                )
                del pending[: _FRAME.size + length]
    except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError) as error:
        raise ConnectionError(str(error)) from error


async def lines_of_frames(response: aiohttp.ClientResponse) -> AsyncGenerator[LogLine, None]:
    """The lines of `GET /containers/ID/logs?timestamps=1`. Raises `ConnectionError` as `frames` does."""
    lines = LineAssembler()
    async for stream, data in frames(response):
        for piece in data.splitlines(keepends=True):
            time, _, text = piece.partition(b" ")
            stamp = nanoseconds(time.decode(errors="replace"))
            if stamp is None:  # an empty line may lack the blank, and nothing else lacks a time
                stamp = nanoseconds(time.strip().decode(errors="replace")) or 0
            ends = piece.endswith(b"\n")
            for line in lines.add(stream, stamp, text.rstrip(b"\r\n") if ends else text, ends=ends):
                yield line
    for line in lines.finish():
        yield line
