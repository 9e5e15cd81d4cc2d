"""An alarm goes to another state: the record, its history, and the actions that are to follow.

Whoever finds out (SetAlarmState, the alarm driver) calls `move`; the driver executes the actions afterwards.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import attrs

from neargate.model.cloudwatch import ALARM_HISTORY, Alarm, AlarmTransition
from neargate.model.records import Json, Tx


def move(
    tx: Tx,
    alarm: Alarm,
    state: str,
    reason: str,
    data: str | None,
    now: float,
    new_id: Callable[[], str],
) -> Alarm:
    """Record the state. Where it is another one, record the transition, too, and what is to be done about it."""
    changed = state != alarm.state
    moved = attrs.evolve(
        alarm,
        state=state,
        reason=reason,
        reason_data=data,
        state_at=now,
        transitioned=now if changed else alarm.transitioned,
    )
    tx.put(moved)
    if not changed:
        return moved
    tx.append(ALARM_HISTORY, alarm.key, _state_update(alarm, moved))
    tx.put(
        AlarmTransition(
            account=alarm.account,
            region=alarm.region,
            name=alarm.name,
            id=new_id(),
            at=now,
            old_state=alarm.state,
            new_state=state,
            reason=reason,
            reason_data=data,
            old_reason=alarm.reason,
            old_reason_data=alarm.reason_data,
            actions=alarm.actions(state),
        )
    )
    return moved


def history_item(alarm: Alarm, kind: str, summary: str, data: Json) -> Json:
    """A journal entry under ALARM_HISTORY."""
    return {
        "AlarmType": "CompositeAlarm" if alarm.composite else "MetricAlarm",
        "HistoryItemType": kind,
        "HistorySummary": summary,
        "HistoryData": json.dumps(data, separators=(",", ":")),
    }


def _state_update(old: Alarm, new: Alarm) -> Json:
    data = {"version": "1.0", "oldState": _state(old), "newState": _state(new)}
    return history_item(new, "StateUpdate", f"Alarm updated from {old.state} to {new.state}", data)


def _state(alarm: Alarm) -> Json:
    state: Json = {"stateValue": alarm.state, "stateReason": alarm.reason}
    if alarm.reason_data:
        try:
            state["stateReasonData"] = json.loads(alarm.reason_data)
        except ValueError:
            state["stateReasonData"] = alarm.reason_data
    return state
