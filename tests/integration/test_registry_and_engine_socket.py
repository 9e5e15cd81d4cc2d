"""docker login, build, push, pull and run through a build's engine socket, into the registry, with real tools."""

from __future__ import annotations

import asyncio
import base64
import os
import shutil
import socket
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
import uvicorn

from neargate.gateway.engine_socket import EngineSocket
from neargate.gateway.registry import registry_app
from neargate.model.operations import Caller, Settings
from neargate.model.runtime import ImageUnavailable
from neargate.runtimes.base_images import PYTHON, BaseImages
from neargate.runtimes.ecr_images import EcrImages
from neargate.runtimes.engine import EngineRuntime
from neargate.runtimes.engine_connection import EngineAddress
from neargate.runtimes.private_engine import EngineFinder, default_directory
from neargate.services.dispatch import Dispatcher
from neargate.store.blobs import BlobDirectory
from neargate.store.sqlite import SqliteStore
from neargate.system import SystemClock, SystemIds

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.engine,
    pytest.mark.skipif(shutil.which("docker") is None, reason="needs the docker command"),
]

ACCOUNT, REGION = "000000000000", "us-east-1"
HOST = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
CALLER = Caller(ACCOUNT, REGION, f"arn:aws:iam::{ACCOUNT}:root")


@attrs.frozen
class Ran:
    code: int
    out: str
    err: str


@attrs.define
class Cloud:
    dispatcher: Dispatcher
    runtime: EngineRuntime
    images: EcrImages
    directory: Path
    owner: str
    url: str

    async def ecr(self, operation: str, **request: object) -> dict[str, object]:
        return await self.dispatcher.call(CALLER, "ecr", operation, request)

    @asynccontextmanager
    async def build(self, name: str) -> AsyncIterator[Build]:
        async def locate() -> EngineAddress:
            return EngineAddress(self.url)

        server = EngineSocket(
            locate, self.dispatcher, CALLER, self.owner, name, self.dispatcher.settings.port
        )
        path = self.directory / f"{name}.sock"
        await server.start(path)
        try:
            yield Build(self, path)
        finally:
            await server.stop()


@attrs.define
class Build:
    """A build's shell, so to speak: it knows nothing but the socket."""

    cloud: Cloud
    path: Path

    async def docker(self, *arguments: str, stdin: str = "") -> Ran:
        environment = {
            "PATH": os.environ["PATH"],
            "DOCKER_HOST": f"unix://{self.path}",
            "DOCKER_CONFIG": str(self.path.with_suffix(".config")),
            "DOCKER_BUILDKIT": "0",
        }
        process = await asyncio.create_subprocess_exec(
            "docker",
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
        )
        async with asyncio.timeout(120):
            out, err = await process.communicate(stdin.encode())
        return Ran(process.returncode or 0, out.decode(), err.decode())

    async def login(self) -> None:
        data = (await self.cloud.ecr("GetAuthorizationToken"))["authorizationData"]
        token = base64.b64decode(data[0]["authorizationToken"]).decode().partition(":")[2]  # type: ignore[index]
        ran = await self.docker("login", "--username", "AWS", "--password-stdin", HOST, stdin=token)
        assert "Login Succeeded" in ran.out, ran

    async def image(self, tag: str, *dockerfile: str, context: dict[str, str] | None = None) -> Ran:
        where = self.cloud.directory / uuid.uuid4().hex
        where.mkdir()
        (where / "Dockerfile").write_text("\n".join(dockerfile) + "\n")
        for name, content in (context or {}).items():
            (where / name).write_text(content)
        return await self.docker("build", "--build-arg", "GIT_SHA=abc", "--tag", tag, str(where))


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[Cloud]:
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    clock, ids = SystemClock(), SystemIds()
    store, blobs = SqliteStore.open(tmp_path / "neargate.db", clock), BlobDirectory(tmp_path / "blobs")
    dispatcher = Dispatcher(store, clock, ids, blobs, Settings(port=listening.getsockname()[1]))
    app = registry_app(dispatcher, blobs)
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="critical"))
    serving = asyncio.create_task(server._serve([listening]))
    runtime = EngineRuntime(EngineFinder())
    await BaseImages(runtime, default_directory(), print).ensure(PYTHON)
    owner = uuid.uuid4().hex
    url = (await runtime.info()).socket
    try:
        yield Cloud(dispatcher, runtime, EcrImages(runtime, dispatcher), tmp_path, owner, url)
    finally:
        await runtime.remove_owned({"dev.neargate.owner": owner})
        await runtime.close()
        server.should_exit = True
        await serving
        app.close()
        store.close()


async def test_a_buildspecs_docker_commands_work_unchanged(cloud: Cloud) -> None:
    name = f"{HOST}/team/web:v1"
    async with cloud.build("web-1") as build:
        built = await build.image(
            name,
            f"FROM {PYTHON}",
            "ARG GIT_SHA",
            "ENV GIT_SHA=$GIT_SHA",
            "COPY hello /hello",
            'CMD ["cat", "/hello"]',
            context={"hello": "hello from the build"},
        )
        assert built.code == 0, built
        assert f"Successfully tagged {name}" in built.out
        assert "127.0.0.1" not in built.out + built.err

        early = await build.docker("push", name)
        assert (early.code, early.err.strip()) == (1, "no basic auth credentials")
        await build.login()
        missing = await build.docker("push", name)
        assert missing.err.strip() == (
            f"name unknown: The repository with name 'team/web' does not exist in the registry with id '{ACCOUNT}'"
        )
        await cloud.ecr("CreateRepository", repositoryName="team/web", imageTagMutability="IMMUTABLE")
        pushed = await build.docker("push", name)
        assert pushed.code == 0, pushed
        described = await cloud.ecr("DescribeImages", repositoryName="team/web")
        digest = described["imageDetails"][0]["imageDigest"]  # type: ignore[index]
        assert f"v1: digest: {digest}" in pushed.out

        changed = await build.image(name, f"FROM {PYTHON}", "LABEL changed=yes")
        assert changed.code == 0, changed
        again = await build.docker("push", name)
        assert again.err.strip() == (
            "tag invalid: The image tag 'v1' already exists in the 'team/web' repository and cannot be "
            "overwritten because the repository is immutable."
        )
        assert (await build.docker("rmi", name)).code == 0
        assert (await build.docker("pull", name)).code == 0
        ran = await build.docker("run", "--rm", name)
        assert (ran.code, ran.out) == (0, "hello from the build")
        nothing = await build.docker("pull", f"{HOST}/team/web:v2")
        assert "manifest unknown: Requested image not found" in nothing.err

    local = await cloud.images.resolve(name, CALLER)
    assert (local.digest, local.environment["GIT_SHA"]) == (digest, "abc")
    await cloud.runtime.remove_owned({"dev.neargate.owner": cloud.owner})
    assert await cloud.runtime.image(local.id) is None
    pulled = await cloud.images.resolve(f"{HOST}/team/web@{digest}", CALLER)
    assert (pulled.id, pulled.command) == (local.id, ("cat", "/hello"))
    with pytest.raises(ImageUnavailable, match=r"failed to resolve ref .*/team/web:v2: not found"):
        await cloud.images.resolve(f"{HOST}/team/web:v2", CALLER)


async def test_images_build_on_images_of_the_same_build_and_of_ecr(cloud: Cloud) -> None:
    await cloud.ecr("CreateRepository", repositoryName="base")
    async with cloud.build("first") as build:
        await build.login()
        await build.image(f"{HOST}/base:1", f"FROM {PYTHON}", "RUN echo base > /base")
        assert (await build.docker("push", f"{HOST}/base:1")).code == 0
    async with cloud.build("second") as build:
        refused = await build.image("app", f"FROM {HOST}/base:1")
        assert (refused.code, "no basic auth credentials" in refused.err) == (1, True), refused
        await build.login()
        assert (await build.image("tools", f"FROM {PYTHON}", "RUN echo tool > /tool")).code == 0
        built = await build.image(
            "app",
            f"ARG REGISTRY={HOST}",
            "FROM tools AS tools",
            "FROM $REGISTRY/base:1",
            "COPY --from=tools /tool /tool",
            'CMD ["cat", "/base", "/tool"]',
        )
        assert built.code == 0, built
        assert (await build.docker("run", "--rm", "app")).out == "base\ntool\n"


async def test_a_failing_build_ends_as_docker_ends_it(cloud: Cloud) -> None:
    async with cloud.build("failing") as build:
        ran = await build.image("app", f"FROM {PYTHON}", "RUN echo three tests failed; exit 3")
        assert ran.code == 3
        assert "three tests failed" in ran.out
        assert (
            "The command '/bin/sh -c echo three tests failed; exit 3' returned a non-zero code: 3" in ran.err
        )


async def test_containers_behave_as_docker_runs_them(cloud: Cloud) -> None:
    async with cloud.build("running") as build:
        failed = await build.docker("run", "--rm", PYTHON, "sh", "-c", "echo out; echo err >&2; exit 7")
        assert (failed.code, failed.out, failed.err) == (7, "out\n", "err\n")
        piped = await build.docker("run", "--rm", "-i", PYTHON, "cat", stdin="through\n")
        assert piped.out == "through\n"
        started = await build.docker("run", "-d", "--name", "db", PYTHON, "sleep", "60")
        assert started.code == 0, started
        assert (await build.docker("exec", "db", "echo", "inside")).out == "inside\n"
        listed = await build.docker("ps", "--format", "{{.Names}} {{.Image}}")
        assert listed.out.split()[0] == "db"
        async with cloud.build("other") as other:
            assert (await other.docker("ps", "-a", "-q")).out == ""
            seen = await other.docker("inspect", started.out.strip())
            assert seen.code == 1
        assert (await build.docker("run", "--rm", "--privileged", PYTHON)).code == 125
    labels = {"dev.neargate.owner": cloud.owner}
    assert await cloud.runtime.list(labels) == [], "a build's containers end with it"


async def test_one_build_does_not_see_the_images_of_another(cloud: Cloud) -> None:
    async with cloud.build("mine") as mine, cloud.build("theirs") as theirs:
        assert (await mine.image("secret:1", f"FROM {PYTHON}", "RUN echo mine > /who")).code == 0
        assert "secret" in (await mine.docker("images")).out
        assert "secret" not in (await theirs.docker("images")).out
        assert (await theirs.docker("image", "inspect", "secret:1")).code == 1
        assert (await theirs.image("secret:1", f"FROM {PYTHON}", "RUN echo theirs > /who")).code == 0
        for build, who in ((mine, "mine\n"), (theirs, "theirs\n")):
            assert (await build.docker("run", "--rm", "secret:1", "cat", "/who")).out == who
