"""SQS: attributes that are not set stay as they are; times in whole seconds."""

from __future__ import annotations

from typing import Any

from neargate.model.records import Json
from neargate.runtimes.moto_corrections.asked import Asked, Correction, Preparation


def _with_policy(asked: Asked) -> Json:
    """Attributes that are not set stay; moto would drop the policy."""
    attributes = asked.request.get("Attributes") or {}
    if "Policy" in attributes:
        return asked.request
    from moto.sqs.models import sqs_backends

    name = str(asked.request.get("QueueUrl", "")).rpartition("/")[2]
    queue = sqs_backends[asked.account][asked.region].queues.get(name)
    policy: Any = queue.policy if queue is not None else None
    return {**asked.request, "Attributes": {**attributes, "Policy": policy}} if policy else asked.request


def _queue(asked: Asked, answer: Json) -> Json:
    """Times in whole seconds."""
    found = dict(answer.get("Attributes") or {})
    for name in ("CreatedTimestamp", "LastModifiedTimestamp"):
        if name in found:
            found[name] = str(int(float(found[name])))
    return {**answer, "Attributes": found} if found else answer


PREPARATIONS: dict[str, Preparation] = {"SetQueueAttributes": _with_policy}
CORRECTIONS: dict[str, Correction] = {"GetQueueAttributes": _queue}
