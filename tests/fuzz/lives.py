"""Two templates through the whole cloud: a stack is made from one, changed to the other, and deleted."""

from __future__ import annotations

import traceback
from collections.abc import MutableMapping
from random import Random
from typing import Any

import structlog
from botocore.exceptions import ClientError

from neargate.model.cloudformation import Stack
from tests.fuzz.planning import CAPABILITIES, Unexpected
from tests.scenarios.cloud import RunningCloud, running_cloud

_PATIENCE = 5 * 3600.0  # virtual seconds
FINAL = ("_COMPLETE", "_FAILED")
Log = list[MutableMapping[str, Any]]


async def live(number: int, first: str, second: str, random: Random) -> str:
    """The life of one stack; the statuses it came through. Raises Unexpected."""
    with structlog.testing.capture_logs() as logged:
        async with running_cloud() as cloud:
            return await _lived(cloud, logged, number, (first, second), random)


async def _lived(
    cloud: RunningCloud, logged: Log, number: int, bodies: tuple[str, str], random: Random
) -> str:
    seen = []
    name = f"fuzz-{number}"
    for operation, body in (("CreateStack", bodies[0]), ("UpdateStack", bodies[1]), ("DeleteStack", None)):
        request: dict[str, object] = {"StackName": name}
        if body is not None:
            request |= {"TemplateBody": body, "Capabilities": CAPABILITIES}
            request["DisableRollback"] = random.random() < 0.2
        seen.append(await _step(cloud, logged, operation, request))
    return " ".join(seen)


async def _step(cloud: RunningCloud, logged: Log, operation: str, request: dict[str, object]) -> str:
    try:
        await cloud.aws("cloudformation", operation, **request)
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if status >= 500 and error.response["Error"]["Code"] != "NotImplemented":
            raise Unexpected(f"{operation}: {error}") from error
        return "refused"
    try:
        await cloud.until(lambda: not _under_way(cloud), within=_PATIENCE)
    except AssertionError:
        raise Unexpected(f"{operation} never ends: {_failures(logged) or _under_way(cloud)}") from None
    if failures := _failures(logged):
        raise Unexpected(f"{operation}: {failures[0]}")
    stacks = cloud.store.read(lambda view: [s for s in view.scan(Stack) if s.name == request["StackName"]])
    if not stacks:
        return "nothing"
    status = stacks[0].status
    if not status.endswith(FINAL):
        raise Unexpected(f"{operation} ends {status}")
    return status


def _failures(logged: Log) -> list[str]:
    """What broke a driver's round, which it then tries again for ever."""
    broken = {repr(e["exc_info"]): e["exc_info"] for e in logged if e["event"] == "driver.failed"}
    return ["".join(traceback.format_exception(error, limit=-3)) for error in broken.values()]


def _under_way(cloud: RunningCloud) -> list[str]:
    return [what for what in cloud.moving() if what.startswith("stack ")]
