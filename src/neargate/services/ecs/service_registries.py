"""The Cloud Map services that a service's tasks register in: what CreateService and UpdateService check."""

from __future__ import annotations

from collections.abc import Sequence

from neargate.model.ecs import TaskDefinition, TaskRegistration
from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.model.records import Json
from neargate.planners.task import has_health_check
from neargate.services.ecs.lookup import invalid


def checked(cx: Context, given: Sequence[Json] | None, definition: TaskDefinition) -> tuple[Json, ...]:
    """The service registries of a request. Raises InvalidParameterException; two of the texts are AWS's as Terraform's
    users quote them, the others are worded after them."""
    items = tuple({name: value for name, value in item.items() if value is not None} for item in given or ())
    if len(items) > 1:
        raise invalid("serviceRegistries can have at most 1 items.")
    for item in items:
        _check(cx, item, definition)
    return items


def check_definition(registries: Sequence[Json], definition: TaskDefinition) -> None:
    """A task definition must have the container and the port that the service's registry names."""
    for item in registries:
        if item.get("containerName"):
            _check_container(item, definition)


def _check(cx: Context, item: Json, definition: TaskDefinition) -> None:
    if not item.get("registryArn"):
        raise invalid("registryArn should not be null or empty.")
    named = item.get("containerName") is not None or item.get("containerPort") is not None
    if item.get("port") is not None and named:
        raise invalid(
            "Specify a value for either 'port' or the 'containerName' and 'containerPort' combination, but not both. "
            "Remove one and retry."
        )
    if not has_ports(_registry(cx, item["registryArn"])):
        for member in ("port", "containerPort"):
            if item.get(member) is not None:
                raise invalid(
                    f"The values specified for serviceRegistries do not require a value for '{member}'. "
                    "Remove the value and retry."
                )
    elif item.get("port") is not None:
        raise invalid(
            "The values specified for serviceRegistries do not require a value for 'port' with the awsvpc network "
            "mode. Specify 'containerName' and 'containerPort' and retry."
        )
    elif not (item.get("containerName") and item.get("containerPort")):
        raise invalid(
            "The values specified for serviceRegistries require a value for 'containerName' and 'containerPort'. "
            "Add the values and retry."
        )
    if item.get("containerName"):
        _check_container(item, definition)


def _registry(cx: Context, arn: str) -> Json:
    try:
        found: Json = cx.invoke("servicediscovery", "GetService", {"Id": arn})["Service"]
    except AwsError:
        raise invalid(f"The service registry {arn} does not exist.") from None
    return found


def has_ports(registry: Json) -> bool:
    """Whether a Cloud Map service (as GetService shows it) has SRV records."""
    return any(each["Type"] == "SRV" for each in (registry.get("DnsConfig") or {}).get("DnsRecords", ()))


def _check_container(item: Json, definition: TaskDefinition) -> None:
    name, port = item.get("containerName"), item.get("containerPort")
    try:
        container = definition.container(name or "")
    except KeyError:
        raise invalid(f"The container {name} does not exist in the task definition.") from None
    ports = {mapping.get("containerPort") for mapping in container.get("portMappings") or ()}
    if port is not None and port not in ports:
        raise invalid(f"The container {name} did not have a container port {port} defined.")


def registrations_of(registries: Sequence[Json], definition: TaskDefinition) -> tuple[TaskRegistration, ...]:
    """Where a service's tasks register."""
    checked = any(has_health_check(each) for each in definition.containers if each["essential"])
    return tuple(
        TaskRegistration(registry=item["registryArn"], port=item.get("containerPort"), checked=checked)
        for item in registries
    )
