"""S3's records: buckets, objects with their versions, multipart uploads and their parts.

Bucket names are global, so their keys carry no account or region: a bucket is `NAME`, an object `BUCKET/KEY`
(bucket names have no slash), an upload `BUCKET/UPLOAD-ID`, a part `BUCKET/UPLOAD-ID/NUMBER`. Keys sort as S3 lists
them, by UTF-8 bytes. Times are epoch seconds, whole ones as S3 keeps them.
"""

from __future__ import annotations

import hashlib
from typing import ClassVar

import attrs

from neargate.model.records import Blob, Json, Reader
from neargate.model.tags import Tags

NULL_VERSION = "null"


@attrs.frozen(kw_only=True)
class BucketRecord:
    """A bucket. `versioning` is "" until it is first set, then `Enabled` or `Suspended`.

    `public_access_block`, `ownership` and `encryption` start as AWS sets them and are None once deleted
    (encryption then means SSE-S3 again). `configurations` holds what is recorded as given, by S3's query names
    (`cors`, `lifecycle`, …).
    """

    KIND: ClassVar[str] = "s3.bucket"
    name: str
    account: str
    region: str
    created: float
    versioning: str = ""
    tags: Tags | None = None
    policy: str | None = None
    encryption: Json | None = None
    public_access_block: Json | None = None
    ownership: str | None = "BucketOwnerEnforced"
    acl: str = "private"
    configurations: Json = attrs.field(factory=dict)

    @property
    def key(self) -> str:
        return self.name

    @property
    def arn(self) -> str:
        return f"arn:aws:s3:::{self.name}"


@attrs.frozen(kw_only=True)
class Version:
    """One version of an object, or a delete marker (no blob).

    `etag` is without quotes. `part_sizes` are those of a multipart upload's parts, whose id is `upload_id`.
    `headers` are those that GetObject gives back, by member name (`CacheControl`…); `checksums` by member name
    (`ChecksumCRC32`…) in base64. `lock_mode` (GOVERNANCE or COMPLIANCE) holds until `retain_until`, epoch seconds.
    """

    id: str
    modified: float
    blob: Blob | None = None
    etag: str = ""
    part_sizes: tuple[int, ...] = ()
    upload_id: str = ""
    content_type: str = "binary/octet-stream"
    headers: dict[str, str] = attrs.field(factory=dict)
    metadata: dict[str, str] = attrs.field(factory=dict)
    tags: Tags = attrs.field(factory=dict)
    storage_class: str = "STANDARD"
    encryption: str = "AES256"
    kms_key: str | None = None
    acl: str = "private"
    checksums: dict[str, str] = attrs.field(factory=dict)
    checksum_type: str | None = None
    lock_mode: str | None = None
    retain_until: float | None = None
    legal_hold: bool = False

    @property
    def is_marker(self) -> bool:
        return self.blob is None

    @property
    def size(self) -> int:
        return 0 if self.blob is None else self.blob.size


@attrs.frozen(kw_only=True)
class ObjectRecord:
    """A key of a bucket with all its versions, newest first, at least one."""

    KIND: ClassVar[str] = "s3.object"
    bucket: str
    name: str
    versions: tuple[Version, ...]

    @property
    def key(self) -> str:
        return f"{self.bucket}/{self.name}"

    @property
    def current(self) -> Version | None:
        """What GetObject finds: the newest version unless it is a delete marker."""
        newest = self.versions[0]
        return None if newest.is_marker else newest


@attrs.frozen(kw_only=True)
class UploadRecord:
    """A multipart upload in progress. `draft` is the version it becomes, still without content."""

    KIND: ClassVar[str] = "s3.upload"
    bucket: str
    name: str
    id: str
    initiated: float
    initiator: str
    draft: Version
    checksum_algorithm: str | None = None
    checksum_type: str | None = None

    @property
    def key(self) -> str:
        return f"{self.bucket}/{self.id}"


@attrs.frozen(kw_only=True)
class PartRecord:
    KIND: ClassVar[str] = "s3.part"
    bucket: str
    upload_id: str
    number: int
    modified: float
    blob: Blob
    checksums: dict[str, str] = attrs.field(factory=dict)

    @property
    def key(self) -> str:
        return f"{self.bucket}/{self.upload_id}/{self.number:05d}"


def canonical_id(account: str) -> str:
    """The canonical user id of an account: 64 hex digits, the same always."""
    return hashlib.sha256(f"canonical-user/{account}".encode()).hexdigest()


def live_blobs(view: Reader) -> set[str]:
    """SHA-256 of all content that S3 still needs: what garbage collection must leave alone."""
    live = {part.blob.sha256 for part in view.scan(PartRecord)}
    for record in view.scan(ObjectRecord):
        live.update(version.blob.sha256 for version in record.versions if version.blob is not None)
    return live
