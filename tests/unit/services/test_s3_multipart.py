from __future__ import annotations

import base64
import hashlib
import re
import zlib
from collections.abc import Iterator
from typing import Any

import pytest

from neargate.model.errors import AwsError
from neargate.model.records import Blob
from neargate.model.s3 import PartRecord, UploadRecord, live_blobs
from tests.unit.services.cloud import Cloud, cloud

MIB = 1024 * 1024
FIRST, SECOND = b"a" * (5 * MIB), b"b" * 10


@pytest.fixture
def aws() -> Iterator[Cloud]:
    with cloud() as made:
        s3(made, "CreateBucket")
        yield made


def s3(aws: Cloud, operation: str, **request: Any) -> dict[str, Any]:
    answer = aws.call("s3", operation, **{"Bucket": "web", **request})
    return {name: value for name, value in answer.items() if value is not None}


def refused(aws: Cloud, operation: str, code: str, message: str, **request: Any) -> AwsError:
    with pytest.raises(AwsError, match=f"^{re.escape(message)}$") as caught:
        s3(aws, operation, **request)
    assert caught.value.code == code
    return caught.value


def started(aws: Cloud, key: str = "k", **request: Any) -> dict[str, Any]:
    return {"Key": key, "UploadId": s3(aws, "CreateMultipartUpload", Key=key, **request)["UploadId"]}


def part(aws: Cloud, upload: dict[str, Any], number: int, body: bytes, **request: Any) -> dict[str, Any]:
    answer = s3(aws, "UploadPart", **upload, PartNumber=number, Body=body, **request)
    sent = {name: value for name, value in answer.items() if name.startswith("Checksum")}
    return {"PartNumber": number, "ETag": answer["ETag"], **sent}


def crc32(data: bytes) -> str:
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


def test_parts_become_an_object(aws: Cloud) -> None:
    upload = started(aws, ContentType="text/plain", Metadata={"a": "1"})
    parts = [part(aws, upload, 1, FIRST), part(aws, upload, 3, SECOND)]
    digests = hashlib.md5(FIRST).digest() + hashlib.md5(SECOND).digest()
    tag = f'"{hashlib.md5(digests).hexdigest()}-2"'
    completed = s3(aws, "CompleteMultipartUpload", **upload, MultipartUpload={"Parts": parts})
    assert completed == {
        "Location": "http://127.0.0.1:4566/web/k",
        "Bucket": "web",
        "Key": "k",
        "ETag": tag,
        "ServerSideEncryption": "AES256",
    }
    answer = s3(aws, "GetObject", Key="k")
    assert isinstance(answer["Body"], Blob)
    assert aws.blobs.read(answer["Body"]) == FIRST + SECOND
    assert (answer["ContentType"], answer["Metadata"], answer["ETag"]) == ("text/plain", {"a": "1"}, tag)
    again = s3(aws, "CompleteMultipartUpload", **upload, MultipartUpload={"Parts": parts})
    assert again == completed
    second = s3(aws, "GetObject", Key="k", PartNumber=2)
    assert (second["Body"], second["PartsCount"]) == (SECOND, 2)
    assert second["ContentRange"] == f"bytes {5 * MIB}-{5 * MIB + 9}/{5 * MIB + 10}"
    error = refused(
        aws,
        "GetObject",
        "InvalidPartNumber",
        "The requested partnumber is not satisfiable",
        Key="k",
        PartNumber=3,
    )
    assert (error.status, error.members) == (416, {"PartNumberRequested": "3", "ActualPartCount": "2"})
    attributes = s3(aws, "GetObjectAttributes", Key="k", ObjectAttributes=["ObjectParts"])
    assert attributes["ObjectParts"] == {"TotalPartsCount": 2}
    assert aws.store.read(live_blobs) == {answer["Body"].sha256}


def test_a_part_can_be_replaced(aws: Cloud) -> None:
    upload = started(aws)
    stale = part(aws, upload, 1, b"one")
    fresh = part(aws, upload, 1, b"two")
    message = (
        "One or more of the specified parts could not be found.  The part may not have been uploaded, or the "
        "specified entity tag may not match the part's entity tag."
    )
    for wrong in (stale, {**fresh, "PartNumber": 2}):
        error = refused(
            aws,
            "CompleteMultipartUpload",
            "InvalidPart",
            message,
            **upload,
            MultipartUpload={"Parts": [wrong]},
        )
        assert error.members["PartNumber"] == str(wrong["PartNumber"])
    s3(aws, "CompleteMultipartUpload", **upload, MultipartUpload={"Parts": [fresh]})
    assert aws.blobs.read(s3(aws, "GetObject", Key="k")["Body"]) == b"two"


def test_parts_have_rules(aws: Cloud) -> None:
    upload = started(aws)
    parts = [part(aws, upload, 1, b"tiny"), part(aws, upload, 2, b"last")]
    for listed, code, message in [
        ([], "InvalidRequest", "You must specify at least one part"),
        (
            parts[::-1],
            "InvalidPartOrder",
            "The list of parts was not in ascending order. Parts must be ordered by part number.",
        ),
        (parts, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size"),
    ]:
        request = {**upload, "MultipartUpload": {"Parts": listed}}
        refused(aws, "CompleteMultipartUpload", code, message, **request)
    for number in (0, 10_001):
        message = "Part number must be an integer between 1 and 10000, inclusive"
        refused(aws, "UploadPart", "InvalidArgument", message, **upload, PartNumber=number, Body=b"")
    sized = {**upload, "MultipartUpload": {"Parts": parts[:1]}, "MpuObjectSize": 5}
    message = "The provided 'x-amz-mp-object-size' header value 5 does not match what was computed: 4"
    refused(aws, "CompleteMultipartUpload", "InvalidRequest", message, **sized)


def test_an_aborted_upload_is_gone(aws: Cloud) -> None:
    upload = started(aws)
    part(aws, upload, 1, b"x")
    s3(aws, "AbortMultipartUpload", **upload)
    message = (
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted "
        "or completed."
    )
    for operation, more in [
        ("AbortMultipartUpload", {}),
        ("ListParts", {}),
        ("UploadPart", {"PartNumber": 1, "Body": b""}),
        ("CompleteMultipartUpload", {}),
    ]:
        request: dict[str, Any] = {**upload, **more}
        error = refused(aws, operation, "NoSuchUpload", message, **request)
        assert (error.status, error.members) == (404, {"UploadId": upload["UploadId"]})
    left = aws.store.read(lambda view: (view.scan(UploadRecord), view.scan(PartRecord), live_blobs(view)))
    assert left == ([], [], set())


def test_composite_checksums(aws: Cloud) -> None:
    upload = started(aws, ChecksumAlgorithm="CRC32")
    parts = [
        part(aws, upload, 1, FIRST, ChecksumCRC32=crc32(FIRST)),
        part(aws, upload, 2, SECOND, ChecksumCRC32=crc32(SECOND)),
    ]
    bare = [{"PartNumber": one["PartNumber"], "ETag": one["ETag"]} for one in parts]
    message = (
        "The upload was created using a crc32 checksum. The complete request must include the checksum for each "
        "part. It was missing for part 1 in the request."
    )
    request = {**upload, "MultipartUpload": {"Parts": bare}}
    refused(aws, "CompleteMultipartUpload", "InvalidRequest", message, **request)
    message = "Checksum Type mismatch occurred, expected checksum Type: crc32, actual checksum Type: crc32c"
    wrong = {"PartNumber": 3, "Body": b"", "ChecksumCRC32C": "AAAAAA=="}
    refused(aws, "UploadPart", "InvalidRequest", message, **upload, **wrong)
    answer = s3(aws, "CompleteMultipartUpload", **upload, MultipartUpload={"Parts": parts})
    joined = zlib.crc32(FIRST).to_bytes(4, "big") + zlib.crc32(SECOND).to_bytes(4, "big")
    assert (answer["ChecksumCRC32"], answer["ChecksumType"]) == (crc32(joined) + "-2", "COMPOSITE")
    head = s3(aws, "HeadObject", Key="k", ChecksumMode="ENABLED")
    assert (head["ChecksumCRC32"], head["ChecksumType"]) == (crc32(joined) + "-2", "COMPOSITE")


def test_full_object_checksums(aws: Cloud) -> None:
    upload = started(aws, ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")
    request: dict[str, Any] = {**upload, "MultipartUpload": {"Parts": [part(aws, upload, 1, b"abc")]}}
    message = "The crc32 you specified did not match the calculated checksum."
    refused(aws, "CompleteMultipartUpload", "BadDigest", message, **request, ChecksumCRC32=crc32(b"x"))
    message = (
        "The upload was created using the FULL_OBJECT checksum mode. The complete request must use the same "
        "checksum mode."
    )
    refused(aws, "CompleteMultipartUpload", "InvalidRequest", message, **request, ChecksumType="COMPOSITE")
    answer = s3(aws, "CompleteMultipartUpload", **request, ChecksumCRC32=crc32(b"abc"))
    assert (answer["ChecksumCRC32"], answer["ChecksumType"]) == (crc32(b"abc"), "FULL_OBJECT")
    message = "The FULL_OBJECT checksum type cannot be used with the sha256 checksum algorithm."
    plan = {"ChecksumAlgorithm": "SHA256", "ChecksumType": "FULL_OBJECT"}
    refused(aws, "CreateMultipartUpload", "InvalidRequest", message, Key="k", **plan)


def test_parts_are_listed_in_pages(aws: Cloud) -> None:
    upload = started(aws)
    for number in (2, 10, 1):
        part(aws, upload, number, b"x" * number)
    first = s3(aws, "ListParts", **upload, MaxParts=2)
    assert [(one["PartNumber"], one["Size"]) for one in first["Parts"]] == [(1, 1), (2, 2)]
    assert (first["IsTruncated"], first["NextPartNumberMarker"]) == (True, 2)
    rest = s3(aws, "ListParts", **upload, PartNumberMarker=2)
    assert ([one["PartNumber"] for one in rest["Parts"]], rest["IsTruncated"]) == ([10], False)


def test_uploads_are_listed_in_pages(aws: Cloud) -> None:
    made = []
    for key in ("b", "a", "a", "dir/x", "dir/y"):
        made.append(started(aws, key))
        aws.clock.advance(1)
    in_order = [made[1], made[2], made[0], made[3], made[4]]
    whole = s3(aws, "ListMultipartUploads")["Uploads"]
    assert [{"Key": one["Key"], "UploadId": one["UploadId"]} for one in whole] == in_order
    page = s3(aws, "ListMultipartUploads", MaxUploads=1)
    assert (page["IsTruncated"], page["NextKeyMarker"]) == (True, "a")
    markers = {"KeyMarker": "a", "UploadIdMarker": page["NextUploadIdMarker"]}
    rest = s3(aws, "ListMultipartUploads", Delimiter="/", **markers)
    assert [one["Key"] for one in rest["Uploads"]] == ["a", "b"]
    assert rest["CommonPrefixes"] == [{"Prefix": "dir/"}]
    assert len(s3(aws, "ListMultipartUploads", Prefix="dir/")["Uploads"]) == 2
    assert [one["Key"] for one in s3(aws, "ListMultipartUploads", KeyMarker="b")["Uploads"]] == [
        "dir/x",
        "dir/y",
    ]
    message = "Invalid uploadId marker"
    wrong = {"KeyMarker": "b", "UploadIdMarker": "x"}
    refused(aws, "ListMultipartUploads", "InvalidArgument", message, **wrong)
