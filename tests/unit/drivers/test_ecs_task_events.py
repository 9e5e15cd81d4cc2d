"""A task's state changes on EventBridge, for those who made a rule."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from neargate.drivers.ecs.task_events import TaskEvents
from neargate.model.operations import Settings
from neargate.runtimes.moto_services import MotoServices
from neargate.services.dispatch import Dispatcher
from neargate.system import SystemIds
from tests.unit.drivers.ecs_world import ecs_world

pytestmark = pytest.mark.anyio


async def test_a_queue_hears_of_a_task_from_its_creation_to_its_end() -> None:
    async with ecs_world() as world:
        dispatcher = Dispatcher(
            world.store, world.clock, SystemIds(), world.dispatcher.blobs, Settings(), MotoServices()
        )

        async def call(service: str, operation: str, **request: Any) -> dict[str, Any]:
            return await dispatcher.call(world.caller, service, operation, request)

        telling = asyncio.create_task(TaskEvents(world.store, dispatcher).run())
        await asyncio.sleep(0)
        unheard = await world.run_task(await world.register())
        await world.until_status(unheard, "RUNNING")
        queue = (await call("sqs", "CreateQueue", QueueName="tasks"))["QueueUrl"]
        pattern = json.dumps({"source": ["aws.ecs"], "detail-type": ["ECS Task State Change"]})
        await call("events", "PutRule", Name="tasks", EventPattern=pattern)
        target = {"Id": "q", "Arn": "arn:aws:sqs:us-east-1:000000000000:tasks"}
        await call("events", "PutTargets", Rule="tasks", Targets=[target])
        arn = await world.run_task("web")
        await world.until_status(arn, "RUNNING")
        await world.call("StopTask", cluster="c", task=arn)
        heard: list[dict[str, Any]] = []
        async with asyncio.timeout(8):
            while not heard or heard[-1]["detail"]["lastStatus"] != "STOPPED":
                answer = await call("sqs", "ReceiveMessage", QueueUrl=queue, MaxNumberOfMessages=10)
                heard += [json.loads(message["Body"]) for message in answer.get("Messages") or ()]
                heard.sort(key=lambda event: int(event["detail"]["version"]))
                await asyncio.sleep(0.01)
        telling.cancel()
        assert {tuple(event["resources"]) for event in heard} == {(arn,)}
        assert {event["detail-type"] for event in heard} == {"ECS Task State Change"}
        last = heard[-1]["detail"]
        assert (last["desiredStatus"], last["stopCode"]) == ("STOPPED", "UserInitiated")
        assert last["createdAt"].endswith("Z")
        assert last["containers"][0]["lastStatus"] == "STOPPED"
        statuses = [event["detail"]["lastStatus"] for event in heard]
        assert "RUNNING" in statuses
