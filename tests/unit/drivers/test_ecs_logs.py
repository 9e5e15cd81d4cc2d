"""What containers write, and what of it CloudWatch Logs has."""

from __future__ import annotations

import asyncio
from typing import Any

import attrs
import pytest

from neargate.drivers.ecs import log_pump
from neargate.model.logs import LogStream
from neargate.model.records import LogEvent
from neargate.runtimes.memory import Process, exits
from tests.unit.drivers.ecs_world import EcsWorld, ecs_world, logged

pytestmark = pytest.mark.anyio


def with_options(**options: str) -> dict[str, Any]:
    made = logged()
    made["logConfiguration"]["options"] |= {name.replace("_", "-"): text for name, text in options.items()}
    return made


def events(world: EcsWorld) -> list[LogEvent]:
    return world.store.read(lambda view: view.log_events([one.key for one in view.scan(LogStream)]))


def texts(world: EcsWorld) -> list[str]:
    return [event.message for event in events(world)]


async def test_the_lines_of_one_event_come_as_one() -> None:
    async with ecs_world() as world:
        world.containers.default = exits(0, "E one", "  at x", "E two", "E three", "  at y")
        arn = await world.run_task(await world.register(with_options(awslogs_multiline_pattern="^E")))
        await world.until_status(arn, "STOPPED")
        assert texts(world) == ["E one\n  at x\n", "E two\n", "E three\n  at y\n"]


async def test_an_event_that_goes_on_across_a_restart_stays_one() -> None:
    go_on = asyncio.Event()

    async def program(process: Process) -> int:
        await process.say("2026-01-01 one")
        await process.say("2026-01-01 two")
        await process.say("  at x")
        await go_on.wait()
        await process.say("  at y")
        return 0

    async with ecs_world() as world:
        world.containers.default = program
        arn = await world.run_task(await world.register(with_options(awslogs_datetime_format="%Y-%m-%d")))
        await world.until(lambda: texts(world) == ["2026-01-01 one\n"])
        await world.restart()
        go_on.set()
        await world.until_status(arn, "STOPPED")
        assert texts(world) == ["2026-01-01 one\n", "2026-01-01 two\n  at x\n  at y\n"]


async def test_an_event_that_nothing_follows_is_sent_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_pump, "PUBLISH_EVERY", 0.01)
    hang = asyncio.Event()

    async def program(process: Process) -> int:
        await process.say("E one")
        await hang.wait()
        return 0

    async with ecs_world() as world:
        world.containers.default = program
        arn = await world.run_task(await world.register(with_options(awslogs_multiline_pattern="^E")))
        await world.until(lambda: texts(world) == ["E one\n"])
        hang.set()
        await world.until_status(arn, "STOPPED")
        assert texts(world) == ["E one\n"]


async def test_a_task_does_not_start_with_options_that_the_driver_refuses() -> None:
    async with ecs_world() as world:
        arn = await world.run_task(await world.register(with_options(awslogs_multiline_pattern="(")))
        shown = await world.until_status(arn, "STOPPED")
        assert (shown["stopCode"], shown["stoppedReason"]) == (
            "TaskFailedToStart",
            "ResourceInitializationError: failed to validate logger args: "
            'awslogs could not parse multiline pattern key "(": '
            "error parsing regexp: missing closing ): `(` : exit status 1",
        )


async def test_lines_go_to_the_region_that_the_options_name() -> None:
    async with ecs_world() as world:
        world.containers.default = exits(0, "far")
        elsewhere = attrs.evolve(world.caller, region="eu-west-1")
        await world.dispatcher.call(elsewhere, "logs", "CreateLogGroup", {"logGroupName": "/web"})
        arn = await world.run_task(
            await world.register(with_options(awslogs_region="eu-west-1", mode="non-blocking"))
        )
        await world.until_status(arn, "STOPPED")
        (event,) = events(world)
        assert event.stream.startswith("000000000000/eu-west-1//web\np/app/")
        assert event.message == "far"


async def test_a_container_goes_on_though_its_log_group_is_deleted() -> None:
    said = asyncio.Event()

    async def program(process: Process) -> int:
        await process.say("kept nowhere")
        await said.wait()
        await process.say("lost")
        return 0

    async with ecs_world() as world:
        world.containers.default = program
        arn = await world.run_task(await world.register(logged()))
        await world.until(lambda: texts(world) == ["kept nowhere"])
        await world.call("DeleteLogGroup", "logs", logGroupName="/web")
        said.set()
        shown = await world.until_status(arn, "STOPPED")
        assert shown["containers"][0]["exitCode"] == 0
        assert events(world) == []
