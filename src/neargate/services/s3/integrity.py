"""Content on its way in: stored, and compared with the digests that the client sent."""

from __future__ import annotations

import base64
import binascii
import functools
import hashlib
import zlib
from collections.abc import Iterable, Iterator

import attrs

from neargate.model.errors import AwsError, not_implemented
from neargate.model.operations import Context
from neargate.model.records import Blob, Blobs, Json

_SIZES = {"CRC32": 4, "CRC32C": 4, "CRC64NVME": 8, "SHA1": 20, "SHA256": 32}
_OTHERS = ("SHA512", "MD5", "XXHASH64", "XXHASH3", "XXHASH128")
_POLYNOMIALS = {"CRC32C": (0x82F63B78, 32), "CRC64NVME": (0x9A6C9329AC4BC9B5, 64)}
_SLOWLY = 65_536  # what a checksum without a native implementation is computed for, in bytes
_CHUNK = 1 << 20


@attrs.frozen
class Received:
    """Stored content; `checksums` are those the client sent, by member name (`ChecksumCRC32`)."""

    blob: Blob
    checksums: dict[str, str]


def receive(cx: Context, request: Json) -> Received:
    """Store `Body` (bytes, or a Blob that is stored already) after comparing it with the client's digests."""
    body = request.get("Body", b"")
    blob = body if isinstance(body, Blob) else cx.blobs.put(body)
    _check_md5(request.get("ContentMD5"), blob)
    checksums = sent_checksums(request)
    for member, value in checksums.items():
        algorithm = member.removeprefix("Checksum")
        computed = digest(cx.blobs, blob, algorithm)
        if computed is not None and computed != base64.b64decode(value):
            raise AwsError(
                "BadDigest", f"The {algorithm} you specified did not match the calculated checksum."
            )
    return Received(blob, checksums)


def sent_checksums(request: Json) -> dict[str, str]:
    """The one checksum that a request carries, or none, by member name; well-formed."""
    for algorithm in _OTHERS:
        if request.get(f"Checksum{algorithm}"):
            raise not_implemented(f"the {algorithm} checksum of s3", "s3")
    sent = {
        f"Checksum{name}": request[f"Checksum{name}"] for name in _SIZES if request.get(f"Checksum{name}")
    }
    if len(sent) > 1:
        raise AwsError(
            "InvalidRequest",
            "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
        )
    for member, value in sent.items():
        algorithm = member.removeprefix("Checksum")
        if len(decoded(value)) != _SIZES[algorithm]:
            raise AwsError(
                "InvalidRequest", f"Value for x-amz-checksum-{algorithm.lower()} header is invalid."
            )
    return sent


def digest(blobs: Blobs, blob: Blob, algorithm: str) -> bytes | None:
    """The checksum of stored content; None where computing it would take too long."""
    if algorithm == "SHA256":
        return bytes.fromhex(blob.sha256)
    if algorithm in _POLYNOMIALS and blob.size > _SLOWLY:
        return None
    return checksum(algorithm, _chunks(blobs, blob))


def checksum(algorithm: str, chunks: Iterable[bytes]) -> bytes:
    """The checksum of some content, as the bytes whose base64 S3 shows."""
    if algorithm in {"SHA1", "SHA256"}:
        hashed = hashlib.new(algorithm.lower(), usedforsecurity=False)
        for chunk in chunks:
            hashed.update(chunk)
        return hashed.digest()
    if algorithm == "CRC32":
        return functools.reduce(lambda crc, chunk: zlib.crc32(chunk, crc), chunks, 0).to_bytes(4, "big")
    polynomial, bits = _POLYNOMIALS[algorithm]
    table, ones = _table(polynomial), (1 << bits) - 1
    crc = ones
    for chunk in chunks:
        for byte in chunk:
            crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return (crc ^ ones).to_bytes(bits // 8, "big")


def decoded(text: str) -> bytes:
    """Base64's content; empty where it is not base64."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def encoded(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _check_md5(given: str | None, blob: Blob) -> None:
    if given is None:
        return
    if len(decoded(given)) != 16:
        members: Json = {"Content-MD5": given}
        raise AwsError("InvalidDigest", "The Content-MD5 you specified was invalid.", **members)
    if decoded(given) != bytes.fromhex(blob.md5):
        raise AwsError(
            "BadDigest",
            "The Content-MD5 you specified did not match what we received.",
            ExpectedDigest=given,
            CalculatedDigest=encoded(bytes.fromhex(blob.md5)),
        )


def _chunks(blobs: Blobs, blob: Blob) -> Iterator[bytes]:
    for start in range(0, blob.size, _CHUNK):
        yield blobs.read(blob, start, start + _CHUNK)


@functools.cache
def _table(polynomial: int) -> tuple[int, ...]:
    """A reflected CRC's table, by byte."""

    def entry(value: int) -> int:
        for _ in range(8):
            value = (value >> 1) ^ (polynomial if value & 1 else 0)
        return value

    return tuple(entry(byte) for byte in range(256))
