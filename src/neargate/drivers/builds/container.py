"""The container of a build: what it is made of, and what it says while it runs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping

from neargate.drivers.builds.ledger import Ledger, Line, moved
from neargate.drivers.builds.network import resolvers
from neargate.drivers.builds.workspace import OUTPUT, SCRIPT, TMP, Workspace
from neargate.model.codebuild import FAILED, SUCCEEDED, Build, PhaseContext
from neargate.model.runtime import (
    ContainerSpec,
    ContainerState,
    EngineInfo,
    Mount,
    Runtime,
    Sandbox,
    SandboxSpec,
)
from neargate.planners.build_narration import Ended, Entered, Event, Left, Narrator

OWNER_LABEL = "dev.neargate.owner"
CODEBUILD_LABEL = "dev.neargate.codebuild"
"""On a build's own container and sandbox. (`dev.neargate.build` marks what it runs through its docker socket.)"""

_SIZES = {
    "BUILD_GENERAL1_SMALL": (2, 4),
    "BUILD_GENERAL1_MEDIUM": (4, 8),
    "BUILD_GENERAL1_LARGE": (8, 16),
    "BUILD_GENERAL1_XLARGE": (36, 72),
    "BUILD_GENERAL1_2XLARGE": (72, 145),
}
"""CPUs and GiB by compute type. A smaller machine gives what it has."""


def labels(owner: str, build: Build) -> dict[str, str]:
    return {OWNER_LABEL: owner, CODEBUILD_LABEL: build.uuid}


def name(build: Build) -> str:
    """The container of this attempt."""
    return f"build-{build.uuid}-{build.attempt}"


def mark(build: Build) -> str:
    """What the build script's own lines begin with; no command prints it by chance."""
    return f"\x1e{build.uuid}.{build.attempt}\x1e"


def sandbox_spec(owner: str, build: Build, engine: EngineInfo) -> SandboxSpec:
    cpus, memory = _SIZES.get(build.declared["environment"]["computeType"], (2, 4))
    return SandboxSpec(
        name=f"build-{build.uuid}",
        labels=labels(owner, build),
        hostname=build.uuid[:12].replace("-", ""),
        dns=resolvers(),
        cpus=float(cpus) if cpus < engine.cpus else None,
        memory_mib=memory * 1024 if memory * 1024 < engine.memory_mib else None,
    )


def container_spec(
    owner: str,
    build: Build,
    sandbox: Sandbox,
    image: str,
    workspace: Workspace,
    environment: Mapping[str, str],
) -> ContainerSpec:
    """Root, as in CodeBuild, whoever the image's user is. A privileged build gets Docker, not the machine."""
    mounts = [Mount(str(workspace.root), OUTPUT)]
    if build.declared["environment"].get("privilegedMode"):
        mounts.append(Mount(str(workspace.socket), "/var/run/docker.sock"))
    return ContainerSpec(
        name=name(build),
        image=image,
        sandbox=sandbox,
        entrypoint=("/bin/sh", f"{TMP}/{SCRIPT}"),
        command=(),
        environment=environment,
        labels=labels(owner, build),
        user="0",
        working_dir=workspace.container_source(),
        mounts=tuple(mounts),
    )


async def own_container(runtime: Runtime, owner: str, build: Build) -> ContainerState | None:
    """The container of this attempt, in whatever state."""
    found = await runtime.list(labels(owner, build))
    return next((each for each in found if each.name == name(build)), None)


async def failed(runtime: Runtime, container_id: str, build: Build) -> bool:
    """Whether a phase failed in a container that has exited, as its own output says."""
    async with contextlib.aclosing(runtime.logs(container_id)) as batches:
        async for batch in batches:
            for line in batch.lines:
                match line.text.partition(mark(build))[2].split():
                    case ["left", _, state, *_] if state != SUCCEEDED:
                        return True
    return False


async def follow(runtime: Runtime, container_id: str, ledger: Ledger, narrator: Narrator) -> ContainerState:
    """Bring the container's output into the log and its phases into the record until it has exited.

    A batch of lines, what they did to the phases and the cursor behind them are one transaction: whoever goes on
    from the cursor neither loses nor repeats anything. Raises `Over`, and what the runtime raises.
    """
    async with contextlib.aclosing(runtime.logs(container_id, str(ledger.cursor.timestamp))) as batches:
        async for batch in batches:
            lines: list[Line] = []
            events: list[tuple[float, Event]] = []
            ended = ""
            for line in batch.lines:
                at = line.timestamp / 1e9
                told = narrator.read(line.text, at)
                lines += [(at, text) for text in told.lines]
                if isinstance(told.event, Ended):
                    ended = "upload" if told.event.upload else "stop"
                elif told.event is not None:
                    events.append((at, told.event))
            cursor = moved(ledger.cursor, batch.lines[-1].timestamp, ended)
            await ledger.change(_applying(events), lines, cursor)
    return await runtime.wait(container_id)


def _applying(events: list[tuple[float, Event]]) -> Callable[[Build, float], Build]:
    def applied(build: Build, _now: float) -> Build:
        for at, event in events:
            match event:
                case Entered(phase):
                    build = build.entered(phase, at)
                case Left(_, failed, code, message):
                    build = build.left(FAILED if failed else SUCCEEDED, at, PhaseContext(code, message))
        return build

    return applied
