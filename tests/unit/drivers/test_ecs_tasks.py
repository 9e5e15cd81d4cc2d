"""Tasks from RunTask to STOPPED, on the in-memory runtime and fabric."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from neargate.drivers.ecs.network import TaskIdentity
from neargate.model.ecs import Task
from neargate.model.logs import LogStream
from neargate.runtimes.memory import Process, cannot_start, exits, never_ends, serves
from tests.unit.drivers.ecs_world import EcsWorld, container, ecs_world, logged

pytestmark = pytest.mark.anyio


def messages(answer: dict[str, Any]) -> list[str]:
    return [event["message"] for event in answer["events"]]


async def log_lines(world: EcsWorld, arn: str, name: str = "app") -> list[str]:
    stream = f"p/{name}/{arn.rsplit('/', 1)[-1]}"
    answer = await world.call(
        "GetLogEvents", "logs", logGroupName="/web", logStreamName=stream, startFromHead=True
    )
    return messages(answer)


async def test_a_task_runs_with_its_interface_limits_environment_and_labels() -> None:
    async with ecs_world() as world:
        world.containers.default = serves(3000)
        role = f"arn:aws:iam::{world.caller.account}:role/exec"
        definition = await world.register(
            logged(portMappings=[{"containerPort": 3000}], environment=[{"name": "A", "value": "1"}]),
            taskRoleArn=role,
        )
        arn = await world.run_task(definition)
        shown = await world.until_status(arn, "RUNNING")
        (attachment,) = shown["attachments"]
        details = {d["name"]: d["value"] for d in attachment["details"]}
        assert attachment["status"] == "ATTACHED"
        assert details["privateIPv4Address"].startswith("172.31.")
        assert details["macAddress"]
        assert shown["containers"][0]["lastStatus"] == "RUNNING"
        assert shown["connectivity"] == "CONNECTED"
        assert {"pullStartedAt", "pullStoppedAt", "startedAt"} <= shown.keys()

        (process,) = world.containers.containers.values()
        environment = process.spec.environment
        task_id = arn.rsplit("/", 1)[-1]
        assert environment["AWS_ENDPOINT_URL"] == "http://169.254.170.2"
        assert environment["AWS_EXECUTION_ENV"] == "AWS_ECS_FARGATE"
        assert environment["AWS_REGION"] == environment["AWS_DEFAULT_REGION"] == "us-east-1"
        assert environment["A"] == "1"
        assert environment["ECS_CONTAINER_METADATA_URI_V4"].startswith(f"http://169.254.170.2/v4/{task_id}-")
        assert environment["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"].startswith("/v2/credentials/")
        assert (process.spec.cpus, process.spec.memory_mib) == (0.25, 512)
        assert process.spec.labels["com.amazonaws.ecs.task-arn"] == arn
        assert process.spec.extra_hosts[0][1] == details["privateIPv4Address"]
        (identity,) = world.link_local.serving
        assert isinstance(identity, TaskIdentity)
        assert (identity.role_arn, identity.session_name) == (role, task_id)


async def test_stopping_a_task_signals_and_leaves_nothing_behind() -> None:
    async with ecs_world() as world:
        world.containers.default = serves(exit_code=143)
        arn = await world.run_task(await world.register())
        await world.until_status(arn, "RUNNING")
        await world.call("StopTask", cluster="c", task=arn, reason="enough")
        shown = await world.until_status(arn, "STOPPED")
        assert (shown["stopCode"], shown["stoppedReason"]) == ("UserInitiated", "enough")
        assert shown["containers"][0]["exitCode"] == 143
        assert shown["attachments"][0]["status"] == "DELETED"
        assert {"stoppingAt", "executionStoppedAt", "stoppedAt"} <= shown.keys()
        assert world.containers.containers == {}
        assert world.containers.sandboxes == {}
        assert await world.fabric.attached() == []
        assert world.link_local.serving == {}
        assert (await world.call("DescribeNetworkInterfaces", "ec2"))["NetworkInterfaces"] == []


async def test_a_container_deaf_to_sigterm_is_killed_after_its_stop_timeout() -> None:
    async with ecs_world() as world:
        world.containers.default = never_ends()
        arn = await world.run_task(await world.register(container(stopTimeout=0)))
        await world.until_status(arn, "RUNNING")
        await world.call("StopTask", cluster="c", task=arn)
        shown = await world.until_status(arn, "STOPPED")
        assert shown["containers"][0]["exitCode"] == 137
        assert shown["stoppedReason"] == "Task stopped by user"


async def test_an_essential_container_that_exits_stops_the_task_and_all_its_lines_are_kept() -> None:
    async with ecs_world() as world:
        world.containers.programs[("serve",)] = exits(3, *(f"line {n}" for n in range(500)))
        arn = await world.run_task(await world.register(logged()))
        shown = await world.until_status(arn, "STOPPED")
        assert shown["stopCode"] == "EssentialContainerExited"
        assert shown["stoppedReason"] == "Essential container in task exited"
        assert shown["containers"][0]["exitCode"] == 3
        assert await log_lines(world, arn) == [f"line {n}" for n in range(500)]


async def test_more_lines_than_one_call_of_put_log_events_takes_arrive_in_order() -> None:
    async with ecs_world() as world:
        wanted = [f"{n:06d}" for n in range(25_000)]
        world.containers.default = exits(0, *wanted)
        arn = await world.run_task(await world.register(logged()))
        await world.until_status(arn, "STOPPED")
        found = world.store.read(
            lambda view: view.log_events([stream.key for stream in view.scan(LogStream)], limit=30_000)
        )
        assert [event.message for event in found] == wanted


async def test_an_image_that_cannot_be_pulled_stops_the_task_in_fargates_words() -> None:
    async with ecs_world() as world:
        definition = await world.register({"name": "app", "image": "nowhere:1"})
        shown = await world.until_status(await world.run_task(definition), "STOPPED")
        text = (
            "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref "
            "docker.io/library/nowhere:1: not found"
        )
        assert (shown["stopCode"], shown["stoppedReason"]) == ("TaskFailedToStart", text)
        assert shown["containers"][0]["reason"] == text
        assert "exitCode" not in shown["containers"][0]
        assert "startedAt" not in shown


async def test_an_image_of_another_architecture_fails_as_on_fargate() -> None:
    async with ecs_world() as world:
        import attrs

        image = world.containers.add_image("arm:1")
        world.containers.images["arm:1"] = attrs.evolve(image, architecture="arm64")
        definition = await world.register({"name": "app", "image": "arm:1"})
        shown = await world.until_status(await world.run_task(definition), "STOPPED")
        assert shown["stoppedReason"].endswith(
            "image Manifest does not contain descriptor matching platform 'linux/amd64'"
        )


async def test_a_missing_log_group_stops_the_task_in_fargates_words() -> None:
    async with ecs_world() as world:
        definition = await world.register(logged())
        await world.call("DeleteLogGroup", "logs", logGroupName="/web")
        shown = await world.until_status(await world.run_task(definition), "STOPPED")
        assert shown["stopCode"] == "TaskFailedToStart"
        assert shown["stoppedReason"] == (
            "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 "
            "times: failed to create Cloudwatch log stream: ResourceNotFoundException: The specified log group "
            "does not exist. : exit status 1"
        )


async def test_awslogs_create_group_makes_the_group() -> None:
    async with ecs_world() as world:
        await world.call("DeleteLogGroup", "logs", logGroupName="/web")
        wanted = logged()
        wanted["logConfiguration"]["options"]["awslogs-create-group"] = "true"
        world.containers.default = exits(0, "hello")
        definition = await world.register(wanted)
        shown = await world.until_status(await world.run_task(definition), "STOPPED")
        assert "is not authorized to perform: logs:CreateLogGroup" in shown["stoppedReason"]

        await world.call(
            "AttachRolePolicy",
            "iam",
            RoleName="exec",
            PolicyArn="arn:aws:iam::aws:policy/CloudWatchLogsFullAccess",
        )
        arn = await world.run_task(definition)
        await world.until_status(arn, "STOPPED")
        assert await log_lines(world, arn) == ["hello"]


async def test_a_program_that_is_not_there_stops_the_task_with_the_engines_text() -> None:
    async with ecs_world() as world:
        world.containers.default = cannot_start('exec: "x": executable file not found in $PATH')
        shown = await world.until_status(await world.run_task(await world.register()), "STOPPED")
        assert shown["stopCode"] == "TaskFailedToStart"
        assert shown["stoppedReason"].startswith("CannotStartContainerError: ResourceInitializationError: ")
        assert shown["stoppedReason"].endswith('exec: "x": executable file not found in $PATH')


async def test_a_container_over_its_memory_says_so() -> None:
    async def hungry(process: Process) -> int:
        process.allocate(9999)
        return 0

    async with ecs_world() as world:
        world.containers.default = hungry
        shown = await world.until_status(await world.run_task(await world.register()), "STOPPED")
        (only,) = shown["containers"]
        assert (only["exitCode"], only["reason"]) == (
            137,
            "OutOfMemoryError: Container killed due to memory usage",
        )


async def test_a_stop_during_a_pull_does_not_wait_for_it() -> None:
    async with ecs_world() as world:

        async def never(reference: str, credentials: Any = None) -> Any:
            await asyncio.Event().wait()

        definition = await world.register({"name": "app", "image": "slow:1"})
        await world.kill()
        from neargate.runtimes import memory

        original = memory.MemoryRuntime.pull
        memory.MemoryRuntime.pull = lambda self, reference, credentials=None: never(reference)  # type: ignore[method-assign]
        try:
            await world.start()
            arn = await world.run_task(definition)
            await world.until_status(arn, "PENDING")
            await world.call("StopTask", cluster="c", task=arn)
            shown = await world.until_status(arn, "STOPPED")
        finally:
            memory.MemoryRuntime.pull = original  # type: ignore[method-assign]
        assert shown["stopCode"] == "UserInitiated"
        assert (await world.call("DescribeNetworkInterfaces", "ec2"))["NetworkInterfaces"] == []


async def test_containers_start_in_the_order_of_their_dependencies_and_stop_in_reverse() -> None:
    order: list[str] = []

    def recorded(name: str) -> Any:
        async def program(process: Process) -> int:
            stop = process.trap("SIGTERM")
            order.append(f"{name} starts")
            await stop.wait()
            order.append(f"{name} stops")
            return 0

        return program

    async with ecs_world() as world:
        for name in ("db", "app"):
            world.containers.programs[(name,)] = recorded(name)
        definition = await world.register(
            container("app", command=["app"], dependsOn=[{"containerName": "db", "condition": "START"}]),
            container("db", command=["db"]),
        )
        arn = await world.run_task(definition)
        await world.until_status(arn, "RUNNING")
        await world.call("StopTask", cluster="c", task=arn)
        await world.until_status(arn, "STOPPED")
        assert order == ["db starts", "app starts", "app stops", "db stops"]


async def test_a_migration_runs_before_the_service_and_its_failure_keeps_the_task_from_starting() -> None:
    async with ecs_world() as world:
        world.containers.programs[("migrate",)] = exits(1)
        definition = await world.register(
            container("app", dependsOn=[{"containerName": "m", "condition": "SUCCESS"}]),
            container("m", command=["migrate"], essential=False, startTimeout=30),
        )
        shown = await world.until_status(await world.run_task(definition), "STOPPED")
        reasons = {c["name"]: c.get("reason") for c in shown["containers"]}
        assert reasons["app"] == (
            "dependency graph: failed to resolve container ordering dependency [m] for target [app] as "
            "dependency did not exit successfully."
        )
        assert shown["stoppedReason"].startswith("TaskDependencyError: ")


async def test_health_checks_run_inside_and_decide_the_health_status() -> None:
    async def check(process: Process, argv: tuple[str, ...]) -> tuple[int, str]:
        assert argv == ("/bin/sh", "-c", "curl -f http://localhost/ || exit 1")
        return 0, ""

    async with ecs_world() as world:
        world.containers.commands["/bin/sh"] = check
        command = ["CMD-SHELL", "curl -f http://localhost/ || exit 1"]
        arn = await world.run_task(await world.register(container(healthCheck={"command": command})))
        await world.until(lambda: any(task.ready is not None for task in world.tasks()))
        shown = await world.task(arn)
        assert shown["healthStatus"] == "HEALTHY"
        assert shown["containers"][0]["healthStatus"] == "HEALTHY"


async def test_a_task_counts_as_healthy_when_its_ports_are_listened_on() -> None:
    opened = asyncio.Event()

    async def late(process: Process) -> int:
        stop = process.trap("SIGTERM")
        await opened.wait()
        process.listen(3000)
        await stop.wait()
        return 0

    async with ecs_world() as world:
        world.containers.default = late
        arn = await world.run_task(await world.register(container(portMappings=[{"containerPort": 3000}])))
        await world.until_status(arn, "RUNNING")
        assert world.tasks()[0].ready is None
        opened.set()
        await world.until(lambda: world.tasks()[0].ready is not None)


async def test_a_restart_takes_running_tasks_over_and_loses_and_repeats_no_line() -> None:
    proceed = asyncio.Event()

    async def talks(process: Process) -> int:
        stop = process.trap("SIGTERM")
        for number in range(50):
            await process.say(f"before {number}")
        await proceed.wait()
        for number in range(50):
            await process.say(f"after {number}")
        await stop.wait()
        await process.say("bye")
        return 0

    async with ecs_world() as world:
        world.containers.default = talks
        arn = await world.run_task(await world.register(logged()))
        await world.until_status(arn, "RUNNING")
        before = [*world.containers.containers]
        await world.kill()
        proceed.set()
        await asyncio.sleep(0.01)
        await world.start()
        async with asyncio.timeout(3):
            await world.link_local.served.wait()
        await world.call("StopTask", cluster="c", task=arn)
        await world.until_status(arn, "STOPPED")
        assert len(before) == 1
        expected = [f"before {n}" for n in range(50)] + [f"after {n}" for n in range(50)] + ["bye"]
        assert await log_lines(world, arn) == expected


async def test_an_exit_while_the_server_was_down_is_noticed_and_orphans_are_removed() -> None:
    async with ecs_world() as world:
        arn = await world.run_task(await world.register())
        other = await world.run_task(await world.register(family="other"))
        await world.until_status(arn, "RUNNING")
        await world.until_status(other, "RUNNING")
        await world.kill()
        for process in world.containers.containers.values():
            if process.spec.labels["com.amazonaws.ecs.task-arn"] == arn:
                process.signal("SIGKILL")
        await asyncio.sleep(0)
        forgotten = next(task for task in world.tasks() if task.arn == other)
        await world.store.write(lambda tx: tx.delete(Task, forgotten.key))
        await world.start()
        shown = await world.until_status(arn, "STOPPED")
        assert shown["containers"][0]["exitCode"] == 137
        assert world.containers.containers == {}
        assert world.containers.sandboxes == {}


async def test_an_address_that_somebody_else_uses_is_avoided() -> None:
    async with ecs_world() as world:
        foreign = frozenset(
            f"172.31.{16 * n + k}.{low}" for n in range(8) for k in range(15) for low in range(256)
        )
        world.machine.own_addresses = foreign
        arn = await world.run_task(await world.register())
        shown = await world.until_status(arn, "RUNNING")
        details = {d["name"]: d["value"] for d in shown["attachments"][0]["details"]}
        assert details["privateIPv4Address"] not in foreign
        assert len((await world.call("DescribeNetworkInterfaces", "ec2"))["NetworkInterfaces"]) == 1


async def test_empty_volumes_are_shared_between_containers_and_removed_with_the_task() -> None:
    async with ecs_world() as world:
        mount = {"sourceVolume": "data", "containerPath": "/data"}
        definition = await world.register(
            container("app", mountPoints=[mount]),
            container("side", mountPoints=[{**mount, "readOnly": True}], essential=False),
            volumes=[{"name": "data"}],
        )
        arn = await world.run_task(definition)
        await world.until_status(arn, "RUNNING")
        mounts = [process.spec.mounts[0] for process in world.containers.containers.values()]
        assert len({mount.source for mount in mounts}) == 1
        assert {mount.read_only for mount in mounts} == {True, False}
        volumes = world.directory / "volumes"
        assert [path.name for path in volumes.iterdir()] == [arn.rsplit("/", 1)[-1]]
        await world.call("StopTask", cluster="c", task=arn)
        await world.until_status(arn, "STOPPED")
        assert list(volumes.iterdir()) == []


async def test_several_containers_share_the_tasks_limits() -> None:
    async with ecs_world() as world:
        definition = await world.register(container("app", memory=128), container("side", cpu=64))
        await world.until_status(await world.run_task(definition), "RUNNING")
        ((sandbox, _),) = world.containers.sandboxes.values()
        assert (sandbox.cpus, sandbox.memory_mib) == (0.25, 512)
        specs = {
            p.spec.labels["com.amazonaws.ecs.container-name"]: p.spec
            for p in world.containers.containers.values()
        }
        assert (specs["app"].memory_mib, specs["side"].memory_mib) == (128, 512)
        assert (specs["app"].cpus, specs["side"].cpu_shares) == (None, 64)


async def test_overrides_replace_the_command_and_add_to_the_environment() -> None:
    async with ecs_world() as world:
        world.containers.programs[("other",)] = serves()
        overrides = {
            "containerOverrides": [
                {"name": "app", "command": ["other"], "environment": [{"name": "B", "value": "2"}]}
            ]
        }
        arn = await world.run_task(
            await world.register(container(environment=[{"name": "A", "value": "1"}])), overrides=overrides
        )
        await world.until_status(arn, "RUNNING")
        (process,) = world.containers.containers.values()
        assert process.argv == ("other",)
        assert (process.spec.environment["A"], process.spec.environment["B"]) == ("1", "2")
