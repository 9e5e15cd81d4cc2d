"""The registry at /v2/, asked in-process as a container engine asks it."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, MutableMapping
from typing import Any

import attrs
import pytest

from neargate.gateway.registry import registry_app
from neargate.gateway.registry.names import DEFAULT, locate
from neargate.model.ecr import Registry
from tests.unit.services.cloud import ACCOUNT, REGION, Cloud, cloud

pytestmark = pytest.mark.anyio

HOST = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
SCHEMA2 = "application/vnd.docker.distribution.manifest.v2+json"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@attrs.frozen
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> tuple[str, str]:
        error = json.loads(self.body)["errors"][0]
        return error["code"], error["message"]


class Client:
    """Sends requests to the app as an engine with a token would."""

    def __init__(self, aws: Cloud) -> None:
        self.aws = aws
        self.app = registry_app(aws.dispatcher, aws.blobs)
        self.token: str | None = None

    async def ecr(self, operation: str, **request: Any) -> dict[str, Any]:
        return await self.aws.dispatcher.call(self.aws.caller, "ecr", operation, request)

    async def login(self) -> None:
        data = (await self.ecr("GetAuthorizationToken"))["authorizationData"][0]
        self.token = data["authorizationToken"]

    async def ask(
        self, method: str, path: str, *pieces: bytes, host: str = "127.0.0.1:4566", **headers: str
    ) -> Answer:
        fields = {"host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
        if self.token:
            fields["authorization"] = f"Basic {self.token}"
        path, _, query = path.partition("?")
        messages = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
        messages.append({"type": "http.request", "body": b"", "more_body": False})
        sent: list[MutableMapping[str, Any]] = []

        async def receive() -> MutableMapping[str, Any]:
            return messages.pop(0)

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in fields.items()],
        }
        await self.app(scope, receive, send)
        answered = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return Answer(sent[0]["status"], answered, b"".join(each.get("body", b"") for each in sent[1:]))

    async def upload(self, name: str, data: bytes) -> str:
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        answer = await self.ask("POST", f"/v2/{name}/blobs/uploads/?digest={digest}", data)
        assert answer.status == 201, answer
        return digest

    async def push(self, name: str, tag: str, content: str = "one") -> Answer:
        config = await self.upload(name, f"config {content}".encode())
        layer = await self.upload(name, f"layer {content}".encode())
        manifest = {
            "schemaVersion": 2,
            "mediaType": SCHEMA2,
            "config": {"digest": config},
            "layers": [{"digest": layer}],
        }
        body = json.dumps(manifest).encode()
        return await self.ask("PUT", f"/v2/{name}/manifests/{tag}", body, content_type=SCHEMA2)


@pytest.fixture
def registry() -> Iterator[Client]:
    with cloud() as aws:
        client = Client(aws)
        yield client
        client.app.close()


async def test_nobody_is_let_in_without_a_token(registry: Client) -> None:
    for path in ("/v2/", "/v2/web/manifests/v1"):
        answer = await registry.ask("GET", path, host="127.0.0.1:4566")
        assert answer.status == 401
        assert answer.headers["www-authenticate"].startswith('Basic realm="https://127.0.0.1:4566/"')
    registry.token = base64.b64encode(b"AWS:forged").decode()
    assert (await registry.ask("GET", "/v2/")).error == ("DENIED", "Your Authorization Token is invalid.")
    await registry.login()
    assert (await registry.ask("GET", "/v2/")).status == 200
    registry.aws.clock.advance(12 * 3600 + 1)
    answer = await registry.ask("GET", "/v2/")
    assert answer.status == 403
    assert answer.error == ("DENIED", "Your authorization token has expired. Reauthenticate and try again.")


async def test_a_missing_repository_is_named_in_ecrs_words(registry: Client) -> None:
    await registry.login()
    expected = (
        "NAME_UNKNOWN",
        f"The repository with name 'team/web' does not exist in the registry with id '{ACCOUNT}'",
    )
    for method, path in (("POST", "blobs/uploads/"), ("GET", "manifests/v1"), ("GET", "tags/list")):
        answer = await registry.ask(method, f"/v2/team/web/{path}")
        assert (answer.status, answer.error) == (404, expected)


async def test_what_is_pushed_under_one_name_is_pulled_under_every_other(registry: Client) -> None:
    await registry.login()
    await registry.ecr("CreateRepository", repositoryName="team/web")
    pushed = await registry.push(f"builds/b-1/{HOST}/team/web", "v1")
    assert pushed.status == 201
    digest = pushed.headers["docker-content-digest"]
    local = f"{ACCOUNT}.dkr.ecr.{REGION}.localhost"
    for host, name in (
        (HOST, "team/web"),
        (f"{local}:4566", "team/web"),
        ("127.0.0.1:4566", f"{HOST}/team/web"),
        ("127.0.0.1:4566", f"{local}__4566/team/web"),
        ("localhost:4566", "team/web"),
    ):
        for reference in ("v1", digest):
            answer = await registry.ask("GET", f"/v2/{name}/manifests/{reference}", host=host)
            assert (answer.status, answer.headers["content-type"]) == (200, SCHEMA2)
            assert f"sha256:{hashlib.sha256(answer.body).hexdigest()}" == digest
    head = await registry.ask("HEAD", "/v2/team/web/manifests/v1")
    assert (head.status, head.body, int(head.headers["content-length"])) == (200, b"", len(answer.body))
    tags = await registry.ask("GET", "/v2/team/web/tags/list")
    assert json.loads(tags.body) == {"name": "team/web", "tags": ["v1"]}
    images = await registry.ecr("DescribeImages", repositoryName="team/web")
    assert [each["imageDigest"] for each in images["imageDetails"]] == [digest]
    missing = await registry.ask("GET", "/v2/team/web/manifests/v2")
    assert (missing.status, missing.error) == (404, ("MANIFEST_UNKNOWN", "Requested image not found"))


async def test_a_blob_arrives_in_pieces_and_leaves_in_ranges(registry: Client) -> None:
    await registry.login()
    await registry.ecr("CreateRepository", repositoryName="web")
    begun = await registry.ask("POST", "/v2/web/blobs/uploads/")
    assert begun.status == 202
    place = begun.headers["location"]
    first = await registry.ask("PATCH", place, b"01", b"234")
    assert (first.status, first.headers["range"]) == (202, "0-4")
    wrong = await registry.ask("PATCH", place, b"x", content_range="9-9")
    assert wrong.status == 416
    second = await registry.ask("PATCH", place, b"567", content_range="5-7")
    assert second.headers["range"] == "0-7"
    digest = "sha256:" + hashlib.sha256(b"0123456789").hexdigest()
    done = await registry.ask("PUT", f"{place}?digest={digest}", b"89")
    assert (done.status, done.headers["location"]) == (201, f"/v2/web/blobs/{digest}")
    blob = f"/v2/web/blobs/{digest}"
    assert (await registry.ask("GET", blob)).body == b"0123456789"
    for asked, body, said in (
        ("bytes=2-4", b"234", "bytes 2-4/10"),
        ("bytes=7-", b"789", "bytes 7-9/10"),
        ("bytes=-2", b"89", "bytes 8-9/10"),
    ):
        part = await registry.ask("GET", blob, range=asked)
        assert (part.status, part.body, part.headers["content-range"]) == (206, body, said)
    assert (await registry.ask("GET", blob, range="bytes=10-")).status == 416
    assert (await registry.ask("PUT", f"{place}?digest={digest}")).error[0] == "BLOB_UPLOAD_UNKNOWN"


async def test_content_that_is_not_what_it_says_is_refused(registry: Client) -> None:
    await registry.login()
    await registry.ecr("CreateRepository", repositoryName="web")
    digest = "sha256:" + "0" * 64
    answer = await registry.ask("POST", f"/v2/web/blobs/uploads/?digest={digest}", b"something else")
    assert (answer.status, answer.error[0]) == (400, "DIGEST_INVALID")
    assert (await registry.ask("HEAD", f"/v2/web/blobs/{digest}")).status == 404


async def test_a_layer_is_mounted_from_another_repository(registry: Client) -> None:
    await registry.login()
    for name in ("web", "api"):
        await registry.ecr("CreateRepository", repositoryName=name)
    digest = await registry.upload("web", b"layer")
    mounted = await registry.ask("POST", f"/v2/api/blobs/uploads/?mount={digest}&from=web")
    assert mounted.status == 201
    assert (await registry.ask("GET", f"/v2/api/blobs/{digest}")).body == b"layer"
    other = "sha256:" + "1" * 64
    assert (await registry.ask("POST", f"/v2/api/blobs/uploads/?mount={other}&from=web")).status == 202


async def test_a_tag_of_an_immutable_repository_cannot_be_moved(registry: Client) -> None:
    await registry.login()
    await registry.ecr("CreateRepository", repositoryName="web", imageTagMutability="IMMUTABLE")
    assert (await registry.push("web", "v1")).status == 201
    assert (await registry.push("web", "v1")).status == 201, "the very same image is no change"
    answer = await registry.push("web", "v1", "two")
    assert answer.error == (
        "TAG_INVALID",
        "The image tag 'v1' already exists in the 'web' repository and cannot be overwritten because the "
        "repository is immutable.",
    )


async def test_a_manifest_needs_its_blobs(registry: Client) -> None:
    await registry.login()
    await registry.ecr("CreateRepository", repositoryName="web")
    absent = "sha256:" + "0" * 64
    body = json.dumps({"schemaVersion": 2, "mediaType": SCHEMA2, "config": {"digest": absent}, "layers": []})
    answer = await registry.ask("PUT", "/v2/web/manifests/v1", body.encode(), content_type=SCHEMA2)
    assert (answer.status, answer.error[0]) == (400, "MANIFEST_BLOB_UNKNOWN")


async def test_a_layers_download_url_needs_no_header(registry: Client) -> None:
    await registry.login()
    await registry.ecr("CreateRepository", repositoryName="web")
    await registry.push("web", "v1")
    layer = "sha256:" + hashlib.sha256(b"layer one").hexdigest()
    url = (await registry.ecr("GetDownloadUrlForLayer", repositoryName="web", layerDigest=layer))[
        "downloadUrl"
    ]
    registry.token = None
    answer = await registry.ask("GET", url.removeprefix("http://127.0.0.1:4566"), host="127.0.0.1:4566")
    assert answer.body == b"layer one"


def test_a_loopback_path_names_the_registry_or_means_the_default_one() -> None:
    other = Registry("123456789012", "eu-west-1")
    assert locate("127.0.0.1:4566", f"{other.host}/a/b") == (other, "a/b")
    assert locate(f"{other.host}", "a/b") == (other, "a/b")
    assert locate("127.0.0.1:4566", "a/b") == (DEFAULT, "a/b")
