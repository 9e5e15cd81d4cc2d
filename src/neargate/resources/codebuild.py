"""AWS::CodeBuild::Project."""

from __future__ import annotations

from neargate.model.errors import AwsError
from neargate.model.records import Json
from neargate.model.tags import lower
from neargate.resources.declaration import (
    Call,
    Desired,
    Existing,
    Identity,
    Naming,
    ResourceType,
    Steps,
    handler_code,
)
from neargate.resources.shapes import call, without

_HONOURED = frozenset(
    "Artifacts AutoRetryLimit BadgeEnabled Cache ConcurrentBuildLimit Description EncryptionKey Environment LogsConfig "
    "Name QueuedTimeoutInMinutes SecondaryArtifacts SecondarySources ServiceRole Source SourceVersion Tags "
    "TimeoutInMinutes".split()
)


def _error(verb: str, error: AwsError) -> tuple[str, str]:
    return (
        f"{error.message} (Service: AWSCodeBuild; Status Code: {error.status}; Error Code: {error.code}; "
        f"Request ID: {error.request_id}; Proxy: null)",
        handler_code(error),
    )


def _create(want: Desired) -> Steps[Identity]:
    yield call(
        "codebuild",
        "CreateProject",
        without(want.properties, "Name", "Tags"),
        name=want.name,
        tags=lower(want.all_tags) or None,
    )
    return Identity(want.name or "")


def _update(old: Existing, want: Desired) -> Steps[None]:
    yield call(
        "codebuild",
        "UpdateProject",
        without(want.properties, "Name", "Tags"),
        name=old.id,
        tags=lower(want.all_tags) or None,
    )


def _read(existing: Existing) -> Steps[Json]:
    answer = yield Call("codebuild", "BatchGetProjects", {"names": [existing.id]})
    if not answer["projects"]:
        raise AwsError("ResourceNotFoundException", f"Project cannot be found: {existing.id}")
    return {"Arn": answer["projects"][0]["arn"], "Id": existing.id}


def _delete(existing: Existing) -> Steps[None]:
    yield Call("codebuild", "DeleteProject", {"name": existing.id})


TYPES = {
    "AWS::CodeBuild::Project": ResourceType(
        type="AWS::CodeBuild::Project",
        honoured=_HONOURED,
        naming=Naming("Name", style="stackless"),
        create=_create,
        read=_read,
        update=_update,
        delete=_delete,
        error=_error,
    )
}
