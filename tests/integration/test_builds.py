"""Builds in real containers: the example's own build with docker, the role, the way out, a server that ends."""

from __future__ import annotations

import asyncio
import io
import json
import os
import shutil
import socket
import uuid
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
import uvicorn

from neargate.drivers.builds import BuildDriver
from neargate.drivers.builds.container import labels
from neargate.fabric.linux import LinuxFabric
from neargate.gateway.api import Api
from neargate.gateway.engine_socket import EngineSocket
from neargate.gateway.front import Front
from neargate.gateway.link_local import LinkLocal
from neargate.gateway.registry import registry_app
from neargate.gateway.task_side import TaskSide, no_agent
from neargate.model.codebuild import Build
from neargate.model.operations import Caller, Settings
from neargate.model.records import Json
from neargate.runtimes.base_images import BUILDER, PYTHON, BaseImages
from neargate.runtimes.engine import EngineRuntime
from neargate.runtimes.private_engine import EngineFinder, default_directory
from neargate.services.dispatch import Dispatcher
from neargate.store.blobs import BlobDirectory
from neargate.store.sqlite import SqliteStore
from neargate.system import SystemClock, SystemIds

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.engine,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(shutil.which("nft") is None, reason="needs nft"),
]

EXAMPLE = Path(__file__).parents[2] / "examples" / "product-service"
ACCOUNT, REGION = "000000000000", "us-east-1"
CALLER = Caller(ACCOUNT, REGION, f"arn:aws:iam::{ACCOUNT}:root")
PIPELINE = attrs.evolve(CALLER, via="codepipeline.amazonaws.com")
TEST_SECONDS = 120


@attrs.define
class Cloud:
    """A server without its drivers but the one for builds, which `server()` runs."""

    directory: Path
    store: SqliteStore
    blobs: BlobDirectory
    dispatcher: Dispatcher
    front: Front
    runtime: EngineRuntime
    fabric: LinuxFabric
    owner: str

    async def call(self, service: str, operation: str, caller: Caller = CALLER, **request: Any) -> Json:
        return await self.dispatcher.call(caller, service, operation, request)

    @asynccontextmanager
    async def server(self) -> AsyncIterator[None]:
        clock = SystemClock()
        link_local = LinkLocal(TaskSide(self.front, self.dispatcher, clock, no_agent))

        def engine_socket(caller: Caller, build_id: str) -> EngineSocket:
            port = self.dispatcher.settings.port
            return EngineSocket(
                self.runtime.connection.address, self.dispatcher, caller, self.owner, build_id, port
            )

        driver = BuildDriver(
            store=self.store,
            dispatcher=self.dispatcher,
            clock=clock,
            ids=SystemIds(),
            runtime=self.runtime,
            fabric=self.fabric,
            link_local=link_local,
            engine_socket=engine_socket,
            directory=self.directory / "builds",
            owner=self.owner,
        )
        task = asyncio.create_task(driver.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await link_local.close()

    async def project(self, name: str, **changes: Any) -> None:
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "codebuild.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        role = await self.call("iam", "CreateRole", RoleName=f"{name}Role", AssumeRolePolicyDocument=document)
        request: Json = {
            "name": name,
            "source": {"type": "NO_SOURCE"},
            "artifacts": {"type": "NO_ARTIFACTS"},
            "environment": {
                "type": "LINUX_CONTAINER",
                "image": "aws/codebuild/standard:7.0",
                "computeType": "BUILD_GENERAL1_SMALL",
                **changes.pop("environment", {}),
            },
            "serviceRole": role["Role"]["Arn"],
            **changes,
        }
        await self.call("codebuild", "CreateProject", **request)

    def record(self, build_id: str) -> Build:
        found = self.store.read(lambda view: view.get(Build, CALLER.scope(build_id)))
        assert found is not None
        return found

    async def until(self, build_id: str, phase: str = "") -> Build:
        """Returns once the build is in that phase, or, without one, once nothing of it is left."""
        changed = asyncio.Event()
        unsubscribe = self.store.subscribe(frozenset({Build.KIND}), lambda *_: changed.set())
        try:
            async with asyncio.timeout(TEST_SECONDS):
                while not (
                    (phase and self.record(build_id).current_phase == phase) or self.record(build_id).released
                ):
                    await changed.wait()
                    changed.clear()
        finally:
            unsubscribe()
        return self.record(build_id)

    async def log(self, build_id: str) -> str:
        build = self.record(build_id)
        where = {"logGroupName": build.log_group, "logStreamName": build.log_stream, "startFromHead": True}
        answer = await self.call("logs", "GetLogEvents", **where)
        return "".join(event["message"] for event in answer["events"])

    async def left(self, build_id: str) -> list[object]:
        build = self.record(build_id)
        marks = labels(self.owner, build)
        held: list[object] = [*await self.runtime.list(marks), *await self.runtime.list_sandboxes(marks)]
        through_socket = {"dev.neargate.owner": self.owner, "dev.neargate.build": build_id}
        held += [*await self.runtime.list(through_socket), *await self.fabric.attached()]
        return held + os.listdir(self.directory / "builds")


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[Cloud]:
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    clock, ids, owner = SystemClock(), SystemIds(), uuid.uuid4().hex[:12]
    store, blobs = SqliteStore.open(tmp_path / "neargate.db", clock), BlobDirectory(tmp_path / "blobs")
    dispatcher = Dispatcher(store, clock, ids, blobs, Settings(port=listening.getsockname()[1]))
    registry = registry_app(dispatcher, blobs)
    front = Front(Api(dispatcher), blobs, {"/v2/": registry})
    server = uvicorn.Server(uvicorn.Config(front, lifespan="off", log_level="critical"))
    serving = asyncio.create_task(server._serve([listening]))
    runtime, fabric = EngineRuntime(EngineFinder()), LinuxFabric(owner)
    images = BaseImages(runtime, default_directory(), print)
    for reference in (PYTHON, BUILDER):
        await images.ensure(reference)
    await fabric.open()
    try:
        yield Cloud(tmp_path, store, blobs, dispatcher, front, runtime, fabric, owner)
    finally:
        await runtime.remove_owned({"dev.neargate.owner": owner})
        await fabric.remove_owned()
        await runtime.close()
        server.should_exit = True
        await serving
        registry.close()
        store.close()


def example() -> bytes:
    """The example as a source action hands it over."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for path in sorted(EXAMPLE.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                archive.write(path, path.relative_to(EXAMPLE))
    return content.getvalue()


async def test_the_examples_build_pushes_its_image_and_hands_on_its_templates(cloud: Cloud) -> None:
    await cloud.call("s3", "CreateBucket", Bucket="artifacts")
    await cloud.call("s3", "PutObject", Bucket="artifacts", Key="pipe/source/one.zip", Body=example())
    await cloud.call("ecr", "CreateRepository", repositoryName="product")
    image = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/product"
    await cloud.project(
        "product",
        source={"type": "CODEPIPELINE"},
        artifacts={"type": "CODEPIPELINE"},
        environment={
            "privilegedMode": True,
            "environmentVariables": [{"name": "DOCKER_IMAGE_URL", "value": image}],
        },
    )
    async with cloud.server():
        started = await cloud.call(
            "codebuild",
            "StartBuild",
            PIPELINE,
            projectName="product",
            sourceTypeOverride="S3",
            sourceLocationOverride="artifacts/pipe/source/one.zip",
            artifactsOverride={
                "type": "S3",
                "location": "artifacts",
                "path": "pipe/result",
                "name": "two",
                "packaging": "ZIP",
                "namespaceType": "NONE",
            },
            environmentVariablesOverride=[{"name": "CODEBUILD_RESOLVED_SOURCE_VERSION", "value": "c0ffee"}],
        )
        build_id = started["build"]["id"]
        build = await cloud.until(build_id)
        text = await cloud.log(build_id)
        assert build.status == "SUCCEEDED", text
        assert "Login Succeeded" in text
        assert await cloud.left(build_id) == []
    tags = (await cloud.call("ecr", "ListImages", repositoryName="product"))["imageIds"]
    assert [each["imageTag"] for each in tags] == ["c0ffee"]
    answer = await cloud.call("s3", "GetObject", Bucket="artifacts", Key="pipe/result/two")
    with zipfile.ZipFile(cloud.blobs.path(answer["Body"])) as archive:
        assert archive.namelist() == [
            "cloudformation.template.yml",
            "dev.params.json",
            "prod.params.json",
        ]
        assert f"{image}:c0ffee" in archive.read("dev.params.json").decode()


async def test_a_build_acts_as_its_role_and_reaches_the_world(cloud: Cloud) -> None:
    commands = [
        "aws sts get-caller-identity --query Arn --output text",
        "pip download --quiet --no-deps --dest /tmp/found six && ls /tmp/found",
        "docker version || echo no docker here",
        "nproc; pwd; id -u",
    ]
    await cloud.project("plain", source={"type": "NO_SOURCE", "buildspec": buildspec(*commands)})
    async with cloud.server():
        build_id = (await cloud.call("codebuild", "StartBuild", projectName="plain"))["build"]["id"]
        build = await cloud.until(build_id)
        text = await cloud.log(build_id)
        assert build.status == "SUCCEEDED", text
        uuid_ = build_id.partition(":")[2]
        assert f"arn:aws:sts::{ACCOUNT}:assumed-role/plainRole/AWSCodeBuild-{uuid_}\n" in text
        assert "six-" in text
        assert "Cannot connect to the Docker daemon at unix:///var/run/docker.sock." in text
        assert await cloud.left(build_id) == []


async def test_a_build_outlives_its_server(cloud: Cloud) -> None:
    commands = ["docker run --detach python:3.12-slim sleep 300", "sleep 2"]
    await cloud.project(
        "patient",
        source={"type": "NO_SOURCE", "buildspec": buildspec(*commands)},
        environment={"privilegedMode": True},
    )
    async with cloud.server():
        build_id = (await cloud.call("codebuild", "StartBuild", projectName="patient"))["build"]["id"]
        first = await cloud.until(build_id, "BUILD")
        before = await cloud.runtime.list(labels(cloud.owner, first))
    async with cloud.server():
        build = await cloud.until(build_id)
        text = await cloud.log(build_id)
        assert build.status == "SUCCEEDED", text
        assert build.attempt == 2
        assert "it starts again from the beginning" in text
        assert before[0].id not in [each.id for each in await cloud.runtime.list({})]
        assert await cloud.left(build_id) == []


def buildspec(*commands: str) -> str:
    return json.dumps({"version": "0.2", "phases": {"build": {"commands": list(commands)}}})
