"""AWS::CloudFormation::WaitCondition and its handle, which wait for somebody's signal; AWS::CDK::Metadata, which waits
for nothing and does nothing.

Handles and waits have no public operations; `services/cloudformation/signals.py` answers these calls.
"""

from __future__ import annotations

import hashlib
from typing import Any

from neargate.model.cloudformation import WaitHandle
from neargate.model.errors import AwsError
from neargate.model.records import Json
from neargate.resources.declaration import (
    Call,
    Desired,
    Existing,
    Failed,
    Identity,
    Readiness,
    Ready,
    ResourceType,
    Steps,
    Waiting,
    handler_code,
)

_SIGNALS = "cloudformation.signals"


def _own_words(verb: str, error: AwsError) -> tuple[str, str]:
    return error.message, handler_code(error)


def _place(want: Desired) -> Json:
    return {"StackName": want.stack_id, "LogicalResourceId": want.logical_id}


# -- the handle --------------------------------------------------------------------------------------------


def _create_handle(want: Desired) -> Steps[Identity]:
    answer = yield Call(_SIGNALS, "OpenWaitHandle", _place(want))
    return Identity(answer["Url"])


def _read_handle(existing: Existing) -> Steps[Json]:
    yield from ()
    return {"Id": existing.id}


def _delete_handle(existing: Existing) -> Steps[None]:
    yield Call(_SIGNALS, "CloseWaitHandle", {"Url": existing.id})


# -- the condition -----------------------------------------------------------------------------------------


def _create_condition(want: Desired) -> Steps[Identity]:
    request = {**_place(want), **_expectation(want)}
    answer = yield Call(_SIGNALS, "OpenWait", request)
    return Identity(answer["Id"])


def _expectation(want: Desired) -> Json:
    p = want.properties
    signal = (want.creation_policy or {}).get("ResourceSignal")
    if signal is not None:
        return {"Count": signal.get("Count", 1), "Period": signal.get("Timeout", "PT5M")}
    expected: Json = {name: p[name] for name in ("Handle", "Timeout") if name in p}
    return {**expected, "Count": p.get("Count", 1)}


def _refuse_update(old: Existing, want: Desired) -> Steps[None]:
    yield from ()
    raise AwsError(
        "ValidationError", "Update to resource type AWS::CloudFormation::WaitCondition is not supported."
    )


def _seen(existing: Existing) -> Steps[Json]:
    answer = yield Call(_SIGNALS, "DescribeWait", _place(existing.desired))
    return answer


def _condition_ready(existing: Existing) -> Steps[Readiness]:
    seen = yield from _seen(existing)
    if seen["State"] == "COMPLETE":
        return Ready()
    if seen["State"] == "FAILED":
        return Failed(seen["Reason"])
    return Waiting(f"waiting for {seen['Count'] - seen['Received']} of {seen['Count']} signals")


def _read_condition(existing: Existing) -> Steps[Json]:
    seen = yield from _seen(existing)
    return {"Data": seen["Data"], "Id": existing.id}


def _delete_condition(existing: Existing) -> Steps[None]:
    yield Call(_SIGNALS, "CloseWait", _place(existing.desired))


# -- metadata ----------------------------------------------------------------------------------------------


def _create_metadata(want: Desired) -> Steps[Identity]:
    yield from ()
    h = hashlib.sha256(want.token.encode()).hexdigest()
    return Identity(f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:32]}")


def _keep_metadata(old: Existing, want: Desired) -> Steps[None]:
    yield from ()


def _no_attributes(existing: Existing) -> Steps[dict[str, Any]]:
    yield from ()
    return {}


def _forget_metadata(existing: Existing) -> Steps[None]:
    yield from ()


WAITING = {
    "AWS::CloudFormation::WaitConditionHandle": ResourceType(
        type="AWS::CloudFormation::WaitConditionHandle",
        honoured=frozenset(),
        create=_create_handle,
        read=_read_handle,
        delete=_delete_handle,
        error=_own_words,
        handlerless=True,
    ),
    "AWS::CloudFormation::WaitCondition": ResourceType(
        type="AWS::CloudFormation::WaitCondition",
        honoured=frozenset({"Count", "Handle", "Timeout"}),
        create=_create_condition,
        read=_read_condition,
        update=_refuse_update,
        delete=_delete_condition,
        ready=_condition_ready,
        error=_own_words,
        watches=frozenset({WaitHandle.KIND}),
        handlerless=True,
        waits_always=True,
        signals=True,
    ),
}

TYPES = {
    "AWS::CDK::Metadata": ResourceType(
        type="AWS::CDK::Metadata",
        honoured=frozenset({"Analytics", "Modules"}),
        create=_create_metadata,
        read=_no_attributes,
        update=_keep_metadata,
        delete=_forget_metadata,
    )
}
