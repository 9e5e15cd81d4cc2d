"""`neargate logs`: what containers wrote, of one service or task, of a log group, or of everything."""

from __future__ import annotations

import re
import time
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import attrs
import click

from neargate.cli.cloud import Cloud, Json
from neargate.cli.life import running_services
from neargate.cli.look import matching
from neargate.cli.place import Place, place_options
from neargate.cli.stacks import pause

_OVERLAP_MS = 5_000  # clocks differ: the last seconds are read again
_AGO = re.compile(r"(\d+)\s*(s|min|m|h|d|w)\Z")
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800}
_COLOURS = ("cyan", "yellow", "green", "magenta", "blue", "bright_red", "bright_cyan", "bright_yellow")
_TASK = re.compile(r"[0-9a-f]{6,32}\Z")


@attrs.define
class Source:
    """Streams of a log group, all or those whose name begins so; and what of them was shown."""

    group: str
    prefix: str = ""
    since: int = 0
    known: set[str] = attrs.field(factory=set)

    def news(self, cloud: Cloud, pattern: str) -> Iterator[Json]:
        """Events that were not given yet, oldest first."""
        request: dict[str, Any] = {"logGroupName": self.group, "startTime": self.since}
        if self.prefix:
            request["logStreamNamePrefix"] = self.prefix
        if pattern:
            request["filterPattern"] = pattern
        newest = self.since
        recent: list[tuple[int, str]] = []
        while True:
            page = cloud.call("logs", "FilterLogEvents", **request)
            for event in sorted(page["events"], key=lambda event: int(event["timestamp"])):
                newest = max(newest, event["timestamp"])
                recent.append((event["timestamp"], event["eventId"]))
                if event["eventId"] not in self.known:
                    yield event
            recent = [(at, identity) for at, identity in recent if at >= newest - _OVERLAP_MS]
            if not page.get("nextToken"):
                break
            request["nextToken"] = page["nextToken"]
        self.since = max(self.since, newest - _OVERLAP_MS)
        self.known = {identity for at, identity in recent if at >= self.since}


@click.command()
@click.argument("names", nargs=-1, metavar="[SERVICE|TASK|GROUP]...")
@click.option("-f", "--follow", is_flag=True, help="Go on as lines come in, of new tasks too.")
@click.option(
    "--since", "moment", metavar="TIME", help="Only lines since then: 30s, 10m, 2h, 1d, or a date and time."
)
@click.option(
    "--filter", "pattern", default="", metavar="PATTERN", help="Only lines that match, as CloudWatch filters."
)
@place_options
def logs(place: Place, names: tuple[str, ...], follow: bool, moment: str | None, pattern: str) -> None:
    """Show what containers wrote: of services, of tasks, of log groups, or of everything."""
    cloud = Cloud(place, patience=60.0 if follow else 0.0)
    since = 0 if moment is None else begin(moment, time.time())
    sources = [source for name in names or (None,) for source in _sources(cloud, name)]
    for source in sources:
        source.since = since
    named = len({source.group for source in sources}) > 1
    while True:
        for source in sources:
            for event in source.news(cloud, pattern):
                click.echo(log_line(source.group, event, named=named))
        if not follow:
            return
        time.sleep(pause(cloud))


def begin(moment: str, now: float) -> int:
    """Epoch milliseconds of `10m` before now, or of a date and time of this machine's zone. Raises UsageError."""
    ago = _AGO.match(moment.strip())
    if ago is not None:
        return int((now - int(ago[1]) * _SECONDS[ago[2]]) * 1000)
    try:
        return int(datetime.fromisoformat(moment).timestamp() * 1000)
    except ValueError:
        raise click.UsageError(
            f"--since {moment} is no time. Say 30s, 10m, 2h, 1d, or a date and time like 2026-01-31T12:00."
        ) from None


def log_line(group: str, event: Json, *, named: bool) -> str:
    """Time, the group where there is more than one, the container's stream in short, and the text.

    Each stream has its colour.
    """
    at = datetime.fromtimestamp(event["timestamp"] / 1000, tz=UTC).astimezone().strftime("%H:%M:%S")
    stream = event.get("logStreamName", "")
    short = "/".join(part[:8] if len(part) >= 32 else part for part in stream.split("/"))
    colour = _COLOURS[zlib.crc32(stream.encode()) % len(_COLOURS)]
    where = click.style(f"{group} {short}" if named else short, fg=colour)
    return f"{at} {where}  {event['message'].rstrip()}"


def _sources(cloud: Cloud, name: str | None) -> list[Source]:
    """What a name means: a log group, a service's containers, a task, or groups that it is part of; no name: all."""
    every = [group["logGroupName"] for group in cloud.pages("logs", "DescribeLogGroups", "logGroups")]
    if name is None:
        if not every:
            raise click.ClickException("There is no log group.")
        return [Source(group) for group in every]
    if name in every:
        return [Source(name)]
    for service in matching(running_services(cloud), name):
        return _of_service(cloud, service)
    tasks = _of_task(cloud, every, name) if _TASK.match(name) else []
    near = tasks or [Source(group) for group in every if name in group]
    if near:
        return near
    raise click.ClickException(
        f"There is no service, no task and no log group {name}. neargate ps lists what runs."
    )


def _of_service(cloud: Cloud, service: Json) -> list[Source]:
    """The streams that its task definition's containers write to, whichever task they are in."""
    definition = cloud.call("ecs", "DescribeTaskDefinition", taskDefinition=service["taskDefinition"])
    found = []
    for container in definition["taskDefinition"]["containerDefinitions"]:
        options = (container.get("logConfiguration") or {}).get("options", {})
        if options.get("awslogs-group"):
            stream = options.get("awslogs-stream-prefix")
            found.append(Source(options["awslogs-group"], f"{stream}/{container['name']}/" if stream else ""))
    if not found:
        raise click.ClickException(f"The containers of {service['serviceName']} write to no log group.")
    return found


def _of_task(cloud: Cloud, groups: list[str], name: str) -> list[Source]:
    """The streams of a task, which may have ended, by the beginning of its id."""
    return [
        Source(group, stream["logStreamName"])
        for group in groups
        for stream in cloud.pages("logs", "DescribeLogStreams", "logStreams", logGroupName=group)
        if stream["logStreamName"].rpartition("/")[2].startswith(name)
    ]
