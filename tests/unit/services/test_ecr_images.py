"""From an image's name to an image of the engine, with an engine that only remembers what it was asked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from neargate.model.ecr import Registry, Repository, SigningKey, verify
from neargate.model.runtime import Credentials, ImageInfo, ImageUnavailable
from neargate.runtimes.ecr_images import EcrImages
from neargate.services.ecr.layers import record_layer
from tests.unit.services.cloud import ACCOUNT, REGION, Cloud, cloud

pytestmark = pytest.mark.anyio

HOST = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
SCHEMA2 = "application/vnd.docker.distribution.manifest.v2+json"
LIST = "application/vnd.docker.distribution.manifest.list.v2+json"


class Engine:
    """The part of a runtime that has to do with images."""

    def __init__(self) -> None:
        self.images: dict[str, ImageInfo] = {}
        self.pulls: list[tuple[str, Credentials | None]] = []
        self.elsewhere: dict[str, ImageInfo] = {}

    async def info(self) -> Any:
        class Info:
            architecture = "x86_64"

        return Info()

    async def image(self, reference: str) -> ImageInfo | None:
        return self.images.get(reference)

    async def pull(
        self, reference: str, credentials: Credentials | None = None, architecture: str = ""
    ) -> ImageInfo:
        self.pulls.append((reference, credentials))
        if reference not in self.elsewhere:
            raise ImageUnavailable(reference, f"cannot pull {reference}")
        return self.elsewhere[reference]


def info(identity: str) -> ImageInfo:
    return ImageInfo(identity, identity, None, {}, (), (), (), "", "", None, "amd64", {})


class World:
    def __init__(self, aws: Cloud) -> None:
        self.aws = aws
        self.engine = Engine()
        self.images = EcrImages(self.engine, aws.dispatcher)  # type: ignore[arg-type]

    async def resolve(self, reference: str) -> ImageInfo:
        return await self.images.resolve(reference, self.aws.caller)

    async def put(self, manifest: dict[str, Any], tag: str | None = None) -> str:
        request = {"repositoryName": "web", "imageManifest": json.dumps(manifest)}
        if tag:
            request["imageTag"] = tag
        answer = await self.aws.dispatcher.call(self.aws.caller, "ecr", "PutImage", request)
        return str(answer["image"]["imageId"]["imageDigest"])

    async def push(self, content: str, tag: str | None = None) -> tuple[str, str]:
        """An image with this configuration: (its digest, its configuration's)."""
        key = Registry(ACCOUNT, REGION).scope("web")
        if self.aws.store.read(lambda view: view.get(Repository, key)) is None:
            await self.aws.dispatcher.call(
                self.aws.caller, "ecr", "CreateRepository", {"repositoryName": "web"}
            )
        repository = self.aws.store.read(lambda view: view.get(Repository, key))
        assert repository is not None
        blob = self.aws.blobs.put(content.encode())
        await self.aws.store.write(lambda tx: record_layer(tx, repository, blob))
        config = f"sha256:{blob.sha256}"
        manifest = {"schemaVersion": 2, "mediaType": SCHEMA2, "config": {"digest": config}, "layers": []}
        return await self.put(manifest, tag), config


@pytest.fixture
def world() -> Iterator[World]:
    with cloud() as aws:
        yield World(aws)


async def test_what_the_engine_has_is_used_without_a_pull(world: World) -> None:
    digest, config = await world.push("one", "v1")
    world.engine.images[config] = info(config)
    for reference in (f"{HOST}/web:v1", f"{ACCOUNT}.dkr.ecr.{REGION}.localhost:4566/web@{digest}"):
        found = await world.resolve(reference)
        assert (found.id, found.digest, found.reference) == (config, digest, reference)
    assert world.engine.pulls == []


async def test_a_tag_means_what_ecr_says_now(world: World) -> None:
    for content in ("one", "two"):
        _, config = await world.push(content, "latest")
        world.engine.images[config] = info(config)
        assert (await world.resolve(f"{HOST}/web")).id == config


async def test_what_the_engine_has_not_is_pulled_from_loopback_with_a_token(world: World) -> None:
    digest, config = await world.push("one", "v1")
    name = f"127.0.0.1:4566/{HOST}/web@{digest}"
    world.engine.elsewhere[name] = info(config)
    assert (await world.resolve(f"{HOST}/web:v1")).id == config
    ((pulled, credentials),) = world.engine.pulls
    assert pulled == name
    assert credentials is not None
    assert credentials.username == "AWS"
    grant = verify(credentials.password, world.aws.store.read(lambda view: view.get(SigningKey, "ecr")))
    assert grant is not None
    assert grant.principal == world.aws.caller.principal


async def test_a_missing_image_is_named_as_fargate_names_it(world: World) -> None:
    await world.push("one", "v1")
    for reference in (f"{HOST}/web:v2", f"{HOST}/other:v1"):
        with pytest.raises(ImageUnavailable) as caught:
            await world.resolve(reference)
        assert caught.value.reason == f"failed to resolve ref {reference}: not found"


async def test_of_a_list_the_image_for_this_machine_is_taken(world: World) -> None:
    arm, _ = await world.push("arm")
    amd, config = await world.push("amd")
    world.engine.images[config] = info(config)
    parts = [
        {"digest": arm, "platform": {"os": "linux", "architecture": "arm64"}},
        {"digest": amd, "platform": {"os": "linux", "architecture": "amd64"}},
    ]
    await world.put({"schemaVersion": 2, "mediaType": LIST, "manifests": parts}, "both")
    assert (await world.resolve(f"{HOST}/web:both")).id == config
    await world.put({"schemaVersion": 2, "mediaType": LIST, "manifests": parts[:1]}, "arm")
    with pytest.raises(ImageUnavailable) as caught:
        await world.resolve(f"{HOST}/web:arm")
    assert caught.value.reason == "image Manifest does not contain descriptor matching platform 'linux/amd64'"


async def test_other_images_are_local_or_pulled(world: World) -> None:
    world.engine.images["python:3.12-slim"] = info("sha256:" + hashlib.sha256(b"python").hexdigest())
    assert (await world.resolve("python:3.12-slim")).reference.startswith("sha256:")
    with pytest.raises(ImageUnavailable):
        await world.resolve("nowhere:1")
    assert [name for name, _ in world.engine.pulls] == ["nowhere:1"]
