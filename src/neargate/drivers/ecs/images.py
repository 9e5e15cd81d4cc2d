"""A container's image: found or pulled in the name of the execution role, and of the right architecture."""

from __future__ import annotations

from typing import Protocol

from neargate.drivers.ecs import actors
from neargate.drivers.ecs.live import BUSY, READY, LiveTask, failed
from neargate.drivers.ecs.rights import ExecutionRights
from neargate.model.ecr import parse_reference
from neargate.model.ecs import Task
from neargate.model.operations import Caller
from neargate.model.ports import Clock
from neargate.model.runtime import ImageInfo, ImageUnavailable, Runtime
from neargate.planners.task import ImageSeen

_SAME = {"x86_64": "amd64", "aarch64": "arm64"}


class Images(Protocol):
    """Resolves image names, ECR's own and all others."""

    async def resolve(self, reference: str, caller: Caller) -> ImageInfo:
        """The local image, pulled where it must be. Raises ImageUnavailable with Fargate's reason."""
        ...


class ImageFetcher:
    """Fetches the images of tasks."""

    def __init__(self, runtime: Runtime, images: Images, clock: Clock, rights: ExecutionRights) -> None:
        self._runtime = runtime
        self._images = images
        self._clock = clock
        self._rights = rights

    async def fetch(self, task: Task, name: str, live: LiveTask) -> None:
        """Sets `live.images[name]`: ready with its id, or failed with `CannotPullContainerError: …`."""
        reference = next(container.image for container in task.containers if container.name == name)
        live.images[name] = ImageSeen(BUSY)
        if live.pull_started is None:
            live.pull_started = self._clock.now()
        ecr = parse_reference(reference)
        denied = await self._rights.require_pull(task, ecr) if ecr else ""
        if denied:
            live.images[name] = ImageSeen(failed(denied))
            return
        try:
            found = await self._images.resolve(reference, actors.execution(task))
        except ImageUnavailable as error:
            live.images[name] = ImageSeen(failed(_cannot_pull(error.reason)))
            return
        wrong = await self._foreign(found)
        if wrong:
            live.images[name] = ImageSeen(failed(_cannot_pull(wrong)))
            return
        live.infos[name] = found
        live.images[name] = ImageSeen(READY, found.id, found.digest or found.id, found.stop_signal or "")
        if all(live.images.get(c.name, ImageSeen()).preparation == READY for c in task.containers):
            live.pull_stopped = self._clock.now()

    async def _foreign(self, image: ImageInfo) -> str:
        """Fargate's text for an image of another architecture; "" where it fits."""
        own = (await self._runtime.info()).architecture
        wanted = _SAME.get(own, own)
        has = _SAME.get(image.architecture, image.architecture)
        if not wanted or not has or wanted == has:
            return ""
        return f"image Manifest does not contain descriptor matching platform 'linux/{wanted}'"


def _cannot_pull(reason: str) -> str:
    text = (
        reason
        if "has been retried" in reason
        else f"pull image manifest has been retried 1 time(s): {reason}"
    )
    return f"CannotPullContainerError: {text}"
