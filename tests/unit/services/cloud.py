"""A cloud without drivers, gateway or containers: the services over a real store, called like an API.

with cloud() as aws:
    aws.call("ecs", "CreateCluster", clusterName="web")
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import attrs

from neargate.model.operations import Caller, Settings
from neargate.model.records import Tx
from neargate.runtimes.moto_services import MotoServices
from neargate.services.dispatch import Dispatcher
from neargate.store.blobs import BlobDirectory
from neargate.store.sqlite import SqliteStore
from neargate.system import SystemIds

T = TypeVar("T")

ACCOUNT = "000000000000"
REGION = "us-east-1"


class SteppingClock:
    """A clock that stands still until a test moves it. Starts at 2026-01-01T00:00:00Z."""

    def __init__(self, at: float = 1767225600.0) -> None:
        self.at = at

    def now(self) -> float:
        return self.at

    def advance(self, seconds: float) -> None:
        self.at += seconds


class Cloud:
    def __init__(self, directory: Path) -> None:
        self.clock = SteppingClock()
        self.ids = SystemIds()
        self.store = SqliteStore.open(directory / "neargate.db", self.clock, durable=False)
        self.blobs = BlobDirectory(directory / "blobs")
        self.dispatcher = Dispatcher(self.store, self.clock, self.ids, self.blobs, Settings(), MotoServices())
        self.caller = Caller(ACCOUNT, REGION, f"arn:aws:iam::{ACCOUNT}:root")

    def call(self, service: str, operation: str, **request: Any) -> dict[str, Any]:
        return asyncio.run(self.dispatcher.call(self.caller, service, operation, request))

    def call_in(self, region: str, service: str, operation: str, **request: Any) -> dict[str, Any]:
        caller = attrs.evolve(self.caller, region=region)
        return asyncio.run(self.dispatcher.call(caller, service, operation, request))

    def write(self, work: Callable[[Tx], T]) -> T:
        async def run() -> T:
            return await self.store.write(work)

        return asyncio.run(run())


@contextmanager
def cloud() -> Iterator[Cloud]:
    with tempfile.TemporaryDirectory() as directory:
        aws = Cloud(Path(directory))
        try:
            yield aws
        finally:
            aws.store.close()
