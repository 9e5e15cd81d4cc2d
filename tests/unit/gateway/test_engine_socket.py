"""A build's engine socket: names both ways, Dockerfiles, contexts, and what it answers without an engine."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import tarfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from neargate.gateway.engine_socket import EngineSocket
from neargate.gateway.engine_socket.build_context import rewrite_file
from neargate.gateway.engine_socket.dockerfile import rewritten
from neargate.gateway.engine_socket.names import BuildNames, slug_of
from neargate.gateway.engine_socket.wire import split_version
from neargate.gateway.registry.names import locate
from neargate.model.ecr import Registry
from neargate.runtimes.engine_connection import EngineAddress
from tests.unit.services.cloud import ACCOUNT, REGION, Cloud, cloud

HOST = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
LOCAL = f"{ACCOUNT}.dkr.ecr.{REGION}.localhost:4566"
NAMES = BuildNames(4566, "web-1")


@pytest.mark.parametrize(
    "name", ["app:dev", "team/app:1", f"{HOST}/team/web:v1", f"{LOCAL}/web:v1", "reg.example.com:5000/x:1"]
)
def test_every_name_comes_back_as_it_was_written(name: str) -> None:
    engine_name = NAMES.image(name)
    assert engine_name.startswith("127.0.0.1:4566/builds/web-1/")
    assert ":" not in engine_name.removeprefix("127.0.0.1:4566").rpartition(":")[0]
    assert NAMES.for_user(f'{{"stream": "Successfully tagged {engine_name}\\n"}}') == (
        f'{{"stream": "Successfully tagged {name}\\n"}}'
    )


@pytest.mark.parametrize("host", [HOST, LOCAL])
def test_a_push_finds_the_repository_from_the_engines_name(host: str) -> None:
    path = NAMES.image(f"{host}/team/web:v1").removeprefix("127.0.0.1:4566/").rpartition(":")[0]
    assert locate("127.0.0.1:4566", path) == (Registry(ACCOUNT, REGION), "team/web")


def test_a_name_means_the_builds_own_image_or_an_ordinary_one_but_nobody_elses() -> None:
    others = BuildNames(4566, "other").image("app:dev")
    tags = {NAMES.image("mine"), others, "docker.io/library/python:3.12-slim", "localhost/tool:1", "base:1"}
    assert NAMES.resolve("mine", tags) == NAMES.image("mine:latest")
    assert NAMES.resolve("app:dev", tags) is None
    assert NAMES.resolve("python:3.12-slim", tags) == "docker.io/library/python:3.12-slim"
    assert NAMES.resolve("docker.io/library/base:1", tags) == "base:1"
    assert NAMES.resolve("tool:1", tags) == "localhost/tool:1"
    assert NAMES.resolve(f"{HOST}/web:v1", tags) is None
    assert NAMES.belongs_to_others(others)
    assert not NAMES.belongs_to_others(NAMES.image("mine"))


def test_a_build_id_becomes_part_of_a_name() -> None:
    assert slug_of("ProductService-Build:0a1b-2c") == "productservice-build-0a1b-2c"


def test_a_dockerfile_names_images_in_from_only() -> None:
    text = """# FROM nothing
ARG HOST=ecr.example
ARG TAG="v1"
ARG UNSET
FROM --platform=linux/amd64 python:3.12 AS base
FROM ${HOST}/web:$TAG AS second
FROM $UNSET
FROM base
FROM scratch
COPY --from=base /a /a
COPY --from=tool:1 --chown=1:1 /b /b
COPY --from=0 /c /c
RUN --mount=type=bind,from=tool:2,target=/t echo FROM me
ENV HOST=$HOST
"""
    assert (
        rewritten(text, lambda name: f"<{name}>", {"TAG": "v2"})
        == """# FROM nothing
ARG HOST=ecr.example
ARG TAG="v1"
ARG UNSET
FROM --platform=linux/amd64 <python:3.12> AS base
FROM <ecr.example/web:v2> AS second
FROM $UNSET
FROM base
FROM scratch
COPY --from=base /a /a
COPY --from=<tool:1> --chown=1:1 /b /b
COPY --from=0 /c /c
RUN --mount=type=bind,from=<tool:2>,target=/t echo FROM me
ENV HOST=$HOST
"""
    )


def context(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            entry.pax_headers = {"comment": "é" * 300}
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


async def passed(data: bytes, piece: int, path: str = "Dockerfile") -> bytes:
    async def chunks() -> AsyncIterator[bytes]:
        for at in range(0, len(data), piece):
            yield data[at : at + piece]

    rewrite = rewrite_file(chunks(), path, lambda content: content.replace(b"FROM a", b"FROM " + b"b" * 600))
    return b"".join([chunk async for chunk in rewrite])


@pytest.mark.anyio
@pytest.mark.parametrize("piece", [1, 511, 100_000])
async def test_one_file_of_a_context_is_rewritten_and_all_else_passes(piece: int) -> None:
    files = {"before": b"x" * 1300, "Dockerfile": b"FROM a\n", "after": b"FROM a\n"}
    result = await passed(context(**files), piece)
    with tarfile.open(fileobj=io.BytesIO(result)) as tar:
        found = {entry.name: tar.extractfile(entry).read() for entry in tar}  # type: ignore[union-attr]
    assert found == {**files, "Dockerfile": b"FROM " + b"b" * 600 + b"\n"}
    untouched = context(**files)
    assert await passed(untouched, piece, "docker/Dockerfile") == untouched


@pytest.mark.anyio
async def test_what_is_no_tar_passes_as_it_is() -> None:
    for data in (b"", b"\x1f\x8b" + bytes(range(256)) * 5, b"short"):
        assert await passed(data, 100) == data


class Build:
    """A client on the socket of a build whose engine does not answer."""

    def __init__(self, aws: Cloud, directory: Path) -> None:
        self.aws = aws
        self.path = directory / "engine.sock"

        async def locate() -> EngineAddress:
            return EngineAddress(f"unix://{directory}/nobody.sock")

        self.socket = EngineSocket(locate, aws.dispatcher, aws.caller, "owner", "web:1", 4566)

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        reader, writer = await asyncio.open_unix_connection(self.path)
        data = b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} /v1.41/{path} HTTP/1.1", "Host: docker", f"Content-Length: {len(data)}"]
        lines += ["Connection: close", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        writer.write("\r\n".join(lines).encode() + data)
        head, _, content = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        await writer.wait_closed()
        return int(head.split()[1]), json.loads(content) if content else None


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Build]:
    with cloud() as aws:
        yield Build(aws, tmp_path)


async def token(aws: Cloud) -> str:
    data = await aws.dispatcher.call(aws.caller, "ecr", "GetAuthorizationToken", {})
    return base64.b64decode(data["authorizationData"][0]["authorizationToken"]).decode().partition(":")[2]


@pytest.mark.anyio
async def test_docker_login_to_ecr_is_checked_here(build: Build) -> None:
    await build.socket.start(build.path)
    login = {"username": "AWS", "password": await token(build.aws), "serveraddress": f"https://{HOST}"}
    assert await build.ask("POST", "auth", login) == (
        200,
        {"Status": "Login Succeeded", "IdentityToken": ""},
    )
    status, said = await build.ask("POST", "auth", {**login, "password": "wrong"})
    assert status == 401
    assert said["message"] == f"login attempt to https://{HOST}/v2/ failed with status: 401 Unauthorized"
    build.aws.clock.advance(13 * 3600)
    _, said = await build.ask("POST", "auth", login)
    assert said["message"] == "denied: Your authorization token has expired. Reauthenticate and try again."
    await build.socket.stop()
    assert not build.path.exists()


@pytest.mark.anyio
async def test_what_is_not_supported_is_named(build: Build) -> None:
    await build.socket.start(build.path)
    for method, path in (("GET", "networks"), ("POST", "swarm/init"), ("GET", "images/search")):
        assert await build.ask(method, path) == (
            501,
            {"message": f"{method} /{path} is not supported by Neargate's engine socket for builds."},
        )
    status, said = await build.ask("POST", "build?version=2")
    assert (status, said["message"]) == (
        501,
        "Neargate's engine socket has the classic builder only: set DOCKER_BUILDKIT=0.",
    )
    await build.socket.stop()


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("host", "what"),
    [
        ({"Privileged": True}, "have Privileged"),
        ({"Binds": ["/:/host"]}, "have Binds"),
        ({"PidMode": "host"}, "have PidMode"),
        ({"IpcMode": "host"}, "use IpcMode host"),
        ({"NetworkMode": "other"}, "use the network other"),
        ({"Links": ["somebody:them"]}, "have Links"),
        ({"MaskedPaths": []}, "set MaskedPaths"),
        ({"LogConfig": {"Type": "k8s-file", "Config": {"path": "/etc/cron.d/x"}}}, "set options of its log"),
    ],
)
async def test_a_container_gets_no_more_than_its_build_has(build: Build, host: Any, what: str) -> None:
    await build.socket.start(build.path)
    status, said = await build.ask("POST", "containers/create", {"Image": "x", "HostConfig": host})
    assert status == 403
    assert said["message"].startswith(f"A build's container cannot {what}")
    await build.socket.stop()


@pytest.mark.anyio
@pytest.mark.parametrize(
    "wanted",
    [
        {"hostconfig": {"Binds": ["/:/host"]}},
        {"HostConfig": {"binds": ["/:/host"]}},
        {"HostConfig": {"Bind\u017f": ["/:/host"]}},
        {"HostConfig": {"privileged": True}},
        {"HostConfig": {"LogConfig": {"config": {"path": "/etc/x"}}}},
        {"volumes": {"/:/host": {}}},
        {"HostConfig": ["Binds"]},
    ],
)
async def test_a_member_is_checked_however_it_is_spelled(build: Build, wanted: Any) -> None:
    """Go's JSON takes `binds`, and even a long s, for Binds."""
    await build.socket.start(build.path)
    status, said = await build.ask("POST", "containers/create", {"Image": "x", **wanted})
    assert status == 400
    assert "only in this spelling" in said["message"] or "a JSON object is wanted" in said["message"]
    await build.socket.stop()


def test_a_version_holds_no_more_than_a_version() -> None:
    assert split_version("/v1.41/images/json") == ("v1.41", "images/json")
    assert split_version("/version") == ("", "version")
    assert split_version("/v1\r\nX: y/containers/a/attach") == ("", "v1\r\nX: y/containers/a/attach")


@pytest.mark.anyio
async def test_a_volume_cannot_be_a_path_of_the_machine(build: Build) -> None:
    """Podman takes the keys of Volumes as `--volume` does: this one would be a bind mount."""
    await build.socket.start(build.path)
    status, said = await build.ask("POST", "containers/create", {"Image": "x", "Volumes": {"/:/host": {}}})
    assert status == 403
    assert said["message"].startswith("A build's container cannot have the volume /:/host")
    await build.socket.stop()


@pytest.mark.anyio
async def test_an_images_name_leads_nowhere_else_in_the_engines_api(build: Build) -> None:
    """The engine's client resolves `..`: such a name would show, and remove, what is another's."""
    await build.socket.start(build.path)
    elsewhere = "..%2F..%2F..%2Fcontainers%2Fother%2Fjson%3F"
    for method, path in (
        ("GET", f"images/{elsewhere}/json"),
        ("DELETE", f"images/{elsewhere}"),
        ("POST", f"images/{elsewhere}/push"),
        ("POST", f"images/{elsewhere}/tag?repo=mine"),
        ("POST", f"images/create?fromImage={elsewhere}"),
    ):
        status, said = await build.ask(method, path)
        assert (status, said["message"].partition(":")[0]) == (400, "invalid reference format"), path
    status, _ = await build.ask("POST", "containers/create", {"Image": "../../../x"})
    assert status == 400
    for path in ("containers/x%3Fall=1/json", "containers/../json", "exec/x%23/json"):
        assert (await build.ask("GET", path))[0] == 404
    await build.socket.stop()


@pytest.mark.anyio
async def test_an_engine_that_does_not_answer_is_said_so(build: Build) -> None:
    await build.socket.start(build.path)
    status, said = await build.ask("GET", "images/json")
    assert status == 503
    assert "nobody.sock" in said["message"]
    await build.socket.stop()
