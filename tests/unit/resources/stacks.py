"""A cloud whose stacks are carried out: real services, the real stack driver, no containers.

async def test_it(stacks: Stacks) -> None:
    await stacks.make(Group={"Type": "AWS::IAM::Group"})
    await stacks.change(Group=…)
    await stacks.remove()
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from neargate.drivers.stacks import StackDriver
from tests.unit.services.cloud import Cloud

CAPABILITIES = ["CAPABILITY_NAMED_IAM"]


class Stacks:
    """One stack, `net`, and the cloud that it stands in."""

    def __init__(self, aws: Cloud) -> None:
        self.aws = aws
        self.id = "net"

    async def call(self, service: str, operation: str, **request: Any) -> dict[str, Any]:
        return await self.aws.dispatcher.call(self.aws.caller, service, operation, request)

    async def carry_out(self, operation: str, **resources: dict[str, Any]) -> dict[str, Any]:
        """Create or update the stack `net`; its description once the operation has ended."""
        body = json.dumps({"Resources": resources})
        request = {"StackName": "net", "TemplateBody": body, "Capabilities": CAPABILITIES}
        answer = await self.call("cloudformation", operation, **request)
        self.id = answer["StackId"]
        return await self.settled()

    async def make(self, **resources: dict[str, Any]) -> None:
        """Create the stack; that must succeed."""
        stack = await self.carry_out("CreateStack", **resources)
        assert stack["StackStatus"] == "CREATE_COMPLETE", await self.reasons()

    async def change(self, **resources: dict[str, Any]) -> None:
        """Update the stack; that must succeed."""
        stack = await self.carry_out("UpdateStack", **resources)
        assert stack["StackStatus"] == "UPDATE_COMPLETE", await self.reasons()

    async def remove(self) -> None:
        """Delete the stack; that must succeed."""
        await self.call("cloudformation", "DeleteStack", StackName=self.id)
        stack = await self.settled()
        assert stack["StackStatus"] == "DELETE_COMPLETE", await self.reasons()

    async def settled(self) -> dict[str, Any]:
        changed = asyncio.Event()
        unsubscribe = self.aws.store.subscribe(frozenset({"cloudformation.stack"}), lambda *_: changed.set())
        try:
            async with asyncio.timeout(30):
                while True:
                    changed.clear()
                    found = await self.call("cloudformation", "DescribeStacks", StackName=self.id)
                    stack: dict[str, Any] = found["Stacks"][0]
                    if not stack["StackStatus"].endswith("_IN_PROGRESS"):
                        return stack
                    await changed.wait()
        finally:
            unsubscribe()

    async def reasons(self) -> list[str]:
        events = (await self.call("cloudformation", "DescribeStackEvents", StackName=self.id))["StackEvents"]
        return [event["ResourceStatusReason"] for event in events if "ResourceStatusReason" in event]

    async def physical(self, logical_id: str) -> str:
        found = await self.call(
            "cloudformation", "DescribeStackResources", StackName="net", LogicalResourceId=logical_id
        )
        return str(found["StackResources"][0]["PhysicalResourceId"])

    async def outputs(self, resources: dict[str, Any], **values: Any) -> dict[str, str]:
        """What these values come to once the stack is updated to have them as outputs."""
        outputs = {name: {"Value": value} for name, value in values.items()}
        body = json.dumps({"Resources": resources, "Outputs": outputs})
        request = {"StackName": "net", "TemplateBody": body, "Capabilities": CAPABILITIES}
        await self.call("cloudformation", "UpdateStack", **request)
        stack = await self.settled()
        assert stack["StackStatus"] == "UPDATE_COMPLETE", await self.reasons()
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


@asynccontextmanager
async def running_stacks(directory: Path) -> AsyncIterator[Stacks]:
    aws = Cloud(directory)
    work = asyncio.create_task(StackDriver(aws.store, aws.dispatcher, aws.clock).run())
    try:
        yield Stacks(aws)
    finally:
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work
        aws.store.close()
