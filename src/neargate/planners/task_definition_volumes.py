"""The volumes of a task definition and how its containers mount them: what ECS refuses, in its words.

Texts without another source were recorded on AWS in September 2026 (docs/facts-found.md).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from neargate.model.records import Json
from neargate.planners.task_definition_errors import refused

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,255}\Z")


def check_volumes(definition: Json) -> None:
    """The volumes themselves, on every launch type. Raises AwsError."""
    seen: set[str] = set()
    for volume in definition.get("volumes") or ():
        name = volume.get("name") or ""
        if not _NAME.match(name):
            raise refused("Volume.name contains invalid characters.")
        if name in seen:
            raise refused(f"Volume names must be unique within a task definition: {name}.")
        seen.add(name)
        if volume.get("efsVolumeConfiguration"):
            _check_efs(volume["efsVolumeConfiguration"])
    _check_referenced(definition)


def _check_efs(efs: Json) -> None:
    encrypted = efs.get("transitEncryption") == "ENABLED"
    authorization = efs.get("authorizationConfig") or {}
    if efs.get("transitEncryptionPort") and not encrypted:
        raise refused("TransitEncryptionPort requires that TransitEncryption is enabled.")
    if authorization.get("iam") == "ENABLED" and not encrypted:
        raise refused("EFS IAM authorization requires TransitEncryption to be enabled.")
    if not authorization.get("accessPointId"):
        return
    if (efs.get("rootDirectory") or "/") != "/":
        raise refused(
            'When using an EFS access point, the root directory must either be set to "/" or be omitted.'
        )
    if not encrypted:
        raise refused("EFS access points require TransitEncryption to be enabled.")


def _check_referenced(definition: Json) -> None:
    """A volume that is configured at launch must be mounted somewhere; others may lie idle."""
    mounted = {
        mount.get("sourceVolume")
        for container in definition["containerDefinitions"]
        for mount in container.get("mountPoints") or ()
    }
    idle = [
        volume["name"]
        for volume in definition.get("volumes") or ()
        if volume.get("configuredAtLaunch") and volume["name"] not in mounted
    ]
    if idle:
        raise refused(f"Volumes [{', '.join(idle)}] are not referenced by any of the containers")


def check_mounts(container: Json, definition: Json) -> None:
    """A container's mountPoints and volumesFrom. Raises AwsError."""
    volumes = {volume.get("name") for volume in definition.get("volumes") or ()}
    for mount in container.get("mountPoints") or ():
        if mount.get("sourceVolume") not in volumes:
            raise refused(f"Unknown volume '{mount.get('sourceVolume')}'.")
        if not mount.get("containerPath"):
            raise refused("Container path should not be null or empty.")
    names = {other["name"] for other in definition["containerDefinitions"]}
    for source in container.get("volumesFrom") or ():
        if source.get("sourceContainer") not in names - {container["name"]}:
            raise refused(
                f"Invalid 'volumesFrom' setting. Unknown container: '{source.get('sourceContainer')}'."
            )


def mounts_of(container: Json, containers: Sequence[Json]) -> list[Json]:
    """A container's own mount points, then those that `volumesFrom` brings, nearest first, each path once.

    What is taken from another container read-only stays so further down.
    """
    by_name = {other["name"]: other for other in containers}
    found: dict[str, Json] = {}

    def take(name: str, read_only: bool, seen: frozenset[str]) -> None:
        for mount in by_name[name].get("mountPoints") or ():
            path = mount["containerPath"]
            found.setdefault(path, {**mount, "readOnly": read_only or bool(mount.get("readOnly"))})
        for source in by_name[name].get("volumesFrom") or ():
            other = source["sourceContainer"]
            if other not in seen:
                take(other, read_only or bool(source.get("readOnly")), seen | {other})

    take(container["name"], False, frozenset({container["name"]}))
    return list(found.values())
