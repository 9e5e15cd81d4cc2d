"""The image that a build runs in, as a project names it, made to be there."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import structlog

from neargate.model.operations import Caller
from neargate.model.runtime import ImageInfo, ImageUnavailable, Runtime
from neargate.runtimes.base_images import BUILDER, STAND_IN_LABEL, BaseImages
from neargate.runtimes.ecr_images import EcrImages
from neargate.runtimes.engine import EngineRuntime
from neargate.runtimes.private_engine import default_directory
from neargate.services.dispatch import Dispatcher

log = structlog.get_logger()

MANAGED = "aws/codebuild/"
_RUNTIME_REQUIRED = ("aws/codebuild/standard:2.0", "aws/codebuild/amazonlinux2-x86_64-standard:1.0")


class BuildImages:
    """`mapping` names other images for those of a project, by their exact names; what AWS manages
    (`aws/codebuild/…`) is Neargate's builder image where it says nothing else."""

    def __init__(
        self, runtime: Runtime, dispatcher: Dispatcher, mapping: Mapping[str, str] | None = None
    ) -> None:
        self._runtime = runtime
        self._ecr = EcrImages(runtime, dispatcher)
        self._mapping = mapping or {}

    async def ensure(self, reference: str, caller: Caller, say: Callable[[str], None]) -> ImageInfo:
        """The local image, pulled or made first where it must be. Raises `ImageUnavailable`."""
        wanted = self._mapping.get(reference, BUILDER if reference.startswith(MANAGED) else reference)
        if wanted != BUILDER:
            return await self._ecr.resolve(wanted, caller)
        image = await self._runtime.image(BUILDER)
        if image is not None:
            return image
        if isinstance(self._runtime, EngineRuntime):
            return await BaseImages(self._runtime, default_directory(), say).ensure(BUILDER)
        raise ImageUnavailable(BUILDER, "it has not been built: make setup does")


def runtimes_of(reference: str, image: ImageInfo) -> Mapping[str, tuple[str, ...]] | None:
    """The language runtimes, oldest version first, that a buildspec may select; None for images not AWS's."""
    if not reference.startswith(MANAGED):
        return None
    return {"python": ("3.11",) if STAND_IN_LABEL in image.labels else ("3.12",)}


def runtime_required(reference: str) -> bool:
    return reference in _RUNTIME_REQUIRED
