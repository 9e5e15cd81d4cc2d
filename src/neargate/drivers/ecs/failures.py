"""Why an image could not be had, or a container not be started, in Fargate's words (facts 3.5). Pure."""

from __future__ import annotations

import re

_ATTEMPTS = {"descriptor matching platform": 7, "i/o timeout": 5}
"""How often Fargate says that it tried, by what it met; everything else once."""

_RUNC = re.compile(r"runc create failed: (?P<why>.*?)(: OCI [a-z].*|: unknown)?\Z", re.DOTALL)
"""Podman puts `runc: ` before it and a sentence about the OCI runtime behind; Docker what containerd says."""

_LIMIT = re.compile(r"toomanyrequests: .*")
_DIAL = re.compile(r"dial tcp[^\n]*")


def cannot_pull(reason: str) -> str:
    """The stopped reason of a task: `CannotPullContainerError: …`."""
    if "has been retried" in reason:
        return f"CannotPullContainerError: {reason}"
    attempts = next((count for text, count in _ATTEMPTS.items() if text in reason), 1)
    return f"CannotPullContainerError: pull image manifest has been retried {attempts} time(s): {reason}"


def cannot_start(said: str) -> str:
    """The stopped reason of a container whose program the engine could not run."""
    found = _RUNC.search(said)
    why = f"OCI runtime create failed: runc create failed: {found['why']}: unknown" if found else said
    return (
        "CannotStartContainerError: ResourceInitializationError: failed to create new container runtime task: failed "
        f"to create shim task: {why}"
    )


def other_platform(architecture: str) -> str:
    """There is no image for this architecture (`amd64`, `arm64`) under the name."""
    return f"image Manifest does not contain descriptor matching platform 'linux/{architecture}'"


def reason_of(reference: str, said: str) -> str:
    """An engine's text as Fargate's agent has it; as it is where it says something else than they usually do."""
    if "failed to resolve ref" in said or "descriptor matching platform" in said:
        return said
    name, url = registry_of(reference)
    text = said.lower()
    if limited := _LIMIT.search(said):
        return (
            f"httpReadSeeker: failed open: unexpected status code {url}: 429 Too Many Requests - Server message: "
            f"{limited.group()}"
        )
    if dialled := _DIAL.search(said):
        return f'failed to resolve ref {name}: failed to do request: Head "{url}": {dialled.group()}'
    if "denied" in text or "unauthorized" in text or "authentication required" in text:
        return (
            f"failed to resolve ref {name}: pull access denied, repository does not exist or may require "
            "authorization: server message: insufficient_scope: authorization failed"
        )
    if "manifest unknown" in text or "not found" in text or "name unknown" in text:
        return f"failed to resolve ref {name}: not found"
    return said


def registry_of(reference: str) -> tuple[str, str]:
    """An image's full name, and the address of its manifest: `nginx:1` is `docker.io/library/nginx:1`."""
    first, _, rest = reference.partition("/")
    if rest and ("." in first or ":" in first or first == "localhost"):
        host, path = first, rest
    else:
        host, path = "docker.io", reference if rest else f"library/{reference}"
    repository, at, version = path.partition("@")
    if not at:
        repository, _, version = path.partition(":")
        version = version or "latest"
        path = f"{repository}:{version}"
    registry = "registry-1.docker.io" if host == "docker.io" else host
    return f"{host}/{path}", f"https://{registry}/v2/{repository}/manifests/{version}"


def at_digest(reference: str, digest: str) -> str:
    """The same repository's image of this digest."""
    repository = reference.partition("@")[0]
    head, slash, tail = repository.rpartition("/")
    return f"{head}{slash}{tail.partition(':')[0]}@{digest}"
