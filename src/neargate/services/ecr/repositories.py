"""Creating, describing and deleting repositories."""

from __future__ import annotations

from neargate.model.ecr import Image, ImageTag, Layer, Repository
from neargate.model.errors import AwsError
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.services.ecr.lookup import page, registry, repository_of, require_repository
from neargate.services.ecr.tagging import merged


@operation("ecr", "CreateRepository")
def create_repository(cx: Context, request: Json) -> Json:
    where, name = registry(cx, request), request["repositoryName"]
    if cx.tx.get(Repository, where.scope(name)) is not None:
        raise AwsError(
            "RepositoryAlreadyExistsException",
            f"The repository with name '{name}' already exists in the registry with id '{where.account}'",
        )
    encryption = request.get("encryptionConfiguration") or {}
    repository = Repository(
        account=where.account,
        region=where.region,
        name=name,
        created=cx.now,
        mutability=request.get("imageTagMutability") or "MUTABLE",
        exclusion_filters=exclusion_filters(request),
        scan_on_push=bool((request.get("imageScanningConfiguration") or {}).get("scanOnPush")),
        encryption_type=encryption.get("encryptionType") or "AES256",
        kms_key=_kms_key(cx, encryption),
        tags=merged({}, request.get("tags") or []),
    )
    cx.tx.put(repository)
    return {"repository": described(cx, repository)}


@operation("ecr", "DescribeRepositories", reads=True)
def describe_repositories(cx: Context, request: Json) -> Json:
    where = registry(cx, request)
    named = [repository_of(cx, where, name) for name in request.get("repositoryNames") or ()]
    found = named or cx.tx.scan(Repository, where.scope(""))
    return page(request, "repositories", found, lambda each: described(cx, each))


@operation("ecr", "DeleteRepository")
def delete_repository(cx: Context, request: Json) -> Json:
    repository = require_repository(cx, request)
    prefix = repository.key + ":"
    images = cx.tx.scan(Image, prefix)
    if images and not request.get("force"):
        raise AwsError(
            "RepositoryNotEmptyException",
            f"The repository with name '{repository.name}' in registry with id '{repository.account}' "
            "cannot be deleted because it still contains images",
        )
    for kind in (Image, ImageTag, Layer):
        for record in cx.tx.scan(kind, prefix):
            cx.tx.delete(kind, record.key)
    cx.tx.delete(Repository, repository.key)
    return {"repository": described(cx, repository)}


def described(cx: Context, repository: Repository) -> Json:
    """A `Repository` shape."""
    encryption = {"encryptionType": repository.encryption_type}
    if repository.kms_key is not None:
        encryption["kmsKey"] = repository.kms_key
    shape: Json = {
        "repositoryArn": repository.arn,
        "registryId": repository.account,
        "repositoryName": repository.name,
        "repositoryUri": f"{repository.registry.local_host(cx.settings.port)}/{repository.name}",
        "createdAt": repository.created,
        "imageTagMutability": repository.mutability,
        "imageScanningConfiguration": {"scanOnPush": repository.scan_on_push},
        "encryptionConfiguration": encryption,
    }
    if repository.exclusion_filters:
        shape["imageTagMutabilityExclusionFilters"] = list(repository.exclusion_filters)
    return shape


def exclusion_filters(request: Json) -> tuple[Json, ...]:
    """The request's mutability exclusion filters, which belong to the WITH_EXCLUSION settings only."""
    filters = tuple(request.get("imageTagMutabilityExclusionFilters") or ())
    setting = request.get("imageTagMutability") or "MUTABLE"
    if bool(filters) != setting.endswith("_WITH_EXCLUSION"):
        raise AwsError(
            "InvalidParameterException",
            "Invalid parameter at 'imageTagMutabilityExclusionFilters' failed to satisfy constraint: "
            "'exclusion filters must be given with, and only with, IMMUTABLE_WITH_EXCLUSION or "
            "MUTABLE_WITH_EXCLUSION'",
        )
    return filters


def _kms_key(cx: Context, encryption: Json) -> str | None:
    kind = encryption.get("encryptionType") or "AES256"
    key: str | None = encryption.get("kmsKey")
    if kind == "AES256":
        if key is not None:
            raise AwsError(
                "InvalidParameterException",
                "Invalid parameter at 'encryptionConfiguration' failed to satisfy constraint: 'kmsKey must not "
                "be specified when encryptionType is AES256'",
            )
        return None
    return key or cx.caller.arn("kms", "alias/aws/ecr")
