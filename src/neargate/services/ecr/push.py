"""PutImage: a manifest becomes an image, and a tag is put on it."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import attrs

from neargate.model.ecr import Image, ImageTag, Layer, Repository
from neargate.model.errors import AwsError
from neargate.model.operations import Context, operation
from neargate.model.records import Json, Reader
from neargate.services.ecr.lookup import require_repository

SCHEMA2 = "application/vnd.docker.distribution.manifest.v2+json"
LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


@operation("ecr", "PutImage")
def put_image(cx: Context, request: Json) -> Json:
    repository = require_repository(cx, request)
    image = read_manifest(repository, request["imageManifest"], request.get("imageManifestMediaType"))
    image = attrs.evolve(image, pushed=cx.now)
    wanted = request.get("imageDigest")
    if wanted and wanted != image.digest:
        raise AwsError(
            "ImageDigestDoesNotMatchException",
            f"Provided image digest '{wanted}' does not match the calculated digest '{image.digest}'",
        )
    image = attrs.evolve(image, size=_weigh(cx.tx, repository, image))
    known = cx.tx.get(Image, image.key)
    tag = request.get("imageTag")
    if tag is not None:
        _put_tag(cx, repository, image, tag)
    elif known is not None:
        raise AwsError(
            "ImageAlreadyExistsException",
            f"Image with digest '{image.digest}' already exists in the repository with name "
            f"'{repository.name}' in registry with id '{repository.account}'",
        )
    if known is None:
        cx.tx.put(image)
    body = {"digest": image.digest, "tag": tag}
    cx.tx.append("ecr.push", repository.key, {k: v for k, v in body.items() if v is not None})
    return {
        "image": {
            "registryId": repository.account,
            "repositoryName": repository.name,
            "imageId": {"imageDigest": image.digest, "imageTag": tag},
            "imageManifest": image.manifest,
            "imageManifestMediaType": image.media_type,
        }
    }


def read_manifest(repository: Repository, text: str, media_type: str | None = None) -> Image:
    """What a manifest says, as an image that was not weighed yet. Raises InvalidParameterException."""
    try:
        manifest = json.loads(text)
        if not isinstance(manifest, dict):
            raise _invalid("Invalid JSON syntax")
        layers: tuple[str, ...] = ()
        manifests: tuple[str, ...] = ()
        kind = media_type or manifest.get("mediaType") or _guess(manifest)
        if kind in {LIST, INDEX}:
            config = None
            manifests = tuple(str(each["digest"]) for each in manifest["manifests"])
        elif kind in {SCHEMA2, OCI}:
            config = manifest["config"]
            layers = (str(config["digest"]), *(str(each["digest"]) for each in manifest["layers"]))
        else:
            raise _invalid(f"Unsupported image manifest media type '{kind}'")
    except ValueError:
        raise _invalid("Invalid JSON syntax") from None
    except (KeyError, TypeError):
        raise _invalid("Invalid image manifest") from None
    return Image(
        repository=repository.key,
        digest="sha256:" + hashlib.sha256(text.encode()).hexdigest(),
        manifest=text,
        media_type=kind,
        pushed=0.0,
        size=0,
        config=None if config is None else str(config["digest"]),
        config_media_type=None if config is None else config.get("mediaType"),
        layers=tuple(dict.fromkeys(layers)),
        manifests=manifests,
    )


def _guess(manifest: dict[str, Any]) -> str:
    """The type of a manifest that does not say it."""
    if "manifests" in manifest:
        return INDEX
    return OCI if "config" in manifest else "application/vnd.docker.distribution.manifest.v1+json"


def _invalid(why: str) -> AwsError:
    return AwsError(
        "InvalidParameterException",
        f"Invalid parameter at 'ImageManifest' failed to satisfy constraint: '{why}'",
    )


def _weigh(view: Reader, repository: Repository, image: Image) -> int:
    """The image's size in bytes. Raises where something it names was never pushed."""
    if image.manifests:
        parts = {each: view.get(Image, f"{repository.key}:{each}") for each in image.manifests}
        missing = [digest for digest, part in parts.items() if part is None]
        if missing:
            raise AwsError(
                "ReferencedImagesNotFoundException",
                f"Images with digests '[{', '.join(missing)}]' required for pushing image into repository with "
                f"name '{repository.name}' in the registry with id '{repository.account}' do not exist",
            )
        return max((part.size for part in parts.values() if part is not None), default=0)
    layers = {each: view.get(Layer, f"{repository.key}:{each}") for each in image.layers}
    missing = [digest for digest, layer in layers.items() if layer is None]
    if missing:
        raise AwsError(
            "LayersNotFoundException",
            f"Layers with digests '[{', '.join(missing)}]' required for pushing image into repository with "
            f"name '{repository.name}' in the registry with id '{repository.account}' do not exist",
        )
    return sum(layer.blob.size for layer in layers.values() if layer is not None)


def _put_tag(cx: Context, repository: Repository, image: Image, tag: str) -> None:
    current = cx.tx.get(ImageTag, f"{repository.key}:{tag}")
    if current is not None and current.digest == image.digest:
        raise AwsError(
            "ImageAlreadyExistsException",
            f"Image with digest '{image.digest}' and tag '{tag}' already exists in the repository with name "
            f"'{repository.name}' in registry with id '{repository.account}'",
        )
    if current is not None and repository.forbids_overwriting(tag):
        raise tag_is_taken(repository, tag)
    cx.tx.put(ImageTag(repository=repository.key, tag=tag, digest=image.digest))


def tag_is_taken(repository: Repository, tag: str) -> AwsError:
    """Why a tag of an immutable repository cannot be moved."""
    return AwsError(
        "ImageTagAlreadyExistsException",
        f"The image tag '{tag}' already exists in the '{repository.name}' repository and cannot be overwritten "
        "because the repository is immutable.",
    )
