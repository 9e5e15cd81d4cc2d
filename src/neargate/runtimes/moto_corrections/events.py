"""EventBridge: an archive takes an empty description and no retention."""

from __future__ import annotations

from neargate.model.records import Json
from neargate.runtimes.moto_corrections.asked import Asked, Correction


def _archive(asked: Asked, answer: Json) -> Json:
    """An empty description and a retention of 0 days are values too; moto passes over them."""
    from moto.events.models import events_backends

    archive = events_backends[asked.account][asked.region].archives[asked.request["ArchiveName"]]
    archive.description = asked.request.get("Description", archive.description)
    archive.retention = asked.request.get("RetentionDays", archive.retention)
    return answer


CORRECTIONS: dict[str, Correction] = {"UpdateArchive": _archive}
