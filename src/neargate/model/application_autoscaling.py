"""Application Auto Scaling's nouns: scalable targets, scaling policies, scheduled actions, activities.

A target is `namespace`, `resource` and `dimension`; what belongs to it has keys that begin with the target's key and a
newline. Times are epoch seconds.
"""

from __future__ import annotations

from typing import ClassVar

import attrs

from neargate.model.records import Json
from neargate.model.tags import Tags

ACTIVITIES_KEPT = 42 * 86_400.0
"""Seconds for which activities can be looked up: six weeks."""


def target_key(account: str, region: str, namespace: str, resource: str, dimension: str) -> str:
    """Where a scalable target lies; of no resource and dimension, what all keys of a namespace begin with."""
    return f"{account}/{region}/{namespace}/" + (f"{resource}|{dimension}" if resource else "")


@attrs.frozen(kw_only=True)
class _OfTarget:
    account: str
    region: str
    namespace: str
    resource: str
    dimension: str

    @property
    def target_key(self) -> str:
        return target_key(self.account, self.region, self.namespace, self.resource, self.dimension)


@attrs.frozen(kw_only=True)
class ScalableTarget(_OfTarget):
    """What is scaled, between `minimum` and `maximum`.

    `suspended` has DynamicScalingInSuspended and its like. `band_cause` is set while the count has still to be moved
    into a changed band; it is the cause that the activity will name.
    """

    KIND: ClassVar[str] = "autoscaling.target"
    id: str
    minimum: int
    maximum: int
    role: str
    created: float
    suspended: dict[str, bool] = attrs.field(factory=dict)
    band_cause: str = ""
    tags: Tags = attrs.field(factory=dict)

    @property
    def key(self) -> str:
        return self.target_key

    @property
    def arn(self) -> str:
        return f"arn:aws:application-autoscaling:{self.region}:{self.account}:scalable-target/{self.id}"


@attrs.frozen(kw_only=True)
class ScalingPolicy(_OfTarget):
    """How a target is scaled. `kind` is TargetTrackingScaling or StepScaling, `configuration` its settings.

    `alarms` are the alarms that a target tracking policy made. `out_at` and `in_at` are when it last scaled out and
    in; `out_from` and `out_to` are the capacities before and after it scaled out.
    """

    KIND: ClassVar[str] = "autoscaling.policy"
    name: str
    id: str
    kind: str
    configuration: Json
    created: float
    alarms: tuple[str, ...] = ()
    out_at: float = 0.0
    out_from: int = 0
    out_to: int = 0
    in_at: float = 0.0

    @property
    def key(self) -> str:
        return f"{self.target_key}\n{self.name}"

    @property
    def arn(self) -> str:
        place = f"arn:aws:autoscaling:{self.region}:{self.account}:scalingPolicy:{self.id}"
        return f"{place}:resource/{self.namespace}/{self.resource}:policyName/{self.name}"


@attrs.frozen(kw_only=True)
class ScheduledAction(_OfTarget):
    """When a target's band changes. `due` is when it runs next, None where it never does again."""

    KIND: ClassVar[str] = "autoscaling.scheduled-action"
    name: str
    id: str
    schedule: str
    created: float
    timezone: str | None = None
    start: float | None = None
    end: float | None = None
    minimum: int | None = None
    maximum: int | None = None
    due: float | None = None

    @property
    def key(self) -> str:
        return f"{self.target_key}\n{self.name}"

    @property
    def arn(self) -> str:
        place = f"arn:aws:autoscaling:{self.region}:{self.account}:scheduledAction:{self.id}"
        return f"{place}:resource/{self.namespace}/{self.resource}:scheduledActionName/{self.name}"


@attrs.frozen(kw_only=True)
class ScalingActivity(_OfTarget):
    """One change of a target, or why there was none (`not_scaled`). `count` is what was set, None for a band."""

    KIND: ClassVar[str] = "autoscaling.activity"
    id: str
    description: str
    cause: str
    started: float
    status: str
    message: str = ""
    ended: float | None = None
    count: int | None = None
    not_scaled: tuple[Json, ...] = ()

    @property
    def key(self) -> str:
        """Keys of one target sort by time."""
        return f"{self.target_key}\n{self.started:018.6f}-{self.id}"
