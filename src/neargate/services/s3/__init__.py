"""S3: buckets and their settings, objects and their versions, multipart uploads."""

from __future__ import annotations

from neargate.services.s3 import (
    access,
    buckets,
    configurations,
    copying,
    deleting,
    listing,
    multipart,
    notifications,
    object_lock,
    object_tags,
    objects,
    settings,
    uploads,
)

__all__ = [
    "access",
    "buckets",
    "configurations",
    "copying",
    "deleting",
    "listing",
    "multipart",
    "notifications",
    "object_lock",
    "object_tags",
    "objects",
    "settings",
    "uploads",
]
