"""Stack events for SNS topics: what a stack's NotificationARNs hear, in the order of the events.

A message is sent at least once: a kill between sending and recording it sends it again. One that SNS does not take,
since its topic has gone for instance, is lost, as on AWS.
"""

from __future__ import annotations

from datetime import UTC, datetime

from neargate.drivers.stacks.place import SERVICE
from neargate.model.cloudformation import NOTIFICATIONS, Notified
from neargate.model.errors import AwsError
from neargate.model.operations import Caller
from neargate.model.ports import Store
from neargate.model.records import Entry, Json, Tx
from neargate.services.dispatch import Dispatcher

SUBJECT = "AWS CloudFormation Notification"
_BATCH = 50


class Notifier:
    """Sends what the journal holds for topics."""

    def __init__(self, store: Store, dispatcher: Dispatcher) -> None:
        self._store = store
        self._dispatcher = dispatcher

    async def send(self, key: str) -> None:
        """Send everything that has not been sent yet."""
        while True:
            sent = self._store.read(lambda view: view.get(Notified, key))
            after = sent.seq if sent is not None else 0
            entries = self._store.read(
                lambda view, after=after: view.entries(NOTIFICATIONS, after=after, limit=_BATCH)  # type: ignore[misc]
            )
            if not entries:
                return
            for entry in entries:
                await self._store.write(lambda tx, entry=entry: self._send_one(tx, key, entry))  # type: ignore[misc]

    def _send_one(self, tx: Tx, key: str, entry: Entry) -> None:
        account, region, name, uuid = entry.subject.split("/")
        caller = Caller(account, region, principal=entry.body["Principal"], via=SERVICE)
        stack_id = f"arn:aws:cloudformation:{region}:{account}:stack/{name}/{uuid}"
        message = message_of(stack_id, entry.body["Event"])
        invoke = self._dispatcher.context(tx, caller).invoke
        for topic in entry.body["TopicArns"]:
            try:
                invoke("sns", "Publish", {"TopicArn": topic, "Subject": SUBJECT, "Message": message})
            except AwsError:
                continue
        tx.put(Notified(entry.seq, key))


def message_of(stack_id: str, event: Json) -> str:
    """The text of a notification: a line `Name='value'` for each member, 'null' where there is none."""
    at = datetime.fromtimestamp(event["Timestamp"], UTC)
    account, name = stack_id.split(":")[4], stack_id.split("/")[1]
    members: Json = {
        "StackId": stack_id,
        "Timestamp": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "EventId": event["EventId"],
        "LogicalResourceId": event["LogicalResourceId"],
        "Namespace": account,
        "PhysicalResourceId": event["PhysicalResourceId"],
        "ResourceProperties": event.get("ResourceProperties", "null"),
        "ResourceStatus": event["ResourceStatus"],
        "ResourceStatusReason": event.get("ResourceStatusReason", ""),
        "ResourceType": event["ResourceType"],
        "StackName": name,
        "ClientRequestToken": event.get("ClientRequestToken", "null"),
    }
    return "".join(f"{member}='{value}'\n" for member, value in members.items())
