"""One stack: submit a change through a change set, look at it, say why it failed."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence

import attrs
import click

from neargate.cli.cloud import Cloud, Json, Refused
from neargate.cli.services import last_stop

_NOTHING_TO_DO = ("didn't contain changes", "No updates are to be performed")
_CANCELLED = "cancelled"
NEVER_CREATED = frozenset({"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED"})
"""What a stack whose creation failed can be: AWS takes no update of it."""


@attrs.frozen
class Resource:
    """A resource as DescribeStackResources shows it, what it waits for, and what goes wrong meanwhile."""

    logical_id: str
    type: str
    status: str
    reason: str = ""
    waiting: str = ""
    trouble: str = ""


@attrs.frozen
class StackView:
    """A stack at one moment. `failure` is the reason that everything else follows from, "" where nothing failed."""

    name: str
    status: str
    resources: tuple[Resource, ...] = ()
    failure: str = ""

    @property
    def moving(self) -> bool:
        return self.status.endswith("_IN_PROGRESS")

    @property
    def good(self) -> bool:
        return self.status in ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE")


@attrs.frozen
class Wish:
    """A stack as it shall be."""

    name: str
    template: str
    parameters: Mapping[str, str] = attrs.field(factory=dict)
    capabilities: Sequence[str] = ()
    tags: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen
class Change:
    """A change that is being made. `after` is the stack's newest event before it began."""

    stack_id: str
    name: str
    created: bool
    after: str | None


def described(cloud: Cloud, name: str) -> Json | None:
    """DescribeStacks of one stack; None where it does not exist."""
    try:
        stacks: list[Json] = cloud.call("cloudformation", "DescribeStacks", StackName=name)["Stacks"]
    except Refused as error:
        if error.code == "ValidationError" and "does not exist" in error.text:
            return None
        raise
    return stacks[0]


def view(cloud: Cloud, name: str, *, after: str | None = None, reasons: bool = False) -> StackView | None:
    """The stack now, by name or id; None where it does not exist. With `reasons`, what made it fail is looked up
    in the events that follow `after`."""
    stack = described(cloud, name)
    if stack is None:
        return None
    waiting = cloud.own("GET", "waiting").get("stacks", {}).get(stack["StackName"], {}) if cloud.local else {}
    try:
        listed = cloud.call("cloudformation", "DescribeStackResources", StackName=name)["StackResources"]
    except Refused as error:
        if "does not exist" not in error.text:
            raise
        listed = []  # it went away between the two questions
    resources = tuple(
        Resource(
            r["LogicalResourceId"],
            r["ResourceType"],
            r["ResourceStatus"],
            r.get("ResourceStatusReason", ""),
            waiting.get(r["LogicalResourceId"], ""),
            _trouble(cloud, r),
        )
        for r in listed
    )
    failure = root_cause(events_after(cloud, stack["StackId"], after)) if reasons else ""
    return StackView(stack["StackName"], stack["StackStatus"], resources, failure)


def _trouble(cloud: Cloud, resource: Json) -> str:
    """Why the tasks of a service that is being made stop: CloudFormation would wait for hours without a word."""
    arn = resource.get("PhysicalResourceId") or ""
    if resource["ResourceType"] != "AWS::ECS::Service" or ":service/" not in arn:
        return ""
    if resource["ResourceStatus"] not in ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS"):
        return ""
    return last_stop(cloud, arn, resource["Timestamp"])


def events_after(cloud: Cloud, stack: str, after: str | None) -> list[Json]:
    """Events newer than the one of this id, oldest first; all of them where it is None."""
    events: list[Json] = []
    more: Json = {}
    while True:
        try:
            answer = cloud.call("cloudformation", "DescribeStackEvents", StackName=stack, **more)
        except Refused as error:
            if "does not exist" in error.text:
                return []
            raise
        for event in answer["StackEvents"]:
            if event["EventId"] == after:
                return events[::-1]
            events.append(event)
        if not answer.get("NextToken"):
            return events[::-1]
        more = {"NextToken": answer["NextToken"]}


def root_cause(events: Sequence[Json]) -> str:
    """The first failure that no other failure caused: `Service (AWS::ECS::Service): the reason`; "" for none."""
    failed = [e for e in events if e["ResourceStatus"].endswith("_FAILED")]
    for event in failed:
        reason = event.get("ResourceStatusReason", "")
        if event["PhysicalResourceId"] != event["StackId"] and _CANCELLED not in reason.lower():
            return f"{event['LogicalResourceId']} ({event['ResourceType']}): {reason}"
    for event in events:
        if "ROLLBACK" in event["ResourceStatus"] and event.get("ResourceStatusReason"):
            return str(event["ResourceStatusReason"])
    return str(failed[0].get("ResourceStatusReason", "")) if failed else ""


def submit(cloud: Cloud, wish: Wish) -> Change | None:
    """Begin to create or update the stack through a change set. None where there is nothing to change.

    Raises Refused with AWS's own words, ClickException for a stack that takes no update.
    """
    before = described(cloud, wish.name)
    if before is not None and before["StackStatus"] == "REVIEW_IN_PROGRESS":
        before = None
    if before is not None and before["StackStatus"] in NEVER_CREATED:
        raise click.ClickException(
            f"The stack {wish.name} is {before['StackStatus']}: AWS takes no update of it. Delete it first: "
            f"aws cloudformation delete-stack --stack-name {wish.name}"
        )
    after = None
    if before is not None:
        after = cloud.call("cloudformation", "DescribeStackEvents", StackName=before["StackId"])[
            "StackEvents"
        ][0]["EventId"]
    change_set = f"neargate-{uuid.uuid4().hex[:12]}"
    stack_id = _create_change_set(cloud, wish, change_set, before)
    if not _has_changes(cloud, stack_id, change_set):
        cloud.call("cloudformation", "DeleteChangeSet", StackName=stack_id, ChangeSetName=change_set)
        return None
    _execute(cloud, stack_id, change_set)
    return Change(stack_id, wish.name, before is None, after)


def _create_change_set(cloud: Cloud, wish: Wish, name: str, before: Json | None) -> str:
    request: Json = {
        "StackName": wish.name,
        "ChangeSetName": name,
        "ChangeSetType": "CREATE" if before is None else "UPDATE",
        "TemplateBody": wish.template,
        "Parameters": _parameters(cloud, wish, before),
        "Capabilities": list(wish.capabilities),
        "Tags": [{"Key": key, "Value": value} for key, value in wish.tags.items()],
    }
    try:
        return str(cloud.call("cloudformation", "CreateChangeSet", **request)["StackId"])
    except Refused as error:
        if error.code != "AlreadyExistsException":
            raise
        # The name is ours alone: the server took the first request and died before it could say so.
        answer = cloud.call("cloudformation", "DescribeChangeSet", StackName=wish.name, ChangeSetName=name)
        return str(answer["StackId"])


def _parameters(cloud: Cloud, wish: Wish, before: Json | None) -> list[Json]:
    """What is given, and for the rest what the stack has."""
    given: list[Json] = [{"ParameterKey": k, "ParameterValue": v} for k, v in wish.parameters.items()]
    if before is None or not before.get("Parameters"):
        return given
    declared = cloud.call("cloudformation", "GetTemplateSummary", TemplateBody=wish.template).get(
        "Parameters", ()
    )
    names = {p["ParameterKey"] for p in declared}
    kept = [
        p["ParameterKey"] for p in before["Parameters"] if p["ParameterKey"] in names - set(wish.parameters)
    ]
    return given + [{"ParameterKey": name, "UsePreviousValue": True} for name in kept]


def _has_changes(cloud: Cloud, stack_id: str, name: str) -> bool:
    while True:
        answer = cloud.call("cloudformation", "DescribeChangeSet", StackName=stack_id, ChangeSetName=name)
        if answer["Status"] == "CREATE_COMPLETE":
            return True
        if answer["Status"] == "FAILED":
            reason = answer.get("StatusReason", "")
            if any(text in reason for text in _NOTHING_TO_DO):
                return False
            raise click.ClickException(f"{answer['StackName']}: {reason}")
        time.sleep(pause(cloud) / 3)


def _execute(cloud: Cloud, stack_id: str, name: str) -> None:
    try:
        cloud.call("cloudformation", "ExecuteChangeSet", StackName=stack_id, ChangeSetName=name)
    except Refused as error:
        if error.code not in ("InvalidChangeSetStatus", "ChangeSetNotFound"):
            raise
        stack = described(cloud, stack_id)
        if stack is None or name not in (stack.get("ChangeSetId") or ""):
            raise  # else it was taken before the server died


def pause(cloud: Cloud) -> float:
    """Seconds between two looks: a local cloud answers in milliseconds, AWS counts requests."""
    return 0.25 if cloud.local else 3.0


def follow(cloud: Cloud, change: Change, show: Callable[[StackView], None]) -> StackView:
    """Show the stack until the change is made or undone; how it ended."""
    while True:
        began = _began(cloud, change)  # asked first: the status that is read next is then the change's
        seen = view(cloud, change.stack_id, after=change.after, reasons=True)
        if seen is None:
            return StackView(change.name, "DELETE_COMPLETE")
        show(seen)
        if began and not seen.moving:
            return seen
        time.sleep(pause(cloud))


def settle(cloud: Cloud, name: str, show: Callable[[StackView], None]) -> None:
    """Wait for the end of a change that is going on already: AWS takes one at a time."""
    while True:
        seen = view(cloud, name)
        if seen is None or not seen.moving or seen.status == "REVIEW_IN_PROGRESS":
            return
        show(seen)
        time.sleep(pause(cloud))


def _began(cloud: Cloud, change: Change) -> bool:
    """Whether the stack has an event of the change: before that, its status is still that of the last one."""
    answer = cloud.call("cloudformation", "DescribeStackEvents", StackName=change.stack_id)
    newest: str = answer["StackEvents"][0]["EventId"]
    return newest != change.after


def delete_never_created(cloud: Cloud, name: str) -> bool:
    """Delete a stack whose creation failed, as one has to on AWS before another try. True where there was one."""
    stack = described(cloud, name)
    if stack is None or stack["StackStatus"] not in NEVER_CREATED:
        return False
    cloud.call("cloudformation", "DeleteStack", StackName=stack["StackId"])
    while True:
        now = described(cloud, stack["StackId"])
        if now is None or now["StackStatus"] == "DELETE_COMPLETE":
            return True
        if now["StackStatus"] == "DELETE_FAILED":
            cause = root_cause(events_after(cloud, stack["StackId"], None)[-20:])
            raise click.ClickException(f"The stack {name} could not be deleted. {cause}")
        time.sleep(pause(cloud))
