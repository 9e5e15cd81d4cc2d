"""An event loop whose clock jumps: where nothing is ready and nothing is under way elsewhere, the next timer is due.

Hours of back-off pass in milliseconds, and no test waits for real time. Work in other threads or processes (the
store's writer, git) holds the clock still.
"""

from __future__ import annotations

import asyncio
import contextlib
import selectors
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

T = TypeVar("T")

START = 1767225600.0  # 2026-01-01T00:00:00Z


class _JumpingSelector(selectors.DefaultSelector):
    """Waits for no timer unless something real may still happen."""

    def __init__(self) -> None:
        super().__init__()
        self.held = 0
        self.now = 0.0
        self.alone = False
        """Nothing real is under way but what holds the clock: no file need be looked at."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if self.alone and not self.held and timeout is not None:
            self.now += max(timeout, 0.0)
            return []
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if self.held or timeout is None:
            return super().select(0.05)
        self.now += timeout
        return []


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.jumping = _JumpingSelector()
        super().__init__(self.jumping)

    def time(self) -> float:
        return self.jumping.now

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Something real is under way: the clock stands still."""
        self.jumping.held += 1
        try:
            yield
        finally:
            self.jumping.held -= 1

    @contextlib.contextmanager
    def release(self) -> Iterator[None]:
        """Within a hold: what is awaited here is the loop's own work again."""
        self.jumping.held -= 1
        try:
            yield
        finally:
            self.jumping.held += 1

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]
        self.jumping.held += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._done)
        return future

    def _done(self, future: object) -> None:
        self.jumping.held -= 1


def loop() -> VirtualTimeLoop:
    """The running loop."""
    running = asyncio.get_running_loop()
    assert isinstance(running, VirtualTimeLoop)
    return running


class VirtualClock:
    """The loop's time as epoch seconds. Safe to read from any thread."""

    def __init__(self, of: VirtualTimeLoop) -> None:
        self._loop = of

    def now(self) -> float:
        return START + self._loop.time()


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(work)
