"""Manual approval: it waits for PutApprovalResult, for seven days at most."""

from __future__ import annotations

from typing import Any

from neargate.drivers.pipelines.job import ActionFailed, Job, Outcome
from neargate.model.operations import Context

TIMEOUT = 7 * 24 * 3600.0


class ApprovalProvider:
    async def prepare(self, job: Job) -> None:
        return None

    def begin(self, cx: Context, job: Job, prepared: Any) -> Outcome:
        return Outcome(
            "InProgress", token=cx.ids.uuid(), external_url=job.configuration.get("ExternalEntityLink")
        )

    def look(self, cx: Context, job: Job) -> Outcome | None:
        assert job.run is not None
        if cx.now - job.run.started > TIMEOUT:
            raise ActionFailed("The approval action has timed out.")
        return None

    def abandon(self, cx: Context, job: Job) -> None:
        return None
