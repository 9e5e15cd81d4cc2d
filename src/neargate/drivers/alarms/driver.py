"""Looks at every alarm when its data is complete, records its state, and executes what a new state asks for.

A metric alarm is looked at when it was put, shortly after the end of every minute (of every ten seconds, for short
periods), and when data points of its metrics come in. A composite alarm is looked at when one of its alarms changes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from neargate.drivers.alarms.actions import execute
from neargate.drivers.workqueue import WorkQueue
from neargate.model.cloudwatch import ALARM, OK, Alarm, AlarmTransition, series_key
from neargate.model.ports import Clock, Ids, Store
from neargate.model.records import Reader, Tx
from neargate.planners import alarm_rule
from neargate.planners.alarm_evaluation import evaluate
from neargate.planners.alarm_messages import composite_data, composite_reason
from neargate.services.cloudwatch.alarm_views import watched
from neargate.services.cloudwatch.observation import boundary, cadence, observed, watch_of
from neargate.services.cloudwatch.reading import metric_from
from neargate.services.cloudwatch.states import move
from neargate.services.dispatch import Dispatcher

_DATA_DELAY = 2.0  # seconds after a minute's end in which its measurements are recorded
_METRIC = "metric"  # the store's word for new data points; the key is the series'


class AlarmDriver:
    """Keeps every alarm in the state that its data says."""

    def __init__(self, store: Store, dispatcher: Dispatcher, clock: Clock, ids: Ids) -> None:
        self._store = store
        self._dispatcher = dispatcher
        self._clock = clock
        self._ids = ids
        self._alarms = WorkQueue("alarms", self.reconcile, clock)
        self._actions = WorkQueue("alarm-actions", self._execute, clock)
        self._causes: dict[str, set[str]] = {}
        """Which alarms look at a series, or at another alarm, by its key."""
        self._looked: dict[str, tuple[float, int]] = {}
        """For which of its configurations, and at the end of which minute, an alarm was looked at."""

    async def run(self) -> None:
        """Work until cancelled."""
        unsubscribe = self._store.subscribe(frozenset({_METRIC, Alarm.KIND}), self._notice)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(
                    self._alarms.serve(
                        self._store, frozenset({Alarm.KIND}), lambda kind, key: key, self._keys()
                    )
                )
                group.create_task(
                    self._actions.serve(
                        self._store,
                        frozenset({AlarmTransition.KIND}),
                        lambda kind, key: key,
                        self._transitions(),
                    )
                )
        finally:
            unsubscribe()

    def _keys(self) -> Iterator[str]:
        yield from self._store.read(lambda view: [alarm.key for alarm in view.scan(Alarm)])

    def _transitions(self) -> Iterator[str]:
        yield from self._store.read(lambda view: [one.key for one in view.scan(AlarmTransition)])

    def _notice(self, kind: str, key: str) -> None:
        concerned = self._causes.get(key, ())
        for alarm in concerned:
            self._looked.pop(alarm, None)
        self._alarms.wake_all(concerned)

    async def reconcile(self, key: str) -> float | None:
        """Look at one alarm; when to look again."""
        alarm = self._store.read(lambda view: view.get(Alarm, key))
        if alarm is None:
            self._looked.pop(key, None)
            return None
        self._remember(alarm)
        if alarm.rule is not None:
            await self._reconcile_composite(alarm)
            return None
        watch, now = watch_of(alarm), self._clock.now()
        end = boundary(alarm, now)
        if self._looked.get(key) == (alarm.updated, end):
            # A state that was set by hand stays until the next look.
            return end + cadence(alarm) + _DATA_DELAY
        self._looked[key] = (alarm.updated, end)
        seen = self._store.read(lambda view: observed(view, alarm, watch, end))
        outcome = evaluate(watch, seen, alarm.state, now)
        if outcome is not None:

            def record(tx: Tx) -> None:
                if tx.get(Alarm, key) == alarm:
                    move(tx, alarm, outcome.state, outcome.reason, outcome.data, now, self._ids.uuid)

            await self._store.write(record)
        return end + cadence(alarm) + _DATA_DELAY

    async def _reconcile_composite(self, alarm: Alarm) -> None:
        def look(view: Reader) -> tuple[Alarm | None, str, Alarm | None]:
            """The composite alarm, the state that its rule says, and which of its alarms changed last."""
            now = view.get(Alarm, alarm.key)
            if now is None or now.rule is None:
                return None, "", None
            rule = alarm_rule.parse(now.rule)
            below = {name: view.get(Alarm, _child_key(now, name)) for name in alarm_rule.alarms(rule)}
            states = {name: child.state if child else "" for name, child in below.items()}
            state = ALARM if alarm_rule.holds(rule, lambda name: states[name]) else OK
            present = [child for child in below.values() if child is not None]
            return now, state, max(present, key=lambda child: child.transitioned, default=None)

        current, state, _ = self._store.read(look)
        if current is None or current.state == state:
            return

        def record(tx: Tx) -> None:
            found, wanted, child = look(tx)
            if found is None or found.state == wanted:
                return
            reason, data = composite_reason(found, wanted, child), composite_data(child)
            move(tx, found, wanted, reason, data, self._clock.now(), self._ids.uuid)

        await self._store.write(record)

    async def _execute(self, key: str) -> float | None:
        await execute(self._store, self._dispatcher, key)
        return None

    def _remember(self, alarm: Alarm) -> None:
        """What must happen for this alarm to be looked at again."""
        if alarm.rule is not None:
            rule = alarm_rule.parse(alarm.rule)
            causes = {_child_key(alarm, name) for name in alarm_rule.alarms(rule)}
        else:
            metrics = (metric_from(one) for one in watched(alarm))
            causes = {series_key(alarm.account, alarm.region, metric) for metric in metrics}
        for cause in [cause for cause, alarms in self._causes.items() if alarm.key in alarms]:
            if cause not in causes:
                self._causes[cause].discard(alarm.key)
        for cause in causes:
            self._causes.setdefault(cause, set()).add(alarm.key)


def _child_key(alarm: Alarm, name: str) -> str:
    """The key of the alarm that a rule names by its name or ARN."""
    prefix = f"arn:aws:cloudwatch:{alarm.region}:{alarm.account}:alarm:"
    return f"{alarm.account}/{alarm.region}/{name.removeprefix(prefix)}"
