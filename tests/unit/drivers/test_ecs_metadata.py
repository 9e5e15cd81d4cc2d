"""What a task is told about itself on 169.254.170.2."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import pytest

from neargate.drivers.ecs import TaskMetadata
from neargate.model.ecs import Task
from neargate.planners.task_metadata import with_previous
from neargate.runtimes.detailed_usage import detailed_stats
from neargate.runtimes.host_clock import clock_state
from neargate.runtimes.memory import MemoryRuntime, Process, exits
from tests.unit.drivers.ecs_world import ACCOUNT, TRUST, EcsWorld, container, ecs_world, logged

pytestmark = pytest.mark.anyio


@attrs.frozen
class Agent:
    """The agent of the only task of a world."""

    metadata: TaskMetadata
    identity: Any
    task: Task

    async def get(self, path: str, method: str = "GET", body: bytes = b"") -> tuple[int, Any]:
        return await self.metadata(self.identity, method, path, body)


def agent_of(world: EcsWorld) -> Agent:
    (identity,) = world.link_local.serving
    (task,) = world.tasks()
    runtime = MemoryRuntime(world.containers)
    return Agent(TaskMetadata(world.store, world.dispatcher, world.clock, runtime), identity, task)


async def test_a_running_task_reads_itself_and_its_containers() -> None:
    async with ecs_world() as world:
        arn = await world.run_task(
            await world.register(
                logged(memory=256, dockerLabels={"a": "b"}, portMappings=[{"containerPort": 80}]),
                container("side"),
            ),
            tags=[{"key": "team", "value": "a"}],
        )
        await world.until_status(arn, "RUNNING")
        agent = agent_of(world)
        first = agent.task.containers[0]

        status, own = await agent.get(f"/v4/{first.docker_id}")
        assert status == 200
        assert (own["DockerId"], own["Name"], own["KnownStatus"]) == (first.docker_id, "app", "RUNNING")
        assert own["Limits"] == {"CPU": 0, "Memory": 256}
        assert own["LogOptions"]["awslogs-stream"] == f"p/app/{agent.task.id}"
        assert own["Ports"] == [{"ContainerPort": 80, "Protocol": "tcp", "HostPort": 80}]
        assert own["Labels"]["a"] == "b"
        (network,) = own["Networks"]
        assert network["IPv4Addresses"] == [agent.task.attachment.ip]
        assert network["SubnetGatewayIpv4Address"].endswith(".1/20")
        assert network["DomainNameServers"] == ["172.31.0.2"]
        assert network["DomainNameSearchList"] == ["ec2.internal"]

        _, whole = await agent.get(f"/v4/{first.docker_id}/task")
        assert (whole["TaskARN"], whole["Family"], whole["Revision"]) == (arn, "web", "1")
        assert whole["Limits"] == {"CPU": 0.25, "Memory": 512}
        assert whole["LaunchType"] == "FARGATE"
        assert whole["AvailabilityZoneID"].startswith("use1-az")
        assert whole["FaultInjectionEnabled"] is False
        assert [c["Name"] for c in whole["Containers"]] == ["app", "side"]
        assert "TaskTags" not in whole
        _, tagged = await agent.get(f"/v4/{first.docker_id}/taskWithTags")
        assert tagged["TaskTags"] == {"team": "a"}


async def test_health_says_since_when() -> None:
    async with ecs_world() as world:

        async def well(process: Process, argv: tuple[str, ...]) -> tuple[int, str]:
            return 0, ""

        world.containers.commands["well"] = well
        checked = container(healthCheck={"command": ["CMD", "well"]})
        await world.run_task(await world.register(checked))
        await world.until(lambda: world.tasks()[0].health == "HEALTHY")
        agent = agent_of(world)
        (own,) = agent.task.containers
        _, shown = await agent.get(f"/v4/{own.docker_id}")
        assert shown["Health"]["status"] == "HEALTHY"
        assert shown["Health"]["statusSince"] >= shown["StartedAt"]


async def test_older_versions_say_less() -> None:
    async with ecs_world() as world:
        arn = await world.run_task(await world.register(logged()))
        await world.until_status(arn, "RUNNING")
        agent = agent_of(world)
        docker_id = agent.task.containers[0].docker_id
        third = await agent.get(f"/v3/{docker_id}")
        assert third == await agent.get(f"/v2/metadata/{docker_id}")
        assert third[1]["Networks"] == [
            {"NetworkMode": "awsvpc", "IPv4Addresses": [agent.task.attachment.ip]}
        ]
        assert not third[1].keys() & {"LogDriver", "ContainerARN", "Snapshotter"}
        whole = await agent.get(f"/v3/{docker_id}/task")
        assert whole == await agent.get("/v2/metadata")
        assert not whole[1].keys() & {"ServiceName", "FaultInjectionEnabled", "ClockDrift"}


async def test_what_is_not_there_is_told_in_the_agent_s_words() -> None:
    async with ecs_world() as world:
        arn = await world.run_task(await world.register())
        await world.until_status(arn, "RUNNING")
        agent = agent_of(world)
        docker_id = agent.task.containers[0].docker_id
        assert await agent.get("/v4/x") == (
            404,
            "V4 container metadata handler: unable to get container ID from request: unable to get docker ID from "
            "v3 endpoint ID: x",
        )
        assert await agent.get("/v3/x/task") == (
            400,
            "V3 task metadata handler: unable to get task arn from request: unable to get task Arn from v3 endpoint "
            "ID: x",
        )
        assert await agent.get("/v4/x/task/stats") == (
            404,
            "V4 task stats handler: unable to get task arn from request: unable to get task Arn from v3 endpoint "
            "ID: x",
        )
        assert await agent.get("/v2/metadata/x") == (400, "Unable to generate metadata for container 'x'")
        assert (await agent.get(f"/v4/{docker_id}/nothing"))[0] == 404
        assert (await agent.get(f"/v4/{docker_id}", "POST"))[0] == 405
        assert await agent.metadata("a build", "GET", f"/v4/{docker_id}", b"") == (404, "404 page not found")


async def test_measurements_of_a_container_and_of_the_task() -> None:
    async with ecs_world() as world:
        world.containers.programs[("end",)] = exits(0)
        definition = await world.register(container(), container("done", essential=False, command=["end"]))
        arn = await world.run_task(definition)
        await world.until_status(arn, "RUNNING")
        await world.until(lambda: world.tasks()[0].containers[1].status == "STOPPED")
        agent = agent_of(world)
        runs, done = (container.docker_id for container in agent.task.containers)
        status, stats = await agent.get(f"/v4/{runs}/stats")
        assert status == 200
        assert (stats["id"], stats["name"]) == (runs, "/app")
        assert stats["preread"] == "0001-01-01T00:00:00Z"
        assert "network_rate_stats" not in stats
        _, again = await agent.get(f"/v4/{runs}/stats")
        assert again["preread"] == stats["read"]
        assert again["precpu_stats"] == stats["cpu_stats"]
        assert again["network_rate_stats"] == {"rx_bytes_per_sec": 0, "tx_bytes_per_sec": 0}
        _, both = await agent.get(f"/v4/{runs}/task/stats")
        assert both.keys() == {runs, done}
        assert both[done] is None
        assert (await agent.get("/v2/stats"))[1].keys() == both.keys()
        assert await agent.get(f"/v4/{done}/stats") == (500, f"Unable to get container stats for: {done}")
        assert await agent.get(f"/v2/stats/{done}") == (400, f"Unable to get container stats for: {done}")


async def test_the_agent_asks_for_its_task_s_protection_in_the_task_s_role() -> None:
    async with ecs_world() as world:
        await world.call("CreateRole", "iam", RoleName="task", AssumeRolePolicyDocument=TRUST)
        role = f"arn:aws:iam::{ACCOUNT}:role/task"
        arn = await world.run_task(await world.register(taskRoleArn=role))
        await world.until_status(arn, "RUNNING")
        agent = agent_of(world)
        path = f"/api/{agent.task.containers[0].docker_id}/task-protection/v1/state"
        assert await agent.get(path, "PUT", b"{") == (
            400,
            {
                "error": {
                    "Code": "InvalidParameterException",
                    "Message": "UpdateTaskProtection: failed to decode request",
                }
            },
        )
        assert (await agent.get(path, "PUT", b'{"Other": 1}'))[0] == 400
        status, said = await agent.get(path, "PUT", b"{}")
        assert (status, said["error"]["Message"]) == (
            400,
            "Invalid request: does not contain 'ProtectionEnabled' field",
        )
        status, said = await agent.get(path)
        assert (status, said["error"]["Code"]) == (400, "AccessDeniedException")
        assert (
            "because no identity-based policy allows the ecs:GetTaskProtection action"
            in said["error"]["Message"]
        )
        assert "requestID" in said
        assert (await agent.get(path.replace("-protection", "-other")))[0] == 404


async def test_a_task_without_a_role_cannot_protect_itself() -> None:
    async with ecs_world() as world:
        arn = await world.run_task(await world.register())
        await world.until_status(arn, "RUNNING")
        agent = agent_of(world)
        path = f"/api/{agent.task.containers[0].docker_id}/task-protection/v1/state"
        status, said = await agent.get(path, "PUT", json.dumps({"ProtectionEnabled": True}).encode())
        assert status == 403
        assert said["error"] == {
            "Arn": arn,
            "Code": "AccessDeniedException",
            "Message": "Invalid Request: no task IAM role credentials available for task",
        }
        other = path.replace(agent.task.id, "0" * 32)
        assert (await agent.get(other))[0] == 404


ID = "f" * 64


def _write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


_MACHINE = {
    "proc/stat": "cpu  10 0 20 70 0 0 0 0 0 0\ncpu0 1\n",
    "proc/meminfo": "MemTotal: 1000 kB\n",
    "proc/7/net/dev": "a\nb\n lo: 9 9 9 9 0 0 0 0 9 9 9 9\n eth0: 1 2 3 4 0 0 0 0 5 6 7 8\n",
}


def test_a_reading_of_cgroup_v1(tmp_path: Path) -> None:
    place = f"/neargate/{ID}"
    _write(tmp_path, _MACHINE)
    groups = [
        f"{n}:{name}:{place}" for n, name in enumerate(("cpu", "cpuacct", "memory", "blkio", "pids"), 1)
    ]
    _write(tmp_path, {"proc/7/cgroup": "\n".join([*groups, "0::/"]) + "\n"})
    _write(
        tmp_path / "cg",
        {
            f"cpu{place}/cpu.stat": "nr_periods 3\nnr_throttled 2\nthrottled_time 500\n",
            f"cpuacct{place}/cpuacct.usage": "1234\n",
            f"cpuacct{place}/cpuacct.usage_percpu": "1000 234 \n",
            f"cpuacct{place}/cpuacct.stat": "user 1\nsystem 2\n",
            f"memory{place}/memory.usage_in_bytes": "50\n",
            f"memory{place}/memory.max_usage_in_bytes": "60\n",
            f"memory{place}/memory.limit_in_bytes": str((1 << 63) - 4096),
            f"memory{place}/memory.stat": "cache 5\nrss 6\n",
            f"blkio{place}/blkio.throttle.io_service_bytes_recursive": "8:0 Read 11\n8:0 Write 12\nTotal 23\n",
            f"blkio{place}/blkio.throttle.io_serviced_recursive": "8:0 Read 1\nTotal 1\n",
            f"pids{place}/pids.current": "4\n",
            f"pids{place}/pids.max": "max\n",
        },
    )
    found = detailed_stats(ID, "web", 7, 0.0, proc=tmp_path / "proc", cgroups=tmp_path / "cg")
    assert found is not None
    cpu = found["cpu_stats"]
    assert cpu["cpu_usage"]["total_usage"] == 1234
    assert cpu["cpu_usage"]["percpu_usage"] == [1000, 234]
    assert cpu["throttling_data"] == {"periods": 3, "throttled_periods": 2, "throttled_time": 500}
    assert cpu["system_cpu_usage"] % 100 == 0
    assert found["memory_stats"] == {
        "usage": 50,
        "max_usage": 60,
        "stats": {"cache": 5, "rss": 6},
        "limit": 1024000,
    }
    assert found["blkio_stats"]["io_service_bytes_recursive"] == [
        {"major": 8, "minor": 0, "op": "Read", "value": 11},
        {"major": 8, "minor": 0, "op": "Write", "value": 12},
    ]
    assert found["pids_stats"] == {"current": 4}
    assert found["networks"] == {
        "eth0": {
            "rx_bytes": 1,
            "rx_packets": 2,
            "rx_errors": 3,
            "rx_dropped": 4,
            "tx_bytes": 5,
            "tx_packets": 6,
            "tx_errors": 7,
            "tx_dropped": 8,
        }
    }
    assert (found["id"], found["name"], found["read"]) == (ID, "/web", "1970-01-01T00:00:00.000000000Z")
    assert detailed_stats("e" * 64, "x", 7, 0.0, proc=tmp_path / "proc", cgroups=tmp_path / "cg") is None
    assert detailed_stats(ID, "x", 8, 0.0, proc=tmp_path / "proc", cgroups=tmp_path / "cg") is None


def test_a_reading_of_cgroup_v2(tmp_path: Path) -> None:
    place = f"/neargate/{ID}"
    _write(tmp_path, {**_MACHINE, "proc/7/cgroup": f"0::{place}/container\n"})
    _write(
        tmp_path / f"cg{place}",
        {
            "cpu.stat": "usage_usec 5\nuser_usec 3\nsystem_usec 2\nnr_periods 1\nnr_throttled 0\nthrottled_usec 4\n",
            "memory.current": "70\n",
            "memory.max": "100\n",
            "memory.stat": "anon 1\nfile 2\n",
            "io.stat": "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n",
            "pids.current": "2\n",
            "pids.max": "50\n",
        },
    )
    found = detailed_stats(ID, "web", 7, 0.0, proc=tmp_path / "proc", cgroups=tmp_path / "cg")
    assert found is not None
    assert found["cpu_stats"]["cpu_usage"] == {
        "total_usage": 5000,
        "usage_in_kernelmode": 2000,
        "usage_in_usermode": 3000,
    }
    assert found["cpu_stats"]["throttling_data"]["throttled_time"] == 4000
    assert found["memory_stats"] == {"usage": 70, "stats": {"anon": 1, "file": 2}, "limit": 100}
    assert [each["value"] for each in found["blkio_stats"]["io_service_bytes_recursive"]] == [1, 2]
    assert [each["value"] for each in found["blkio_stats"]["io_serviced_recursive"]] == [3, 4]
    assert found["pids_stats"] == {"current": 2, "limit": 50}
    later = {**found, "networks": {"eth0": {"rx_bytes": 201, "tx_bytes": 105}}}
    rates = with_previous(later, found, 2.0)["network_rate_stats"]
    assert rates == {"rx_bytes_per_sec": 100.0, "tx_bytes_per_sec": 50.0}


def test_the_machine_tells_of_its_clock() -> None:
    state = clock_state()
    assert state is not None
    assert state.error_bound >= 0
