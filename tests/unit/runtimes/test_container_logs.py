"""Lines out of conmon's file and the API's frames."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neargate.model.runtime import LogBatch, LogLine
from neargate.runtimes.container_logs import LONGEST_LINE, ConmonLog, Position, Stamps, follow_file
from neargate.runtimes.file_watch import FileWatch

SECOND = b"2026-11-23T10:11:13"
EPOCH = 1_795_428_673 * 1_000_000_000


def entry(nanos: int, stream: bytes, tag: bytes, text: bytes) -> bytes:
    return b"%s.%09d+00:00 %s %s %s\n" % (SECOND, nanos, stream, tag, text)


def lines(data: bytes) -> list[LogLine]:
    log = ConmonLog()
    return [*log.feed(data), *log.finish()]


def test_neighbours_with_one_timestamp_get_their_own() -> None:
    data = b"".join(entry(5, b"stdout", b"F", text) for text in (b"a", b"", b"c"))
    assert lines(data) == [LogLine("stdout", EPOCH + 5 + n, text) for n, text in enumerate(("a", "", "c"))]


def test_the_pieces_of_a_line_are_joined_per_stream() -> None:
    data = (
        entry(1, b"stdout", b"P", b"one ")
        + entry(2, b"stderr", b"F", b"other")
        + entry(3, b"stdout", b"F", b"line")
        + entry(4, b"stdout", b"P", b"no end")
    )
    assert lines(data) == [
        LogLine("stderr", EPOCH + 2, "other"),
        LogLine("stdout", EPOCH + 3, "one line"),
        LogLine("stdout", EPOCH + 4, "no end"),
    ]


def test_a_line_without_end_is_cut() -> None:
    piece = b"x" * 8192
    data = b"".join(entry(n, b"stdout", b"P", piece) for n in range(LONGEST_LINE // 8192 + 1))
    assert [len(line.text) for line in lines(data)] == [LONGEST_LINE, 8192]


def test_bytes_that_are_no_text_are_replaced() -> None:
    assert lines(entry(1, b"stdout", b"F", b"\xff\xfe ok"))[0].text == "\ufffd\ufffd ok"


@given(st.lists(st.integers(0, 3), min_size=1, max_size=30), st.data())
def test_a_file_read_in_any_portions_gives_the_same_lines(nanos: list[int], data: st.DataObject) -> None:
    whole = b"".join(entry(each, b"stdout", b"F", b"line %d" % n) for n, each in enumerate(sorted(nanos)))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=5)))
    log = ConmonLog()
    portions = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert [line for portion in portions for line in log.feed(portion)] == lines(whole)


@given(st.lists(st.integers(1, 50), max_size=50))
def test_stamps_rise_and_never_run_ahead_more_than_they_must(times: list[int]) -> None:
    stamps = Stamps()
    given_out = [stamps.next(each) for each in times]
    assert all(a < b for a, b in pairwise(given_out))
    assert all(stamp >= time for stamp, time in zip(given_out, times, strict=True))


_PIECES = st.lists(
    st.tuples(st.sampled_from([b"stdout", b"stderr"]), st.sampled_from([b"F", b"P"]), st.integers(0, 3)),
    min_size=1,
    max_size=30,
)


@given(_PIECES, st.data())
def test_a_reader_that_starts_at_any_position_meets_the_rest(
    pieces: list[tuple[bytes, bytes, int]], data: st.DataObject
) -> None:
    times = sorted(time for _, _, time in pieces)
    whole = b"".join(
        entry(time, stream, tag, b"%d" % n)
        for n, ((stream, tag, _), time) in enumerate(zip(pieces, times, strict=True))
    )
    everything = lines(whole)
    log = ConmonLog()
    cut = data.draw(st.integers(0, len(whole)))
    before = log.feed(whole[:cut])
    last = before[-1].timestamp if before else -1
    start = log.origin
    anew = ConmonLog(start.offset, start.stamp)
    after = [*anew.feed(whole[start.offset :]), *anew.finish()]
    assert before + [line for line in after if line.timestamp > last] == everything


@pytest.mark.anyio
async def test_a_file_is_read_from_a_batchs_position_or_from_behind_a_line(tmp_path: Path) -> None:
    path = tmp_path / "ctr.log"
    path.write_bytes(b"".join(entry(7, b"stdout", b"F", b"%d" % n) for n in range(5)))
    (batch,) = await _batches(path)
    assert [line.text for line in batch.lines] == ["0", "1", "2", "3", "4"]
    with path.open("ab") as file:
        file.write(entry(7, b"stdout", b"F", b"5"))
    assert [line.text for one in await _batches(path, batch.position) for line in one.lines] == ["5"]
    third = batch.behind(batch.lines[2].timestamp)
    assert [line.text for one in await _batches(path, third) for line in one.lines] == ["3", "4", "5"]
    path.write_bytes(entry(90, b"stdout", b"F", b"a new file"))
    assert [line.text for one in await _batches(path, batch.position) for line in one.lines] == ["a new file"]


async def _batches(path: Path, after: str = "") -> list[LogBatch]:
    ended, watch = asyncio.Event(), FileWatch()
    ended.set()
    try:
        async with aclosing(follow_file(path, ended, watch, Position.read(after))) as batches:
            return [batch async for batch in batches]
    finally:
        watch.close()


def test_a_position_that_nobody_gave_out_is_refused() -> None:
    with pytest.raises(ValueError, match="is no position"):
        Position.read("12@x")
