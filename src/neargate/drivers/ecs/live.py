"""What the task driver knows of a task beside its record: what is under way, what was seen. All of it can be
lost: a restart rebuilds it from the runtime and the fabric."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import attrs
import structlog

from neargate.model.fabric import FabricUnavailable
from neargate.model.runtime import ContainerState, EngineUnavailable, ImageInfo, Sandbox
from neargate.planners.task import ABSENT, ContainerSeen, ImageSeen, Preparation, Seen

log = structlog.get_logger()

OWNER_LABEL = "dev.neargate.owner"
TASK_LABEL = "com.amazonaws.ecs.task-arn"
CONTAINER_LABEL = "com.amazonaws.ecs.container-name"

BUSY = Preparation("busy")
READY = Preparation("ready")

_TRY_AGAIN = 1.0  # seconds; while the engine or the network is away

Job = Coroutine[Any, Any, None]


def failed(reason: str) -> Preparation:
    return Preparation("failed", reason)


@attrs.define(eq=False)
class LiveTask:
    """One task's side of the world. Used on the event loop only."""

    key: str
    wake: Callable[[], None]
    sandbox: Sandbox | None = None
    sandbox_state: Preparation = ABSENT
    network: Preparation = ABSENT
    logs: Preparation = ABSENT
    release: Preparation = ABSENT
    images: dict[str, ImageSeen] = attrs.field(factory=dict)
    infos: dict[str, ImageInfo] = attrs.field(factory=dict)
    containers: dict[str, ContainerSeen] = attrs.field(factory=dict)
    states: dict[str, ContainerState] = attrs.field(factory=dict)
    """The last state that the engine told, by container name."""
    ended: dict[str, float | None] = attrs.field(factory=dict)
    """When containers that were started again had exited before."""
    volumes: dict[str, Path] = attrs.field(factory=dict)
    """Where the task's volumes lie, by name; known once `logs` is ready."""
    listening: frozenset[int] = frozenset()
    environment: dict[str, dict[str, str]] = attrs.field(factory=dict)
    """Variables read for each container from secrets and files; known once `logs` is ready."""
    pull_started: float | None = None
    pull_stopped: float | None = None
    jobs: dict[str, asyncio.Task[None]] = attrs.field(factory=dict)

    def seen(self) -> Seen:
        """A snapshot for the planner, safe to hand to another thread."""
        return Seen(
            sandbox=self.sandbox_state,
            network=self.network,
            logs=self.logs,
            release=self.release,
            images=dict(self.images),
            containers=dict(self.containers),
            listening=self.listening,
            pull_started=self.pull_started,
            pull_stopped=self.pull_stopped,
        )

    def container(self, name: str) -> ContainerSeen:
        return self.containers.get(name, ContainerSeen())

    def change(self, name: str, **members: Any) -> None:
        """Change what is known of a container, and let the planner see it."""
        self.containers[name] = attrs.evolve(self.container(name), **members)
        self.wake()

    def observe(self, name: str, state: ContainerState) -> None:
        """Take an engine's answer in. A container that has exited stays so."""
        if self.container(name).state == "exited":
            return
        if state.status == "exited" and self.ended.get(name, -1.0) == state.finished_at:
            return
        if state.status == "created" and self.container(name).state in ("busy", "running"):
            return
        self.states[name] = state
        self.change(
            name,
            state=state.status,
            runtime_id=state.id,
            exit_code=state.exit_code,
            out_of_memory=state.oom_killed,
            started=state.started_at,
            finished=state.finished_at,
        )

    def restarting(self, name: str) -> None:
        """From now on a container that has exited is being started again; its old end is no news any more."""
        self.ended[name] = self.container(name).finished
        self.change(
            name,
            state="busy",
            exit_code=None,
            out_of_memory=False,
            started=None,
            finished=None,
            signalled=False,
            health=None,
        )

    def begin(self, name: str, job: Callable[[], Job]) -> None:
        """Run a job beside the others, unless one of this name is under way."""
        if name in self.jobs and not self.jobs[name].done():
            return
        self.jobs[name] = asyncio.create_task(self._run(name, job), name=f"{self.key} {name}")

    async def _run(self, name: str, job: Callable[[], Job]) -> None:
        """While the engine or the network is away the job is tried again; what else goes wrong is said."""
        while True:
            try:
                await job()
            except (EngineUnavailable, FabricUnavailable) as away:
                log.warning("task.waits", task=self.key, job=name, reason=str(away))
                await asyncio.sleep(_TRY_AGAIN)
                continue
            except Exception as error:
                log.error("task.job-failed", task=self.key, job=name, exc_info=error)
                await asyncio.sleep(_TRY_AGAIN)
                continue
            break
        self.wake()

    async def end(self, name: str) -> None:
        """Cancel one job, if it runs, and wait until it has ended."""
        job = self.jobs.get(name)
        if job is not None and not job.done():
            job.cancel()
            await asyncio.gather(job, return_exceptions=True)

    async def cancel(self, *, but: str = "") -> None:
        """End the jobs that run, except one, and wait until they have ended."""
        running = [job for name, job in self.jobs.items() if name != but and not job.done()]
        for job in running:
            job.cancel()
        await asyncio.gather(*running, return_exceptions=True)
