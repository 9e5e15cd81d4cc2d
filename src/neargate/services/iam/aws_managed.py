"""The policies that AWS manages and the service principals it has: facts, from files beside this module."""

from __future__ import annotations

import functools
import json
import re
from datetime import UTC, datetime
from importlib import resources

import attrs

from neargate.model.iam import derived_id

_REGION = re.compile(r"[a-z]{2,4}(-[a-z]+)+-\d")
ARN_PREFIX = "arn:aws:iam::aws:policy"


@attrs.frozen
class AwsPolicy:
    """An AWS managed policy. `path` ends with a slash; times are epoch seconds."""

    path: str
    name: str
    version: str
    created: float
    updated: float

    @property
    def arn(self) -> str:
        return f"{ARN_PREFIX}{self.path}{self.name}"

    @property
    def id(self) -> str:
        return derived_id("ANPA", self.arn)

    @property
    def attachable(self) -> bool:
        """Policies of service-linked roles cannot be attached by anybody else."""
        return not self.path.startswith("/aws-service-role/")


@functools.cache
def policies() -> dict[str, AwsPolicy]:
    """All AWS managed policies by ARN."""
    found = {}
    for line in _lines("managed_policies.txt"):
        full, version, created, updated = line.split(" ")
        path, name = full.rsplit("/", 1)
        policy = AwsPolicy(path + "/", name, version, _epoch(created), _epoch(updated))
        found[policy.arn] = policy
    return found


@functools.cache
def _documents() -> dict[str, dict[str, object]]:
    text = resources.files(__package__).joinpath("data", "managed_policy_documents.json").read_text("utf-8")
    return {ARN_PREFIX + name: document for name, document in json.loads(text).items()}


def document(arn: str) -> str | None:
    """The default version's document, where this release carries it."""
    found = _documents().get(arn)
    return None if found is None else json.dumps(found, indent=4)


@functools.cache
def _service_principals() -> frozenset[str]:
    return frozenset(_lines("service_principals.txt"))


def is_service(principal: str) -> bool:
    """Whether AWS has such a service principal: `ecs-tasks.amazonaws.com`, `logs.us-east-1.amazonaws.com`."""
    for suffix in (".amazonaws.com", ".amazonaws.com.cn", ".amazon.com"):
        if principal.endswith(suffix):
            name = principal.removesuffix(suffix)
            known = _service_principals()
            service, _, place = name.rpartition(".")
            return name in known or (service in known and _REGION.fullmatch(place) is not None)
    return False


def _lines(name: str) -> list[str]:
    text = resources.files(__package__).joinpath("data", name).read_text("utf-8")
    return [line for line in text.split("\n") if line and not line.startswith("#")]


def _epoch(stamp: str) -> float:
    return datetime.fromisoformat(stamp).replace(tzinfo=UTC).timestamp()
