"""A region in memory under a clock that jumps: the real services, planners and drivers; no disk, no engine, no packet.

    region = Region(seed=1)
    await region.open()
    await region.call("CreateService", …)

Chance comes from one seed, so a run can be repeated to the last identifier.
"""

from __future__ import annotations

import asyncio
import json
import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from socket import SocketKind
from typing import Any

from neargate.drivers.ecs import ServiceDriver, TaskDriver
from neargate.drivers.ecs.live import TASK_LABEL
from neargate.fabric.memory import Machine, MemoryFabric
from neargate.model.ecs import Task
from neargate.model.operations import Caller, Settings
from neargate.model.runtime import ContainerSpec, Sandbox, SandboxSpec
from neargate.runtimes.memory import MemoryRuntime, World
from neargate.services.dispatch import Dispatcher
from neargate.store.blobs import BlobDirectory
from neargate.store.memory import MemoryStore
from tests.scenarios.virtual_time import VirtualClock, loop
from tests.unit.drivers.ecs_world import PlainImages

ACCOUNT = "000000000000"
REGION = "us-east-1"
CLUSTER = "c"
OWNER = "simulation"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/exec"
_ROLE_POLICY = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
_TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}


class SeededIds:
    """Identifiers that a seed decides."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def uuid(self) -> str:
        text = self.hex(32)
        return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))

    def hex(self, length: int) -> str:
        return f"{self._random.getrandbits(4 * length):0{length}x}"

    def digits(self, length: int) -> str:
        return f"{self._random.randrange(10**length):0{length}d}"

    def letters(self, length: int, alphabet: str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") -> str:
        return "".join(self._random.choices(alphabet, k=length))


class Door:
    """What stands for a socket where nobody can knock."""

    def __init__(self, kind: SocketKind) -> None:
        """Of either kind."""

    def listen(self, backlog: int) -> None:
        """Nobody comes."""

    def close(self) -> None:
        """There is no socket."""

    def fileno(self) -> int:
        return -1


class Doors:
    """Whose 169.254.170.2 would answer."""

    def __init__(self) -> None:
        self.serving: set[Any] = set()

    async def serve(self, sock: Any, identity: Any) -> None:
        assert identity not in self.serving, f"{identity} is served twice"
        self.serving.add(identity)

    async def stop(self, identity: Any) -> None:
        self.serving.discard(identity)


class BusyEngine(MemoryRuntime):
    """An engine whose work takes time, each piece another one."""

    def __init__(self, world: World, chance: random.Random) -> None:
        super().__init__(world)
        self._chance = chance

    async def create_sandbox(self, spec: SandboxSpec) -> Sandbox:
        await self._work(0.01, 0.05)
        return await super().create_sandbox(spec)

    async def create(self, spec: ContainerSpec) -> str:
        await self._work(0.05, 0.3)
        return await super().create(spec)

    async def start(self, container_id: str) -> None:
        await self._work(0.05, 0.5)
        await super().start(container_id)

    async def remove(self, container_id: str) -> None:
        await self._work(0.02, 0.2)
        await super().remove(container_id)

    async def _work(self, least: float, most: float) -> None:
        await asyncio.sleep(self._chance.uniform(least, most))


class Region:
    """One account in one region, with a cluster and a role for tasks. Made inside a `virtual_time.run`."""

    def __init__(
        self,
        seed: int,
        store: Callable[[VirtualClock], MemoryStore] = MemoryStore,
        engine: Callable[[World, random.Random], MemoryRuntime] = BusyEngine,
    ) -> None:
        self.clock = VirtualClock(loop())
        self.chance = random.Random(seed)
        self.store = store(self.clock)
        self._engine = engine
        self._directory = tempfile.TemporaryDirectory()
        self._path = Path(self._directory.name)
        blobs = BlobDirectory(self._path / "blobs")
        self.dispatcher = Dispatcher(self.store, self.clock, SeededIds(seed), blobs, Settings())
        self.caller = Caller(ACCOUNT, REGION, f"arn:aws:iam::{ACCOUNT}:root")
        self.world = World(clock=self.clock)
        self.machine = Machine()
        self.doors = Doors()
        self.subnets: dict[str, str] = {}
        """Zone to subnet."""
        self._drivers: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """The cluster, the role, the drivers."""
        await self.call("CreateCluster", clusterName=CLUSTER)
        await self.call("CreateRole", "iam", RoleName="exec", AssumeRolePolicyDocument=json.dumps(_TRUST))
        await self.call("AttachRolePolicy", "iam", RoleName="exec", PolicyArn=_ROLE_POLICY)
        await self._make_network()
        await self.start()

    async def _make_network(self) -> None:
        """A VPC with a public subnet in each of three zones. The default VPC's have 4,091 addresses each: too few for
        20,000 tasks that are being replaced."""
        vpc = (await self.call("CreateVpc", "ec2", CidrBlock="10.0.0.0/16"))["Vpc"]["VpcId"]
        gateway = await self.call("CreateInternetGateway", "ec2")
        gateway_id = gateway["InternetGateway"]["InternetGatewayId"]
        await self.call("AttachInternetGateway", "ec2", VpcId=vpc, InternetGatewayId=gateway_id)
        filters = [{"Name": "vpc-id", "Values": [vpc]}]
        (table,) = (await self.call("DescribeRouteTables", "ec2", Filters=filters))["RouteTables"]
        route = {"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": gateway_id}
        await self.call("CreateRoute", "ec2", RouteTableId=table["RouteTableId"], **route)
        zones = (await self.call("DescribeAvailabilityZones", "ec2"))["AvailabilityZones"][:3]
        for number, zone in enumerate(zones):
            name, block = zone["ZoneName"], f"10.0.{64 * number}.0/18"
            made = await self.call("CreateSubnet", "ec2", VpcId=vpc, CidrBlock=block, AvailabilityZone=name)
            self.subnets[name] = made["Subnet"]["SubnetId"]

    async def start(self) -> None:
        """The drivers, on what is there."""
        self.runtime = self._engine(self.world, self.chance)
        fabric = MemoryFabric(OWNER, self.machine, make_socket=Door)
        await fabric.open()
        tasks = TaskDriver(
            store=self.store,
            dispatcher=self.dispatcher,
            clock=self.clock,
            runtime=self.runtime,
            fabric=fabric,
            images=PlainImages(self.runtime),
            link_local=self.doors,
            owner=OWNER,
            directory=self._path / "volumes",
        )
        services = ServiceDriver(self.store, self.dispatcher, self.clock)
        self._drivers = [asyncio.create_task(tasks.run()), asyncio.create_task(services.run())]

    async def kill(self) -> None:
        """The drivers end; containers, interfaces and records stay."""
        for driver in self._drivers:
            driver.cancel()
        await asyncio.gather(*self._drivers, return_exceptions=True)
        self.doors.serving.clear()

    async def close(self) -> None:
        await self.kill()
        for process in list(self.world.containers.values()):
            process.signal("SIGKILL")
        await asyncio.sleep(0)
        self._directory.cleanup()

    async def call(self, operation: str, api: str = "ecs", /, **request: Any) -> dict[str, Any]:
        """One API call."""
        return await self.dispatcher.call(self.caller, api, operation, request)

    async def register(self, family: str, image: str, **members: Any) -> str:
        """A task definition with one container `app`; its ARN."""
        answer = await self.call(
            "RegisterTaskDefinition",
            family=family,
            cpu="256",
            memory="512",
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            containerDefinitions=[{"name": "app", "image": image, **members}],
            executionRoleArn=ROLE,
        )
        return str(answer["taskDefinition"]["taskDefinitionArn"])

    def lose(self, zone: str) -> None:
        """Every container in the zone dies at once."""
        tasks = self.store.read(lambda view: view.scan(Task))
        there = {task.arn for task in tasks if task.zone == zone}
        for process in list(self.world.containers.values()):
            if process.state.labels[TASK_LABEL] in there:
                process.signal("SIGKILL")

    @property
    def network(self) -> dict[str, Any]:
        """Over three zones."""
        places = {"subnets": list(self.subnets.values()), "assignPublicIp": "ENABLED"}
        return {"awsvpcConfiguration": places}
