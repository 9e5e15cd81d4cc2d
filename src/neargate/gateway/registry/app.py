"""The registry: authenticate → find the repository → manifests, blobs, uploads or tags."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import json
import re
from collections.abc import Awaitable, Callable
from urllib.parse import quote

import structlog

from neargate.gateway.registry import errors
from neargate.gateway.registry.errors import RegistryError
from neargate.gateway.registry.exchange import AsgiScope, ClientLeft, Exchange, Receive, Send
from neargate.gateway.registry.names import Route, locate, route
from neargate.gateway.registry.uploads import Upload, Uploads
from neargate.model.ecr import Grant, Image, ImageTag, Layer, Registry, Repository, SigningKey, verify
from neargate.model.errors import AwsError
from neargate.model.operations import Caller
from neargate.model.records import Blob, Reader
from neargate.services.dispatch import Dispatcher
from neargate.services.ecr.images import tags_by_digest
from neargate.services.ecr.layers import record_layer
from neargate.services.ecr.lookup import repository_not_found
from neargate.store.blobs import BlobDirectory, BlobMissing

log = structlog.get_logger()

_CHUNK = 1 << 20
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)


def registry_app(dispatcher: Dispatcher, blobs: BlobDirectory) -> RegistryApp:
    """The ASGI app for every path under /v2/ (the prefix stays in the path)."""
    return RegistryApp(dispatcher, blobs)


class RegistryApp:
    """The OCI distribution API over ECR's records. Images come and go through ECR's operations."""

    def __init__(self, dispatcher: Dispatcher, blobs: BlobDirectory) -> None:
        self._dispatcher = dispatcher
        self._store = dispatcher.store
        self._blobs = blobs
        self._uploads = Uploads(blobs, dispatcher.clock, dispatcher.ids)

    def close(self) -> None:
        """Forget unfinished uploads."""
        self._uploads.close()

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        exchange = Exchange(scope, receive, send)
        try:
            try:
                await self._serve(exchange)
            except AwsError as error:
                raise errors.of_aws(error) from error
        except RegistryError as error:
            headers = {"Content-Type": "application/json; charset=utf-8", **dict(error.headers)}
            await exchange.answer(error.status, headers, error.body())
        except ClientLeft:
            log.debug("registry.client-left", path=exchange.path)

    async def _serve(self, exchange: Exchange) -> None:
        host = exchange.headers.get("host", "")
        grant = self._authenticate(exchange, host)
        if exchange.path.rstrip("/") == "/v2":
            await exchange.answer(200, {"Content-Type": "application/json"}, b"{}")
            return
        if exchange.path == "/v2/_catalog":
            await self._catalog(exchange, locate(host, "")[0])
            return
        asked = route(host, exchange.path)
        serve = None if asked is None else self._table().get((exchange.method, asked.what))
        if asked is None or serve is None:
            raise RegistryError(
                405 if asked else 404,
                "UNSUPPORTED",
                f"{exchange.method} {exchange.path} is not supported by ECR's registry.",
            )
        repository = self._store.read(
            lambda view: view.get(Repository, asked.registry.scope(asked.repository))
        )
        if repository is None:
            raise errors.of_aws(repository_not_found(asked.registry, asked.repository))
        await serve(exchange, asked, repository, _caller(grant, asked.registry))

    def _table(
        self,
    ) -> dict[tuple[str, str], Callable[[Exchange, Route, Repository, Caller], Awaitable[None]]]:
        return {
            ("GET", "manifests"): self._get_manifest,
            ("HEAD", "manifests"): self._get_manifest,
            ("PUT", "manifests"): self._put_manifest,
            ("DELETE", "manifests"): self._delete_manifest,
            ("GET", "blobs"): self._get_blob,
            ("HEAD", "blobs"): self._get_blob,
            ("POST", "uploads"): self._begin_upload,
            ("GET", "uploads"): self._show_upload,
            ("PATCH", "uploads"): self._continue_upload,
            ("PUT", "uploads"): self._finish_upload,
            ("DELETE", "uploads"): self._abandon_upload,
            ("GET", "tags"): self._list_tags,
        }

    # Who asks

    def _authenticate(self, exchange: Exchange, host: str) -> Grant:
        """Basic AWS:token, or the `token` parameter of a layer's download URL."""
        token = exchange.query.get("token") or _password(exchange.headers.get("authorization", ""))
        if token is None:
            raise errors.unauthorized(host)
        grant = verify(token, self._store.read(lambda view: view.get(SigningKey, "ecr")))
        if grant is None:
            raise errors.denied("Your Authorization Token is invalid.")
        if grant.expires <= self._dispatcher.clock.now():
            raise errors.denied("Your authorization token has expired. Reauthenticate and try again.")
        return grant

    # Manifests

    async def _get_manifest(
        self, exchange: Exchange, asked: Route, repository: Repository, caller: Caller
    ) -> None:
        def find(view: Reader) -> Image | None:
            digest = asked.argument
            if not _DIGEST.fullmatch(digest):
                tag = view.get(ImageTag, f"{repository.key}:{digest}")
                digest = "" if tag is None else tag.digest
            return view.get(Image, f"{repository.key}:{digest}")

        image = self._store.read(find)
        if image is None:
            raise RegistryError(404, "MANIFEST_UNKNOWN", "Requested image not found")
        headers = {"Content-Type": image.media_type, "Docker-Content-Digest": image.digest}
        await exchange.answer(200, headers, image.manifest.encode())

    async def _put_manifest(
        self, exchange: Exchange, asked: Route, repository: Repository, caller: Caller
    ) -> None:
        text = await exchange.manifest()
        request = {
            "registryId": repository.account,
            "repositoryName": repository.name,
            "imageManifest": text,
            **_identifier(asked.argument),
        }
        if media_type := exchange.headers.get("content-type", "").partition(";")[0].strip():
            request["imageManifestMediaType"] = media_type
        try:
            await self._dispatcher.call(caller, "ecr", "PutImage", request)
        except AwsError as error:
            if error.code != "ImageAlreadyExistsException":
                raise
        digest = _digest_of(text)
        headers = {
            "Location": f"/v2/{quote(asked.name)}/manifests/{digest}",
            "Docker-Content-Digest": digest,
        }
        await exchange.answer(201, headers)

    async def _delete_manifest(
        self, exchange: Exchange, asked: Route, repository: Repository, caller: Caller
    ) -> None:
        answer = await self._dispatcher.call(
            caller,
            "ecr",
            "BatchDeleteImage",
            {
                "registryId": repository.account,
                "repositoryName": repository.name,
                "imageIds": [_identifier(asked.argument)],
            },
        )
        for failure in answer["failures"]:
            raise RegistryError(404, "MANIFEST_UNKNOWN", failure["failureReason"])
        await exchange.answer(202, {})

    async def _list_tags(
        self, exchange: Exchange, asked: Route, repository: Repository, caller: Caller
    ) -> None:
        by_digest = self._store.read(lambda view: tags_by_digest(view, repository))
        tags = sorted(tag for tags in by_digest.values() for tag in tags)
        body = {"name": asked.repository, "tags": _after(tags, exchange.query)}
        await exchange.answer(200, {"Content-Type": "application/json"}, json.dumps(body).encode())

    async def _catalog(self, exchange: Exchange, registry: Registry) -> None:
        found = self._store.read(lambda view: view.scan(Repository, registry.scope("")))
        body = {"repositories": _after([each.name for each in found], exchange.query)}
        await exchange.answer(200, {"Content-Type": "application/json"}, json.dumps(body).encode())

    # Blobs

    async def _get_blob(
        self, exchange: Exchange, asked: Route, repository: Repository, caller: Caller
    ) -> None:
        layer = self._store.read(lambda view: view.get(Layer, f"{repository.key}:{asked.argument}"))
        if layer is None or not self._blobs.holds(layer.blob):
            raise RegistryError(404, "BLOB_UNKNOWN", f"The blob {asked.argument} is unknown to the registry.")
        size = layer.blob.size
        wanted = exchange.range(size)
        start, end = wanted or (0, size)
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(end - start),
            "Docker-Content-Digest": layer.digest,
            "Accept-Ranges": "bytes",
        }
        if wanted:
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        await exchange.begin(206 if wanted else 200, headers)
        if exchange.method == "GET":
            await self._send_blob(exchange, layer.blob, start, end)
        await exchange.write(b"", more=False)

    async def _send_blob(self, exchange: Exchange, blob: Blob, start: int, end: int) -> None:
        for at in range(start, end, _CHUNK):
            try:
                piece = await asyncio.to_thread(self._blobs.read, blob, at, min(at + _CHUNK, end))
            except BlobMissing:
                raise ClientLeft from None  # deleted meanwhile: the answer has begun and can only break off
            await exchange.write(piece, more=True)

    # Uploads

    async def _begin_upload(
        self, exchange: Exchange, asked: Route, repository: Repository, caller: Caller
    ) -> None:
        mount, source = exchange.query.get("mount"), exchange.query.get("from")
        if mount and source:
            where, name = locate(exchange.headers.get("host", ""), source)
            if where == asked.registry and await self._mount(repository, where.scope(name), mount):
                await self._uploaded(exchange, asked, mount)
                return
        upload = self._uploads.begin(repository.key)
        if digest := exchange.query.get("digest"):
            await self._finish(exchange, asked, repository, upload, digest)
            return
        await _accepted(exchange, asked, upload)

    async def _mount(self, repository: Repository, source: str, digest: str) -> bool:
        layer = self._store.read(lambda view: view.get(Layer, f"{source}:{digest}"))
        if layer is None or not self._blobs.holds(layer.blob):
            return False
        await self._store.write(lambda tx: record_layer(tx, repository, layer.blob))
        return True

    async def _show_upload(
        self, exchange: Exchange, asked: Route, repository: Repository, caller: Caller
    ) -> None:
        await _accepted(exchange, asked, self._uploads.get(repository.key, asked.argument), status=204)

    async def _continue_upload(
        self, exchange: Exchange, asked: Route, repository: Repository, caller: Caller
    ) -> None:
        upload = self._uploads.get(repository.key, asked.argument)
        await upload.append(exchange.chunks(), _start_of(exchange))
        await _accepted(exchange, asked, upload)

    async def _finish_upload(
        self, exchange: Exchange, asked: Route, repository: Repository, caller: Caller
    ) -> None:
        upload = self._uploads.get(repository.key, asked.argument)
        await self._finish(exchange, asked, repository, upload, exchange.query.get("digest", ""))

    async def _finish(
        self, exchange: Exchange, asked: Route, repository: Repository, upload: Upload, digest: str
    ) -> None:
        if not _DIGEST.fullmatch(digest):
            raise RegistryError(400, "DIGEST_INVALID", f"'{digest}' is not a sha256 digest.")
        await upload.append(exchange.chunks(), _start_of(exchange))
        blob = await self._uploads.end(upload).finish(digest)
        await self._store.write(lambda tx: record_layer(tx, repository, blob))
        await self._uploaded(exchange, asked, digest)

    async def _uploaded(self, exchange: Exchange, asked: Route, digest: str) -> None:
        location = f"/v2/{quote(asked.name)}/blobs/{digest}"
        await exchange.answer(201, {"Location": location, "Docker-Content-Digest": digest})

    async def _abandon_upload(
        self, exchange: Exchange, asked: Route, repository: Repository, caller: Caller
    ) -> None:
        self._uploads.end(self._uploads.get(repository.key, asked.argument)).discard()
        await exchange.answer(204, {})


async def _accepted(exchange: Exchange, asked: Route, upload: Upload, status: int = 202) -> None:
    headers = {
        "Location": f"/v2/{quote(asked.name)}/blobs/uploads/{upload.id}",
        "Docker-Upload-UUID": upload.id,
        "Range": f"0-{max(upload.size - 1, 0)}",
    }
    await exchange.answer(status, headers)


def _password(authorization: str) -> str | None:
    """The password of `Basic AWS:token`."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return password if user == "AWS" and password else None


def _caller(grant: Grant, registry: Registry) -> Caller:
    return Caller(grant.account, registry.region, grant.principal, role=grant.role)


def _identifier(reference: str) -> dict[str, str]:
    """An ECR image identifier from a manifest's reference. Raises TAG_INVALID."""
    if _DIGEST.fullmatch(reference):
        return {"imageDigest": reference}
    if _TAG.fullmatch(reference):
        return {"imageTag": reference}
    raise RegistryError(400, "TAG_INVALID", f"'{reference}' is neither a tag nor a sha256 digest.")


def _digest_of(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def _start_of(exchange: Exchange) -> int | None:
    """Where a piece begins, from `Content-Range: 0-1023`, where the client says it."""
    start = exchange.headers.get("content-range", "").removeprefix("bytes ").partition("-")[0]
    return int(start) if start.isdigit() else None


def _after(names: list[str], query: dict[str, str]) -> list[str]:
    """The page of a list that `n` and `last` ask for."""
    rest = [name for name in names if name > query.get("last", "")]
    return rest[: int(query["n"])] if query.get("n", "").isdigit() else rest
