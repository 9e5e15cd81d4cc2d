"""RunTask's limits, capacity providers and Spot interruptions; what ListTasks filters by."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from neargate.gateway.own_api import OwnApi
from tests.unit.drivers.ecs_world import ecs_world
from tests.unit.services.cloud import cloud
from tests.unit.services.ecs_calls import Ecs


@pytest.fixture
def ecs() -> Iterator[Ecs]:
    with cloud() as aws:
        yield Ecs(aws)


def override(**members: Any) -> dict[str, Any]:
    return {"overrides": {"containerOverrides": [{"name": "app", **members}]}}


LONG = "x" * 8192

REFUSED = [
    (override(command=[LONG]), "Container Overrides length must be at most 8192"),
    ({"startedBy": "s" * 129}, "startedBy longer than 128."),
    ({"group": "service:web"}, "Invalid namespace for group."),
    (
        override(environmentFiles=[{"type": "s3", "value": "arn:aws:s3:::b/a.env"}] * 11),
        "environmentFiles can have at most 10 items.",
    ),
]


@pytest.mark.parametrize(("members", "text"), REFUSED, ids=[text[:40] for _, text in REFUSED])
def test_run_task_refuses(ecs: Ecs, members: dict[str, Any], text: str) -> None:
    assert ecs.error("RunTask", **ecs.run_request(**members)) == ("InvalidParameterException", text)


def test_an_override_of_the_storage_must_fit_fargate(ecs: Ecs) -> None:
    storage = {"overrides": {"ephemeralStorage": {"sizeInGiB": 20}}}
    assert (
        ecs.error("RunTask", **ecs.run_request(**storage))[1] == "EphemeralStorage size should be at least 21"
    )
    (task,) = ecs.run(overrides={"ephemeralStorage": {"sizeInGiB": 30}, "cpu": "512", "memory": "2 GB"})
    assert task["ephemeralStorage"] == {"sizeInGiB": 30}
    assert (task["cpu"], task["memory"]) == ("512", "2048")


def test_list_tasks_takes_one_filter_beside_the_status(ecs: Ecs) -> None:
    (one,) = ecs.run(startedBy="me")
    assert ecs("ListTasks", cluster="c", startedBy="me", desiredStatus="RUNNING")["taskArns"] == [
        one["taskArn"]
    ]
    assert ecs("ListTasks", cluster="c", desiredStatus="PENDING")["taskArns"] == []
    assert ecs.error("ListTasks", cluster="c", startedBy="me", family="web") == (
        "InvalidParameterException",
        "cannot specify startedBy with other arguments",
    )
    assert ecs.error("ListTasks", cluster="c", serviceName="web", family="web") == (
        "InvalidParameterException",
        "cannot specify serviceName with other arguments",
    )


def test_tasks_are_listed_page_by_page(ecs: Ecs) -> None:
    arns = [task["taskArn"] for task in ecs.run(count=5)]
    listed: list[str] = []
    more: dict[str, Any] = {}
    while True:
        page = ecs("ListTasks", cluster="c", maxResults=2, **more)
        listed += page["taskArns"]
        assert len(page["taskArns"]) <= 2
        if "nextToken" not in page:
            break
        more = {"nextToken": page["nextToken"]}
    assert sorted(listed) == sorted(arns)


def spot(ecs: Ecs, **members: Any) -> list[dict[str, Any]]:
    """Two tasks on FARGATE first, then one of three there and two of three on Spot."""
    ecs(
        "PutClusterCapacityProviders",
        cluster="c",
        capacityProviders=["FARGATE", "FARGATE_SPOT"],
        defaultCapacityProviderStrategy=[
            {"capacityProvider": "FARGATE", "base": 2, "weight": 1},
            {"capacityProvider": "FARGATE_SPOT", "weight": 2},
        ],
    )
    request = ecs.run_request(**members)
    del request["launchType"]
    return list(ecs("RunTask", **request)["tasks"])


def test_base_and_weight_share_tasks_among_capacity_providers_and_zones(ecs: Ecs) -> None:
    made = spot(ecs, count=8)
    assert Counter(task["capacityProviderName"] for task in made) == {"FARGATE": 4, "FARGATE_SPOT": 4}
    assert [task["capacityProviderName"] for task in made[:2]] == ["FARGATE", "FARGATE"]
    assert Counter(task["availabilityZone"] for task in made).most_common()[0][1] == 4


class Own:
    """`/_neargate` in process."""

    def __init__(self, ecs: Ecs) -> None:
        async def prune() -> dict[str, Any]:
            return {}

        self.app = OwnApi(ecs.aws.dispatcher, dict, prune)

    def post(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            return {"type": "http.request", "body": json.dumps(body).encode()}

        asyncio.run(self.app({"type": "http", "method": "POST", "path": path}, receive, send))
        return sent[0]["status"], json.loads(sent[1]["body"])


def test_a_spot_interruption(ecs: Ecs) -> None:
    made = spot(ecs, count=4)
    own = Own(ecs)
    (spots, *_) = [task["taskArn"] for task in made if task["capacityProviderName"] == "FARGATE_SPOT"]
    status, said = own.post("/_neargate/interrupt", {"task": spots})
    assert status == 200
    assert said == {
        "taskArn": spots,
        "stopCode": "SpotInterruption",
        "stoppedReason": "Your Spot Task was interrupted.",
    }
    (shown,) = ecs("DescribeTasks", cluster="c", tasks=[spots])["tasks"]
    assert (shown["desiredStatus"], shown["stopCode"]) == ("STOPPED", "SpotInterruption")
    status, said = own.post("/_neargate/interrupt", {"task": spots})
    assert status == 400
    assert said["error"].endswith("stops already: Your Spot Task was interrupted.")


def test_nothing_but_spot_capacity_is_interrupted(ecs: Ecs) -> None:
    (task,) = ecs.run()
    own = Own(ecs)
    status, said = own.post("/_neargate/interrupt", {"task": task["taskArn"]})
    assert status == 400
    assert said["error"].startswith("Only tasks of the capacity provider FARGATE_SPOT are interrupted; ")
    assert said["error"].endswith(" runs on FARGATE.")
    gone = task["taskArn"][:-1] + "x"
    assert (
        own.post("/_neargate/interrupt", {"task": gone})[1]["error"] == "The referenced task was not found."
    )
    assert own.post("/_neargate/interrupt", {"task": "x"})[0] == 400


@pytest.mark.anyio
async def test_a_service_replaces_an_interrupted_task_after_its_sigterm() -> None:
    async with ecs_world() as world:
        from neargate.services.ecs.interruption import interrupt

        await world.call(
            "PutClusterCapacityProviders",
            cluster="c",
            capacityProviders=["FARGATE_SPOT"],
            defaultCapacityProviderStrategy=[{"capacityProvider": "FARGATE_SPOT", "weight": 1}],
        )
        await world.call(
            "CreateService",
            cluster="c",
            serviceName="web",
            taskDefinition=await world.register(),
            desiredCount=1,
            networkConfiguration=world.network,
        )
        (first,) = await world.until(lambda: [task for task in world.tasks() if task.status == "RUNNING"])
        await world.store.write(lambda tx: interrupt(world.dispatcher.context(tx, world.caller), first.arn))
        stopped = await world.until_status(first.arn, "STOPPED")
        assert (stopped["stopCode"], stopped["stoppedReason"]) == (
            "SpotInterruption",
            "Your Spot Task was interrupted.",
        )
        assert stopped["containers"][0]["exitCode"] == 0  # it had time to end by itself
        await world.until(
            lambda: [task for task in world.tasks() if task.id != first.id and task.status == "RUNNING"]
        )
