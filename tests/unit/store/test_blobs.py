from __future__ import annotations

import hashlib
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from neargate.model.records import Blob
from neargate.store.blobs import BlobDirectory, BlobMissing


def stored(directory: Path) -> list[str]:
    return sorted(file.name for file in (directory / "sha256").glob("*/*"))


def test_content_lies_under_its_hash(tmp_path: Path) -> None:
    blobs = BlobDirectory(tmp_path)
    blob = blobs.put(b"hello")
    digest = hashlib.sha256(b"hello").hexdigest()
    assert blob == Blob(digest, 5, hashlib.md5(b"hello").hexdigest())
    assert blobs.path(blob) == str(tmp_path / "sha256" / digest[:2] / digest)
    assert blobs.read(blob) == b"hello"


def test_ranges_are_half_open(tmp_path: Path) -> None:
    blobs = BlobDirectory(tmp_path)
    blob = blobs.put(b"0123456789")
    assert blobs.read(blob, 2, 5) == b"234"
    assert blobs.read(blob, 7) == b"789"
    assert blobs.read(blob, 8, 100) == b"89"
    assert blobs.read(blob, 5, 2) == b""


def test_the_same_content_is_kept_once(tmp_path: Path) -> None:
    blobs = BlobDirectory(tmp_path)
    assert blobs.put(b"twice") == blobs.put(b"twice")
    assert len(stored(tmp_path)) == 1
    assert list((tmp_path / "incoming").iterdir()) == []


def test_a_spool_takes_pieces(tmp_path: Path) -> None:
    blobs = BlobDirectory(tmp_path)
    with blobs.spool() as spool:
        for piece in (b"one ", b"", b"two"):
            spool.write(piece)
        blob = spool.finish()
    assert blob == blobs.put(b"one two")
    assert blobs.put(b"").size == 0


def test_an_unfinished_spool_leaves_nothing(tmp_path: Path) -> None:
    blobs = BlobDirectory(tmp_path)
    with blobs.spool() as spool:
        spool.write(b"half")
    assert stored(tmp_path) == []
    assert list((tmp_path / "incoming").iterdir()) == []


def test_what_a_crash_left_is_removed_at_start(tmp_path: Path) -> None:
    crashed = BlobDirectory(tmp_path)
    kept = crashed.put(b"kept")
    spool = crashed.spool()
    spool.write(b"half")
    again = BlobDirectory(tmp_path)
    assert list((tmp_path / "incoming").iterdir()) == []
    assert again.read(kept) == b"kept"
    spool.discard()


def test_join_is_concatenation(tmp_path: Path) -> None:
    blobs = BlobDirectory(tmp_path)
    parts = [blobs.put(piece) for piece in (b"a" * 70_000, b"b", b"c" * 3)]
    assert blobs.join(parts) == blobs.put(b"a" * 70_000 + b"bccc")


def test_missing_content_is_named(tmp_path: Path) -> None:
    blobs = BlobDirectory(tmp_path)
    blob = blobs.put(b"gone")
    assert blobs.holds(blob)
    assert blobs.delete(blob)
    assert not blobs.delete(blob)
    assert not blobs.holds(blob)
    with pytest.raises(BlobMissing, match=f"blob {blob.sha256} is missing from {tmp_path / 'sha256'}"):
        blobs.read(blob)


def test_collect_keeps_what_is_live_or_young(tmp_path: Path) -> None:
    blobs = BlobDirectory(tmp_path)
    live, dead, young, again = (blobs.put(text) for text in (b"live", b"dead", b"young", b"again"))
    long_ago = time.time() - 7200
    for blob in (live, dead, again):
        os.utime(blobs.path(blob), (long_ago, long_ago))
    blobs.put(b"again")  # stored anew: its record may not be written yet
    assert blobs.collect({live.sha256}) == 1
    assert not blobs.holds(dead)
    assert all(blobs.holds(blob) for blob in (live, young, again))


def test_many_threads_may_store_the_same(tmp_path: Path) -> None:
    blobs = BlobDirectory(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda n: blobs.put(b"x" * (n % 3)), range(48)))
    assert len(found) == 3
    assert len(stored(tmp_path)) == 3
