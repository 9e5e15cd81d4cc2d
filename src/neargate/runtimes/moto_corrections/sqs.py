"""SQS: attributes that are not set stay as they are; who may send a queue its dead letters; times in whole seconds."""

from __future__ import annotations

import json
from typing import Any

from neargate.model.errors import AwsError
from neargate.model.records import Json
from neargate.runtimes.moto_corrections.asked import Asked, Correction, Preparation

_ALLOW = "RedriveAllowPolicy"
_TIMES = ("CreatedTimestamp", "LastModifiedTimestamp")


def _queue(asked: Asked, name: str) -> Any:
    """moto's queue, or None."""
    from moto.sqs.models import sqs_backends

    return sqs_backends[asked.account][asked.region].queues.get(name)


def _named(asked: Asked) -> str:
    return str(asked.request.get("QueueUrl", "")).rpartition("/")[2] or str(asked.request.get("QueueName"))


def _created(asked: Asked) -> Json:
    _check_dead_letters(asked)
    return asked.request


def _set(asked: Asked) -> Json:
    """moto would drop the policy where it is not among the attributes."""
    _check_dead_letters(asked)
    attributes = asked.request.get("Attributes") or {}
    queue = _queue(asked, _named(asked))
    if "Policy" in attributes or queue is None or not queue.policy:
        return asked.request
    return {**asked.request, "Attributes": {**attributes, "Policy": queue.policy}}


def _check_dead_letters(asked: Asked) -> None:
    """A queue may say which others have it as their dead-letter queue."""
    policy = (asked.request.get("Attributes") or {}).get("RedrivePolicy")
    if not policy:
        return
    redrive = _object(policy)
    if redrive is None:
        raise _invalid(policy, "Redrive policy is not a valid JSON map.")
    target = _queue(asked, str(redrive.get("deadLetterTargetArn", "")).rpartition(":")[2])
    allowed = _object(getattr(target, "redrive_allow_policy", None) or "{}") or {}
    permission = allowed.get("redrivePermission", "allowAll")
    source = f"arn:aws:sqs:{asked.region}:{asked.account}:{_named(asked)}"
    if permission == "denyAll" or (
        permission == "byQueue" and source not in allowed.get("sourceQueueArns", ())
    ):
        raise _invalid(policy, "Queue does not have permission to use the dead letter queue.")


def _invalid(policy: str, reason: str) -> AwsError:
    return AwsError(
        "InvalidParameterValue", f"Value {policy} for parameter RedrivePolicy is invalid. Reason: {reason}"
    )


def _object(text: str) -> Json | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _asked_for(asked: Asked) -> Json:
    """moto does not know the name of what it keeps."""
    names = asked.request.get("AttributeNames") or []
    if _ALLOW not in names:
        return asked.request
    return {**asked.request, "AttributeNames": [*(name for name in names if name != _ALLOW), "QueueArn"]}


def _seen(asked: Asked, answer: Json) -> Json:
    wanted = asked.request.get("AttributeNames") or []
    found = dict(answer.get("Attributes") or {})
    allow = getattr(_queue(asked, _named(asked)), "redrive_allow_policy", None)
    if allow and ("All" in wanted or _ALLOW in wanted):
        found[_ALLOW] = allow
    if _ALLOW in wanted and not {"All", "QueueArn"} & set(wanted):
        found.pop("QueueArn", None)
    found |= {name: str(int(float(found[name]))) for name in _TIMES if name in found}
    return {**answer, "Attributes": found} if found else {}


PREPARATIONS: dict[str, Preparation] = {
    "CreateQueue": _created,
    "GetQueueAttributes": _asked_for,
    "SetQueueAttributes": _set,
}
CORRECTIONS: dict[str, Correction] = {"GetQueueAttributes": _seen}
