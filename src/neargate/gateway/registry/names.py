"""Which repository a request is about: from the Host header, or from the path where the host is loopback.

An engine knows a registry by the host in an image's name. ECR's own names would need DNS, so engines are given
`127.0.0.1:PORT/…/ACCOUNT.dkr.ecr.REGION.amazonaws.com/repo:tag`, which every engine can reach: whatever stands
before ECR's name is there to tell names apart inside the engine, and means nothing here. A colon cannot stand
in a path, so a port within the name is written `__4566`.
"""

from __future__ import annotations

import re

import attrs

from neargate.model.ecr import Registry, parse_registry

DEFAULT = Registry("000000000000", "us-east-1")
_PORT = re.compile(r"__\d+$")
_ROUTE = re.compile(
    r"/v2/(?P<name>.+?)/"
    r"(?:(?P<manifests>manifests)/(?P<reference>[^/]+)"
    r"|blobs/(?P<uploads>uploads)/?(?P<upload>[^/]*)"
    r"|blobs/(?P<digest>[^/]+)"
    r"|(?P<tags>tags)/list)"
)


@attrs.frozen
class Route:
    """A request's path, taken apart. `name` is the repository's as the client wrote it.

    `what` is manifests, uploads, blobs or tags; `argument` the reference, upload id or digest.
    """

    registry: Registry
    repository: str
    name: str
    what: str
    argument: str


def route(host: str, path: str) -> Route | None:
    """None where the path is none of the API's."""
    match = _ROUTE.fullmatch(path)
    if match is None:
        return None
    registry, repository = locate(host, match["name"])
    if match["manifests"]:
        return Route(registry, repository, match["name"], "manifests", match["reference"])
    if match["uploads"]:
        return Route(registry, repository, match["name"], "uploads", match["upload"])
    if match["tags"]:
        return Route(registry, repository, match["name"], "tags", "")
    return Route(registry, repository, match["name"], "blobs", match["digest"])


def locate(host: str, name: str) -> tuple[Registry, str]:
    """The registry, and the repository's name in it."""
    registry = parse_registry(host)
    if registry is not None:
        return registry, name
    parts = name.split("/")
    for index, part in enumerate(parts[:-1]):
        registry = parse_registry(_PORT.sub("", part))
        if registry is not None:
            return registry, "/".join(parts[index + 1 :])
    return DEFAULT, name
