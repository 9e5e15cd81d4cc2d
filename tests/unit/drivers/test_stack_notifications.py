"""What the topics of a stack's NotificationARNs hear."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from neargate.drivers.stacks.notifications import Notifier, message_of
from neargate.model.cloudformation import NOTIFICATIONS, Notified
from tests.unit.resources.stacks import Stacks, running_stacks

pytest.importorskip("moto")

TEMPLATE = json.dumps({"Resources": {"Log": {"Type": "AWS::Logs::LogGroup"}}})


async def all_sent(stacks: Stacks) -> None:
    """Until the last notification of the journal has been sent."""

    def left() -> bool:
        store = stacks.aws.store
        (last,) = store.read(lambda view: view.entries(NOTIFICATIONS, limit=1, newest_first=True))
        sent = store.read(lambda view: view.get(Notified, "all"))
        return sent is None or sent.seq < last.seq

    changed = asyncio.Event()
    unsubscribe = stacks.aws.store.subscribe(frozenset({Notified.KIND}), lambda *_: changed.set())
    async with asyncio.timeout(10):
        while left():
            changed.clear()
            await changed.wait()
    unsubscribe()


def test_every_event_goes_to_the_topic_once(tmp_path: Path) -> None:
    async def play() -> list[str]:
        async with running_stacks(tmp_path) as stacks:
            topic = (await stacks.call("sns", "CreateTopic", Name="t"))["TopicArn"]
            queue = (await stacks.call("sqs", "CreateQueue", QueueName="q"))["QueueUrl"]
            arn = "arn:aws:sqs:us-east-1:000000000000:q"
            await stacks.call("sns", "Subscribe", TopicArn=topic, Protocol="sqs", Endpoint=arn)
            gone = "arn:aws:sns:us-east-1:000000000000:gone"
            request = {"StackName": "net", "TemplateBody": TEMPLATE, "NotificationARNs": [gone, topic]}
            stacks.id = (await stacks.call("cloudformation", "CreateStack", **request))["StackId"]
            await stacks.settled()
            await all_sent(stacks)
            await Notifier(stacks.aws.store, stacks.aws.dispatcher).send("all")  # nothing is left
            heard = []
            while messages := (
                await stacks.call("sqs", "ReceiveMessage", QueueUrl=queue, MaxNumberOfMessages=10)
            ).get("Messages", []):
                for message in messages:
                    heard.append(json.loads(message["Body"]))
                    receipt = message["ReceiptHandle"]
                    await stacks.call("sqs", "DeleteMessage", QueueUrl=queue, ReceiptHandle=receipt)
            assert {h["Subject"] for h in heard} == {"AWS CloudFormation Notification"}
            return [h["Message"] for h in heard]

    messages = asyncio.run(play())
    seen = sorted(line for m in messages for line in m.splitlines() if line.startswith("ResourceStatus="))
    assert seen == [
        "ResourceStatus='CREATE_COMPLETE'",
        "ResourceStatus='CREATE_COMPLETE'",
        "ResourceStatus='CREATE_IN_PROGRESS'",
        "ResourceStatus='CREATE_IN_PROGRESS'",
        "ResourceStatus='CREATE_IN_PROGRESS'",
    ]


def test_the_text_of_a_message() -> None:
    event = {
        "EventId": "e",
        "Timestamp": 1767225600.5,
        "LogicalResourceId": "Log",
        "PhysicalResourceId": "",
        "ResourceStatus": "CREATE_IN_PROGRESS",
        "ResourceType": "AWS::Logs::LogGroup",
        "ResourceProperties": "{}",
    }
    assert message_of("arn:aws:cloudformation:us-east-1:000000000000:stack/x/u", event).splitlines() == [
        "StackId='arn:aws:cloudformation:us-east-1:000000000000:stack/x/u'",
        "Timestamp='2026-01-01T00:00:00.500Z'",
        "EventId='e'",
        "LogicalResourceId='Log'",
        "Namespace='000000000000'",
        "PhysicalResourceId=''",
        "ResourceProperties='{}'",
        "ResourceStatus='CREATE_IN_PROGRESS'",
        "ResourceStatusReason=''",
        "ResourceType='AWS::Logs::LogGroup'",
        "StackName='x'",
        "ClientRequestToken='null'",
    ]
