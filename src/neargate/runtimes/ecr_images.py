"""From an image's name in a task definition to an image that the engine has."""

from __future__ import annotations

import json
from typing import Protocol

import attrs

from neargate.model.ecr import Image, ImageTag, Reference, issue_token, parse_reference
from neargate.model.operations import Caller, Settings
from neargate.model.ports import Clock, Ids, Store
from neargate.model.records import Reader
from neargate.model.runtime import Credentials, ImageInfo, ImageUnavailable, Runtime

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


class Cloud(Protocol):
    """What is asked of the server; its Dispatcher has all of it."""

    store: Store
    clock: Clock
    ids: Ids
    settings: Settings


class EcrImages:
    """Resolves image names. ECR's are looked up in ECR's own records, so that a tag means what ECR says now;
    what the engine has already (it built it) is used without a pull. The registry is the server's own port on
    loopback."""

    def __init__(self, runtime: Runtime, cloud: Cloud) -> None:
        self._runtime = runtime
        self._cloud = cloud

    async def resolve(
        self, reference: str, caller: Caller, architecture: str = "", login: Credentials | None = None
    ) -> ImageInfo:
        """The local image of this name, pulled on behalf of `caller` where it must be: for `architecture` (`amd64`;
        "" is the engine's), with `login` at a registry that is not ECR.

        Its `id` is what containers are to be created from; `digest` is the manifest's. Raises
        `ImageUnavailable` with the reason Fargate gives after `CannotPullContainerError: `.
        """
        wanted = parse_reference(reference)
        if wanted is None:
            return await self._elsewhere(reference, architecture, login)
        image = self._cloud.store.read(lambda view: _find(view, wanted))
        if image is None:
            raise ImageUnavailable(reference, f"failed to resolve ref {reference}: not found")
        part = await self._of_architecture(reference, image, architecture)
        local = await self._local(part) or await self._pull(reference, wanted, part, caller)
        return attrs.evolve(local, reference=reference, digest=image.digest)

    async def _local(self, image: Image) -> ImageInfo | None:
        """The engine's image: its id is the configuration's digest, or (Docker on containerd) the manifest's."""
        for identity in (image.config, image.digest):
            if identity is not None and (found := await self._runtime.image(identity)) is not None:
                return found
        return None

    async def _pull(self, reference: str, wanted: Reference, image: Image, caller: Caller) -> ImageInfo:
        now = self._cloud.clock.now()
        token = await self._cloud.store.write(lambda tx: issue_token(tx, self._cloud.ids, caller, now))
        name = (
            f"127.0.0.1:{self._cloud.settings.port}/{wanted.registry.host}/{wanted.repository}@{image.digest}"
        )
        try:
            return await self._runtime.pull(name, Credentials("AWS", token))
        except ImageUnavailable as error:
            raise ImageUnavailable(reference, error.reason.replace(name, reference)) from error

    async def _elsewhere(self, reference: str, architecture: str, login: Credentials | None) -> ImageInfo:
        """From the engine, or from whichever registry the name says. One that is here for another architecture and
        cannot be pulled for this one is answered: the caller sees what it is."""
        local = await self._runtime.image(reference)
        if local is not None and architecture in (
            "",
            _ARCHITECTURES.get(local.architecture, local.architecture),
        ):
            return local
        try:
            return await self._runtime.pull(reference, login, architecture)
        except ImageUnavailable:
            if local is None:
                raise
            return local

    async def _of_architecture(self, reference: str, image: Image, wanted: str) -> Image:
        """The image itself, or the one of a list that fits the architecture."""
        if not image.manifests:
            return image
        said = wanted or (await self._runtime.info()).architecture
        architecture = _ARCHITECTURES.get(said, said)
        for each in json.loads(image.manifest)["manifests"]:
            platform = each.get("platform") or {}
            if (platform.get("os"), platform.get("architecture")) == ("linux", architecture):
                part = self._image(f"{image.repository}:{each['digest']}")
                if part is not None:
                    return part
        raise ImageUnavailable(
            reference,
            f"image Manifest does not contain descriptor matching platform 'linux/{architecture}'",
        )

    def _image(self, key: str) -> Image | None:
        return self._cloud.store.read(lambda view: view.get(Image, key))


def _find(view: Reader, wanted: Reference) -> Image | None:
    repository = wanted.registry.scope(wanted.repository)
    digest = wanted.digest
    if digest is None:
        tag = view.get(ImageTag, f"{repository}:{wanted.tag}")
        digest = None if tag is None else tag.digest
    return None if digest is None else view.get(Image, f"{repository}:{digest}")
