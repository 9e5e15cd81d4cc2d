"""`neargate ps` and `events`: look at what runs."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from datetime import datetime

import click

from neargate.cli.addresses import attachment, running_tasks, task_address
from neargate.cli.cloud import Cloud, Json, Refused
from neargate.cli.life import running_services
from neargate.cli.load_balancers import Front, fronts
from neargate.cli.place import Place, place_options
from neargate.cli.stacks import described, events_after, pause

_FIRST_EVENTS = 50


@click.command()
@place_options
def ps(place: Place) -> None:
    """List the tasks that run: service, task, status, IP, image, since when; and the load balancers with their URLs."""
    cloud = Cloud(place)
    rows = [
        task_row(task, task_address(cloud, task), time.time())
        for cluster in cloud.pages("ecs", "ListClusters", "clusterArns")
        for task in running_tasks(cloud, cluster)
    ]
    lines = ["No task runs."]
    if rows:
        lines = table(("SERVICE", "TASK", "STATUS", "IP", "IMAGE", "SINCE"), sorted(rows))
    if balancers := balancer_rows(fronts(cloud)):
        lines += ["", *table(("LOAD BALANCER", "STATE", "URL"), balancers)]
    for line in lines:
        click.echo(line)


def balancer_rows(found: Iterable[Front]) -> list[tuple[str, ...]]:
    """A line for each URL of a load balancer, or one where it has none."""
    return [(front.name, front.state, url) for front in found for url in front.urls or ("-",)]


def task_row(task: Json, address: str, now: float) -> tuple[str, ...]:
    """A task as `ps` shows it."""
    group = task.get("group", "")
    started = task.get("startedAt")
    images = ", ".join(c["image"].rsplit("/", 1)[-1] for c in task["containers"])
    return (
        group.removeprefix("service:") or "-",
        task["taskArn"].rsplit("/", 1)[-1][:12],
        task["lastStatus"],
        address or attachment(task, "privateIPv4Address") or "-",
        images,
        ago(now - started.timestamp()) if started else "-",
    )


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Columns as wide as their widest cell."""
    everything = [head, *rows]
    widths = [max(len(row[i]) for row in everything) for i in range(len(head))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in everything
    ]


def ago(seconds: float) -> str:
    """`12 s`, `5 min`, `3 h`, `2 d`."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(0, int(seconds))} s"


def matching(services: list[Json], name: str) -> list[Json]:
    """The service of this name, or those whose name begins with it (CloudFormation appends to names)."""
    exact = [s for s in services if s["serviceName"] == name]
    return exact or [s for s in services if s["serviceName"].startswith(name)]


@click.command()
@click.argument("name", required=False, metavar="[STACK|SERVICE]")
@click.option("-f", "--follow", is_flag=True, help="Go on as things happen.")
@place_options
def events(place: Place, name: str | None, follow: bool) -> None:
    """Show what happened: to one stack, to one service, or to all."""
    cloud = Cloud(place, patience=60.0 if follow else 0.0)
    shown: set[str] = set()
    while True:
        found = sorted(_happenings(cloud, name))
        new = [each for each in found if each[1] not in shown]
        for _, identity, line in new if shown else new[-_FIRST_EVENTS:]:
            click.echo(line)
            shown.add(identity)
        shown |= {identity for _, identity, _ in new}
        if not follow:
            return
        time.sleep(pause(cloud) * 2)


def _happenings(cloud: Cloud, name: str | None) -> Iterator[tuple[float, str, str]]:
    """(time, identity, line) of every event that the name means. Raises ClickException for one that means nothing."""
    services = running_services(cloud)
    if name is None:
        stacks = [s["StackName"] for s in cloud.pages("cloudformation", "DescribeStacks", "Stacks")]
    else:
        services = matching(services, name)
        stacks = [name] if _is_stack(cloud, name) else []
        if not services and not stacks:
            raise click.ClickException(f"There is no stack and no service {name}.")
    for stack in stacks:
        for event in events_after(cloud, stack, None):
            yield event["Timestamp"].timestamp(), event["EventId"], stack_event_line(event)
    for service in services:
        for event in service.get("events") or ():
            yield event["createdAt"].timestamp(), event["id"], f"{_at(event['createdAt'])} {event['message']}"


def _is_stack(cloud: Cloud, name: str) -> bool:
    try:
        return described(cloud, name) is not None
    except Refused as error:
        if error.code == "ValidationError":
            return False  # no name that a stack could have
        raise


def stack_event_line(event: Json) -> str:
    reason = f"  {event['ResourceStatusReason']}" if event.get("ResourceStatusReason") else ""
    what = f"{event['StackName']}/{event['LogicalResourceId']}"
    if event["PhysicalResourceId"] == event["StackId"]:
        what = event["StackName"]
    return f"{_at(event['Timestamp'])} {what} {event['ResourceStatus']}{reason}"


def _at(moment: datetime) -> str:
    return moment.astimezone().strftime("%H:%M:%S")
