"""What age takes from CloudWatch: fine data points become coarser ones, old ones go, and old history."""

from __future__ import annotations

from neargate.model.cloudwatch import ALARM_HISTORY, HISTORY_KEPT, RETENTION
from neargate.model.records import Tx


def age_metrics(tx: Tx, now: float) -> int:
    """Roll data points up that are past the age of their resolution; how many went."""
    gone = 0
    coarser = [resolution for resolution, _ in RETENTION[1:]]
    for (resolution, kept), into in zip(RETENTION, [*coarser, None], strict=True):
        before = int(now - kept)
        before -= before % (into or resolution)
        gone += tx.roll_up_metric_points(resolution, into, before=before)
    tx.drop_entries(ALARM_HISTORY, before=now - HISTORY_KEPT)
    return gone
