"""A container's image: found or pulled in the name of the execution role, and of the right architecture."""

from __future__ import annotations

from typing import Protocol

from neargate.drivers.ecs import actors
from neargate.drivers.ecs.live import BUSY, READY, LiveTask, failed
from neargate.drivers.ecs.reach import Reach
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

    def __init__(
        self, runtime: Runtime, images: Images, clock: Clock, rights: ExecutionRights, reach: Reach
    ) -> None:
        self._runtime = runtime
        self._images = images
        self._clock = clock
        self._rights = rights
        self._reach = reach

    async def fetch(self, task: Task, name: str, live: LiveTask) -> None:
        """Sets `live.images[name]`: ready with its id, or failed with `CannotPullContainerError: …`."""
        reference = next(container.image for container in task.containers if container.name == name)
        live.images[name] = ImageSeen(BUSY)
        if live.pull_started is None:
            live.pull_started = self._clock.now()
        ecr = parse_reference(reference)
        denied = self._unreachable(task, reference) or (
            await self._rights.require_pull(task, ecr) if ecr else ""
        )
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

    def unreachable(self, task: Task) -> str:
        """Fargate's text where the task's network does not lead to one of its images; "" where it does."""
        found = (self._unreachable(task, container.image) for container in task.containers)
        return next((text for text in found if text), "")

    def _unreachable(self, task: Task, reference: str) -> str:
        if parse_reference(reference) is None:
            if self._reach.internet(task):
                return ""
            ref, url = registry_of(reference)
            return _cannot_pull(
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


def registry_of(reference: str) -> tuple[str, str]:
    """An image's full name, and the address of its manifest: `nginx:1` is `docker.io/library/nginx:1`."""
    first, _, rest = reference.partition("/")
    if rest and ("." in first or ":" in first or first == "localhost"):
        host, path = first, rest
    else:
        host, path = "docker.io", reference if rest else f"library/{reference}"
    repository, at, version = path.partition("@")
    if not at:
        repository, _, version = path.partition(":")
        version = version or "latest"
        path = f"{repository}:{version}"
    registry = "registry-1.docker.io" if host == "docker.io" else host
    return f"{host}/{path}", f"https://{registry}/v2/{repository}/manifests/{version}"
