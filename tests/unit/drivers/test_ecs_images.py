"""Images: logins, architectures, one version for all tasks of a deployment, and why one cannot be had."""

from __future__ import annotations

import json
from uuid import uuid4

import attrs
import pytest

from neargate.drivers.ecs.failures import at_digest, cannot_pull, cannot_start, reason_of
from neargate.model.ecs import ImageVersion
from neargate.model.runtime import Credentials
from tests.unit.drivers.ecs_world import EcsWorld, container, ecs_world

pytestmark = pytest.mark.anyio

NAME = "docker.io/library/web:1"
URL = "https://registry-1.docker.io/v2/library/web/manifests/1"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("manifest unknown: manifest unknown", f"failed to resolve ref {NAME}: not found"),
        (
            "reading manifest 1 in docker.io/library/web: errors:\\ndenied: requested access is denied",
            f"failed to resolve ref {NAME}: pull access denied, repository does not exist or may require "
            "authorization: server message: insufficient_scope: authorization failed",
        ),
        (
            "pinging container registry: Get: dial tcp 44.2.6.7:443: i/o timeout",
            f'failed to resolve ref {NAME}: failed to do request: Head "{URL}": dial tcp 44.2.6.7:443: i/o timeout',
        ),
        (
            "initializing source: toomanyrequests: You have reached your pull rate limit.",
            f"httpReadSeeker: failed open: unexpected status code {URL}: 429 Too Many Requests - Server message: "
            "toomanyrequests: You have reached your pull rate limit.",
        ),
        ("failed to resolve ref x: not found", "failed to resolve ref x: not found"),
        ("no space left on device", "no space left on device"),
    ],
)
def test_an_engines_text_in_fargates_words(said: str, expected: str) -> None:
    assert reason_of("web:1", said) == expected


@pytest.mark.parametrize(
    "said",
    [
        'runc: runc create failed: unable to start container process: exec: "x": executable file not found in $PATH: '
        "OCI runtime attempted to invoke a command that was not found",
        "failed to create task for container: failed to create shim task: OCI runtime create failed: runc create "
        'failed: unable to start container process: exec: "x": executable file not found in $PATH: unknown',
    ],
    ids=["podman", "docker"],
)
def test_a_command_that_is_not_there_in_fargates_words(said: str) -> None:
    assert cannot_start(said) == (
        "CannotStartContainerError: ResourceInitializationError: failed to create new container runtime task: failed "
        "to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: "
        '"x": executable file not found in $PATH: unknown'
    )
    assert cannot_start("no space left").endswith("failed to create shim task: no space left")


def test_fargate_tries_some_failures_more_often_than_others() -> None:
    start = "CannotPullContainerError: pull image manifest has been retried"
    assert cannot_pull("x: not found").startswith(f"{start} 1 time(s): ")
    assert cannot_pull("dial tcp: i/o timeout").startswith(f"{start} 5 time(s): ")
    assert cannot_pull("descriptor matching platform 'linux/amd64'").startswith(f"{start} 7 time(s): ")


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("web:1", "web@sha256:0"),
        ("web", "web@sha256:0"),
        ("host:5000/a/web", "host:5000/a/web@sha256:0"),
        ("host:5000/a/web:2", "host:5000/a/web@sha256:0"),
        ("web@sha256:1", "web@sha256:0"),
    ],
)
def test_the_name_of_a_certain_image(reference: str, expected: str) -> None:
    assert at_digest(reference, "sha256:0") == expected


async def ended(world: EcsWorld, image: str, secret: str = "", **members: object) -> str:
    credentials = {"repositoryCredentials": {"credentialsParameter": secret}} if secret else {}
    definition = await world.register(container(image=image, **credentials), **members)
    return str((await world.until_status(await world.run_task(definition), "STOPPED"))["stoppedReason"])


async def secret(world: EcsWorld, text: str) -> str:
    made = await world.call(
        "CreateSecret", "secretsmanager", Name="registry", SecretString=text, ClientRequestToken=str(uuid4())
    )
    return str(made["ARN"])


async def allow(world: EcsWorld) -> None:
    statement = {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    await world.call("PutRolePolicy", "iam", RoleName="exec", PolicyName="more", PolicyDocument=document)


async def test_repository_credentials_are_read_in_the_execution_role_and_used_for_the_pull() -> None:
    async with ecs_world() as world:
        world.containers.add_image("private.example/app:1", local=False)
        world.containers.logins["private.example/app:1"] = Credentials("me", "word")
        arn = await secret(world, json.dumps({"username": "me", "password": "word"}))
        text = await ended(world, "private.example/app:1", arn)
        assert text.startswith(
            "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval "
            "failed: unable to retrieve secret from asm: service call has been retried 1 time(s): failed to fetch "
            f"secret {arn} from secrets manager: AccessDeniedException: "
        )
        await allow(world)
        assert "pull access denied" in await ended(world, "private.example/app:1")
        definition = await world.register(
            container(
                image="private.example/app:1", repositoryCredentials={"credentialsParameter": "registry"}
            )
        )
        await world.until_status(await world.run_task(definition), "RUNNING")


async def test_a_secret_that_is_no_login_is_told() -> None:
    async with ecs_world() as world:
        await allow(world)
        arn = await secret(world, "just text")
        text = await ended(world, "app:1", arn)
        assert f"unable to unmarshal registry credentials from secret {arn}" in text


async def test_an_arm_task_needs_an_arm_machine_or_an_emulator_that_was_asked_for() -> None:
    async with ecs_world() as world:
        image = world.containers.add_image("arm:1")
        world.containers.images["arm:1"] = attrs.evolve(image, architecture="arm64")
        arm = {"runtimePlatform": {"cpuArchitecture": "ARM64", "operatingSystemFamily": "LINUX"}}
        text = await ended(world, "arm:1", **arm)
        assert text.startswith(
            "CannotPullContainerError: pull image manifest has been retried 7 time(s): image Manifest does not "
            "contain descriptor matching platform 'linux/arm64'"
        )
        assert "NEARGATE_EMULATE=1" in text


async def test_under_emulation_an_arm_task_runs_arm_images_and_no_others() -> None:
    async with ecs_world(emulate=True) as world:
        image = world.containers.add_image("arm:1")
        world.containers.images["arm:1"] = attrs.evolve(image, architecture="arm64")
        arm = {"runtimePlatform": {"cpuArchitecture": "ARM64"}}
        assert "qemu's handler for arm64 is not registered" in await ended(world, "arm:1", **arm)
        world.containers.emulates = ("arm64",)
        await world.until_status(
            await world.run_task(await world.register(container(image="arm:1"), **arm)), "RUNNING"
        )
        assert (await ended(world, "app:1", **arm)).endswith("platform 'linux/arm64'")


async def test_all_tasks_of_a_deployment_run_the_image_that_the_tag_meant_at_first() -> None:
    async with ecs_world() as world:
        first = world.containers.images["app:1"]
        await world.create_service(await world.register(), desiredCount=1)
        await world.until(lambda: [t.status for t in world.tasks()] == ["RUNNING"])
        moved = world.containers.add_image("app:1")
        world.containers.images["first"] = first
        await world.call("UpdateService", cluster="c", service="web", desiredCount=2)
        await world.until(lambda: sum(t.status == "RUNNING" for t in world.tasks()) == 2)
        assert set(world.names()) == {first.id}

        await world.call("UpdateService", cluster="c", service="web", forceNewDeployment=True)
        await world.until(lambda: moved.id in world.names())
        versions = world.store.read(lambda view: view.scan(ImageVersion))
        assert {version.digest for version in versions} == {first.id, moved.id}


async def test_without_version_consistency_every_task_asks_the_tag() -> None:
    async with ecs_world() as world:
        first = world.containers.images["app:1"]
        definition = await world.register(container(versionConsistency="disabled"))
        await world.create_service(definition, desiredCount=1)
        await world.until(lambda: [t.status for t in world.tasks()] == ["RUNNING"])
        moved = world.containers.add_image("app:1")
        world.containers.images["first"] = first
        await world.call("UpdateService", cluster="c", service="web", desiredCount=2)
        await world.until(lambda: sum(t.status == "RUNNING" for t in world.tasks()) == 2)
        assert set(world.names()) == {first.id, moved.id}
        assert world.store.read(lambda view: view.scan(ImageVersion)) == []
