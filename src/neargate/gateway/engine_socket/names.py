"""A build's own names inside an engine that others use too. Pure.

Every image name that a build makes is put under `127.0.0.1:PORT/builds/BUILD/`, every container name behind
`BUILD--`. Taking that beginning away gives back what the user wrote, so any text of the engine is translated by
replacing it. A push to such a name reaches the registry at /v2/ on loopback, which finds ECR's own name in the
path. A port within a name cannot stand in a path: `reg:5000/x` becomes `reg__5000/x`.
"""

from __future__ import annotations

import re
from collections.abc import Container

import attrs

from neargate.model.ecr import Registry, parse_registry

_ID = re.compile(r"(?:sha256:)?[0-9a-f]{12,64}")
_HOST_PORT = re.compile(r"([a-z0-9.-]+):(\d+)(?=/)")
_HOST = re.compile(r"[^/]*[.:][^/]*|localhost")
_REFERENCE = re.compile(r"\w[\w.:@-]*(?:/\w[\w.:@-]*)*", re.ASCII)
_CONTAINER = re.compile(r"/?\w[\w.-]*", re.ASCII)


@attrs.frozen
class BuildNames:
    """`port` is the server's; `slug` names the build: lower-case letters, digits and single dashes."""

    port: int
    slug: str

    @property
    def loopback(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def prefix(self) -> str:
        return f"{self.loopback}/builds/{self.slug}/"

    @property
    def container_prefix(self) -> str:
        return f"{self.slug}--"

    def image(self, name: str) -> str:
        """The engine's name for an image name of the build's own, tag included."""
        return self.prefix + _HOST_PORT.sub(r"\1__\2", with_tag(name))

    def repository(self, name: str) -> str:
        """The same for a name that carries no tag."""
        return self.prefix + _HOST_PORT.sub(r"\1__\2", name)

    def shared(self, reference: str) -> str:
        """Under which name a pushed image stays in the engine when the build is over."""
        return f"{self.loopback}/{reference}"

    def belongs_to_others(self, name: str) -> bool:
        """Whether an engine's name lies outside both this build's names and the names of ordinary images."""
        return name.startswith(self.loopback + "/") and not name.startswith(self.prefix)

    def resolve(self, name: str, tags: Container[str]) -> str | None:
        """Which of the engine's names (`tags`: all it has) an image name means: the build's own, else an
        ordinary one. Never left to the engine: Podman takes any name that merely ends in this one."""
        own = self.image(name)
        if own in tags:
            return own
        if ecr_registry(name) is not None:
            return None
        wanted = with_tag(name)
        if host_of(name) != "docker.io":
            return wanted if wanted in tags else None
        bare = wanted.removeprefix("docker.io/").removeprefix("library/")
        candidates = (bare, f"docker.io/library/{bare}", f"docker.io/{bare}", f"localhost/{bare}")
        return next((each for each in candidates if each in tags), None)

    def for_user(self, text: str) -> str:
        """Any text of the engine with the user's names in it."""
        pattern = re.escape(self.prefix) + r"(?:([a-z0-9.-]+)__(\d+)/)?"
        text = re.sub(pattern, lambda m: f"{m[1]}:{m[2]}/" if m[1] else "", text)
        return text.replace(self.container_prefix, "")


def slug_of(build_id: str) -> str:
    """A build's id (`project:uuid`) as part of a name."""
    return re.sub(r"[^a-z0-9]+", "-", build_id.lower()).strip("-")


def is_id(name: str) -> bool:
    """Whether it can be an image's or container's id, or the beginning of one."""
    return _ID.fullmatch(name) is not None


def is_reference(name: str) -> bool:
    """Whether it can name an image. What can may stand in a path of the engine's API: it leads nowhere else."""
    return _REFERENCE.fullmatch(name) is not None


def is_container_name(name: str) -> bool:
    """Whether it can name a container, or one's exec; the same holds for paths."""
    return _CONTAINER.fullmatch(name) is not None


def with_tag(name: str) -> str:
    """The name with `:latest` where it has neither tag nor digest."""
    return name if ":" in name.rpartition("/")[2] or "@" in name else f"{name}:latest"


def split_tag(name: str) -> tuple[str, str]:
    """`repo:tag` as (repo, tag); the tag is empty where there is none."""
    head, slash, tail = name.rpartition("/")
    repository, _, tag = tail.partition(":")
    return head + slash + repository, tag


def host_of(name: str) -> str:
    """The registry an image name is about; Docker Hub where it names none."""
    first, slash, _ = name.partition("/")
    if first == "index.docker.io":
        return "docker.io"
    return first if slash and _HOST.fullmatch(first) else "docker.io"


def qualified(name: str) -> str:
    """The name with its registry written out, as it is to be pulled."""
    if host_of(name) != "docker.io" or name.startswith("docker.io/"):
        return name
    return f"docker.io/{name}" if "/" in name else f"docker.io/library/{name}"


def ecr_registry(name: str) -> Registry | None:
    """The ECR registry an image name is about, or None."""
    return parse_registry(host_of(name))
