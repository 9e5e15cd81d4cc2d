"""What time takes away: old log events and calls, credentials that have expired, content that no record names."""

from __future__ import annotations

import asyncio

import structlog

from neargate.model import ecr, s3
from neargate.model.cloudformation import NOTIFICATIONS
from neargate.model.cloudwatch import ALARM_HISTORY, HISTORY_KEPT, RETENTION
from neargate.model.operations import Caller
from neargate.model.ports import Clock, Store
from neargate.model.records import Tx
from neargate.model.servicediscovery import OPERATIONS
from neargate.services.dispatch import Dispatcher
from neargate.services.logs.retention import expire
from neargate.services.servicediscovery.operations import KEPT
from neargate.services.sts.issue import sweep
from neargate.store.blobs import BlobDirectory

log = structlog.get_logger()

EVERY = 600.0  # seconds
UNSENT = 24 * 3600.0  # seconds after which a stack's notification is of no use any more
TRAIL = 90 * 24 * 3600.0  # seconds for which who-called-what is kept: CloudTrail's event history
_NOBODY = Caller(account="000000000000", region="us-east-1", principal="arn:aws:iam::000000000000:root")


class Housekeeping:
    """Looks every ten minutes."""

    def __init__(self, store: Store, dispatcher: Dispatcher, clock: Clock, blobs: BlobDirectory) -> None:
        self._store = store
        self._dispatcher = dispatcher
        self._clock = clock
        self._blobs = blobs
        self._named: set[str] | None = None

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            await asyncio.sleep(EVERY)
            await self.once()

    async def once(self) -> None:
        await self._store.write(lambda tx: expire(tx, self._clock.now()))
        await self._store.write(lambda tx: sweep(self._dispatcher.context(tx, _NOBODY)))
        await self._store.write(lambda tx: tx.drop_entries("api", before=self._clock.now() - TRAIL))
        await self._store.write(lambda tx: tx.drop_entries(NOTIFICATIONS, before=self._clock.now() - UNSENT))
        await self._store.write(lambda tx: tx.drop_entries(OPERATIONS, before=self._clock.now() - KEPT))
        await self._store.write(lambda tx: age_metrics(tx, self._clock.now()))
        await asyncio.to_thread(self._collect)

    def _collect(self) -> None:
        """Delete content that no record has named for a whole round: whoever looked its record up in time has read
        it by now. Blocks; nothing else runs it."""
        named = self._store.read(lambda view: s3.live_blobs(view) | ecr.live_blobs(view))
        before, self._named = self._named, named
        if before is None:
            return
        deleted = self._blobs.collect(named | before)
        if deleted:
            log.info("blobs.collected", deleted=deleted)


def age_metrics(tx: Tx, now: float) -> int:
    """Roll data points up that are past the age of their resolution; how many went."""
    gone = 0
    coarser = [resolution for resolution, _ in RETENTION[1:]]
    for (resolution, kept), into in zip(RETENTION, [*coarser, None], strict=True):
        before = int(now - kept)
        before -= before % (into or resolution)
        gone += tx.roll_up_metric_points(resolution, into, before=before)
    tx.drop_entries(ALARM_HISTORY, before=now - HISTORY_KEPT)
    return gone
