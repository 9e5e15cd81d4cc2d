"""Session Manager's sessions: somebody talks with a command inside a container."""

from __future__ import annotations

from typing import ClassVar

import attrs

from neargate.model.records import Json

ECS_DOCUMENT = "AmazonECS-ExecuteInteractiveCommand"
"""The document of AWS's that ExecuteCommand starts its sessions with."""

UNCLAIMED = 60.0
"""Seconds within which the client has to open the data channel of a new session."""

HISTORY = 30 * 86400.0
"""Seconds for which an ended session is listed."""


@attrs.frozen(kw_only=True)
class Session:
    """A session. `target` is `ecs:CLUSTER_TASK_RUNTIMEID`; `token` opens its data channel.

    `cluster`, `task` and `container` name the container. `command` is one string, as it was given; where `port` is set,
    that port of `host`, or of the task's own loopback, is forwarded instead, and `properties` is what the client is
    told of it. A command's transcript goes to `log_group` or to `bucket` under `prefix` where they are named, with the
    rights of the task's role.
    """

    KIND: ClassVar[str] = "ssm.session"
    id: str
    account: str
    region: str
    target: str
    owner: str
    token: str
    created: float
    cluster: str
    task: str
    container: str
    document: str
    command: str
    connected: float | None = None
    ended: float | None = None
    reason: str = ""
    log_group: str = ""
    bucket: str = ""
    prefix: str = ""
    port: int = 0
    host: str = ""
    properties: Json = attrs.field(factory=dict)

    @property
    def key(self) -> str:
        return self.id

    @property
    def task_key(self) -> str:
        return f"{self.account}/{self.region}/{self.cluster}/{self.task}"

    def alive(self, now: float) -> bool:
        """Whether somebody talks, or may still begin to."""
        return self.ended is None and (self.connected is not None or now < self.created + UNCLAIMED)
