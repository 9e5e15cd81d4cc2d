"""Signals: wait condition handles, the waits for them, and SignalResource.

The operations of `cloudformation.signals` are not AWS's and cannot be called from outside: the resource types call
them, and the gateway calls SignalWaitHandle.
"""

from __future__ import annotations

import json
import re
from urllib.parse import quote, unquote, urlsplit

import attrs

from neargate.model.cloudformation import Signal, Stack, StackResource, Wait, WaitHandle, key_of
from neargate.model.errors import AwsError
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.services.cloudformation.lookup import required

SERVICE = "cloudformation.signals"
PATH = "/_neargate/wait/"
LONGEST = 12 * 3600  # seconds
_PERIOD = re.compile(r"PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?")


@operation(SERVICE, "OpenWaitHandle")
def open_wait_handle(cx: Context, request: Json) -> Json:
    """{StackName: id, LogicalResourceId} → {Url}: signals are to be PUT there."""
    stack_id, logical_id = request["StackName"], request["LogicalResourceId"]
    handle = WaitHandle(key_of(stack_id), logical_id, cx.ids.hex(64))
    cx.tx.put(handle)
    path = f"{quote(stack_id, safe='')}/{logical_id}"
    return {"Url": f"{cx.settings.endpoint}{PATH}{path}?Signature={handle.token}"}


def _handle_of(url: str) -> str:
    """The key of the handle that a URL stands for. Raises ValidationError for a URL that is none."""
    parts = urlsplit(url)
    path, token = unquote(parts.path), parts.query.removeprefix("Signature=")
    stack_id, _, logical_id = path.removeprefix(PATH).rpartition("/")
    if not path.startswith(PATH) or stack_id.count(":") != 5:
        raise AwsError("ValidationError", f"{url} is not the URL of a wait condition handle.")
    return f"{key_of(stack_id)}/{logical_id}/{token}"


@operation(SERVICE, "CloseWaitHandle")
def close_wait_handle(cx: Context, request: Json) -> Json:
    """{Url}: nobody can signal it any more."""
    cx.tx.delete(WaitHandle, _handle_of(request["Url"]))
    return {}


@operation(SERVICE, "SignalWaitHandle")
def signal_wait_handle(cx: Context, request: Json) -> Json:
    """{Url, Body}: one signal, `{"Status", "UniqueId", "Reason", "Data"}` as JSON."""
    handle = cx.tx.get(WaitHandle, _handle_of(request["Url"]))
    if handle is None:
        raise AwsError("AccessDenied", "Access Denied", status=403)
    try:
        body = json.loads(request["Body"])
        status, identity = body["Status"], str(body["UniqueId"])
    except (ValueError, KeyError, TypeError):
        raise AwsError(
            "InvalidRequest", "A signal is a JSON object with Status, UniqueId, Reason and Data."
        ) from None
    if status not in {"SUCCESS", "FAILURE"}:
        raise AwsError("InvalidRequest", "The Status of a signal is SUCCESS or FAILURE.")
    signal = Signal(status, str(body.get("Reason", "")), str(body.get("Data", "")))
    _deliver(cx, handle, identity, signal)
    return {}


def _deliver(cx: Context, handle: WaitHandle, identity: str, signal: Signal) -> None:
    if identity not in handle.signals:
        cx.tx.put(attrs.evolve(handle, signals={**handle.signals, identity: signal}))


# -- waits -------------------------------------------------------------------------------------------------


@operation(SERVICE, "OpenWait")
def open_wait(cx: Context, request: Json) -> Json:
    """{StackName: id, LogicalResourceId, Count, Handle and Timeout or Period} → {Id}: a wait condition's Ref."""
    stack_id, logical_id = request["StackName"], request["LogicalResourceId"]
    stack = key_of(stack_id)
    by_policy = "Period" in request
    if by_policy:
        handle = WaitHandle(stack, logical_id, cx.ids.hex(64))
        cx.tx.put(handle)
        place, seconds = handle.key, _seconds(str(request["Period"]))
    else:
        place, seconds = (
            _handle_of(_needed(request, "Handle")),
            _number(_needed(request, "Timeout"), "Timeout"),
        )
    if seconds > LONGEST:
        raise AwsError("ValidationError", f"Timeout must be at most {LONGEST} seconds.")
    count = _number(request["Count"], "Count")
    cx.tx.put(Wait(stack, logical_id, place, count, seconds, cx.now, by_policy))
    return {"Id": f"{stack_id}/{place.rsplit('/', 2)[-2]}"}


def _needed(request: Json, name: str) -> str:
    if name not in request:
        raise AwsError("ValidationError", f"Property {name} cannot be empty.")
    return str(request[name])


def _number(value: object, name: str) -> int:
    text = str(value)
    if not text.isdigit():
        raise AwsError("ValidationError", f"Value of property {name} must be a number")
    return int(text)


def _seconds(period: str) -> int:
    found = _PERIOD.fullmatch(period)
    if found is None or period == "PT":
        raise AwsError("ValidationError", f"CreationPolicy Timeout {period} is not an ISO8601 duration.")
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return hours * 3600 + minutes * 60 + seconds


@operation(SERVICE, "CloseWait")
def close_wait(cx: Context, request: Json) -> Json:
    """{StackName: id, LogicalResourceId}: nothing waits there any more."""
    wait = _wait(cx, request)
    if wait is not None:
        cx.tx.delete(Wait, wait.key)
        if wait.by_policy:
            cx.tx.delete(WaitHandle, wait.handle)
    return {}


@operation(SERVICE, "DescribeWait", reads=True)
def describe_wait(cx: Context, request: Json) -> Json:
    """{StackName: id, LogicalResourceId} → {State: WAITING, COMPLETE or FAILED; Count, Received, Data, Reason}."""
    wait = _wait(cx, request)
    if wait is None:
        raise AwsError("ValidationError", "The wait condition does not exist.")
    handle = cx.tx.get(WaitHandle, wait.handle)
    signals = handle.signals if handle is not None else {}
    good = {identity: s.data for identity, s in signals.items() if s.status == "SUCCESS"}
    answer: Json = {
        "State": "WAITING",
        "Count": wait.count,
        "Received": len(good),
        "Data": json.dumps(good, separators=(",", ":")),
    }
    bad = [(identity, signal) for identity, signal in signals.items() if signal.status == "FAILURE"]
    if bad:
        answer |= {"State": "FAILED", "Reason": _failure(wait, *bad[0])}
    elif len(good) >= wait.count:
        answer["State"] = "COMPLETE"
    elif cx.now - wait.opened > wait.timeout:
        answer |= {"State": "FAILED", "Reason": _too_late(wait, len(good))}
    return answer


def _failure(wait: Wait, identity: str, signal: Signal) -> str:
    if wait.by_policy:
        return f"Received FAILURE signal with UniqueId {identity}"
    return f"WaitCondition received failed message: '{signal.reason}' for uniqueId: {identity}"


def _too_late(wait: Wait, received: int) -> str:
    if wait.by_policy:
        missing = wait.count - received
        return f"Failed to receive {missing} resource signal(s) within the specified duration"
    return f"WaitCondition timed out. Received {received} conditions when expecting {wait.count}"


def _wait(cx: Context, request: Json) -> Wait | None:
    return cx.tx.get(Wait, f"{key_of(request['StackName'])}/{request['LogicalResourceId']}")


@operation("cloudformation", "SignalResource")
def signal_resource(cx: Context, request: Json) -> Json:
    """Signal a resource that waits because of its CreationPolicy."""
    stack: Stack = required(cx, request["StackName"])
    logical_id = request["LogicalResourceId"]
    resource = cx.tx.get(StackResource, f"{stack.key}/{logical_id}")
    if resource is None:
        raise AwsError("ValidationError", f"Resource {logical_id} does not exist for stack {stack.name}")
    wait = cx.tx.get(Wait, f"{stack.key}/{logical_id}")
    handle = cx.tx.get(WaitHandle, wait.handle) if wait is not None and wait.by_policy else None
    if handle is None or not resource.status.endswith("_IN_PROGRESS"):
        raise AwsError(
            "ValidationError", f"Resource {logical_id} is in {resource.status} state and cannot be signaled"
        )
    _deliver(cx, handle, request["UniqueId"], Signal(request["Status"]))
    return {}
