"""Both ECS drivers over a real store and the in-memory runtime and fabric; restarts included."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from neargate.drivers.ecs import ServiceDriver, TaskDriver
from neargate.fabric.memory import Machine, MemoryFabric
from neargate.model.ecs import Task
from neargate.model.operations import Caller, Settings
from neargate.model.runtime import Credentials, ImageInfo
from neargate.runtimes.memory import MemoryRuntime, World
from neargate.services.dispatch import Dispatcher
from neargate.store.blobs import BlobDirectory
from neargate.store.sqlite import SqliteStore
from neargate.system import SystemClock, SystemIds

ACCOUNT = "000000000000"
REGION = "us-east-1"
OWNER = "test"
EXECUTION_POLICY = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "ecs-tasks.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)


class AdjustableClock(SystemClock):
    """The time, and what a test adds to it."""

    ahead = 0.0

    def now(self) -> float:
        return super().now() + self.ahead


class LinkLocalRecord:
    """Notes for whom 169.254.170.2 would answer."""

    def __init__(self) -> None:
        self.serving: dict[Any, Any] = {}
        self.served = asyncio.Event()

    async def serve(self, sock: Any, identity: Any) -> None:
        if identity in self.serving:
            raise ValueError(f"{identity!r} is served already")
        self.serving[identity] = sock
        self.served.set()

    async def stop(self, identity: Any) -> None:
        sock = self.serving.pop(identity, None)
        if sock is not None:
            sock.close()


class PlainImages:
    """Images by their name, from the runtime alone."""

    def __init__(self, runtime: MemoryRuntime) -> None:
        self.runtime = runtime

    async def resolve(
        self, reference: str, caller: Caller, architecture: str = "", login: Credentials | None = None
    ) -> ImageInfo:
        local = await self.runtime.image(reference)
        return local or await self.runtime.pull(reference, login, architecture)


class EcsWorld:
    """A cloud with an engine. `call` is the API; `restart` is kill -9 and start again."""

    def __init__(self, directory: Path, *, emulate: bool = False) -> None:
        self.clock = AdjustableClock()
        self.store = SqliteStore.open(directory / "neargate.db", self.clock, durable=False)
        blobs = BlobDirectory(directory / "blobs")
        self.dispatcher = Dispatcher(self.store, self.clock, SystemIds(), blobs, Settings(emulate=emulate))
        self.caller = Caller(ACCOUNT, REGION, f"arn:aws:iam::{ACCOUNT}:root")
        self.containers = World(clock=self.clock)
        self.machine = Machine()
        self.link_local = LinkLocalRecord()
        self.directory = directory
        self.drivers: list[asyncio.Task[None]] = []
        self.subnets: list[str] = []

    async def call(self, operation: str, api: str = "ecs", /, **request: Any) -> dict[str, Any]:
        return await self.dispatcher.call(self.caller, api, operation, request)

    async def start(self) -> None:
        runtime = MemoryRuntime(self.containers)
        self.fabric = MemoryFabric(OWNER, self.machine)
        await self.fabric.open()
        tasks = TaskDriver(
            store=self.store,
            dispatcher=self.dispatcher,
            clock=self.clock,
            runtime=runtime,
            fabric=self.fabric,
            images=PlainImages(runtime),
            link_local=self.link_local,
            owner=OWNER,
            directory=self.directory / "volumes",
            file_systems=self.directory / "efs",
        )
        services = ServiceDriver(self.store, self.dispatcher, self.clock)
        self.drivers = [asyncio.create_task(tasks.run()), asyncio.create_task(services.run())]

    async def kill(self) -> None:
        for driver in self.drivers:
            driver.cancel()
        await asyncio.gather(*self.drivers, return_exceptions=True)
        await self.store.write(
            lambda tx: None
        )  # what was being written is there, or not, before anybody reads again
        for sock in self.link_local.serving.values():
            sock.close()
        self.link_local = LinkLocalRecord()

    async def restart(self) -> None:
        await self.kill()
        await self.start()

    async def close(self) -> None:
        await self.kill()
        for process in list(self.containers.containers.values()):
            process.signal("SIGKILL")
        await asyncio.sleep(0)
        self.store.close()

    # -- convenience -------------------------------------------------------------------------------------

    async def prepare(self) -> None:
        """A cluster `c`, a log group, a role and an image."""
        await self.call("CreateCluster", clusterName="c")
        await self.call("CreateLogGroup", "logs", logGroupName="/web")
        await self.call("CreateRole", "iam", RoleName="exec", AssumeRolePolicyDocument=TRUST)
        await self.call("AttachRolePolicy", "iam", RoleName="exec", PolicyArn=EXECUTION_POLICY)
        subnets = await self.call("DescribeSubnets", "ec2")
        self.subnets = [subnet["SubnetId"] for subnet in subnets["Subnets"]]
        self.containers.add_image("app:1")

    async def register(self, *containers: dict[str, Any], family: str = "web", **members: Any) -> str:
        answer = await self.call(
            "RegisterTaskDefinition",
            family=family,
            cpu="256",
            memory="512",
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            containerDefinitions=list(containers) or [container()],
            executionRoleArn=f"arn:aws:iam::{ACCOUNT}:role/exec",
            **members,
        )
        return str(answer["taskDefinition"]["taskDefinitionArn"])

    @property
    def network(self) -> dict[str, Any]:
        return {"awsvpcConfiguration": {"subnets": self.subnets, "assignPublicIp": "ENABLED"}}

    async def run_task(self, definition: str, **members: Any) -> str:
        answer = await self.call(
            "RunTask",
            cluster="c",
            taskDefinition=definition,
            launchType="FARGATE",
            networkConfiguration=self.network,
            **members,
        )
        return str(answer["tasks"][0]["taskArn"])

    async def create_service(self, definition: str, **members: Any) -> None:
        request = {"desiredCount": 1, **members}
        await self.call(
            "CreateService",
            cluster="c",
            serviceName="web",
            taskDefinition=definition,
            launchType="FARGATE",
            networkConfiguration=self.network,
            **request,
        )

    async def task(self, arn: str) -> dict[str, Any]:
        return dict((await self.call("DescribeTasks", cluster="c", tasks=[arn]))["tasks"][0])

    async def service(self) -> dict[str, Any]:
        return dict((await self.call("DescribeServices", cluster="c", services=["web"]))["services"][0])

    def tasks(self) -> list[Task]:
        return self.store.read(lambda view: view.scan(Task))

    async def until(self, condition: Callable[[], Any], *, within: float = 8.0) -> Any:
        """The condition's first true answer; looked at after each change of the store."""
        changed = asyncio.Event()
        unsubscribe = self.store.subscribe(None, lambda kind, key: changed.set())
        try:
            async with asyncio.timeout(within):
                while not (found := condition()):
                    changed.clear()
                    await changed.wait()
                return found
        finally:
            unsubscribe()

    async def until_status(self, arn: str, status: str) -> dict[str, Any]:
        await self.until(lambda: any(t.arn == arn and t.status == status for t in self.tasks()))
        return await self.task(arn)

    async def until_steady(self) -> dict[str, Any]:
        from neargate.model.ecs import Service

        await self.until(lambda: all(s.steady for s in self.store.read(lambda view: view.scan(Service))))
        return await self.service()

    def names(self) -> list[str]:
        """The running containers' images."""
        running = (p for p in self.containers.containers.values() if p.state.status == "running")
        return [process.spec.image for process in running]


def container(name: str = "app", **members: Any) -> dict[str, Any]:
    return {"name": name, "image": "app:1", **members}


def logged(name: str = "app", **members: Any) -> dict[str, Any]:
    options = {"awslogs-group": "/web", "awslogs-region": REGION, "awslogs-stream-prefix": "p"}
    return container(name, logConfiguration={"logDriver": "awslogs", "options": options}, **members)


@asynccontextmanager
async def ecs_world(*, emulate: bool = False) -> AsyncIterator[EcsWorld]:
    with tempfile.TemporaryDirectory() as directory:
        world = EcsWorld(Path(directory), emulate=emulate)
        await world.prepare()
        await world.start()
        try:
            yield world
        finally:
            await world.close()
