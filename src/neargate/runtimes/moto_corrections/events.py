"""EventBridge: buses can be changed; an archive takes an empty description and no retention."""

from __future__ import annotations

from neargate.model.errors import AwsError
from neargate.model.records import Json
from neargate.runtimes.moto_corrections.asked import Addition, Asked, Correction


def _update_bus(asked: Asked) -> Json:
    """What the request does not say is taken back, as EventBridge does."""
    from moto.events.models import events_backends

    request = asked.request
    name = str(request.get("Name") or "default")
    bus = events_backends[asked.account][asked.region].event_buses.get(name)
    if bus is None:
        raise AwsError("ResourceNotFoundException", f"Event bus {name} does not exist.")
    bus.description = request.get("Description")
    bus.kms_key_identifier = request.get("KmsKeyIdentifier")
    bus.dead_letter_config = request.get("DeadLetterConfig")
    kept = ("Description", "KmsKeyIdentifier", "DeadLetterConfig")
    return {"Arn": bus.arn, "Name": name, **{member: request[member] for member in kept if member in request}}


def _archive(asked: Asked, answer: Json) -> Json:
    """An empty description and a retention of 0 days are values too; moto passes over them."""
    from moto.events.models import events_backends

    archive = events_backends[asked.account][asked.region].archives[asked.request["ArchiveName"]]
    archive.description = asked.request.get("Description", archive.description)
    archive.retention = asked.request.get("RetentionDays", archive.retention)
    return answer


ADDITIONS: dict[str, Addition] = {"UpdateEventBus": _update_bus}
CORRECTIONS: dict[str, Correction] = {"UpdateArchive": _archive}
