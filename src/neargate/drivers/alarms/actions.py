"""What an alarm's new state asks for: topics are told; scaling policies follow the alarm's state by themselves.

The transition is a record until all of it was done; a kill in between repeats what may have been done already.
"""

from __future__ import annotations

import json

from neargate.drivers.event_rules import has_event_rules
from neargate.model.cloudwatch import ALARM_HISTORY, Alarm, AlarmTransition
from neargate.model.errors import AwsError, not_implemented
from neargate.model.operations import Caller
from neargate.model.ports import Store
from neargate.model.records import Json, Reader, Tx
from neargate.planners import alarm_messages, alarm_rule
from neargate.planners.alarm_evaluation import stamp
from neargate.services.cloudwatch.states import history_item
from neargate.services.dispatch import Dispatcher

_SERVICE = "cloudwatch.amazonaws.com"


async def execute(store: Store, dispatcher: Dispatcher, key: str) -> None:
    """Carry out one transition's actions; a failed one is told in the alarm's history, as on AWS."""
    transition = store.read(lambda view: view.get(AlarmTransition, key))
    if transition is None:
        return
    alarm = store.read(lambda view: view.get(Alarm, transition.alarm_key))
    items: list[Json] = []
    if alarm is not None:
        child = store.read(lambda view: _triggering(view, alarm))
        message = alarm_messages.message(alarm, transition, child)
        caller = Caller(alarm.account, alarm.region, principal=_SERVICE, via=_SERVICE)
        items = [
            await _one(dispatcher, caller, alarm, transition, arn, message) for arn in transition.actions
        ]
        if store.read(has_event_rules):
            await _put_event(dispatcher, caller, alarm, transition)

    def done(tx: Tx) -> None:
        if tx.delete(AlarmTransition, key):
            for item in items:
                tx.append(ALARM_HISTORY, transition.alarm_key, item)

    await store.write(done)


async def _one(
    dispatcher: Dispatcher, caller: Caller, alarm: Alarm, transition: AlarmTransition, arn: str, message: str
) -> Json:
    data: Json = {"actionState": "Succeeded", "stateUpdateTimestamp": stamp(transition.at)}
    service = arn.split(":")[2]
    try:
        if service == "sns":
            data |= {"notificationResource": arn, "publishedMessage": message}
            told = {"TopicArn": arn, "Message": message, "Subject": alarm_messages.subject(alarm, transition)}
            await dispatcher.call(caller, "sns", "Publish", told)
        elif service != "autoscaling":
            raise not_implemented(f"The alarm action {arn}", "cloudwatch")
    except AwsError as error:
        data |= {"actionState": "Failed", "error": error.message}
        summary = f'Failed to execute action {arn}. Received error: "{error.message}"'
        return history_item(alarm, "Action", summary, data)
    return history_item(alarm, "Action", f"Successfully executed action {arn}", data)


async def _put_event(
    dispatcher: Dispatcher, caller: Caller, alarm: Alarm, transition: AlarmTransition
) -> None:
    """Every transition is an event on the default bus."""
    entry = {
        "Source": "aws.cloudwatch",
        "DetailType": "CloudWatch Alarm State Change",
        "Resources": [alarm.arn],
        "Time": transition.at,
        "Detail": json.dumps(alarm_messages.event_detail(alarm, transition)),
    }
    await dispatcher.call(caller, "events", "PutEvents", {"Entries": [entry]})


def _triggering(view: Reader, alarm: Alarm) -> Alarm | None:
    """Which alarm of a composite one's rule changed last."""
    if alarm.rule is None:
        return None
    prefix = f"arn:aws:cloudwatch:{alarm.region}:{alarm.account}:alarm:"
    names = alarm_rule.alarms(alarm_rule.parse(alarm.rule))
    keys = (f"{alarm.account}/{alarm.region}/{name.removeprefix(prefix)}" for name in names)
    found = [child for child in (view.get(Alarm, key) for key in keys) if child is not None]
    return max(found, key=lambda child: child.transitioned, default=None)
