"""One attempt at a build, from PROVISIONING to COMPLETED, phase by phase."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

import attrs
import structlog

from neargate.drivers.builds import container, environment, transfer
from neargate.drivers.builds.failure import YAML_FILE_ERROR, Over, PhaseFailed, internal
from neargate.drivers.builds.images import BuildImages, runtime_required, runtimes_of
from neargate.drivers.builds.ledger import Ledger, role_caller
from neargate.drivers.builds.network import BuildNetwork
from neargate.drivers.builds.workspace import TMP, Workspace
from neargate.model.codebuild import FAILED, FAULT, SUCCEEDED, TIMED_OUT, Exported
from neargate.model.operations import Caller
from neargate.model.ports import Clock
from neargate.model.runtime import (
    ContainerState,
    ImageInfo,
    ImageUnavailable,
    Runtime,
    Sandbox,
)
from neargate.planners.build_artifacts import NO_MATCH
from neargate.planners.build_narration import Narrator
from neargate.planners.build_script import script
from neargate.planners.buildspec import Buildspec, BuildspecError, parse
from neargate.services.dispatch import Dispatcher

log = structlog.get_logger()

_PULLING = "BUILD_CONTAINER_UNABLE_TO_PULL_IMAGE"
_DEAD = (
    "Build container found dead before completing the build. Build container died because it was out of memory, or "
    "the Docker image is not supported. ErrorCode: {code}"
)


class EngineSocket(Protocol):
    """A Docker Engine API on a unix socket, for one build."""

    async def start(self, path: str) -> None: ...

    async def stop(self) -> None: ...


EngineSocketFactory = Callable[[Caller, str], EngineSocket]
"""(who its pulls and pushes act for, the build's id) → its socket."""


@attrs.frozen
class Site:
    """What builds are carried out with."""

    dispatcher: Dispatcher
    clock: Clock
    runtime: Runtime
    network: BuildNetwork
    images: BuildImages
    engine_socket: EngineSocketFactory
    owner: str


class Course:
    """Carries one build through. `run` ends with a finished record, or raises `Over` where somebody else ended it."""

    def __init__(self, site: Site, ledger: Ledger, workspace: Workspace) -> None:
        self._site = site
        self._ledger = ledger
        self._workspace = workspace
        self.socket: EngineSocket | None = None

    async def run(self, finished: ContainerState | None) -> None:
        """From the beginning, or, with the container that an earlier run of the server left, from its end."""
        build = self._ledger.build
        until = build.started + build.declared["timeoutInMinutes"] * 60
        try:
            async with asyncio.timeout(max(0.0, until - self._site.clock.now())) as limit:
                if finished is None:
                    await self._begin()
                else:
                    await self._resume(finished)
        except TimeoutError as error:
            timed_out = PhaseFailed("BUILD_TIMED_OUT", "Build has timed out. ", TIMED_OUT)
            await self._finish_failed(timed_out if limit.expired() else internal(error))
        except PhaseFailed as failure:
            await self._finish_failed(failure)
        except Over:
            raise
        except Exception as error:  # to begin again would repeat what the commands have done already
            log.error("build.failed", build=build.arn, exc_info=error)
            await self._finish_failed(internal(error))

    # -- the way there -------------------------------------------------------------------------------------

    async def _begin(self) -> None:
        await self._ledger.enter("PROVISIONING")
        await self._ledger.open_log()
        if self._ledger.build.attempt > 1:
            await self._ledger.say("The server ended during this build: it starts again from the beginning")
        await self._ledger.say("Running on CodeBuild On-demand", "Waiting for agent ping")
        image, sandbox = await self._provision()
        await self._ledger.enter("DOWNLOAD_SOURCE")
        await self._ledger.say("Waiting for DOWNLOAD_SOURCE")
        await asyncio.to_thread(self._workspace.make)
        await transfer.fetch_sources(self._site.dispatcher, self._ledger.build, self._workspace)
        spec, narrator, variables = await self._prepare(image, tell=True)
        started = await self._start(spec, image, sandbox, variables)
        await self._ledger.leave(SUCCEEDED)
        await self._site.runtime.start(started)
        state = await container.follow(self._site.runtime, started, self._ledger, narrator)
        await self._conclude(spec, state)

    async def _resume(self, finished: ContainerState) -> None:
        """The container has done its work; its log and phases may not have been read to the end."""
        image = await self._site.runtime.image(finished.image)
        spec, narrator, _ = await self._prepare(image, tell=False)
        log.info("build.resumed", build=self._ledger.build.arn)
        state = await container.follow(self._site.runtime, finished.id, self._ledger, narrator)
        await self._conclude(spec, state)

    async def _provision(self) -> tuple[ImageInfo, Sandbox]:
        """Image, sandbox and network."""
        build, site = self._ledger.build, self._site
        said: list[str] = []
        try:
            image = await site.images.ensure(
                build.declared["environment"]["image"], role_caller(build), said.append
            )
        except ImageUnavailable as unavailable:
            raise PhaseFailed(
                _PULLING,
                f"Unable to pull customer's container image. CannotPullContainerError: {unavailable.reason}",
            ) from unavailable
        if said:
            await self._ledger.say(*said)
        sandbox = await site.runtime.create_sandbox(
            container.sandbox_spec(site.owner, build, await site.runtime.info())
        )
        await site.network.set_up(self._ledger.key, sandbox)
        return image, sandbox

    async def _prepare(
        self, image: ImageInfo | None, *, tell: bool
    ) -> tuple[Buildspec, Narrator, environment.Variables]:
        """The buildspec, read; the environment, complete; the reader of the output."""
        build, workspace = self._ledger.build, self._workspace
        text, where = await transfer.fetch_buildspec(self._site.dispatcher, build, workspace)
        reference = build.declared["environment"]["image"]
        runtimes = None if image is None else runtimes_of(reference, image)
        try:
            spec = parse(text, runtimes, runtime_required=tell and runtime_required(reference))
        except BuildspecError as error:
            raise PhaseFailed(YAML_FILE_ERROR, str(error)) from error
        if tell:
            await self._ledger.say(*_introduction(spec, workspace.container_source(), where))
        secondary = {
            source["sourceIdentifier"]: workspace.container_source(number)
            for number, source in enumerate(build.declared.get("secondarySources") or (), start=1)
        }
        own = environment.own_variables(build, workspace.container_source(), secondary)
        variables = await environment.variables(self._site.dispatcher, build, spec, own)
        return spec, Narrator(spec, container.mark(build), variables.secret), variables

    async def _start(
        self, spec: Buildspec, image: ImageInfo, sandbox: Sandbox, variables: environment.Variables
    ) -> str:
        """Create the container, with its script and, where it is privileged, its docker socket."""
        build, workspace = self._ledger.build, self._workspace
        text = script(spec, mark=container.mark(build), directory=TMP, source=workspace.container_source())
        await asyncio.to_thread(workspace.write_script, text)
        if build.declared["environment"].get("privilegedMode"):
            self.socket = self._site.engine_socket(role_caller(build), build.id)
            await self.socket.start(str(workspace.socket))
        wanted = container.container_spec(
            self._site.owner, build, sandbox, image.id, workspace, variables.values
        )
        return await self._site.runtime.create(wanted)

    # -- the end -------------------------------------------------------------------------------------------

    async def _conclude(self, spec: Buildspec, state: ContainerState) -> None:
        ended = self._ledger.cursor.ended
        if not ended:
            raise PhaseFailed("INTERNAL_SERVICE_ERROR", _DEAD.format(code=state.exit_code), FAULT)
        final = await asyncio.to_thread(self._workspace.final_environment)
        exported = tuple(Exported(name, final.get(name, "")) for name in spec.exported)
        await self._ledger.change(lambda build, _: attrs.evolve(build, exported=exported))
        if ended == "upload":
            await self._upload(spec, final)
        await self._ledger.enter("FINALIZING")
        await self._finish(FAILED if self._ledger.build.failed else SUCCEEDED)

    async def _upload(self, spec: Buildspec, final: dict[str, str]) -> None:
        await self._ledger.enter("UPLOAD_ARTIFACTS")
        try:
            stored = []
            for wanted in transfer.wanted_artifacts(self._ledger.build, spec):
                selection = await transfer.choose(wanted, self._workspace, final)
                await self._ledger.say(*selection.lines)
                if not selection.files:
                    raise PhaseFailed("CLIENT_ERROR", NO_MATCH)
                stored.append(
                    await transfer.upload(
                        self._site.dispatcher, self._ledger.build, wanted, selection, self._workspace
                    )
                )
            await self._ledger.change(lambda build, _: attrs.evolve(build, stored=tuple(stored)))
        except PhaseFailed as failure:
            await self._ledger.leave(failure.status, failure.code, failure.message)
        else:
            await self._ledger.leave(SUCCEEDED)

    async def _finish_failed(self, failure: PhaseFailed) -> None:
        """The current phase fails; FINALIZING follows only where there was something to finalize."""
        before = self._ledger.build.current_phase
        await self._ledger.open_log()
        await self._ledger.leave(failure.status, failure.code, failure.message)
        if before not in ("QUEUED", "PROVISIONING"):
            await self._ledger.enter("FINALIZING")
        await self._finish(failure.status)

    async def _finish(self, status: str) -> None:
        await self._ledger.change(lambda build, now: build.finished(status, now))


def _introduction(spec: Buildspec, source: str, where: str) -> list[str]:
    lines = [
        "Phase is DOWNLOAD_SOURCE",
        f"CODEBUILD_SRC_DIR={source}",
        f"YAML location is {where}",
        "Processing environment variables",
        *spec.notes,
        f"Moving to directory {source}",
        "Registering with agent",
        f"Phases found in YAML: {len(spec.declared)}",
    ]
    for name in spec.declared:
        phase = spec.phase(name)
        lines.append(f" {name}: {len(phase.commands) + len(phase.final_commands)} commands")
    return lines
