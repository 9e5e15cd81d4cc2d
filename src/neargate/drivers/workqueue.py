"""The loop that every driver shares: keys wake, one run per key at a time, and a time to look again.

`reconcile(key)` observes, plans, acts and records, then returns when it wants to be woken at the latest (epoch
seconds) or None. A change that arrives while it runs makes it run once more. A run that fails, whatever with, is
repeated later and later: its own writes are changes too, so they must not repeat it at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import structlog

from neargate.model.ports import Clock, Store

log = structlog.get_logger()

Reconcile = Callable[[str], Awaitable[float | None]]

_FIRST_RETRY = 0.2
_LAST_RETRY = 30.0
_DOUBLINGS = 8  # after which _LAST_RETRY is reached in any case


class WorkQueue:
    """Runs `reconcile` for the keys that were woken. Failures are logged and tried again with back-off; a key is
    never forgotten."""

    def __init__(self, name: str, reconcile: Reconcile, clock: Clock, *, parallel: int = 64) -> None:
        self._name = name
        self._reconcile = reconcile
        self._clock = clock
        self._slots = asyncio.Semaphore(parallel)
        self._running: dict[str, asyncio.Task[None]] = {}
        self._dirty: set[str] = set()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._failures: dict[str, int] = {}
        self._closed = False

    def wake(self, key: str) -> None:
        """Run the key soon; at once if it is idle. Call it on the event loop's thread."""
        if self._closed:
            return
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        if key in self._running:
            self._dirty.add(key)
            return
        self._running[key] = asyncio.create_task(self._work(key), name=f"{self._name}:{key}")

    def wake_all(self, keys: Iterable[str]) -> None:
        for key in keys:
            self.wake(key)

    @property
    def busy(self) -> bool:
        """True while any key runs."""
        return bool(self._running)

    async def close(self) -> None:
        """Cancel what runs and wait until it has ended."""
        self._closed = True
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def serve(
        self,
        store: Store,
        kinds: frozenset[str],
        key_of: Callable[[str, str], str | None],
        first: Iterable[str],
    ) -> None:
        """Wake `first`, then every key that `key_of(kind, key)` names for a change, until cancelled."""

        def notify(kind: str, key: str) -> None:
            target = key_of(kind, key)
            if target is not None:
                self.wake(target)

        unsubscribe = store.subscribe(kinds, notify)
        try:
            self.wake_all(first)
            await asyncio.get_running_loop().create_future()
        finally:
            unsubscribe()
            await self.close()

    async def _work(self, key: str) -> None:
        try:
            async with self._slots:
                while True:
                    self._dirty.discard(key)
                    wake_at = await self._once(key)
                    if key not in self._dirty or key in self._failures:
                        break
        finally:
            self._running.pop(key, None)
            self._dirty.discard(key)
        if wake_at is not None and not self._closed:
            delay = max(0.0, wake_at - self._clock.now())
            self._timers[key] = asyncio.get_running_loop().call_later(delay, self._ring, key)

    def _ring(self, key: str) -> None:
        self._timers.pop(key, None)
        self.wake(key)

    async def _once(self, key: str) -> float | None:
        try:
            wake_at = await self._reconcile(key)
        except Exception as error:
            # A bug or an engine that went away must neither end the loop nor lose the key: say it, and try again.
            tries = self._failures[key] = self._failures.get(key, 0) + 1
            delay = min(_LAST_RETRY, _FIRST_RETRY * 2.0 ** min(tries, _DOUBLINGS))
            log.error(
                "driver.failed", driver=self._name, key=key, tries=tries, retry_in=delay, exc_info=error
            )
            return self._clock.now() + delay
        self._failures.pop(key, None)
        return wake_at
