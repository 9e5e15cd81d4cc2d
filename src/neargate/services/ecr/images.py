"""Listing, describing, getting and deleting images."""

from __future__ import annotations

import re

from neargate.model.ecr import Image, ImageTag, Repository
from neargate.model.errors import AwsError
from neargate.model.operations import Context, operation
from neargate.model.records import Json, Reader
from neargate.services.ecr.lookup import page, require_repository

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class _Unusable(Exception):
    """An image identifier that finds nothing: ECR's failure code and reason."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@operation("ecr", "DescribeImages", reads=True)
def describe_images(cx: Context, request: Json) -> Json:
    repository = require_repository(cx, request)
    wanted = request.get("imageIds")
    if wanted:
        found = list({each.digest: each for each in (_require(cx, repository, i) for i in wanted)}.values())
    else:
        found = cx.tx.scan(Image, repository.key + ":")
    tags = tags_by_digest(cx.tx, repository)
    status = (request.get("filter") or {}).get("tagStatus")
    found = [each for each in found if _has_status(bool(tags.get(each.digest)), status)]

    def render(image: Image) -> Json:
        return {
            "registryId": repository.account,
            "repositoryName": repository.name,
            "imageDigest": image.digest,
            "imageTags": tags.get(image.digest),
            "imageSizeInBytes": image.size,
            "imagePushedAt": image.pushed,
            "imageManifestMediaType": image.media_type,
            "artifactMediaType": image.config_media_type,
        }

    return page(request, "imageDetails", found, render)


@operation("ecr", "ListImages", reads=True)
def list_images(cx: Context, request: Json) -> Json:
    repository = require_repository(cx, request)
    tags = tags_by_digest(cx.tx, repository)
    status = (request.get("filter") or {}).get("tagStatus")
    ids: list[Json] = []
    for image in cx.tx.scan(Image, repository.key + ":"):
        mine = tags.get(image.digest, [])
        if _has_status(bool(mine), status):
            ids.extend({"imageDigest": image.digest, "imageTag": tag} for tag in mine)
            if not mine:
                ids.append({"imageDigest": image.digest})
    return page(request, "imageIds", ids, dict)


@operation("ecr", "BatchGetImage", reads=True)
def batch_get_image(cx: Context, request: Json) -> Json:
    repository = require_repository(cx, request)
    accepted = request.get("acceptedMediaTypes")
    images, failures = [], []
    for identifier in request["imageIds"]:
        try:
            image = find(cx.tx, repository, identifier)
        except _Unusable as unusable:
            failures.append(_failure(identifier, unusable))
            continue
        if accepted and image.media_type not in accepted:
            failures.append(
                _failure(
                    identifier,
                    _Unusable(
                        "ImageNotFound",
                        f"Requested image has the manifest media type {image.media_type}, which is not accepted",
                    ),
                )
            )
            continue
        images.append(
            {
                "registryId": repository.account,
                "repositoryName": repository.name,
                "imageId": {"imageDigest": image.digest, "imageTag": identifier.get("imageTag")},
                "imageManifest": image.manifest,
                "imageManifestMediaType": image.media_type,
            }
        )
    return {"images": images, "failures": failures}


@operation("ecr", "BatchDeleteImage")
def batch_delete_image(cx: Context, request: Json) -> Json:
    """By tag alone the tag goes, and with an image's last tag the image; by digest the image and all its tags.

    The layers stay recorded with the repository: a later push finds them.
    """
    repository = require_repository(cx, request)
    deleted: list[Json] = []
    failures: list[Json] = []
    for identifier in request["imageIds"]:
        try:
            image = find(cx.tx, repository, identifier)
            deleted.extend(_delete(cx, repository, image, identifier))
        except _Unusable as unusable:
            failures.append(_failure(identifier, unusable))
    return {"imageIds": deleted, "failures": failures}


def find(view: Reader, repository: Repository, identifier: Json) -> Image:
    """The image of an identifier (imageDigest, imageTag or both); `_Unusable` says why there is none."""
    tag, digest = identifier.get("imageTag"), identifier.get("imageDigest")
    if not tag and not digest:
        raise _Unusable(
            "MissingDigestAndTag", "Invalid request parameters: both tag and digest cannot be null"
        )
    if digest and not _DIGEST.fullmatch(digest):
        raise _Unusable(
            "InvalidImageDigest",
            "Invalid request parameters: image digest should satisfy the regex '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'",
        )
    if tag:
        tagged = view.get(ImageTag, f"{repository.key}:{tag}")
        if tagged is None:
            raise _Unusable("ImageNotFound", "Requested image not found")
        if digest and tagged.digest != digest:
            raise _Unusable("ImageTagDoesNotMatchDigest", "Tag and digest do not match the same image")
        digest = tagged.digest
    image = view.get(Image, f"{repository.key}:{digest}")
    if image is None:
        raise _Unusable("ImageNotFound", "Requested image not found")
    return image


def tags_by_digest(view: Reader, repository: Repository) -> dict[str, list[str]]:
    """Every tag of a repository, in order, under the digest it is on."""
    tags: dict[str, list[str]] = {}
    for each in view.scan(ImageTag, repository.key + ":"):
        tags.setdefault(each.digest, []).append(each.tag)
    return tags


def _require(cx: Context, repository: Repository, identifier: Json) -> Image:
    try:
        return find(cx.tx, repository, identifier)
    except _Unusable as unusable:
        if unusable.code not in {"ImageNotFound", "ImageTagDoesNotMatchDigest"}:
            raise AwsError(
                "InvalidParameterException",
                f"Invalid parameter at 'imageIds' failed to satisfy constraint: '{unusable.reason}'",
            ) from None
        digest, tag = identifier.get("imageDigest") or "null", identifier.get("imageTag") or "null"
        raise AwsError(
            "ImageNotFoundException",
            f"The image with imageId {{imageDigest:'{digest}', imageTag:'{tag}'}} does not exist within the "
            f"repository with name '{repository.name}' in the registry with id '{repository.account}'",
        ) from None


def _delete(cx: Context, repository: Repository, image: Image, identifier: Json) -> list[Json]:
    tags = tags_by_digest(cx.tx, repository).get(image.digest, [])
    gone = tags if identifier.get("imageDigest") else [identifier["imageTag"]]
    whole = len(gone) == len(tags)
    if whole:
        holders = [i.digest for i in cx.tx.scan(Image, repository.key + ":") if image.digest in i.manifests]
        if holders:
            raise _Unusable(
                "ImageReferencedByManifestList",
                f"Requested image referenced by manifest list: [{', '.join(holders)}]",
            )
        cx.tx.delete(Image, image.key)
    for tag in gone:
        cx.tx.delete(ImageTag, f"{repository.key}:{tag}")
    return [{"imageDigest": image.digest, "imageTag": tag} for tag in gone] or [{"imageDigest": image.digest}]


def _failure(identifier: Json, unusable: _Unusable) -> Json:
    return {"imageId": identifier, "failureCode": unusable.code, "failureReason": unusable.reason}


def _has_status(tagged: bool, status: str | None) -> bool:
    return status in {None, "ANY"} or (status == "TAGGED") == tagged
