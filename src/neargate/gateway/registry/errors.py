"""Refusals in the registry's own form, with ECR's texts."""

from __future__ import annotations

import json

from neargate.model.errors import AwsError

_CODES = {
    "RepositoryNotFoundException": (404, "NAME_UNKNOWN"),
    "ImageNotFoundException": (404, "MANIFEST_UNKNOWN"),
    "ImageTagAlreadyExistsException": (400, "TAG_INVALID"),
    "LayersNotFoundException": (400, "MANIFEST_BLOB_UNKNOWN"),
    "ReferencedImagesNotFoundException": (400, "MANIFEST_BLOB_UNKNOWN"),
    "ImageDigestDoesNotMatchException": (400, "DIGEST_INVALID"),
    "InvalidParameterException": (400, "MANIFEST_INVALID"),
}


class RegistryError(Exception):
    """What a client is told. `code` is the distribution specification's (NAME_UNKNOWN …)."""

    def __init__(
        self, status: int, code: str, message: str, headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers

    def body(self) -> bytes:
        return json.dumps({"errors": [{"code": self.code, "message": self.message}]}).encode()


def of_aws(error: AwsError) -> RegistryError:
    """An ECR operation's error as the registry words it."""
    status, code = _CODES.get(error.code, (error.status, "UNKNOWN"))
    return RegistryError(status, code, error.message)


def unauthorized(host: str) -> RegistryError:
    challenge = f'Basic realm="https://{host}/",service="ecr.amazonaws.com"'
    return RegistryError(401, "UNAUTHORIZED", "Not Authorized", (("WWW-Authenticate", challenge),))


def denied(message: str) -> RegistryError:
    return RegistryError(403, "DENIED", message)
