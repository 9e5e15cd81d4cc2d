"""Which task a person means by a name."""

from __future__ import annotations

import click

from neargate.cli.addresses import running_tasks
from neargate.cli.cloud import Cloud, Json
from neargate.cli.life import running_services
from neargate.cli.services import cluster_of

_SHORTEST_ID = 6  # of a task's id that is given in part


def running_task(cloud: Cloud, name: str) -> Json:
    """The running task of this id (or its beginning) or ARN, else the newest of the service of this name (or its
    beginning). Raises ClickException where the name means nothing, or more than one thing."""
    found: list[Json] = []
    for cluster in cloud.pages("ecs", "ListClusters", "clusterArns"):
        found += [task for task in running_tasks(cloud, cluster) if _is_named(task, name)]
    if len(found) > 1:
        ids = ", ".join(task["taskArn"].rsplit("/", 1)[-1] for task in found)
        raise click.ClickException(f"{name} is the beginning of several tasks: {ids}.")
    if found:
        return found[0]
    services = [s for s in running_services(cloud) if s["serviceName"] == name] or [
        s for s in running_services(cloud) if s["serviceName"].startswith(name)
    ]
    if len(services) > 1:
        every = ", ".join(service["serviceName"] for service in services)
        raise click.ClickException(f"{name} is the beginning of several services: {every}.")
    if not services:
        raise click.ClickException(
            f"There is no running task and no service {name}. neargate ps lists what runs."
        )
    service = services[0]
    tasks = running_tasks(cloud, cluster_of(service["serviceArn"]), service["serviceName"])
    running = [task for task in tasks if task["lastStatus"] == "RUNNING"]
    if not running:
        raise click.ClickException(f"No task of the service {service['serviceName']} runs just now.")
    return max(running, key=lambda task: task["createdAt"])


def _is_named(task: Json, name: str) -> bool:
    arn = str(task["taskArn"])
    return name == arn or (len(name) >= _SHORTEST_ID and arn.rsplit("/", 1)[-1].startswith(name))
