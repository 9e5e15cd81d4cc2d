"""Lines out of what engines keep of a container's output: conmon's log file, and the Engine API's frames.

Engines stamp what they read, not lines, so neighbours may share a timestamp (and Podman 4.3's API only gives
whole seconds). `Stamps` makes them unique by a rule that depends on nothing but the order of the lines, so
that a reader who starts over meets the same timestamps again. A position remembers where in the file to start
over, and the stamp that was given out last there.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import struct
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import attrs

from neargate.model.runtime import LogBatch, LogLine, Stream
from neargate.runtimes.file_watch import FileWatch
from neargate.runtimes.payloads import nanoseconds

if TYPE_CHECKING:
    import aiohttp

LONGEST_LINE = 256 * 1024
"""CloudWatch Logs' driver takes no longer line; longer ones are cut."""

_READ = 256 * 1024
_FRAME = struct.Struct(">BxxxL")
_POSITION = re.compile(r"(-?\d+)(?:@(\d+):(\d+))?\Z", re.ASCII)


@attrs.frozen
class Position:
    """Behind the line stamped `last`. In a file, reading starts at `offset`, where `stamp` was given out last."""

    last: int = -1
    offset: int = 0
    stamp: int = 0

    @classmethod
    def read(cls, text: str) -> Position:
        """Of no text, the beginning. Raises ValueError for one that no batch gave out."""
        if not text:
            return cls()
        found = _POSITION.match(text)
        if found is None:
            raise ValueError(f"{text!r} is no position in a container's output")
        return cls(int(found[1]), int(found[2] or 0), int(found[3] or 0))

    @property
    def origin(self) -> str:
        """The part of its text that is not about the last line."""
        return f"@{self.offset}:{self.stamp}"


class Stamps:
    """Gives every line a timestamp of its own: its own where that is later than the one before, else one ns more."""

    def __init__(self, last: int = 0) -> None:
        self.last = last

    def next(self, timestamp: int) -> int:
        self.last = max(timestamp, self.last + 1)
        return self.last


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

    def __init__(self, last: int = 0) -> None:
        self.stamps = Stamps(last)
        self._unfinished: dict[Stream, _Unfinished] = {"stdout": _Unfinished(), "stderr": _Unfinished()}

    @property
    def empty(self) -> bool:
        """Whether no line is unfinished."""
        return not any(line.pieces for line in self._unfinished.values())

    def add(self, stream: Stream, timestamp: int, piece: bytes, *, ends: bool) -> LogLine | None:
        """Take in one piece; gives the line that it ends, or that has become too long."""
        line = self._unfinished[stream]
        if ends and not line.pieces:
            return LogLine(stream, self.stamps.next(timestamp), piece.decode(errors="replace"))
        line.add(timestamp, piece)
        if ends or line.size >= LONGEST_LINE:
            return LogLine(stream, self.stamps.next(timestamp), line.take())
        return None

    def finish(self) -> Iterator[LogLine]:
        """The last lines, which have no end."""
        for stream, line in sorted(self._unfinished.items(), key=lambda item: item[1].timestamp):
            if line.size:
                yield LogLine(stream, self.stamps.next(line.timestamp), line.take())


class ConmonLog:
    """conmon's `k8s-file` format: `TIME STREAM F|P TEXT`, P for a piece that the line goes on after."""

    _ENTRY = re.compile(rb"^(\S+) (stdout|stderr) ([FP]) ?(.*)$", re.MULTILINE)

    def __init__(self, offset: int = 0, stamp: int = 0) -> None:
        self._lines = LineAssembler(stamp)
        self._rest = b""
        self._offset = offset  # of the first byte of the rest
        self._anew = Position(offset=offset, stamp=stamp)
        self._time = b""
        self._second = b""
        self._whole = self._nanos = 0

    def feed(self, data: bytes) -> list[LogLine]:
        """The lines that end in this stretch of the file."""
        whole, newline, rest = data.rpartition(b"\n")
        if not newline:
            self._rest += data
            return []
        entries, self._rest = self._rest + whole, rest
        found: list[LogLine] = []
        lines = self._lines
        for entry in self._ENTRY.finditer(entries):
            time, name, tag, text = entry.groups()
            if time != self._time:
                self._time, self._nanos = time, self._nanoseconds(time)
            if tag == b"P" and lines.empty:
                self._anew = Position(offset=self._offset + entry.start(), stamp=lines.stamps.last)
            stream: Stream = "stdout" if name == b"stdout" else "stderr"
            line = lines.add(stream, self._nanos, text, ends=tag == b"F")
            if line is not None:
                found.append(line)
        self._offset += len(entries) + 1
        return found

    def finish(self) -> list[LogLine]:
        """What remains once the container has exited."""
        return list(self._lines.finish())

    @property
    def origin(self) -> Position:
        """Where a reader has to begin to meet all lines that have not ended yet."""
        if self._lines.empty:
            return Position(offset=self._offset, stamp=self._lines.stamps.last)
        return self._anew

    def _nanoseconds(self, time: bytes) -> int:
        """Parse, remembering the second: neighbours mostly share it."""
        if time[:19] != self._second:
            self._second = time[:19]
            self._whole = nanoseconds((time[:19] + time[-6:]).decode()) or 0
        return self._whole + int(time[20:29])


async def follow_file(
    path: Path, ended: asyncio.Event, watch: FileWatch, after: Position
) -> AsyncGenerator[LogBatch, None]:
    """The lines of conmon's file behind a position, and what is added, until `ended` is set and all is read."""
    with _opened(path) as file:
        if after.offset > os.fstat(file.fileno()).st_size:  # another file than the one it was taken from
            after = Position(after.last)
        file.seek(after.offset)
        log = ConmonLog(after.offset, after.stamp)
        over = False
        while not over:
            over = ended.is_set()
            while data := file.read(_READ):
                before = log.origin
                batch = _batch(log.feed(data), after, before, log)
                if batch is not None:
                    yield batch
                await asyncio.sleep(0)
            if not over:
                await _more(path, file, ended, watch)
        before = log.origin
        batch = _batch(log.finish(), after, before, log)
        if batch is not None:
            yield batch


def _batch(lines: list[LogLine], after: Position, before: Position, log: ConmonLog) -> LogBatch | None:
    """What of the lines has not been seen; `before` is where they begin."""
    if lines and lines[0].timestamp <= after.last:
        lines = [line for line in lines if line.timestamp > after.last]
    if not lines:
        return None
    return LogBatch(lines, f"{lines[-1].timestamp}{log.origin.origin}", before.origin)


async def _more(path: Path, file: BinaryIO, ended: asyncio.Event, watch: FileWatch) -> None:
    """Returns when the file has grown, or is complete. It is watched only meanwhile: not every write wakes the loop."""
    grown = asyncio.Event()
    with watch.watching(path, lambda _: grown.set()):
        if os.fstat(file.fileno()).st_size == file.tell():
            await _either(grown, ended)


def _opened(path: Path) -> BinaryIO:
    return open(path, "rb")


async def _either(one: asyncio.Event, other: asyncio.Event) -> None:
    """Returns when either is set."""
    waits = [asyncio.ensure_future(each.wait()) for each in (one, other)]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waits:
            each.cancel()


async def frames(response: aiohttp.ClientResponse) -> AsyncGenerator[tuple[Stream, bytes], None]:
    """The frames of an Engine API stream: which stream, and the bytes.

    Raises `ConnectionError` where the engine breaks off inside or between frames without ending the answer.
    """
    async with contextlib.aclosing(_bursts(response)) as bursts:
        async for burst in bursts:
            for frame in burst:
                yield frame


async def _bursts(response: aiohttp.ClientResponse) -> AsyncGenerator[list[tuple[Stream, bytes]], None]:
    """The frames that came together."""
    import aiohttp

    pending = bytearray()
    try:
        async for chunk in response.content.iter_any():
            pending += chunk
            position = 0
            burst: list[tuple[Stream, bytes]] = []
            while len(pending) - position >= _FRAME.size:
                kind, length = _FRAME.unpack_from(pending, position)
                begin = position + _FRAME.size
                if len(pending) < begin + length:
                    break
                burst.append(("stderr" if kind == 2 else "stdout", bytes(pending[begin : begin + length])))
                position = begin + length
            del pending[:position]
            if burst:
                yield burst
    except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError) as error:
        raise ConnectionError(str(error)) from error


async def lines_of_frames(response: aiohttp.ClientResponse) -> AsyncGenerator[list[LogLine], None]:
    """The lines of `GET /containers/ID/logs?timestamps=1` as they come. Raises `ConnectionError` as `frames` does."""
    lines = LineAssembler()
    async with contextlib.aclosing(_bursts(response)) as bursts:
        async for burst in bursts:
            found = []
            for stream, data in burst:
                for piece in data.splitlines(keepends=True):
                    line = lines.add(stream, *_stamped(piece), ends=piece.endswith(b"\n"))
                    if line is not None:
                        found.append(line)
            if found:
                yield found
    last = list(lines.finish())
    if last:
        yield last


def _stamped(piece: bytes) -> tuple[int, bytes]:
    """The time and the text of a piece of a line."""
    time, _, text = piece.partition(b" ")
    stamp = nanoseconds(time.decode(errors="replace"))
    if stamp is None:  # an empty line may lack the blank, and nothing else lacks a time
        stamp = nanoseconds(time.strip().decode(errors="replace")) or 0
    return stamp, text.rstrip(b"\r\n") if piece.endswith(b"\n") else text
