"""`neargate stop`, `status` and `reset`: the end and the state of a local cloud."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import click

from neargate.cli.cloud import Cloud, Json, Refused, Unreachable, own
from neargate.cli.engine import waiting_sentence
from neargate.cli.load_balancers import end_left_behind
from neargate.cli.place import Announced, Place, alive, data_option, default_data, place_options

OWNED = (
    *("neargate.db", "neargate.db-wal", "neargate.db-shm", "blobs", "git", "builds"),
    *("balancer", "certificates", "volumes", "efs"),
    *("neargate.log", "server.json", "server.new", "owner", "owner.new", "lock"),
)
"""Everything that Neargate puts into a data directory. Nothing else in it is touched."""

_STOP_SECONDS = 40.0
_ENGINE_SECONDS = 30.0
_PRUNE_SECONDS = 180.0


@click.command()
@data_option
def stop(data: Path | None) -> None:
    """Stop the local cloud. Tasks go on or end as `neargate start --on-stop` said, and the load balancers with them;
    records stay."""
    place = Place(data.absolute() if data else default_data())
    announced = place.announced()
    if announced is None:
        click.echo(f"No Neargate server works in {place.data}.")
        left = end_left_behind(place.data)
        if left is not None:
            click.echo(f"Ended the Envoy that served its load balancers (process {left}).")
        return
    end(announced)
    click.echo(f"Stopped the server of {place.data}.")


def end(announced: Announced) -> None:
    """SIGTERM, and wait for the end. Raises ClickException where the process is not that server, or does not end."""
    try:
        ours = own(announced.address, "GET", "health", seconds=5)["pid"] == announced.pid
    except Unreachable:
        ours = False
    if not ours:
        raise click.ClickException(
            f"Process {announced.pid} is said to be the server at {announced.address}, but that does not answer. "
            f"Look at the process; if it is Neargate: kill {announced.pid}"
        )
    os.kill(announced.pid, signal.SIGTERM)
    until = time.monotonic() + _STOP_SECONDS
    while alive(announced.pid):
        if time.monotonic() > until:
            raise click.ClickException(
                f"The server (process {announced.pid}) has not ended after {_STOP_SECONDS:.0f} s. "
                f"To end it at once: kill -9 {announced.pid}"
            )
        time.sleep(0.02)


@click.command()
@place_options
def status(place: Place) -> None:
    """Show the server, its engine, and what runs on it."""
    cloud = Cloud(place)
    if place.aws:
        lines = [f"AWS        account {cloud.call('sts', 'GetCallerIdentity')['Account']}"]
        health: Json | None = None
    else:
        announced = place.announced()
        if announced is None:
            raise click.ClickException(
                f"No Neargate server works in {place.data}. Start it: neargate start --detach"
            )
        health = cloud.own("GET", "health")
        lines = server_lines(health, announced.address)
    stacks = cloud.pages("cloudformation", "DescribeStacks", "Stacks")
    for line in [*lines, *running_lines(stacks, running_services(cloud))]:
        click.echo(line)


def server_lines(health: Json, address: str) -> list[str]:
    """The server, its engine and its data directory, a line each."""
    return [
        f"Server     {health['version']} at {address} (process {health['pid']})",
        f"Engine     {engine_words(health['engine'])}",
        f"Data       {health['data']}",
    ]


def engine_words(engine: Json) -> str:
    """One sentence about the engine, from what health says of it."""
    if engine["state"] == "ready":
        return f"{engine.get('kind', 'engine')} {engine.get('version', '')} at {engine.get('socket', '')}".strip()
    if engine["state"] == "starting":
        return "starting"
    return waiting_sentence(engine)


def running_lines(stacks: list[Json], services: list[Json]) -> list[str]:
    """Stacks with their status, services with their counts."""
    lines = [f"Stack      {stack['StackName']}  {stack['StackStatus']}" for stack in stacks]
    lines += [
        f"Service    {s['serviceName']}  {s['runningCount']} of {s['desiredCount']} tasks running"
        for s in services
    ]
    return lines or ["Nothing runs."]


def running_services(cloud: Cloud) -> list[Json]:
    """Every active ECS service of the account and region."""
    services: list[Json] = []
    for cluster in cloud.pages("ecs", "ListClusters", "clusterArns"):
        arns = cloud.pages("ecs", "ListServices", "serviceArns", cluster=cluster)
        for start in range(0, len(arns), 10):
            answer = cloud.call("ecs", "DescribeServices", cluster=cluster, services=arns[start : start + 10])
            services += [s for s in answer["services"] if s["status"] != "INACTIVE"]
    return services


@click.command()
@data_option
@click.option("--yes", is_flag=True, help="Do not ask.")
def reset(data: Path | None, yes: bool) -> None:
    """Remove all that a data directory owns: containers, networks, images it built, records."""
    place = Place(data.absolute() if data else default_data())
    here = owned_paths(place.data)
    if not here:
        click.echo(f"There is nothing of Neargate's in {place.data}.")
        return
    if not yes:
        click.confirm(f"Remove every stack, container, network and record of {place.data}?", abort=True)
    click.echo(_emptied(_prune(place)))
    for path in owned_paths(place.data):
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
    left = sorted(path.name for path in place.data.iterdir())
    if left:
        click.echo(f"Removed Neargate's files. Not Neargate's, so left in {place.data}: {', '.join(left)}")
    else:
        place.data.rmdir()
        click.echo(f"Removed {place.data}.")


def owned_paths(data: Path) -> list[Path]:
    """What Neargate put into a data directory, in the order in which it can be removed."""
    return [data / name for name in OWNED if (data / name).exists()]


def _prune(place: Place) -> Json:
    """Empty the engine of what the data directory owns, and stop its server; one is started where none works.

    Records that cannot be read do not stand in the way: they are removed first, for the containers' labels say
    whose they are.
    """
    announced = place.announced() or _started(place)
    cloud = Cloud(place)
    until = time.monotonic() + _ENGINE_SECONDS
    while cloud.own("GET", "health")["engine"]["state"] == "starting":
        if time.monotonic() > until:
            raise click.ClickException(
                f"The server has found no engine after {_ENGINE_SECONDS:.0f} s, so nothing was removed. "
                f"Its log is {place.data / 'neargate.log'}."
            )
        time.sleep(0.1)
    try:
        pruned = cloud.own("POST", "prune", {}, seconds=_PRUNE_SECONDS)
    except Refused as error:
        raise click.ClickException(f"Nothing was removed: {error.text}") from error
    end(announced)
    return pruned


def _started(place: Place) -> Announced:
    from neargate.cli.start import start_detached

    try:
        return start_detached(place.data, port=0)
    except click.ClickException as error:
        if str(place.data / "neargate.db") not in error.message:
            raise
        click.echo(f"{error.message} It is removed with the rest.")
        for suffix in ("", "-wal", "-shm"):
            (place.data / f"neargate.db{suffix}").unlink(missing_ok=True)
        return start_detached(place.data, port=0)


def _emptied(pruned: dict[str, Any]) -> str:
    if pruned.get("removed"):
        return f"Removed {pruned.get('containers', 0)} containers and their networks."
    return f"No containers were removed: {pruned['reason']}."
