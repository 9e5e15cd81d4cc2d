"""What a task is told about itself on 169.254.170.2."""

from __future__ import annotations

import pytest

from neargate.drivers.ecs import TaskMetadata
from tests.unit.drivers.ecs_world import container, ecs_world, logged

pytestmark = pytest.mark.anyio


async def test_a_running_task_reads_itself_and_its_containers() -> None:
    async with ecs_world() as world:
        arn = await world.run_task(
            await world.register(logged(memory=256), container("side")),
            tags=[{"key": "team", "value": "a"}],
        )
        await world.until_status(arn, "RUNNING")
        (identity,) = world.link_local.serving
        metadata = TaskMetadata(world.store)
        (task,) = world.tasks()
        first = task.containers[0]

        own = metadata(identity, f"/v4/{first.docker_id}")
        assert own is not None
        assert (own["DockerId"], own["Name"], own["KnownStatus"]) == (first.docker_id, "app", "RUNNING")
        assert own["Limits"] == {"CPU": 0, "Memory": 256}
        assert own["LogOptions"]["awslogs-stream"] == f"p/app/{task.id}"
        (network,) = own["Networks"]
        assert network["IPv4Addresses"] == [task.attachment.ip]
        assert network["SubnetGatewayIpv4Address"].endswith(".1/20")

        whole = metadata(identity, f"/v4/{first.docker_id}/task")
        assert whole is not None
        assert (whole["TaskARN"], whole["Family"], whole["Revision"]) == (arn, "web", "1")
        assert whole["Limits"] == {"CPU": 0.25, "Memory": 512}
        assert [c["Name"] for c in whole["Containers"]] == ["app", "side"]
        tagged = metadata(identity, f"/v3/{first.docker_id}/taskWithTags")
        assert tagged is not None
        assert tagged["TaskTags"] == {"team": "a"}

        assert metadata(identity, "/v4/somebody-else") is None
        assert metadata(identity, f"/v4/{first.docker_id}/stats") is None
        assert metadata("a build", f"/v4/{first.docker_id}") is None
