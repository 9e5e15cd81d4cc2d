"""What time takes away: log events past their retention, credentials that have expired."""

from __future__ import annotations

import asyncio

from neargate.model.operations import Caller
from neargate.model.ports import Clock, Store
from neargate.services.dispatch import Dispatcher
from neargate.services.logs.retention import expire
from neargate.services.sts.issue import sweep

EVERY = 600.0  # seconds
_NOBODY = Caller(account="000000000000", region="us-east-1", principal="arn:aws:iam::000000000000:root")


class Housekeeping:
    """Looks every ten minutes."""

    def __init__(self, store: Store, dispatcher: Dispatcher, clock: Clock) -> None:
        self._store = store
        self._dispatcher = dispatcher
        self._clock = clock

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            await asyncio.sleep(EVERY)
            await self.once()

    async def once(self) -> None:
        await self._store.write(lambda tx: expire(tx, self._clock.now()))
        await self._store.write(lambda tx: sweep(self._dispatcher.context(tx, _NOBODY)))
