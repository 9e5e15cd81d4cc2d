"""The loop under every driver: no wake-up is lost, no failure ends it, and none spins."""

from __future__ import annotations

import asyncio

import pytest

from neargate.drivers import workqueue
from neargate.drivers.workqueue import WorkQueue
from neargate.system import SystemClock


@pytest.mark.anyio
async def test_a_change_during_a_run_makes_it_run_once_more() -> None:
    runs = []

    async def reconcile(key: str) -> None:
        runs.append(key)
        if len(runs) == 1:
            queue.wake(key)
            queue.wake(key)

    queue = WorkQueue("test", reconcile, SystemClock())
    queue.wake("a")
    await asyncio.sleep(0.01)
    assert runs == ["a", "a"]
    await queue.close()


class Unforeseen(Exception):
    """Neither an AwsError nor anything of Python's own."""


@pytest.mark.anyio
@pytest.mark.parametrize("error", [Unforeseen(), AssertionError(), ExceptionGroup("two", [Unforeseen()])])
async def test_a_key_outlives_whatever_its_run_fails_with(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workqueue, "_FIRST_RETRY", 0.001)
    done = asyncio.Event()
    failures = [error, error]

    async def reconcile(key: str) -> None:
        if failures:
            raise failures.pop()
        done.set()

    queue = WorkQueue("test", reconcile, SystemClock())
    queue.wake("a")
    await asyncio.wait_for(done.wait(), 5)
    await queue.close()


@pytest.mark.anyio
async def test_a_failing_run_that_wakes_itself_waits_all_the_same() -> None:
    runs = 0

    async def reconcile(key: str) -> None:
        nonlocal runs
        runs += 1
        queue.wake(key)  # as its own write to the store does
        raise Unforeseen

    queue = WorkQueue("test", reconcile, SystemClock())
    queue.wake("a")
    await asyncio.sleep(0.05)
    assert runs == 1
    assert not queue.busy
    await queue.close()


@pytest.mark.anyio
async def test_it_still_tries_again_after_a_night_of_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    """2.0 ** 1024 is no float."""
    monkeypatch.setattr(workqueue, "_LAST_RETRY", 0.001)
    done = asyncio.Event()

    async def reconcile(key: str) -> None:
        if queue._failures[key] < 5001:
            raise Unforeseen
        done.set()

    queue = WorkQueue("test", reconcile, SystemClock())
    queue._failures["a"] = 5000
    queue.wake("a")
    await asyncio.wait_for(done.wait(), 5)
    await queue.close()
