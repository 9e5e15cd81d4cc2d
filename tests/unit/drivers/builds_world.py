"""A machine for builds without an engine: containers are in memory, but their script runs in a real shell.

`/codebuild/output` is a path of containers; here the script runs on the mounted directory itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import signal
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import attrs

from neargate.drivers.builds import BuildDriver
from neargate.fabric.memory import Machine, MemoryFabric
from neargate.model.codebuild import Build
from neargate.model.operations import Caller, Settings
from neargate.model.records import Json
from neargate.runtimes.base_images import BUILDER
from neargate.runtimes.memory import MemoryRuntime, Process, World
from neargate.services.dispatch import Dispatcher
from neargate.store.blobs import BlobDirectory
from neargate.store.sqlite import SqliteStore
from neargate.system import SystemClock, SystemIds

ACCOUNT, REGION = "000000000000", "us-east-1"
OUTPUT = "/codebuild/output"


class Listeners:
    """Stands for LinkLocal: who is served."""

    def __init__(self) -> None:
        self.served: dict[Any, Any] = {}

    async def serve(self, sock: Any, identity: Any) -> None:
        self.served[identity] = sock

    async def stop(self, identity: Any) -> None:
        sock = self.served.pop(identity, None)
        if sock is not None:
            sock.close()


@attrs.define
class Sockets:
    """Stands for the engine sockets of privileged builds: a file where the socket would be."""

    open: dict[str, Path] = attrs.field(factory=dict)
    callers: list[Caller] = attrs.field(factory=list)

    def __call__(self, caller: Caller, build_id: str) -> _Socket:
        self.callers.append(caller)
        return _Socket(self, build_id)


@attrs.define
class _Socket:
    sockets: Sockets
    build_id: str

    async def start(self, path: str) -> None:
        open(path, "w").close()  # noqa: ASYNC230
        self.sockets.open[self.build_id] = Path(path)

    async def stop(self) -> None:
        self.sockets.open.pop(self.build_id).unlink(missing_ok=True)


async def shell(process: Process) -> int:
    """The build container's program."""
    mounts = {mount.target: mount.source for mount in process.spec.mounts}
    root = mounts[OUTPUT]
    script = (Path(root) / "tmp" / "build.sh").read_text().replace(OUTPUT, root)
    environment = {
        "PATH": "/usr/bin:/bin",
        **{name: value.replace(OUTPUT, root) for name, value in process.spec.environment.items()},
    }
    running = await asyncio.create_subprocess_exec(
        "sh", "-c", script, env=environment, stdout=asyncio.subprocess.PIPE, start_new_session=True
    )
    assert running.stdout is not None
    try:
        async for line in running.stdout:
            await process.say(line.decode().removesuffix("\n").replace(root, OUTPUT))
        return await running.wait()
    finally:
        if running.returncode is None:
            os.killpg(running.pid, signal.SIGKILL)
            await running.wait()


class Plant:
    """A data directory and a machine; `server()` is a server that runs on them, again and again."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.clock, ids = SystemClock(), SystemIds()
        self.store = SqliteStore.open(directory / "neargate.db", self.clock, durable=False)
        self.blobs = BlobDirectory(directory / "blobs")
        self.dispatcher = Dispatcher(self.store, self.clock, ids, self.blobs, Settings())
        self.ids = ids
        self.world = World(default=shell)
        self.world.add_image(BUILDER)
        self.machine = Machine()
        self.listeners = Listeners()
        self.sockets = Sockets()
        self.caller = Caller(ACCOUNT, REGION, f"arn:aws:iam::{ACCOUNT}:root")

    @contextlib.asynccontextmanager
    async def server(self) -> AsyncIterator[None]:
        """Ends as a kill would: nothing is tidied up."""
        fabric = MemoryFabric("test", self.machine)
        await fabric.open()
        driver = BuildDriver(
            store=self.store,
            dispatcher=self.dispatcher,
            clock=self.clock,
            ids=self.ids,
            runtime=MemoryRuntime(self.world),
            fabric=fabric,
            link_local=self.listeners,
            engine_socket=self.sockets,
            directory=self.directory / "builds",
            owner="test",
        )
        task = asyncio.create_task(driver.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            for sock in self.listeners.served.values():
                sock.close()
            self.listeners.served.clear()

    async def call(self, service: str, operation: str, caller: Caller | None = None, **request: Any) -> Json:
        return await self.dispatcher.call(caller or self.caller, service, operation, request)

    async def project(self, buildspec: str, **changes: Any) -> None:
        """A project `web` with this buildspec, its role, and the bucket `files`."""
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "codebuild.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        role = await self.call("iam", "CreateRole", RoleName="Builder", AssumeRolePolicyDocument=document)
        await self.call("s3", "CreateBucket", Bucket="files")
        environment = {
            "type": "LINUX_CONTAINER",
            "image": "aws/codebuild/standard:7.0",
            "computeType": "BUILD_GENERAL1_SMALL",
            **changes.pop("environment", {}),
        }
        request = {
            "name": "web",
            "source": {"type": "NO_SOURCE", "buildspec": buildspec},
            "artifacts": {"type": "NO_ARTIFACTS"},
            "environment": environment,
            "serviceRole": role["Role"]["Arn"],
            **changes,
        }
        await self.call("codebuild", "CreateProject", **request)

    async def put(self, key: str, files: dict[str, str]) -> None:
        """A zip in the bucket."""
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            for name, text in files.items():
                entry = zipfile.ZipInfo(name)
                entry.external_attr = (0o100755 if name.endswith(".sh") else 0o100644) << 16
                archive.writestr(entry, text)
        await self.call("s3", "PutObject", Bucket="files", Key=key, Body=content.getvalue())

    async def unzipped(self, key: str) -> dict[str, str]:
        answer = await self.call("s3", "GetObject", Bucket="files", Key=key)
        with zipfile.ZipFile(self.blobs.path(answer["Body"])) as archive:
            return {name: archive.read(name).decode() for name in archive.namelist()}

    async def start(self, **overrides: Any) -> str:
        answer = await self.call("codebuild", "StartBuild", projectName="web", **overrides)
        return str(answer["build"]["id"])

    def record(self, build_id: str) -> Build:
        found = self.store.read(lambda view: view.get(Build, f"{ACCOUNT}/{REGION}/{build_id}"))
        assert found is not None
        return found

    async def until(self, build_id: str, condition: Callable[[Build], bool]) -> Build:
        """Returns once the record satisfies the condition."""

        async def holds() -> bool:
            return condition(self.record(build_id))

        await self._until(Build.KIND, holds)
        return self.record(build_id)

    async def said(self, build_id: str, line: str) -> None:
        """Returns once the log has that line."""

        async def holds() -> bool:
            return line in await self.log(build_id)

        await self.until(build_id, lambda build: build.current_phase not in ("QUEUED", "PROVISIONING"))
        await self._until("log", holds)

    async def _until(self, kind: str, holds: Callable[[], Awaitable[bool]]) -> None:
        changed = asyncio.Event()
        unsubscribe = self.store.subscribe(frozenset({kind}), lambda *_: changed.set())
        try:
            async with asyncio.timeout(20):
                while not await holds():
                    await changed.wait()
                    changed.clear()
        finally:
            unsubscribe()

    async def finished(self, build_id: str) -> Json:
        """The build as the API shows it, once nothing of it is left on the machine."""
        await self.until(build_id, lambda build: build.released)
        answer = await self.call("codebuild", "BatchGetBuilds", ids=[build_id])
        return dict(answer["builds"][0])

    async def log(self, build_id: str) -> list[str]:
        """The log's messages, without the times of the build environment's own."""
        project, _, uuid = build_id.partition(":")
        answer = await self.call(
            "logs",
            "GetLogEvents",
            logGroupName=f"/aws/codebuild/{project}",
            logStreamName=uuid,
            startFromHead=True,
        )
        texts = [event["message"] for event in answer["events"]]
        assert all(text.endswith("\n") for text in texts)
        return [
            "> " + text.split(" ", 3)[3][:-1] if text.startswith("[Container] ") else text[:-1]
            for text in texts
        ]

    def left(self) -> list[object]:
        """What builds hold on the machine."""
        directory = self.directory / "builds"
        held: list[object] = [*self.world.containers, *self.world.sandboxes, *self.machine.plugged()]
        held += [*self.listeners.served, *self.sockets.open]
        held += list(directory.iterdir()) if directory.exists() else []
        return held
