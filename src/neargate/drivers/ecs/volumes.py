"""Where the volumes of tasks lie on this machine.

A bind volume is a directory of its task, empty at first and gone with it. An EFS volume is a directory that stays:
`FILE-SYSTEMS/fs-…`, and below it what rootDirectory or the access point names. A file system must be one that EFS
here knows, or one whose id was adopted; what AWS's mount helper says of others is said here too.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from pathlib import Path

import attrs

from neargate.drivers.ecs import actors
from neargate.model.ecs import Task, TaskDefinition
from neargate.model.efs import AdoptedFileSystem
from neargate.model.errors import AwsError
from neargate.model.records import Json
from neargate.services.dispatch import Dispatcher

_FAILED = "ResourceInitializationError: failed to invoke EFS utils commands to set up EFS volumes: stderr: "
_ID = re.compile(r"fs-[0-9a-f]{8,40}\Z")


class VolumeUnavailable(Exception):
    """A volume cannot be mounted; the text is the task's stopped reason."""


@attrs.frozen
class TaskVolumes:
    """`tasks` holds the tasks' own directories, `file_systems` those of EFS."""

    dispatcher: Dispatcher
    tasks: Path
    file_systems: Path

    async def prepare(self, task: Task, definition: TaskDefinition) -> dict[str, Path]:
        """The directory of each volume by name, made where it is the task's. Raises VolumeUnavailable."""
        found: dict[str, Path] = {}
        for volume in definition.volumes:
            efs = volume.get("efsVolumeConfiguration")
            if efs:
                found[volume["name"]] = await self._mounted(task, efs)
            else:
                found[volume["name"]] = path = self.tasks / task.id / volume["name"]
                await asyncio.to_thread(_directory, path)
        return found

    async def remove(self, task: Task) -> None:
        """Remove the task's own volumes. EFS's stay."""
        mine = self.tasks / task.id
        if mine.exists():
            await asyncio.to_thread(shutil.rmtree, mine, ignore_errors=True)

    async def _mounted(self, task: Task, efs: Json) -> Path:
        system = efs["fileSystemId"]
        host = f"{system}.efs.{task.region}.amazonaws.com"
        if not _ID.match(system) or not await self._exists(task, system):
            raise VolumeUnavailable(
                f'{_FAILED}Failed to resolve "{host}" - check that your file system ID is correct, and ensure that '
                "the VPC has an EFS mount target for this file system ID. : unsuccessful EFS utils command "
                "execution; code: 1"
            )
        point = (efs.get("authorizationConfig") or {}).get("accessPointId")
        if point:
            directory, creation = await self._access_point(task, system, point)
        else:
            directory, creation = efs.get("rootDirectory") or "/", None
        top = self.file_systems / system
        found = await asyncio.to_thread(_inside, top, directory, creation)
        if found is None:
            raise VolumeUnavailable(
                f"{_FAILED}b'mount.nfs4: mounting {host}:{directory} failed, reason given by server: No such file or "
                "directory' : unsuccessful EFS utils command execution; code: 32"
            )
        return found

    async def _exists(self, task: Task, system: str) -> bool:
        """Whether EFS knows it here, or its id was adopted. Without the extra that answers EFS all are known."""
        if self._adopted(task, system):
            return True
        found = await self._described(task, "DescribeFileSystems", "FileSystems", FileSystemId=system)
        return found is None or bool(found)

    def _adopted(self, task: Task, system: str) -> bool:
        key = AdoptedFileSystem.key_of(task.account, task.region, system)
        return self.dispatcher.store.read(lambda view: view.get(AdoptedFileSystem, key)) is not None

    async def _access_point(self, task: Task, system: str, point: str) -> tuple[str, Json | None]:
        """Its root directory, and how that is made where it is missing."""
        own = f"/{point}", {"OwnerUid": 0, "OwnerGid": 0, "Permissions": "0777"}
        if self._adopted(task, system):  # what a real account's access point says nobody knows here
            return own
        found = await self._described(task, "DescribeAccessPoints", "AccessPoints", AccessPointId=point)
        if found is None:
            return own
        if not found or found[0]["FileSystemId"] != system:
            raise VolumeUnavailable(
                f"{_FAILED}b'mount.nfs4: access denied by server while mounting 127.0.0.1:/' : unsuccessful EFS utils "
                "command execution; code: 32"
            )
        root = found[0].get("RootDirectory") or {}
        return root.get("Path") or "/", root.get("CreationInfo")

    async def _described(self, task: Task, call: str, member: str, **request: str) -> list[Json] | None:
        """What EFS answers; None where nothing here does."""
        try:
            answer = await self.dispatcher.call(actors.execution(task), "efs", call, dict(request))
        except AwsError as error:
            if error.code in ("FileSystemNotFound", "AccessPointNotFound"):
                return []
            if error.code == "NotImplemented":
                return None
            raise
        return list(answer.get(member) or ())


def _directory(path: Path) -> None:
    """As Fargate makes an empty volume: root's, and anybody may look into it."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o755)


def _inside(top: Path, directory: str, creation: Json | None) -> Path | None:
    """The directory below a file system's root, made where an access point says how; None where it is not there.

    Links are not followed: what a task writes must not lead out of its file system.
    """
    if not top.is_dir():
        _directory(top)
    path = top
    for part in directory.split("/"):
        if part in ("", "."):
            continue
        path = path / part
        if part == ".." or path.is_symlink():
            return None
        if not path.is_dir():
            if creation is None:
                return None
            path.mkdir()
            os.chown(path, int(creation["OwnerUid"]), int(creation["OwnerGid"]))
            path.chmod(int(creation["Permissions"], 8))
    return path
