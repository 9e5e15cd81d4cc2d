"""A container's image: found or pulled in the name of the execution role, and of the task's architecture.

The tasks of one service deployment run the same image: its first task notes which one the tag meant then
(`ImageVersion`), unless the container's versionConsistency is disabled.
"""

from __future__ import annotations

from typing import Protocol

from neargate.drivers.ecs import actors
from neargate.drivers.ecs.failures import at_digest, cannot_pull, other_platform, reason_of, registry_of
from neargate.drivers.ecs.live import BUSY, READY, LiveTask, failed
from neargate.drivers.ecs.reach import Reach
from neargate.drivers.ecs.rights import ExecutionRights
from neargate.drivers.ecs.task_environment import EnvironmentUnavailable, TaskEnvironment
from neargate.model.ecr import parse_reference
from neargate.model.ecs import ImageVersion, Service, Task, TaskDefinition
from neargate.model.operations import Caller
from neargate.model.ports import Clock, Store
from neargate.model.records import Json, Tx
from neargate.model.runtime import Credentials, ImageInfo, ImageUnavailable, Runtime
from neargate.planners.task import ImageSeen

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


class Images(Protocol):
    """Resolves image names, ECR's own and all others."""

    async def resolve(
        self, reference: str, caller: Caller, architecture: str = "", login: Credentials | None = None
    ) -> ImageInfo:
        """The local image, pulled where it must be: for `architecture` (`amd64`; "" is the machine's), with `login`
        at its registry. Raises ImageUnavailable with Fargate's reason, or the engine's."""
        ...


class ImageFetcher:
    """Fetches the images of tasks."""

    def __init__(
        self,
        store: Store,
        runtime: Runtime,
        images: Images,
        clock: Clock,
        rights: ExecutionRights,
        reach: Reach,
        environment: TaskEnvironment,
        *,
        emulate: bool = False,
    ) -> None:
        self._store = store
        self._runtime = runtime
        self._images = images
        self._clock = clock
        self._rights = rights
        self._reach = reach
        self._environment = environment
        self._emulate = emulate

    async def fetch(self, task: Task, definition: TaskDefinition, name: str, live: LiveTask) -> None:
        """Sets `live.images[name]`: ready with its id, or failed with `CannotPullContainerError: …`."""
        container = definition.container(name)
        live.images[name] = ImageSeen(BUSY)
        if live.pull_started is None:
            live.pull_started = self._clock.now()
        try:
            found = await self._found(task, container)
        except _NoImage as error:
            live.images[name] = ImageSeen(failed(str(error)))
            return
        live.infos[name] = found
        live.images[name] = ImageSeen(READY, found.id, found.digest or found.id, found.stop_signal or "")
        if all(live.images.get(c.name, ImageSeen()).preparation == READY for c in task.containers):
            live.pull_stopped = self._clock.now()

    async def _found(self, task: Task, container: Json) -> ImageInfo:
        """Raises _NoImage with the stopped reason."""
        reference = container["image"]
        ecr = parse_reference(reference)
        denied = self._unreachable(task, reference) or (
            await self._rights.require_pull(task, ecr) if ecr else ""
        )
        if denied:
            raise _NoImage(denied)
        architecture = await self._architecture(task)
        known = self._version(task, container)
        wanted = reference if known is None else known.pinned
        try:
            login = await self._environment.registry_login(task, container)
            found = await self._images.resolve(wanted, actors.execution(task), architecture, login)
        except EnvironmentUnavailable as error:
            raise _NoImage(str(error)) from error
        except ImageUnavailable as error:
            raise _NoImage(cannot_pull(reason_of(reference, error.reason))) from error
        has = _ARCHITECTURES.get(found.architecture, found.architecture)
        if has and has != architecture:
            raise _NoImage(cannot_pull(other_platform(architecture)))
        if known is None:
            await self._note_version(task, container, found)
        return found

    async def _architecture(self, task: Task) -> str:
        """The architecture that the task runs on. Raises _NoImage where this machine cannot."""
        wanted = _ARCHITECTURES.get(task.cpu_architecture, task.cpu_architecture)
        engine = await self._runtime.info()
        own = _ARCHITECTURES.get(engine.architecture, engine.architecture)
        if own in ("", wanted) or (self._emulate and wanted in engine.emulates):
            return wanted
        how = (
            f"qemu's handler for {wanted} is not registered in /proc/sys/fs/binfmt_misc"
            if self._emulate
            else "started with NEARGATE_EMULATE=1 it runs such tasks under qemu"
        )
        raise _NoImage(
            f"{cannot_pull(other_platform(wanted))} (Neargate: this machine is linux/{own}; {how})"
        )

    # -- one image for all tasks of a deployment -----------------------------------------------------------

    def _version(self, task: Task, container: Json) -> ImageVersion | None:
        if not _is_consistent(task, container):
            return None
        key = ImageVersion.key_of(task, container["name"])
        return self._store.read(lambda view: view.get(ImageVersion, key))

    async def _note_version(self, task: Task, container: Json, found: ImageInfo) -> None:
        """Note what the tag means for this deployment, and forget the deployments that are over."""
        if not _is_consistent(task, container):
            return
        digest = found.digest
        version = ImageVersion(
            account=task.account,
            region=task.region,
            cluster=task.cluster,
            service=task.service,
            deployment=task.deployment,
            container=container["name"],
            image=container["image"],
            digest=digest or found.id,
            pinned=at_digest(container["image"], digest) if digest else found.id,
        )

        def note(tx: Tx) -> None:
            if tx.get(ImageVersion, version.key) is None:
                tx.put(version)
            service = tx.get(Service, task.service_key)
            deployments = {task.deployment}
            if service is not None:
                deployments |= {each.id for each in service.deployments}
                deployments |= {service.last_completed.id} if service.last_completed else set()
            for each in tx.scan(ImageVersion, task.service_key + "/"):
                if each.deployment not in deployments:
                    tx.delete(ImageVersion, each.key)

        await self._store.write(note)

    # -- the way to the registry ---------------------------------------------------------------------------

    def unreachable(self, task: Task) -> str:
        """Fargate's text where the task's network does not lead to one of its images; "" where it does."""
        found = (self._unreachable(task, container.image) for container in task.containers)
        return next((text for text in found if text), "")

    def _unreachable(self, task: Task, reference: str) -> str:
        if parse_reference(reference) is None:
            if self._reach.internet(task):
                return ""
            ref, url = registry_of(reference)
            return cannot_pull(
                f'failed to resolve ref {ref}: failed to do request: Head "{url}": dial tcp: i/o timeout'
            )
        if self._reach.service(task, "ecr.api", "ecr.dkr", "s3"):
            return ""
        return (
            "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval "
            "failed: unable to retrieve ecr registry auth: service call has been retried 1 time(s): RequestError: send "
            f'request failed caused by: Post "https://api.ecr.{task.region}.amazonaws.com/": dial tcp: i/o timeout. '
            "Please check your task network configuration."
        )


class _NoImage(Exception):
    """The text is the stopped reason."""


def _is_consistent(task: Task, container: Json) -> bool:
    return bool(task.deployment) and container.get("versionConsistency") != "disabled"
