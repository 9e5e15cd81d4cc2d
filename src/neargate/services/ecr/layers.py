"""Layers: the blobs that images are made of. They are uploaded through the registry at /v2/."""

from __future__ import annotations

import re
from urllib.parse import quote

from neargate.model.ecr import Image, Layer, Repository, issue_token
from neargate.model.errors import AwsError
from neargate.model.operations import Context, operation
from neargate.model.records import Blob, Json, Tx
from neargate.services.ecr.lookup import require_repository

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def record_layer(tx: Tx, repository: Repository, blob: Blob) -> Layer:
    """A blob, already stored, becomes a layer of the repository. Twice is fine."""
    layer = Layer(repository=repository.key, digest=f"sha256:{blob.sha256}", blob=blob)
    tx.put(layer)
    return layer


@operation("ecr", "BatchCheckLayerAvailability", reads=True)
def batch_check_layer_availability(cx: Context, request: Json) -> Json:
    repository = require_repository(cx, request)
    layers, failures = [], []
    for digest in request["layerDigests"]:
        if not _DIGEST.fullmatch(digest):
            failures.append(
                {
                    "layerDigest": digest,
                    "failureCode": "InvalidLayerDigest",
                    "failureReason": "Invalid layer digest",
                }
            )
            continue
        layer = cx.tx.get(Layer, f"{repository.key}:{digest}")
        if layer is None:
            layers.append({"layerDigest": digest, "layerAvailability": "UNAVAILABLE"})
        else:
            layers.append(
                {
                    "layerDigest": digest,
                    "layerAvailability": "AVAILABLE",
                    "layerSize": layer.blob.size,
                }
            )
    return {"layers": layers, "failures": failures}


@operation("ecr", "GetDownloadUrlForLayer")
def get_download_url_for_layer(cx: Context, request: Json) -> Json:
    """A URL that needs no header: the registry takes the token as a parameter too."""
    repository, digest = require_repository(cx, request), request["layerDigest"]
    if cx.tx.get(Layer, f"{repository.key}:{digest}") is None:
        raise AwsError(
            "LayersNotFoundException",
            f"The layer with digest '{digest}' does not exist in the repository with name "
            f"'{repository.name}' in the registry with id '{repository.account}'",
        )
    if not any(digest in image.layers for image in cx.tx.scan(Image, repository.key + ":")):
        raise AwsError(
            "LayerInaccessibleException",
            f"The layer with digest '{digest}' is not referenced by an image in the repository with name "
            f"'{repository.name}' in the registry with id '{repository.account}'",
        )
    path = f"/v2/{repository.registry.host}/{repository.name}/blobs/{digest}"
    token = issue_token(cx.tx, cx.ids, cx.caller, cx.now)
    return {
        "downloadUrl": f"{cx.settings.endpoint}{path}?token={quote(token, safe='')}",
        "layerDigest": digest,
    }
