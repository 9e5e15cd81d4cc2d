"""The scaling activities of one target: begun, fulfilled, overridden, failed, or why there was none."""

from __future__ import annotations

import attrs

from neargate.model.application_autoscaling import (
    ACTIVITIES_KEPT,
    ScalableTarget,
    ScalingActivity,
)
from neargate.model.ecs import Service
from neargate.model.ports import Ids
from neargate.model.records import Json, Reader, Tx
from neargate.planners.scaling import Decision

_APART = 0.001  # seconds between two activities of one moment, so that they keep their order
_RECORDED = frozenset(
    {"AlreadyAtMaxCapacity", "AlreadyAtMinCapacity", "TargetServicePutResourceAsUnscalable"}
)


@attrs.frozen
class Ledger:
    """Writes the activities of the target with that key."""

    tx: Tx
    key: str
    now: float
    ids: Ids

    @staticmethod
    def unfinished(view: Reader, key: str) -> bool:
        """Whether an activity waits to be fulfilled."""
        return any(one.status == "InProgress" for one in view.scan(ScalingActivity, key + "\n"))

    def settle(self, service: Service) -> None:
        """End what waits: fulfilled when the service is steady at that count, overridden when it is to have another."""
        for activity in self.tx.scan(ScalingActivity, self.key + "\n"):
            if activity.status != "InProgress":
                continue
            said = f"Successfully set desired count to {activity.count}."
            if service.desired != activity.count:
                said += f" Change was overridden: the desired count is {service.desired} now."
                self._end(activity, "Overridden", said)
            elif service.steady:
                self._end(activity, "Successful", f"{said} Change successfully fulfilled by ecs.")

    def began(self, count: int, cause: str) -> None:
        """A new count was set; what still waited for an older one is overridden."""
        for activity in self.tx.scan(ScalingActivity, self.key + "\n"):
            if activity.status == "InProgress":
                said = f"Successfully set desired count to {activity.count}."
                said += f" Change was overridden: the desired count is {count} now."
                self._end(activity, "Overridden", said)
        message = f"Successfully set desired count to {count}. Waiting for change to be fulfilled by ecs."
        self._add(f"Setting desired count to {count}.", cause, "InProgress", message, count=count)

    def failed(self, count: int, cause: str, reason: str) -> None:
        """ECS refused the count. Said once, not every minute."""
        message = f"Failed to set desired count to {count}. Reason: {reason}"
        newest = self._newest()
        if newest is None or (newest.cause, newest.message) != (cause, message):
            self._add(f"Setting desired count to {count}.", cause, "Failed", message, ended=True)

    def band(self, minimum: int, maximum: int, action: str) -> None:
        """A scheduled action changed the band."""
        change = f"min capacity to {minimum} and max capacity to {maximum}"
        cause = f"scheduled action name {action} was triggered"
        self._add(f"Setting {change}", cause, "Successful", f"Successfully set {change}", ended=True)

    def not_scaled(self, decision: Decision) -> None:
        """An alarm asked in vain. Said once, until something else happens."""
        reasons = decision.reasons
        if not reasons or reasons[0]["Code"] not in _RECORDED:
            return
        newest = self._newest()
        if newest is not None and (newest.cause, newest.not_scaled) == (decision.cause, reasons):
            return
        description = "Attempting to scale due to alarm triggered"
        self._add(description, decision.cause, "Failed", "", ended=True, not_scaled=reasons)

    def _newest(self) -> ScalingActivity | None:
        found = self.tx.scan(ScalingActivity, self.key + "\n")
        return found[-1] if found else None

    def _end(self, activity: ScalingActivity, status: str, message: str) -> None:
        self.tx.put(attrs.evolve(activity, status=status, message=message, ended=self.now))

    def _add(
        self,
        description: str,
        cause: str,
        status: str,
        message: str,
        *,
        count: int | None = None,
        ended: bool = False,
        not_scaled: tuple[Json, ...] = (),
    ) -> None:
        target = self.tx.get(ScalableTarget, self.key)
        if target is None:
            return
        started = self.now
        for old in self.tx.scan(ScalingActivity, self.key + "\n"):
            started = max(started, old.started + _APART)
            if old.started < self.now - ACTIVITIES_KEPT:
                self.tx.delete(ScalingActivity, old.key)
        self.tx.put(
            ScalingActivity(
                account=target.account,
                region=target.region,
                namespace=target.namespace,
                resource=target.resource,
                dimension=target.dimension,
                id=self.ids.uuid(),
                description=description,
                cause=cause,
                started=started,
                status=status,
                message=message,
                ended=started if ended else None,
                count=count,
                not_scaled=not_scaled,
            )
        )
