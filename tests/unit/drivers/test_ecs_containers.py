"""What a definition asks for, as the runtime gets it: terminals, capabilities, tmpfs, parameters, restarts."""

from __future__ import annotations

from typing import Any

import pytest

from neargate.model.runtime import Tmpfs, Ulimit
from neargate.runtimes.memory import Process
from tests.unit.drivers.ecs_world import EcsWorld, container, ecs_world, logged

pytestmark = pytest.mark.anyio


async def running(world: EcsWorld, *containers: dict[str, Any], **members: Any) -> dict[str, Process]:
    """A running task's containers by name."""
    arn = await world.run_task(await world.register(*containers, **members))
    await world.until_status(arn, "RUNNING")
    return {process.spec.name.rsplit("-", 1)[-1]: process for process in world.containers.containers.values()}


async def test_what_is_asked_of_the_kernel_reaches_the_container() -> None:
    async with ecs_world() as world:
        wanted = container(
            linuxParameters={
                "capabilities": {"add": ["SYS_PTRACE"], "drop": ["CHOWN"]},
                "tmpfs": [{"containerPath": "/t", "size": 16, "mountOptions": ["noexec"]}],
                "initProcessEnabled": True,
            },
            systemControls=[{"namespace": "net.core.somaxconn", "value": "777"}],
            ulimits=[{"name": "core", "softLimit": 0, "hardLimit": 0}],
            interactive=True,
            pseudoTerminal=True,
        )
        spec = (await running(world, wanted))["app"].spec
        assert (spec.add_capabilities, spec.drop_capabilities) == (("SYS_PTRACE",), ("CHOWN",))
        assert spec.tmpfs == (Tmpfs("/t", 16, ("noexec",)),)
        assert (spec.init, spec.open_stdin, spec.tty) == (True, True, True)
        assert spec.sysctls == {"net.core.somaxconn": "777"}
        assert set(spec.ulimits) == {Ulimit("nofile", 65535, 65535), Ulimit("core", 0, 0)}


async def test_with_pid_mode_task_the_containers_share_their_processes() -> None:
    async with ecs_world() as world:
        found = await running(world, container("a"), container("b"), pidMode="task")
        assert set(found["a"].sees()) == set(found.values())
        apart = await running(world, container("c"), container("d"))
        assert apart["c"].sees() == [apart["c"]]


async def test_a_container_that_its_policy_starts_again_goes_on_in_the_same_log_stream() -> None:
    async def program(process: Process) -> int:
        stopped = process.trap("SIGTERM")
        runs = process.files.get("runs", "") + "x"
        await process.say(f"run {len(runs)}")
        process.files["runs"] = runs
        await stopped.wait()
        return 3

    async with ecs_world() as world:
        world.containers.default = program
        policy = {"enabled": True, "restartAttemptPeriod": 60}
        arn = await world.run_task(await world.register(logged(restartPolicy=policy)))
        await world.until_status(arn, "RUNNING")
        (process,) = world.containers.containers.values()
        world.clock.ahead += 100
        process.signal("SIGTERM")
        await world.until(lambda: any(c.restarts == 1 for t in world.tasks() for c in t.containers))
        await process.until(lambda: process.files["runs"] == "xx")

        shown = await world.task(arn)
        assert (shown["lastStatus"], shown["containers"][0]["lastStatus"]) == ("RUNNING", "RUNNING")
        await world.restart()
        process.signal("SIGTERM")
        shown = await world.until_status(arn, "STOPPED")
        assert (shown["stopCode"], shown["containers"][0]["exitCode"]) == ("EssentialContainerExited", 3)
        events = await world.call(
            "GetLogEvents",
            "logs",
            logGroupName="/web",
            logStreamName=f"p/app/{arn.rsplit('/', 1)[-1]}",
            startFromHead=True,
        )
        assert [event["message"] for event in events["events"]] == ["run 1", "run 2"]


async def test_the_override_of_environment_files_stands_for_the_definitions() -> None:
    async with ecs_world() as world:
        await world.call("CreateBucket", "s3", Bucket="settings")
        for name in ("one", "two"):
            await world.call(
                "PutObject", "s3", Bucket="settings", Key=f"{name}.env", Body=f"FROM={name}".encode()
            )
        policy = "arn:aws:iam::aws:policy/AmazonS3FullAccess"
        await world.call("AttachRolePolicy", "iam", RoleName="exec", PolicyArn=policy)
        file = {"type": "s3", "value": "arn:aws:s3:::settings/one.env"}
        other = {"type": "s3", "value": "arn:aws:s3:::settings/two.env"}
        overrides = {"containerOverrides": [{"name": "app", "environmentFiles": [other]}]}
        arn = await world.run_task(
            await world.register(container(environmentFiles=[file])), overrides=overrides
        )
        await world.until_status(arn, "RUNNING")
        (process,) = world.containers.containers.values()
        assert process.spec.environment["FROM"] == "two"


async def test_every_member_of_a_definition_is_described_as_it_was_registered() -> None:
    async with ecs_world() as world:
        volume = {"name": "v", "efsVolumeConfiguration": {"fileSystemId": "fs-12345678"}}
        arn = await world.register(
            container(versionConsistency="disabled", restartPolicy={"enabled": True}),
            volumes=[volume],
            pidMode="task",
        )
        shown = (await world.call("DescribeTaskDefinition", taskDefinition=arn))["taskDefinition"]
        assert shown["volumes"] == [volume]
        assert shown["pidMode"] == "task"
        assert shown["containerDefinitions"][0]["versionConsistency"] == "disabled"
