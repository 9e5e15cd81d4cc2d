"""Content that no record names goes; everything else stays."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from neargate.drivers.housekeeping import Housekeeping
from neargate.model.ecr import Layer
from neargate.model.records import Blob
from tests.unit.services.cloud import Cloud, cloud

BUCKET = "artifacts"


@pytest.fixture
def aws() -> Iterator[Cloud]:
    with cloud() as made:
        yield made


def old(aws: Cloud, blob: Blob) -> Blob:
    """Stored two hours ago."""
    path = Path(aws.blobs.path(blob))
    past = path.stat().st_mtime - 7200
    os.utime(path, (past, past))
    return blob


async def put(aws: Cloud, body: bytes) -> None:
    await aws.dispatcher.call(
        aws.caller, "s3", "PutObject", {"Bucket": BUCKET, "Key": "app.zip", "Body": body}
    )


@pytest.mark.anyio
async def test_what_no_record_names_any_more_is_deleted_after_a_whole_round(aws: Cloud) -> None:
    housekeeping = Housekeeping(aws.store, aws.dispatcher, aws.clock, aws.blobs)
    await aws.dispatcher.call(aws.caller, "s3", "CreateBucket", {"Bucket": BUCKET})
    first, second = old(aws, aws.blobs.put(b"1")), old(aws, aws.blobs.put(b"2"))
    layer = old(aws, aws.blobs.put(b"layer"))
    await aws.store.write(lambda tx: tx.put(Layer(repository="r", digest="sha256:x", blob=layer)))
    await put(aws, b"1")
    old(aws, first)
    await housekeeping.once()
    await put(aws, b"2")
    old(aws, second)
    await housekeeping.once()
    assert aws.blobs.holds(first), "a reader may just have looked it up"
    await housekeeping.once()
    assert not aws.blobs.holds(first)
    assert aws.blobs.holds(second)
    assert aws.blobs.holds(layer)


@pytest.mark.anyio
async def test_content_whose_record_is_still_to_come_stays(aws: Cloud) -> None:
    housekeeping = Housekeeping(aws.store, aws.dispatcher, aws.clock, aws.blobs)
    arriving = aws.blobs.put(b"just spooled")
    for _ in range(3):
        await housekeeping.once()
    assert aws.blobs.holds(arriving)


@pytest.mark.anyio
async def test_who_called_what_is_kept_for_ninety_days(aws: Cloud) -> None:
    housekeeping = Housekeeping(aws.store, aws.dispatcher, aws.clock, aws.blobs)
    await aws.dispatcher.call(aws.caller, "s3", "CreateBucket", {"Bucket": BUCKET})
    aws.clock.advance(80 * 86400)
    await housekeeping.once()
    assert [e.subject for e in aws.store.read(lambda view: view.entries("api"))] == ["s3:CreateBucket"]
    aws.clock.advance(11 * 86400)
    await housekeeping.once()
    assert aws.store.read(lambda view: view.entries("api")) == []
