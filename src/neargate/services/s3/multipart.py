"""Multipart uploads: parts are kept apart until the client says which of them make the object."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from typing import Protocol, cast

import attrs

from neargate.model.errors import AwsError
from neargate.model.operations import Context, operation
from neargate.model.records import Blob, Json
from neargate.model.s3 import BucketRecord, ObjectRecord, PartRecord, UploadRecord, Version
from neargate.services.s3.conditions import check_write
from neargate.services.s3.integrity import checksum, decoded, digest, encoded, receive, sent_checksums
from neargate.services.s3.listing import fill_page, page_limit, speller
from neargate.services.s3.lookup import invalid_argument, malformed, owner, refuse, shown_version, the_bucket
from neargate.services.s3.notifications import publish
from neargate.services.s3.uploads import draft, encryption_of, store

_MIN_PART = 5 * 1024 * 1024
_MAX_PART_NUMBER = 10_000
_UPLOAD_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._"
_WHOLE = frozenset({"CRC32", "CRC32C", "CRC64NVME"})
_OF_PARTS = frozenset({"CRC32", "CRC32C", "SHA1", "SHA256"})


class Joining(Protocol):
    """The blob store's way to make one blob of several without holding them in memory."""

    def join(self, blobs: Sequence[Blob]) -> Blob: ...


@operation("s3", "CreateMultipartUpload")
def create_multipart_upload(cx: Context, request: Json) -> Json:
    bucket = the_bucket(cx, request)
    algorithm, kind = _checksum_plan(request)
    upload = UploadRecord(
        bucket=bucket.name,
        name=request["Key"],
        id=cx.ids.letters(64, _UPLOAD_ALPHABET),
        initiated=float(int(cx.now)),
        initiator=cx.caller.principal,
        draft=draft(cx, "CreateMultipartUpload", bucket, request),
        checksum_algorithm=algorithm,
        checksum_type=kind,
    )
    cx.tx.put(upload)
    return {
        "Bucket": bucket.name,
        "Key": upload.name,
        "UploadId": upload.id,
        "ChecksumAlgorithm": algorithm,
        "ChecksumType": kind,
        **encryption_of(upload.draft),
    }


def _checksum_plan(request: Json) -> tuple[str | None, str | None]:
    """(algorithm, COMPOSITE or FULL_OBJECT) of the object's checksum."""
    algorithm, kind = request.get("ChecksumAlgorithm"), request.get("ChecksumType")
    if algorithm is None:
        if kind is not None:
            raise AwsError(
                "InvalidRequest",
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.",
            )
        return None, None
    if algorithm not in _WHOLE | _OF_PARTS:
        raise AwsError(
            "InvalidRequest",
            "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, "
            "CRC32C, CRC64NVME, SHA1, SHA256]",
        )
    kind = kind or ("COMPOSITE" if algorithm in _OF_PARTS else "FULL_OBJECT")
    if algorithm not in (_OF_PARTS if kind == "COMPOSITE" else _WHOLE):
        raise AwsError(
            "InvalidRequest",
            f"The {kind} checksum type cannot be used with the {algorithm.lower()} checksum algorithm.",
        )
    return algorithm, kind


@operation("s3", "UploadPart")
def upload_part(cx: Context, request: Json) -> Json:
    """`Body` is bytes or an already stored Blob. The same number again replaces the part."""
    refuse("UploadPart", request, "SSECustomerAlgorithm", "SSECustomerKey")
    bucket = the_bucket(cx, request)
    number = request["PartNumber"]
    upload = _the_upload(cx, bucket, request)
    if not 1 <= number <= _MAX_PART_NUMBER:
        message = f"Part number must be an integer between 1 and {_MAX_PART_NUMBER}, inclusive"
        raise invalid_argument(message, "partNumber", str(number))
    received = receive(cx, request)
    _check_algorithm(upload, received.checksums)
    part = PartRecord(
        bucket=bucket.name,
        upload_id=upload.id,
        number=number,
        modified=float(int(cx.now)),
        blob=received.blob,
        checksums=received.checksums,
    )
    cx.tx.put(part)
    return {"ETag": f'"{part.blob.md5}"', **part.checksums, **encryption_of(upload.draft)}


def _check_algorithm(upload: UploadRecord, checksums: dict[str, str]) -> None:
    expected = upload.checksum_algorithm
    for member in checksums:
        actual = member.removeprefix("Checksum")
        if expected is not None and actual != expected:
            raise AwsError(
                "InvalidRequest",
                f"Checksum Type mismatch occurred, expected checksum Type: {expected.lower()}, actual checksum "
                f"Type: {actual.lower()}",
            )


@operation("s3", "CompleteMultipartUpload")
def complete_multipart_upload(cx: Context, request: Json) -> Json:
    """Completing an upload again, as a client does that missed the answer, gives the same answer."""
    bucket, key = the_bucket(cx, request), request["Key"]
    record = cx.tx.get(ObjectRecord, f"{bucket.name}/{key}")
    for version in () if record is None else record.versions:
        if version.upload_id == request["UploadId"]:
            return _completed(cx, bucket, key, version)
    upload = _the_upload(cx, bucket, request)
    check_write(request, key, record)
    listed = (request.get("MultipartUpload") or {}).get("Parts") or []
    parts = _chosen(cx, upload, listed)
    _check_sizes(request, parts)
    blob = cast(Joining, cx.blobs).join([part.blob for part in parts])
    checksums = _object_checksum(cx, upload, request, listed, parts, blob)
    md5s = hashlib.md5(b"".join(bytes.fromhex(part.blob.md5) for part in parts), usedforsecurity=False)
    version = attrs.evolve(
        upload.draft,
        modified=float(int(cx.now)),
        blob=blob,
        etag=f"{md5s.hexdigest()}-{len(parts)}",
        part_sizes=tuple(part.blob.size for part in parts),
        upload_id=upload.id,
        checksums=checksums,
        checksum_type=upload.checksum_type if checksums else None,
    )
    _forget(cx, upload)
    stored = store(cx, bucket, key, version)
    publish(cx, bucket, "ObjectCreated:CompleteMultipartUpload", key, stored)
    return _completed(cx, bucket, key, stored)


def _completed(cx: Context, bucket: BucketRecord, key: str, version: Version) -> Json:
    return {
        "Location": f"{cx.settings.endpoint}/{bucket.name}/{key}",
        "Bucket": bucket.name,
        "Key": key,
        "ETag": f'"{version.etag}"',
        **version.checksums,
        "ChecksumType": version.checksum_type,
        "VersionId": shown_version(bucket, version),
        **encryption_of(version),
    }


def _chosen(cx: Context, upload: UploadRecord, listed: list[Json]) -> list[PartRecord]:
    """The parts that the client lists, in its order, which must be ascending."""
    if not listed:
        raise AwsError("InvalidRequest", "You must specify at least one part")
    if any("PartNumber" not in one or "ETag" not in one for one in listed):
        raise malformed()
    numbers: list[int] = [one["PartNumber"] for one in listed]
    if numbers != sorted(set(numbers)):
        raise AwsError(
            "InvalidPartOrder",
            "The list of parts was not in ascending order. Parts must be ordered by part number.",
            UploadId=upload.id,
        )
    chosen: list[PartRecord] = []
    for one in listed:
        part = cx.tx.get(PartRecord, f"{upload.key}/{one['PartNumber']:05d}")
        etag = one["ETag"].strip('"')
        if part is None or part.blob.md5 != etag or not _checksums_agree(part, one):
            raise AwsError(
                "InvalidPart",
                "One or more of the specified parts could not be found.  The part may not have been uploaded, or "
                "the specified entity tag may not match the part's entity tag.",
                ETag=etag,
                PartNumber=str(one["PartNumber"]),
                UploadId=upload.id,
            )
        chosen.append(part)
    return chosen


def _checksums_agree(part: PartRecord, listed: Json) -> bool:
    return all(listed.get(member, value) == value for member, value in part.checksums.items())


def _check_sizes(request: Json, parts: list[PartRecord]) -> None:
    for part in parts[:-1]:
        if part.blob.size < _MIN_PART:
            raise AwsError(
                "EntityTooSmall",
                "Your proposed upload is smaller than the minimum allowed size",
                ETag=part.blob.md5,
                MinSizeAllowed=str(_MIN_PART),
                PartNumber=str(part.number),
                ProposedSize=str(part.blob.size),
            )
    size, expected = sum(part.blob.size for part in parts), request.get("MpuObjectSize")
    if expected is not None and expected != size:
        raise AwsError(
            "InvalidRequest",
            f"The provided 'x-amz-mp-object-size' header value {expected} does not match what was computed: {size}",
        )


def _object_checksum(
    cx: Context,
    upload: UploadRecord,
    request: Json,
    listed: list[Json],
    parts: list[PartRecord],
    blob: Blob,
) -> dict[str, str]:
    """The object's checksum as the upload planned it, by member name; compared with the client's."""
    algorithm, kind = upload.checksum_algorithm, upload.checksum_type
    if algorithm is None:
        return {}
    if request.get("ChecksumType", kind) != kind:
        raise AwsError(
            "InvalidRequest",
            f"The upload was created using the {kind} checksum mode. The complete request must use the same "
            "checksum mode.",
        )
    member = f"Checksum{algorithm}"
    if kind == "COMPOSITE":
        return {member: _composite(algorithm, listed, parts)}
    sent = sent_checksums(request).get(member)
    computed = digest(cx.blobs, blob, algorithm)
    if sent is not None and computed is not None and decoded(sent) != computed:
        raise AwsError(
            "BadDigest", f"The {algorithm.lower()} you specified did not match the calculated checksum."
        )
    value = sent if computed is None else encoded(computed)
    return {} if value is None else {member: value}


def _composite(algorithm: str, listed: list[Json], parts: list[PartRecord]) -> str:
    """The checksum of the parts' checksums, and how many they are."""
    member = f"Checksum{algorithm}"
    for one, part in zip(listed, parts, strict=True):
        if member not in one or member not in part.checksums:
            raise AwsError(
                "InvalidRequest",
                f"The upload was created using a {algorithm.lower()} checksum. The complete request must include "
                f"the checksum for each part. It was missing for part {part.number} in the request.",
            )
    joined = b"".join(base64.b64decode(part.checksums[member]) for part in parts)
    return f"{encoded(checksum(algorithm, [joined]))}-{len(parts)}"


@operation("s3", "AbortMultipartUpload")
def abort_multipart_upload(cx: Context, request: Json) -> Json:
    refuse("AbortMultipartUpload", request, "IfMatchInitiatedTime")
    _forget(cx, _the_upload(cx, the_bucket(cx, request), request))
    return {}


@operation("s3", "ListParts", reads=True)
def list_parts(cx: Context, request: Json) -> Json:
    bucket = the_bucket(cx, request)
    upload = _the_upload(cx, bucket, request)
    marker = request.get("PartNumberMarker") or 0
    limit = page_limit(request, "MaxParts")
    rest = [part for part in cx.tx.scan(PartRecord, f"{upload.key}/") if part.number > marker]
    shown = rest[:limit]
    return {
        "Bucket": bucket.name,
        "Key": upload.name,
        "UploadId": upload.id,
        "PartNumberMarker": marker,
        "NextPartNumberMarker": shown[-1].number if shown else 0,
        "MaxParts": limit,
        "IsTruncated": len(rest) > limit,
        "Parts": [
            {
                "PartNumber": part.number,
                "LastModified": part.modified,
                "ETag": f'"{part.blob.md5}"',
                "Size": part.blob.size,
                **part.checksums,
            }
            for part in shown
        ],
        "Initiator": _initiator(bucket, upload),
        "Owner": owner(bucket.account),
        "StorageClass": upload.draft.storage_class,
        "ChecksumAlgorithm": upload.checksum_algorithm,
        "ChecksumType": upload.checksum_type,
    }


@operation("s3", "ListMultipartUploads", reads=True)
def list_multipart_uploads(cx: Context, request: Json) -> Json:
    """By key, then by time; a key marker without upload marker starts behind all uploads of that key."""
    bucket = the_bucket(cx, request)
    key_marker, id_marker = request.get("KeyMarker") or "", request.get("UploadIdMarker") or ""
    prefix, delimiter = request.get("Prefix") or "", request.get("Delimiter")
    uploads = sorted(
        cx.tx.scan(UploadRecord, f"{bucket.name}/"), key=lambda one: (one.name, one.initiated, one.id)
    )
    page = fill_page(
        [one for one in _after(uploads, key_marker, id_marker) if one.name.startswith(prefix)],
        lambda one: one.name,
        prefix,
        delimiter or "",
        key_marker,
        page_limit(request, "MaxUploads"),
    )
    spell = speller(request)
    return {
        "Bucket": bucket.name,
        "KeyMarker": spell(key_marker),
        "UploadIdMarker": id_marker if key_marker else "",
        "NextKeyMarker": spell(page.last),
        "NextUploadIdMarker": "" if page.last_entry is None else page.last_entry.id,
        "Prefix": spell(prefix) if prefix else None,
        "Delimiter": spell(delimiter) if delimiter else None,
        "MaxUploads": page_limit(request, "MaxUploads"),
        "IsTruncated": page.truncated,
        "EncodingType": request.get("EncodingType"),
        "Uploads": [
            {
                "UploadId": one.id,
                "Key": spell(one.name),
                "Initiated": one.initiated,
                "StorageClass": one.draft.storage_class,
                "Owner": owner(bucket.account),
                "Initiator": _initiator(bucket, one),
                "ChecksumAlgorithm": one.checksum_algorithm,
                "ChecksumType": one.checksum_type,
            }
            for one in page.entries
        ],
        "CommonPrefixes": [{"Prefix": spell(one)} for one in page.prefixes],
    }


def _after(uploads: list[UploadRecord], key_marker: str, id_marker: str) -> list[UploadRecord]:
    if key_marker and id_marker:
        at = [index for index, one in enumerate(uploads) if (one.name, one.id) == (key_marker, id_marker)]
        if not at:
            raise invalid_argument("Invalid uploadId marker", "upload-id-marker", id_marker)
        return uploads[at[0] + 1 :]
    return [one for one in uploads if one.name > key_marker]


def _the_upload(cx: Context, bucket: BucketRecord, request: Json) -> UploadRecord:
    upload = cx.tx.get(UploadRecord, f"{bucket.name}/{request['UploadId']}")
    if upload is None or upload.name != request["Key"]:
        raise AwsError(
            "NoSuchUpload",
            "The specified upload does not exist. The upload ID may be invalid, or the upload may have been "
            "aborted or completed.",
            status=404,
            UploadId=request["UploadId"],
        )
    return upload


def _forget(cx: Context, upload: UploadRecord) -> None:
    for part in cx.tx.scan(PartRecord, f"{upload.key}/"):
        cx.tx.delete(PartRecord, part.key)
    cx.tx.delete(UploadRecord, upload.key)


def _initiator(bucket: BucketRecord, upload: UploadRecord) -> Json:
    """The root user is shown by the account's canonical id, everybody else by ARN."""
    if upload.initiator.endswith(":root"):
        return owner(bucket.account)
    return {"ID": upload.initiator, "DisplayName": upload.initiator.rsplit("/", 1)[-1]}
