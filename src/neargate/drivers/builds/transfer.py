"""Sources from S3, artifacts to S3, under the project's role."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import attrs

from neargate.drivers.builds.failure import CLIENT_ERROR, YAML_FILE_ERROR, PhaseFailed, sdk_failure
from neargate.drivers.builds.ledger import role_caller
from neargate.drivers.builds.workspace import Workspace
from neargate.model.codebuild import Build, Stored
from neargate.model.errors import AwsError
from neargate.model.records import Blob, Json
from neargate.planners.build_artifacts import NO_MATCH, Selection, select
from neargate.planners.buildspec import ArtifactSpec, Buildspec
from neargate.services.codebuild.builds import artifact_location
from neargate.services.dispatch import Dispatcher

_ARN = "arn:aws:s3:::"
_DEFAULT = "buildspec.yml"


async def fetch_sources(dispatcher: Dispatcher, build: Build, workspace: Workspace) -> None:
    """Unpack the primary source and the secondary ones, numbered from 1. Raises `PhaseFailed`."""
    secondary = build.declared.get("secondarySources") or []
    for number, source in enumerate([build.declared["source"], *secondary]):
        if source["type"] == "NO_SOURCE":
            continue
        bucket, _, key = source["location"].removeprefix(_ARN).partition("/")
        version = build.source_version if number == 0 and not build.pipeline else None
        which = "primary" if number == 0 else "secondary"
        what = f"{which} source and source version {version or f'{_ARN}{bucket}/{key}'}"
        blob = await _get(dispatcher, build, bucket, key, what, version)
        await asyncio.to_thread(workspace.unpack, Path(dispatcher.blobs.path(blob)), number)


async def fetch_buildspec(dispatcher: Dispatcher, build: Build, workspace: Workspace) -> tuple[str, str]:
    """The buildspec's text, and where it was found. Raises `PhaseFailed`."""
    given = (build.declared["source"].get("buildspec") or "").strip()
    if "\n" in given or given.startswith(("{", "version:")):
        return given, f"{workspace.container_source()}/{_DEFAULT}"
    if given.startswith(_ARN):
        bucket, _, key = given.removeprefix(_ARN).partition("/")
        blob = await _get(dispatcher, build, bucket, key, f"buildspec {given}", None)
        return dispatcher.blobs.read(blob).decode(errors="replace"), given
    name = given or _DEFAULT
    path = workspace.source() / name.removeprefix(workspace.container_source()).lstrip("/")
    if not workspace.holds(path):
        raise PhaseFailed(YAML_FILE_ERROR, "YAML file does not exist")
    return path.read_text(errors="replace"), f"{workspace.container_source()}/{name}"


async def _get(
    dispatcher: Dispatcher, build: Build, bucket: str, key: str, what: str, version: str | None
) -> Blob:
    request: Json = {"Bucket": bucket, "Key": key}
    if version:
        request["VersionId"] = version
    try:
        answer = await dispatcher.call(role_caller(build), "s3", "GetObject", request)
    except AwsError as error:
        raise sdk_failure(error, what) from error
    body = answer["Body"]
    return body if isinstance(body, Blob) else dispatcher.blobs.put(body)


@attrs.frozen
class Wanted:
    """An artifact to be uploaded: CodeBuild's settings of it, and the buildspec's. `number` 0 is the primary."""

    settings: Json
    spec: ArtifactSpec
    number: int


def wanted_artifacts(build: Build, spec: Buildspec) -> list[Wanted]:
    """Those that have a place to go to. Raises `PhaseFailed` where the buildspec does not say what is in one."""
    found: list[Wanted] = []
    settings = [build.declared["artifacts"], *(build.declared.get("secondaryArtifacts") or ())]
    by_name = {each.identifier: (number, each) for number, each in enumerate(spec.secondary, start=1)}
    for each in settings:
        if each["type"] != "S3":
            continue
        identifier = each.get("artifactIdentifier") or ""
        if not identifier and spec.artifacts is not None:
            found.append(Wanted(each, spec.artifacts, 0))
        elif identifier in by_name:
            number, artifact = by_name[identifier]
            found.append(Wanted(each, artifact, number))
        elif identifier:
            raise PhaseFailed(
                CLIENT_ERROR, f"no definition for secondary artifact {identifier} in the buildspec"
            )
        else:
            raise PhaseFailed(CLIENT_ERROR, NO_MATCH)
    return found


async def choose(wanted: Wanted, workspace: Workspace, environment: Mapping[str, str]) -> Selection:
    paths = await asyncio.to_thread(workspace.paths)
    return select(wanted.spec, paths, workspace.container_source(), environment)


async def upload(
    dispatcher: Dispatcher, build: Build, wanted: Wanted, selection: Selection, workspace: Workspace
) -> Stored:
    """One artifact, as a zip or as its files. Raises `PhaseFailed`."""
    settings = dict(wanted.settings)
    if settings.get("overrideArtifactName") and wanted.spec.name:
        settings["name"] = workspace.evaluated_name(wanted.number, wanted.spec.name)
    location = artifact_location(build, settings)
    bucket, _, key = location.removeprefix(_ARN).partition("/")
    identifier = wanted.settings.get("artifactIdentifier") or ""
    if settings.get("packaging") != "ZIP":
        for path, name in selection.files:
            content = await asyncio.to_thread((workspace.source() / path).read_bytes)
            await _put(dispatcher, build, bucket, f"{key}/{name}".lstrip("/"), content)
        return Stored(location, identifier)
    archive = await asyncio.to_thread(workspace.pack, selection.files, identifier or "artifact")
    blob = await _put(dispatcher, build, bucket, key, await asyncio.to_thread(archive.read_bytes))
    return Stored(location, identifier, blob.sha256, blob.md5)


async def _put(dispatcher: Dispatcher, build: Build, bucket: str, key: str, content: bytes) -> Blob:
    blob = await asyncio.to_thread(dispatcher.blobs.put, content)
    request = {"Bucket": bucket, "Key": key, "Body": blob}
    try:
        await dispatcher.call(role_caller(build), "s3", "PutObject", request)
    except AwsError as error:
        raise sdk_failure(error, f"artifact {_ARN}{bucket}/{key}") from error
    return blob
