"""A delivery at one moment: an execution of a pipeline, as a client can see it. Times are epoch seconds."""

from __future__ import annotations

import attrs

from neargate.cli.stacks import StackView


@attrs.frozen
class Action:
    """`status` is CodePipeline's, "" before the action began. `waiting` says what it waits for.

    A build carries its log so far, a deployment the stack that it works on.
    """

    name: str
    provider: str
    status: str = ""
    started: float | None = None
    ended: float | None = None
    summary: str = ""
    error: str = ""
    log: tuple[str, ...] = ()
    stack: StackView | None = None
    waiting: str = ""

    def seconds(self, now: float) -> float | None:
        """How long it took, or has taken so far."""
        if self.started is None:
            return None
        return max(0.0, (self.ended if self.ended is not None else now) - self.started)


@attrs.frozen
class Stage:
    name: str
    actions: tuple[Action, ...]

    @property
    def status(self) -> str:
        """Failed where one action failed, else InProgress, Succeeded, or "" before it began."""
        of = {action.status for action in self.actions}
        for status in ("Failed", "Abandoned", "InProgress"):
            if status in of:
                return status
        if of == {"Succeeded"}:
            return "Succeeded"
        return "InProgress" if "Succeeded" in of else ""


@attrs.frozen
class Delivery:
    """`revision` is the commit's id, `subject` its message's first line."""

    pipeline: str
    execution: str
    status: str
    stages: tuple[Stage, ...]
    revision: str = ""
    subject: str = ""
    waiting: str = ""

    @property
    def over(self) -> bool:
        return self.status not in ("InProgress", "Stopping")

    @property
    def failed(self) -> tuple[Stage, Action] | None:
        """The first action that failed, with its stage."""
        for stage in self.stages:
            for action in stage.actions:
                if action.status in ("Failed", "Abandoned"):
                    return stage, action
        return None


@attrs.frozen
class Address:
    """Where a load balancer or a task of a service answers, or should."""

    service: str
    url: str
    up: bool


@attrs.frozen
class Environment:
    """A stack that a pipeline deploys, and the addresses of what runs in it. `trouble` says why it is not up."""

    stack: str
    addresses: tuple[Address, ...] = ()
    trouble: str = ""

    @property
    def up(self) -> bool:
        return not self.trouble and all(address.up for address in self.addresses)
