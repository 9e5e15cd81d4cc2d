"""Watching what runs: container health checks through exec, and the ports that a task listens on."""

from __future__ import annotations

import asyncio

from neargate.drivers.ecs.live import LiveTask
from neargate.model.ports import Clock
from neargate.model.records import Json
from neargate.model.runtime import EngineUnavailable, NoSuchContainer, Runtime, StartFailed

_EAGER = 1.0  # seconds between the uncounted checks before the first success, at pace local
_FIRST_LOOK, _SLOWEST_LOOK = 0.005, 0.25


def check_command(check: Json) -> tuple[str, ...]:
    """What to execute: CMD-SHELL through `/bin/sh -c`, CMD and a bare list as they are."""
    kind, *rest = check["command"]
    if kind == "CMD-SHELL":
        return ("/bin/sh", "-c", " ".join(rest))
    return tuple(rest) if kind == "CMD" else (kind, *rest)


class Observer:
    """Runs beside the containers that it looks at; every job ends with its container."""

    def __init__(self, runtime: Runtime, clock: Clock, pace: str) -> None:
        self._runtime = runtime
        self._clock = clock
        self._pace = pace

    async def check_health(self, live: LiveTask, name: str, check: Json) -> None:
        """Keep `live.containers[name].health`: HEALTHY at a success, UNHEALTHY after `retries` failures in a row.

        The first check runs at once. Failures within startPeriod do not count; nor do those between two
        intervals, with which pace local looks for the first success.
        """
        command, limit = check_command(check), float(check["timeout"])
        began = self._clock.now()
        counted_at = began + (0.0 if self._pace == "local" else check["interval"])
        failures = 0
        while live.container(name).state == "running":
            passed = await self._passes(live, name, command, limit)
            if passed is None:
                return
            now = self._clock.now()
            health = live.container(name).health
            if passed:
                failures = 0
                counted_at = now
                health = "HEALTHY"
            elif now >= counted_at + check["interval"] or health is not None:
                counted_at = now
                failures += 0 if now < began + (check.get("startPeriod") or 0) and health is None else 1
                health = "UNHEALTHY" if failures >= check["retries"] else health
            if health != live.container(name).health:
                live.change(name, health=health)
            eager = self._pace == "local" and health is None
            await asyncio.sleep(min(_EAGER, check["interval"]) if eager else check["interval"])

    async def _passes(self, live: LiveTask, name: str, command: tuple[str, ...], limit: float) -> bool | None:
        """None where the container is gone."""
        try:
            result = await self._runtime.exec(live.container(name).runtime_id, command, timeout=limit)
        except (NoSuchContainer, StartFailed):
            return None
        except EngineUnavailable:
            return False
        return result.exit_code == 0

    async def watch_ports(self, live: LiveTask, wanted: frozenset[int]) -> None:
        """Keep `live.listening` until all wanted ports are listened on or nothing runs any more."""
        pause = _FIRST_LOOK
        while True:
            running = [name for name, seen in live.containers.items() if seen.state == "running"]
            if not running:
                return
            found = await self._listening(live, running[0])
            if found != live.listening:
                live.listening = found
                live.wake()
            if wanted <= found:
                return
            await asyncio.sleep(pause)
            pause = min(_SLOWEST_LOOK, pause * 1.5)

    async def _listening(self, live: LiveTask, name: str) -> frozenset[int]:
        """The sandbox's listening ports, seen through any of its containers."""
        state = live.states.get(name)
        if state is None or state.pid is None:
            try:
                state = await self._runtime.inspect(live.container(name).runtime_id)
            except NoSuchContainer:
                return frozenset()
            live.states[name] = state
        return await self._runtime.listening_ports(state)
