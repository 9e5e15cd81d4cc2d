"""Listing objects and versions: by prefix, rolled up at a delimiter, in pages.

One algorithm serves all: entries come sorted by key; those whose key goes on past a delimiter behind the prefix
become one common prefix; a page is filled with entries and prefixes alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar
from urllib.parse import quote_plus

import attrs

from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.model.s3 import BucketRecord, ObjectRecord, Version
from neargate.services.s3.lookup import invalid_argument, owner, the_bucket
from neargate.services.s3.positions import read_position, token_of

T = TypeVar("T")

MAX_KEYS = 1000


@attrs.frozen
class Page(Generic[T]):
    """Entries and common prefixes of one page. `last` is the key or prefix it ends with; `last_entry` the entry,
    None where a prefix is last."""

    entries: list[T]
    prefixes: list[str]
    truncated: bool
    last: str
    last_entry: T | None


def fill_page(
    entries: Iterable[T], key_of: Callable[[T], str], prefix: str, delimiter: str, marker: str, limit: int
) -> Page[T]:
    """The first `limit` of entries sorted by key. A `marker` that is a common prefix skips all it stands for."""
    shown: list[T] = []
    prefixes: list[str] = []
    last, last_entry = "", None
    if limit <= 0:
        return Page([], [], False, "", None)
    for entry in entries:
        group = _group(key_of(entry), prefix, delimiter)
        if group is not None and (group == marker or (prefixes and prefixes[-1] == group)):
            continue
        if len(shown) + len(prefixes) == limit:
            return Page(shown, prefixes, True, last, last_entry)
        if group is not None:
            prefixes.append(group)
            last, last_entry = group, None
        else:
            shown.append(entry)
            last, last_entry = key_of(entry), entry
    return Page(shown, prefixes, False, last, last_entry)


def _group(key: str, prefix: str, delimiter: str) -> str | None:
    """The common prefix that a key falls under."""
    if not delimiter:
        return None
    end = key.find(delimiter, len(prefix))
    return None if end < 0 else key[: end + len(delimiter)]


@operation("s3", "ListObjectsV2", heavy=True)
def list_objects_v2(cx: Context, request: Json) -> Json:
    bucket = the_bucket(cx, request)
    position = read_position(request.get("ContinuationToken"))
    start = request.get("StartAfter", "")
    page = _objects(cx, bucket, request, start if position is None else position)
    spell = speller(request)
    return {
        **_common(bucket, request, page),
        "Contents": [
            _content(bucket, *found, spell, request.get("FetchOwner", False)) for found in page.entries
        ],
        "KeyCount": len(page.entries) + len(page.prefixes),
        "ContinuationToken": request.get("ContinuationToken"),
        "NextContinuationToken": token_of(page.last) if page.truncated else None,
        "StartAfter": spell(start) if start else None,
    }


@operation("s3", "ListObjects", heavy=True)
def list_objects(cx: Context, request: Json) -> Json:
    """`NextMarker` is given only with a delimiter; otherwise the last key is the marker."""
    bucket = the_bucket(cx, request)
    marker = request.get("Marker") or ""
    page = _objects(cx, bucket, request, marker)
    spell = speller(request)
    return {
        **_common(bucket, request, page),
        "Contents": [_content(bucket, *found, spell, True) for found in page.entries],
        "Marker": spell(marker),
        "NextMarker": spell(page.last) if page.truncated and request.get("Delimiter") else None,
    }


@operation("s3", "ListObjectVersions", heavy=True)
def list_object_versions(cx: Context, request: Json) -> Json:
    """Newest first within a key. A key marker without version marker starts behind all of that key."""
    bucket = the_bucket(cx, request)
    key_marker, id_marker = request.get("KeyMarker") or "", request.get("VersionIdMarker") or ""
    if id_marker and not key_marker:
        raise invalid_argument(
            "A version-id marker cannot be specified without a key marker.", "version-id-marker", id_marker
        )
    page = fill_page(
        _versions_after(cx, bucket, request.get("Prefix") or "", key_marker, id_marker),
        lambda found: found[0].name,
        request.get("Prefix") or "",
        request.get("Delimiter") or "",
        key_marker,
        page_limit(request, "MaxKeys"),
    )
    spell = speller(request)
    last = page.last_entry
    return {
        **_common(bucket, request, page),
        "Versions": [
            _version(bucket, record, one, spell) for record, one in page.entries if not one.is_marker
        ],
        "DeleteMarkers": [
            _marker(bucket, record, one, spell) for record, one in page.entries if one.is_marker
        ],
        "KeyMarker": spell(key_marker),
        "VersionIdMarker": id_marker,
        "NextKeyMarker": spell(page.last) if page.truncated else None,
        "NextVersionIdMarker": last[1].id if page.truncated and last is not None else None,
    }


def page_limit(request: Json, member: str) -> int:
    limit: int = request.get(member, MAX_KEYS)
    if limit < 0:
        name = {"MaxKeys": "maxKeys", "MaxUploads": "max-uploads", "MaxParts": "max-parts"}[member]
        message = f"Argument {name} must be an integer between 0 and 2147483647"
        raise invalid_argument(message, name, str(limit))
    return min(limit, MAX_KEYS)


def speller(request: Json) -> Callable[[str], str]:
    """How keys are written in the answer: URL-encoded where the request wants that."""
    encoding = request.get("EncodingType")
    if encoding is None:
        return str
    if encoding != "url":
        raise invalid_argument("Invalid Encoding Method specified in Request", "encoding-type", encoding)
    return lambda key: quote_plus(key, safe="/*")


Found = tuple[ObjectRecord, Version]


def _objects(cx: Context, bucket: BucketRecord, request: Json, marker: str) -> Page[Found]:
    prefix = request.get("Prefix") or ""
    current = (
        (record, record.current)
        for record in cx.tx.scan(ObjectRecord, f"{bucket.name}/{prefix}")
        if record.name > marker
    )
    return fill_page(
        ((record, version) for record, version in current if version is not None),
        lambda found: found[0].name,
        prefix,
        request.get("Delimiter") or "",
        marker,
        page_limit(request, "MaxKeys"),
    )


def _versions_after(
    cx: Context, bucket: BucketRecord, prefix: str, key_marker: str, id_marker: str
) -> Iterable[Found]:
    for record in cx.tx.scan(ObjectRecord, f"{bucket.name}/{prefix}"):
        if record.name < key_marker or (record.name == key_marker and not id_marker):
            continue
        versions = record.versions
        if record.name == key_marker:
            ids = [version.id for version in versions]
            if id_marker not in ids:
                message = "Invalid version id specified"
                raise invalid_argument(message, "version-id-marker", id_marker)
            versions = versions[ids.index(id_marker) + 1 :]
        for version in versions:
            yield record, version


def _common(bucket: BucketRecord, request: Json, page: Page[Found]) -> Json:
    spell = speller(request)
    delimiter = request.get("Delimiter")
    return {
        "Name": bucket.name,
        "Prefix": spell(request.get("Prefix") or ""),
        "Delimiter": spell(delimiter) if delimiter else None,
        "MaxKeys": page_limit(request, "MaxKeys"),
        "EncodingType": request.get("EncodingType"),
        "IsTruncated": page.truncated,
        "CommonPrefixes": [{"Prefix": spell(prefix)} for prefix in page.prefixes],
    }


def _content(
    bucket: BucketRecord,
    record: ObjectRecord,
    version: Version,
    spell: Callable[[str], str],
    with_owner: bool,
) -> Json:
    return {
        "Key": spell(record.name),
        "LastModified": version.modified,
        "ETag": f'"{version.etag}"',
        "ChecksumAlgorithm": [name.removeprefix("Checksum") for name in version.checksums] or None,
        "ChecksumType": version.checksum_type,
        "Size": version.size,
        "StorageClass": version.storage_class,
        "Owner": owner(bucket.account) if with_owner else None,
    }


def _version(
    bucket: BucketRecord, record: ObjectRecord, version: Version, spell: Callable[[str], str]
) -> Json:
    latest = version is record.versions[0]
    return {
        **_content(bucket, record, version, spell, True),
        "VersionId": version.id,
        "IsLatest": latest,
    }


def _marker(
    bucket: BucketRecord, record: ObjectRecord, version: Version, spell: Callable[[str], str]
) -> Json:
    return {
        "Owner": owner(bucket.account),
        "Key": spell(record.name),
        "VersionId": version.id,
        "IsLatest": version is record.versions[0],
        "LastModified": version.modified,
    }
