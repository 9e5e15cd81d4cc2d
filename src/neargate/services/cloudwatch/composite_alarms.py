"""Composite alarms as they are wanted."""

from __future__ import annotations

from neargate.model.cloudwatch import Alarm
from neargate.model.errors import not_implemented
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.planners import alarm_rule
from neargate.services.cloudwatch.alarms import save
from neargate.services.cloudwatch.lookup import find_alarm, invalid

_NOT_YET = (
    "ActionsSuppressor ActionsSuppressorWaitPeriod ActionsSuppressorExtensionPeriod ActionConfiguration"
).split()
_MOST_CHILDREN = 100


@operation("cloudwatch", "PutCompositeAlarm")
def put_composite_alarm(cx: Context, request: Json) -> Json:
    """The alarms of its rule must exist, and none of them may stand on it."""
    for member in _NOT_YET:
        if request.get(member) is not None:
            raise not_implemented(f"cloudwatch:PutCompositeAlarm with {member}", "cloudwatch")
    rule = request["AlarmRule"]
    try:
        node = alarm_rule.parse(rule)
    except alarm_rule.RuleError as error:
        raise invalid(f"AlarmRule expression is invalid: {error}.") from None
    named = list(dict.fromkeys(alarm_rule.alarms(node)))
    if len(named) > _MOST_CHILDREN:
        raise invalid(f"AlarmRule must not contain more than {_MOST_CHILDREN} alarms.")
    missing = [name for name in named if find_alarm(cx, name) is None]
    if missing and request["AlarmName"] not in missing:
        raise invalid(
            "Could not save the composite alarm because alarms "
            f"[{', '.join(missing)}] in the alarm rule do not exist."
        )
    own = cx.caller.scope(request["AlarmName"])
    if any(_stands_on(cx, name, own) for name in named):
        raise invalid("Could not save the composite alarm because its alarm rule forms a cycle.")
    save(cx, request, {}, rule)
    return {}


def _stands_on(cx: Context, name: str, wanted: str, depth: int = 0) -> bool:
    """Whether the alarm `name` is the alarm of that key, or its rule reaches it."""
    alarm: Alarm | None = find_alarm(cx, name)
    if cx.caller.scope(name) == wanted or (alarm is not None and alarm.key == wanted):
        return True
    if alarm is None or alarm.rule is None or depth > _MOST_CHILDREN:
        return False
    below = set(alarm_rule.alarms(alarm_rule.parse(alarm.rule)))
    return any(_stands_on(cx, each, wanted, depth + 1) for each in below)
