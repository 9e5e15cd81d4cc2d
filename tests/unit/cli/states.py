"""Deliveries and stacks for the tests of what a person sees."""

from __future__ import annotations

from neargate.cli.delivery import Action, Delivery, Stage
from neargate.cli.stacks import Resource, StackView


def stack(
    status: str = "CREATE_IN_PROGRESS",
    service: str = "CREATE_IN_PROGRESS",
    waiting: str = "",
    reason: str = "",
) -> StackView:
    return StackView(
        "Shop-DEV",
        status,
        (
            Resource("Cluster", "AWS::ECS::Cluster", "CREATE_COMPLETE"),
            Resource("Service", "AWS::ECS::Service", service, reason, waiting),
        ),
        f"Service (AWS::ECS::Service): {reason}" if reason else "",
    )


def source() -> Stage:
    return Stage(
        "Source", (Action("GitHub", "GitHub", "Succeeded", 100.0, 100.4, summary="Add a discount\n\nMore."),)
    )


def build(status: str = "InProgress", log: tuple[str, ...] = (), error: str = "") -> Stage:
    ended = None if status == "InProgress" else 112.0
    return Stage("Build", (Action("CodeBuild", "CodeBuild", status, 101.0, ended, error=error, log=log),))


def deploy(status: str = "", of: StackView | None = None, error: str = "") -> Stage:
    if not status:
        return Stage("Deploy_DEV", (Action("CloudFormation", "CloudFormation"),))
    ended = None if status == "InProgress" else 180.0
    return Stage(
        "Deploy_DEV",
        (Action("CloudFormation", "CloudFormation", status, 112.0, ended, error=error, stack=of),),
    )


def delivery(*stages: Stage, status: str = "InProgress", waiting: str = "") -> Delivery:
    return Delivery("shop", "e-1", status, stages, "3f2a91c5d0", "Add a discount", waiting)
