"""Volumes: shared by a task's containers, EFS's kept for good, and what the mount helper says of others."""

from __future__ import annotations

import stat
from typing import Any

import pytest

from neargate.model.efs import AdoptedFileSystem
from neargate.model.errors import AwsError
from neargate.model.runtime import Mount
from neargate.planners.task_definition_volumes import mounts_of
from neargate.services.ecs.file_systems import adopt
from tests.unit.drivers.ecs_world import ACCOUNT, REGION, EcsWorld, container, ecs_world

pytestmark = pytest.mark.anyio

FS = "fs-0123456789abcdef0"


def mount(volume: str, path: str, **members: Any) -> dict[str, Any]:
    return {"sourceVolume": volume, "containerPath": path, **members}


def test_volumes_from_brings_the_mounts_of_others_and_keeps_them_read_only() -> None:
    containers = [
        {"name": "a", "mountPoints": [mount("own", "/own")], "volumesFrom": [{"sourceContainer": "b"}]},
        {
            "name": "b",
            "mountPoints": [mount("x", "/x"), mount("y", "/own")],
            "volumesFrom": [{"sourceContainer": "c", "readOnly": True}],
        },
        {"name": "c", "mountPoints": [mount("z", "/z")], "volumesFrom": [{"sourceContainer": "a"}]},
    ]
    found = [
        (m["sourceVolume"], m["containerPath"], m["readOnly"]) for m in mounts_of(containers[0], containers)
    ]
    assert found == [("own", "/own", False), ("x", "/x", False), ("z", "/z", True)]


async def started(world: EcsWorld, *containers: dict[str, Any], **members: Any) -> list[tuple[Mount, ...]]:
    """The mounts of a running task's containers; the task is stopped before this returns."""
    arn = await world.run_task(await world.register(*containers, **members))
    await world.until_status(arn, "RUNNING")
    found = [process.spec.mounts for process in world.containers.containers.values()]
    await world.call("StopTask", cluster="c", task=arn)
    await world.until_status(arn, "STOPPED")
    return found


async def reason(world: EcsWorld, volume: dict[str, Any]) -> str:
    definition = await world.register(
        container(mountPoints=[mount("v", "/v")]), volumes=[{"name": "v", "efsVolumeConfiguration": volume}]
    )
    shown = await world.until_status(await world.run_task(definition), "STOPPED")
    assert shown["stopCode"] == "TaskFailedToStart"
    return str(shown["stoppedReason"])


async def known(world: EcsWorld) -> None:
    record = AdoptedFileSystem(account=ACCOUNT, region=REGION, id=FS, adopted=0.0)
    await world.store.write(lambda tx: tx.put(record))


async def test_a_bind_volume_is_shared_in_its_task_and_gone_with_it() -> None:
    async with ecs_world() as world:
        (one,), (other,) = await started(
            world,
            container("a", mountPoints=[mount("v", "/v")]),
            container("b", volumesFrom=[{"sourceContainer": "a", "readOnly": True}]),
            volumes=[{"name": "v"}],
        )
        assert (one.source, one.target, one.read_only) == (other.source, "/v", False)
        assert (other.target, other.read_only) == ("/v", True)
        assert list((world.directory / "volumes").iterdir()) == []


async def test_a_file_system_stays_over_tasks_and_restarts() -> None:
    async with ecs_world() as world:
        await known(world)
        volumes = [{"name": "v", "efsVolumeConfiguration": {"fileSystemId": FS}}]
        definition = {"mountPoints": [mount("v", "/v")]}
        ((first,),) = await started(world, container(**definition), volumes=volumes)
        place = world.directory / "efs" / FS
        assert first == Mount(str(place), "/v")
        (place / "kept").write_text("x")
        await world.restart()
        ((second,),) = await started(world, container(**definition), volumes=volumes)
        assert second == first
        assert (place / "kept").read_text() == "x"


async def test_a_root_directory_must_be_there() -> None:
    async with ecs_world() as world:
        await known(world)
        (world.directory / "efs" / FS).mkdir(parents=True)
        (world.directory / "efs" / FS / "out").symlink_to("/etc")
        missing = (
            "ResourceInitializationError: failed to invoke EFS utils commands to set up EFS volumes: stderr: "
            f"b'mount.nfs4: mounting {FS}.efs.us-east-1.amazonaws.com:/data failed, reason given by server: No such "
            "file or directory' : unsuccessful EFS utils command execution; code: 32"
        )
        assert await reason(world, {"fileSystemId": FS, "rootDirectory": "/data"}) == missing
        for way_out in ("/out", "/../other"):
            text = await reason(world, {"fileSystemId": FS, "rootDirectory": way_out})
            assert text == missing.replace("/data", way_out)


async def test_an_access_point_of_an_adopted_file_system_has_a_directory_of_its_own() -> None:
    async with ecs_world() as world:
        await known(world)
        efs = {
            "fileSystemId": FS,
            "transitEncryption": "ENABLED",
            "authorizationConfig": {"accessPointId": "fsap-1", "iam": "ENABLED"},
        }
        volumes = [{"name": "v", "efsVolumeConfiguration": efs}]
        ((found,),) = await started(world, container(mountPoints=[mount("v", "/v")]), volumes=volumes)
        place = world.directory / "efs" / FS / "fsap-1"
        assert found.source == str(place)
        assert stat.S_IMODE(place.stat().st_mode) == 0o777


async def test_what_is_no_file_system_cannot_be_resolved() -> None:
    async with ecs_world() as world:
        text = await reason(world, {"fileSystemId": "fs-nonsense"})
        assert 'Failed to resolve "fs-nonsense.efs.us-east-1.amazonaws.com"' in text


async def test_adopting_says_what_was_new() -> None:
    async with ecs_world() as world:

        def work(tx: Any) -> dict[str, list[str]]:
            return adopt(world.dispatcher.context(tx, world.caller), [{"file_systems": [FS, FS]}])

        assert await world.store.write(work) == {"adopted": [FS], "existing": []}
        assert await world.store.write(work) == {"adopted": [], "existing": [FS]}

        def wrong(tx: Any) -> dict[str, list[str]]:
            return adopt(world.dispatcher.context(tx, world.caller), [{"file_systems": ["fs-x"]}])

        with pytest.raises(AwsError, match='Invalid id: "fs-x"'):
            await world.store.write(wrong)
