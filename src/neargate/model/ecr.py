"""ECR's nouns: repositories, images, tags, layers; how images are named; how tokens are made and verified.

A repository name may hold slashes but never a colon, so what belongs to a repository is keyed
`account/region/name:…` and one prefix scan finds just that.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from typing import ClassVar

import attrs

from neargate.model.operations import Caller
from neargate.model.ports import Ids
from neargate.model.records import Blob, Json, Reader, Tx
from neargate.model.tags import Tags

TOKEN_SECONDS = 12 * 3600
"""How long an authorization token is valid."""

_NAME = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*"
_HOST = (
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z]{2}[a-z0-9-]+)\.(?:amazonaws\.com|localhost)(?::\d+)?"
)
_REGISTRY = re.compile(_HOST)
_REFERENCE = re.compile(
    rf"(?:https?://)?{_HOST}/(?P<name>{_NAME})(?::(?P<tag>\w[\w.-]{{0,127}}))?(?:@(?P<digest>sha256:[0-9a-f]{{64}}))?"
)


@attrs.frozen
class Registry:
    """One account's registry in one region."""

    account: str
    region: str

    @property
    def host(self) -> str:
        """The name AWS gives it."""
        return f"{self.account}.dkr.ecr.{self.region}.amazonaws.com"

    def local_host(self, port: int) -> str:
        """The name under which Docker finds it on this machine: `localhost` names are loopback."""
        return f"{self.account}.dkr.ecr.{self.region}.localhost:{port}"

    def scope(self, repository: str) -> str:
        """A repository's store key."""
        return f"{self.account}/{self.region}/{repository}"


@attrs.frozen
class Reference:
    """An image as a task definition or a Dockerfile names it. `digest` wins over `tag`."""

    registry: Registry
    repository: str
    tag: str | None = None
    digest: str | None = None

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.registry.host}/{self.repository}{tag}{digest}"


def parse_registry(host: str) -> Registry | None:
    """The registry that a host (with or without port) names, or None where it is none of ECR's."""
    match = _REGISTRY.fullmatch(host)
    return None if match is None else Registry(match["account"], match["region"])


def parse_reference(text: str) -> Reference | None:
    """An image's name, in either spelling; None where it is none of ECR's. No tag and no digest: `latest`."""
    match = _REFERENCE.fullmatch(text)
    if match is None:
        return None
    tag = match["tag"] if match["tag"] or match["digest"] else "latest"
    return Reference(Registry(match["account"], match["region"]), match["name"], tag, match["digest"])


@attrs.frozen(kw_only=True)
class Repository:
    """A repository and its settings. Policies are kept as the text that was given."""

    KIND: ClassVar[str] = "ecr.repository"
    account: str
    region: str
    name: str
    created: float
    mutability: str = "MUTABLE"
    exclusion_filters: tuple[Json, ...] = ()
    scan_on_push: bool = False
    encryption_type: str = "AES256"
    kms_key: str | None = None
    policy: str | None = None
    lifecycle_policy: str | None = None
    tags: Tags = attrs.field(factory=dict)

    @property
    def registry(self) -> Registry:
        return Registry(self.account, self.region)

    @property
    def key(self) -> str:
        return self.registry.scope(self.name)

    @property
    def arn(self) -> str:
        return f"arn:aws:ecr:{self.region}:{self.account}:repository/{self.name}"

    def forbids_overwriting(self, tag: str) -> bool:
        """Whether an existing tag must stay where it is."""
        excluded = any(_matches(each.get("filter", ""), tag) for each in self.exclusion_filters)
        if self.mutability.endswith("_WITH_EXCLUSION"):
            return self.mutability.startswith("IMMUTABLE") != excluded
        return self.mutability == "IMMUTABLE"


@attrs.frozen(kw_only=True)
class Image:
    """A manifest (or list of manifests) of a repository. `manifest` is its exact text: it hashes to `digest`.

    `config` is the digest of the image's configuration, which Docker and Podman call the image's id. `layers`
    are its blobs, the configuration among them; `manifests` the digests a list names. `size` is in bytes.
    """

    KIND: ClassVar[str] = "ecr.image"
    repository: str
    """The repository's key."""
    digest: str
    manifest: str
    media_type: str
    pushed: float
    size: int
    config: str | None = None
    config_media_type: str | None = None
    layers: tuple[str, ...] = ()
    manifests: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return f"{self.repository}:{self.digest}"


@attrs.frozen(kw_only=True)
class ImageTag:
    """A tag of a repository, and the image it is on."""

    KIND: ClassVar[str] = "ecr.tag"
    repository: str
    tag: str
    digest: str

    @property
    def key(self) -> str:
        return f"{self.repository}:{self.tag}"


@attrs.frozen(kw_only=True)
class Layer:
    """A blob that was uploaded to a repository. The content may go when no Layer names it any more."""

    KIND: ClassVar[str] = "ecr.layer"
    repository: str
    digest: str
    blob: Blob

    @property
    def key(self) -> str:
        return f"{self.repository}:{self.digest}"


def live_blobs(view: Reader) -> set[str]:
    """SHA-256 of all content that ECR still needs: what garbage collection must leave alone."""
    return {layer.blob.sha256 for layer in view.scan(Layer)}


@attrs.frozen(kw_only=True)
class SigningKey:
    """The secret that authorization tokens of this data directory are signed with."""

    KIND: ClassVar[str] = "ecr.signing-key"
    secret: str

    @property
    def key(self) -> str:
        return "ecr"


@attrs.frozen
class Grant:
    """What an authorization token says: who was given it, for which region, and until when (epoch s)."""

    account: str
    region: str
    principal: str
    expires: float
    role: str | None = None


def issue_token(tx: Tx, ids: Ids, caller: Caller, now: float) -> str:
    """A token of the caller's, valid for 12 hours from now. The first one makes the signing key."""
    key = tx.get(SigningKey, "ecr")
    if key is None:
        key = SigningKey(secret=ids.hex(64))
        tx.put(key)
    return sign(Grant(caller.account, caller.region, caller.principal, now + TOKEN_SECONDS, caller.role), key)


def sign(grant: Grant, key: SigningKey) -> str:
    """The token (Docker's password): text that only the holder of the key can make."""
    body = json.dumps(
        {"version": "2", "type": "DATA_KEY", "expiration": int(grant.expires), **attrs.asdict(grant)},
        separators=(",", ":"),
    ).encode()
    return base64.b64encode(json.dumps({"payload": _b64(body), "datakey": _mac(body, key)}).encode()).decode()


def verify(token: str, key: SigningKey | None) -> Grant | None:
    """What a token says, or None where Neargate did not make it. Whether it has expired is up to the reader."""
    if key is None:
        return None
    try:
        envelope = json.loads(base64.b64decode(token, validate=True))
        body = base64.b64decode(envelope["payload"], validate=True)
        if not hmac.compare_digest(_mac(body, key), envelope["datakey"]):
            return None
    except (binascii.Error, ValueError, KeyError, TypeError):
        return None
    said = json.loads(body)
    return Grant(said["account"], said["region"], said["principal"], said["expires"], said["role"])


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _mac(body: bytes, key: SigningKey) -> str:
    return hmac.new(key.secret.encode(), body, hashlib.sha256).hexdigest()


def _matches(wildcard: str, tag: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, wildcard.split("*"))), tag) is not None
