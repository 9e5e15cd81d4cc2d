"""Launch types and capacity providers: on what a task is to run. Only Fargate is there."""

from __future__ import annotations

from collections.abc import Sequence

from neargate.model.ecs import Cluster
from neargate.model.errors import AwsError, not_implemented
from neargate.model.records import Json
from neargate.services.ecs.lookup import invalid

FARGATE_PROVIDERS = ("FARGATE", "FARGATE_SPOT")
PLATFORM_VERSION = "1.4.0"
_PLATFORMS = {"LATEST": PLATFORM_VERSION, "1.4.0": "1.4.0", "1.3.0": "1.3.0"}

Strategy = tuple[Json, ...]


def check_providers(providers: Sequence[str]) -> None:
    for provider in providers:
        if provider not in FARGATE_PROVIDERS:
            raise invalid(
                f"The specified capacity provider '{provider}' was not found. "
                "Specify a valid name or ARN and try again."
            )


def check_strategy(strategy: Sequence[Json], providers: Sequence[str]) -> None:
    for item in strategy:
        if item["capacityProvider"] not in providers:
            raise invalid(
                "The specified capacity provider strategy cannot contain a capacity provider that is not "
                "associated with the cluster. Associate the capacity provider with the cluster and try again."
            )
    if strategy and all(item.get("weight", 0) == 0 for item in strategy):
        raise invalid(
            "The specified capacity provider strategy must contain at least one capacity provider with a "
            "weight greater than zero."
        )
    if sum(1 for item in strategy if item.get("base")) > 1:
        raise invalid(
            "The specified capacity provider strategy cannot contain more than one capacity provider with a "
            "base value."
        )


def chosen(operation: str, cluster: Cluster, request: Json) -> tuple[str | None, Strategy]:
    """(launch type, strategy) of a request; exactly one of them is set."""
    launch_type = request.get("launchType")
    strategy = tuple(request.get("capacityProviderStrategy") or ())
    if launch_type and strategy:
        raise invalid("Specify either Launch Type or Capacity Provider Strategy, but not both.")
    if not launch_type and not strategy:
        strategy = cluster.default_strategy
    if strategy:
        check_strategy(strategy, cluster.capacity_providers)
        return None, tuple({"weight": 0, "base": 0, **item} for item in strategy)
    if launch_type == "FARGATE":
        return launch_type, ()
    if operation == "RunTask":
        raise invalid("No Container Instances were found in your cluster.")
    raise not_implemented(f"ecs:{operation} launchType {launch_type or 'EC2 (the default)'}", "ecs")


def provider_of(strategy: Strategy, running: Sequence[str | None]) -> str | None:
    """The provider for the next task, given those of the tasks there are: base first, then by weight."""
    if not strategy:
        return None
    counts = {item["capacityProvider"]: running.count(item["capacityProvider"]) for item in strategy}
    for item in strategy:
        if counts[item["capacityProvider"]] < item.get("base", 0):
            return str(item["capacityProvider"])
    weighted = [item for item in strategy if item.get("weight", 0) > 0]
    least = min(
        weighted,
        key=lambda i: (counts[i["capacityProvider"]] - i.get("base", 0)) / i["weight"],
    )
    return str(least["capacityProvider"])


def platform_version(requested: str | None) -> str:
    """The version that `LATEST` or a given one means; PlatformUnknownException."""
    try:
        return _PLATFORMS[requested or "LATEST"]
    except KeyError:
        raise AwsError("PlatformUnknownException", "The specified platform version does not exist.") from None
