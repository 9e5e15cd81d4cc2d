"""Whether anybody listens on EventBridge."""

from __future__ import annotations

from neargate.model.moto import MotoRequest
from neargate.model.records import Reader


def has_event_rules(view: Reader) -> bool:
    """Without a rule nobody would hear of an event, and EventBridge need not be loaded for it."""
    return any(one.service == "events" and one.operation == "PutRule" for one in view.scan(MotoRequest))
