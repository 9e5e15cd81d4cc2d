"""Settings of a repository and of the registry."""

from __future__ import annotations

import attrs

from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.services.ecr.lookup import require_repository
from neargate.services.ecr.repositories import exclusion_filters


@operation("ecr", "PutImageTagMutability")
def put_image_tag_mutability(cx: Context, request: Json) -> Json:
    repository = attrs.evolve(
        require_repository(cx, request),
        mutability=request["imageTagMutability"],
        exclusion_filters=exclusion_filters(request),
    )
    cx.tx.put(repository)
    return {
        "registryId": repository.account,
        "repositoryName": repository.name,
        "imageTagMutability": repository.mutability,
        "imageTagMutabilityExclusionFilters": list(repository.exclusion_filters) or None,
    }


@operation("ecr", "PutImageScanningConfiguration")
def put_image_scanning_configuration(cx: Context, request: Json) -> Json:
    """Recorded only: nothing scans, and no image ever claims to have been scanned."""
    scan = bool(request["imageScanningConfiguration"].get("scanOnPush"))
    repository = attrs.evolve(require_repository(cx, request), scan_on_push=scan)
    cx.tx.put(repository)
    return {
        "registryId": repository.account,
        "repositoryName": repository.name,
        "imageScanningConfiguration": {"scanOnPush": scan},
    }


@operation("ecr", "DescribeRegistry", reads=True)
def describe_registry(cx: Context, request: Json) -> Json:
    return {"registryId": cx.account, "replicationConfiguration": {"rules": []}}
