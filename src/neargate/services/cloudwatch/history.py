"""DescribeAlarmHistory: what happened to alarms in the last thirty days, deleted ones included."""

from __future__ import annotations

from neargate.model.cloudwatch import ALARM_HISTORY, HISTORY_KEPT
from neargate.model.operations import Context, operation
from neargate.model.paging import encoded
from neargate.model.records import Entry, Json
from neargate.services.cloudwatch.lookup import decoded

_PAGE = 100


@operation("cloudwatch", "DescribeAlarmHistory", heavy=True)
def describe_alarm_history(cx: Context, request: Json) -> Json:
    """Newest first unless asked otherwise."""
    name = request.get("AlarmName")
    entries = cx.tx.entries(ALARM_HISTORY, None if name is None else cx.caller.scope(name))
    scope = cx.caller.scope("")
    fitting = [one for one in entries if one.subject.startswith(scope) and _asked_for(cx, one, request)]
    descending = request.get("ScanBy") != "TimestampAscending"
    ordered = list(reversed(fitting)) if descending else fitting
    token = request.get("NextToken")
    if token is not None:
        text = decoded(token)
        after = int(text) if text.isdecimal() else 0
        ordered = [one for one in ordered if (one.seq < after if descending else one.seq > after)]
    most = request.get("MaxRecords") or _PAGE
    answer: Json = {"AlarmHistoryItems": [_item(one, scope) for one in ordered[:most]]}
    if len(ordered) > most:
        answer["NextToken"] = encoded(str(ordered[most - 1].seq))
    return answer


def _asked_for(cx: Context, entry: Entry, request: Json) -> bool:
    kinds = request.get("AlarmTypes")
    return (
        entry.at >= cx.now - HISTORY_KEPT
        and request.get("HistoryItemType") in {None, entry.body["HistoryItemType"]}
        and (not kinds or entry.body["AlarmType"] in kinds)
        and entry.at >= request.get("StartDate", 0.0)
        and entry.at <= request.get("EndDate", float("inf"))
    )


def _item(entry: Entry, scope: str) -> Json:
    return {"AlarmName": entry.subject.removeprefix(scope), "Timestamp": entry.at, **entry.body}
