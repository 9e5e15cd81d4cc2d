"""`neargate interrupt`: a Spot interruption, when you want one."""

from __future__ import annotations

import click

from neargate.cli.cloud import Cloud
from neargate.cli.place import Place, place_options
from neargate.cli.running import running_task


@click.command()
@place_options
@click.argument("name", metavar="TASK|SERVICE")
def interrupt(place: Place, name: str) -> None:
    """Take the capacity of a FARGATE_SPOT task back: of this task, or of the newest of a service.

    The task gets SIGTERM, after its stop timeout SIGKILL, and stops with AWS's reason. A service starts another one.
    """
    if place.aws:
        raise click.UsageError("AWS decides itself when it takes Spot capacity back.")
    cloud = Cloud(place)
    arn = running_task(cloud, name)["taskArn"]
    answer = cloud.own("POST", "interrupt", {"task": arn})
    click.echo(f"{arn.rsplit('/', 1)[-1]}: {answer['stoppedReason']}")
