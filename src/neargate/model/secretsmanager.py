"""Secrets Manager's records: a secret, and apart from it the value of each of its versions.

Staging labels are kept with the secret, so that moving one is a single small write. Times are epoch seconds.
"""

from __future__ import annotations

import re
from typing import ClassVar

import attrs

from neargate.model.tags import Tags

CURRENT, PREVIOUS, PENDING = "AWSCURRENT", "AWSPREVIOUS", "AWSPENDING"


@attrs.frozen(kw_only=True)
class Version:
    """A version without its value. Without stages it is deprecated. `accessed` is a day's midnight."""

    id: str
    created: float
    stages: tuple[str, ...] = ()
    accessed: float | None = None


@attrs.frozen(kw_only=True)
class Secret:
    """A secret. `suffix` are the ARN's six random characters. `deletion` is when it goes for good, None: it stays.

    `versions` are in the order they were made. `tags` is None until it first had one: DescribeSecret shows that.
    """

    KIND: ClassVar[str] = "secretsmanager.secret"
    account: str
    region: str
    name: str
    suffix: str
    created: float
    changed: float
    description: str = ""
    kms_key: str | None = None
    type: str | None = None
    accessed: float | None = None
    deletion: float | None = None
    versions: tuple[Version, ...] = ()
    policy: str | None = None
    tags: Tags | None = None

    @property
    def key(self) -> str:
        return f"{self.account}/{self.region}/{self.name}"

    @property
    def arn(self) -> str:
        return f"arn:aws:secretsmanager:{self.region}:{self.account}:secret:{self.name}-{self.suffix}"

    def value_key(self, version: str) -> str:
        return f"{self.key}\n{version}"

    def version(self, id: str) -> Version | None:
        """The version of that id, or None."""
        return next((version for version in self.versions if version.id == id), None)

    def staged(self, stage: str) -> Version | None:
        """The version that carries the stage, or None."""
        return next((version for version in self.versions if stage in version.stages), None)

    def is_gone(self, now: float) -> bool:
        """Whether its recovery window has passed: then it does not exist any more."""
        return self.deletion is not None and self.deletion <= now


@attrs.frozen(kw_only=True)
class SecretValue:
    """What one version holds: text or bytes. `key` is the secret's `value_key`."""

    KIND: ClassVar[str] = "secretsmanager.value"
    key: str
    text: str | None = None
    binary: bytes | None = None


def with_stages(secret: Secret, wanted: str, stages: tuple[str, ...]) -> Secret:
    """Move the stages to the version `wanted`. Who loses AWSCURRENT becomes AWSPREVIOUS, and is pending no more."""
    demoted = secret.staged(CURRENT) if CURRENT in stages else None
    if demoted is not None and demoted.id == wanted:
        demoted = None
    moved = []
    for version in secret.versions:
        own = set(version.stages)
        if version.id == wanted:
            own |= set(stages)
        else:
            own -= set(stages)
            if demoted is not None:
                own.discard(PREVIOUS)
            if demoted is not None and version.id == demoted.id:
                own = (own | {PREVIOUS}) - {PENDING}
        moved.append(attrs.evolve(version, stages=tuple(sorted(own))))
    return attrs.evolve(secret, versions=tuple(moved))


_ARN = re.compile(r"arn:aws[\w-]*:secretsmanager:([^:]*):(\d{12}):secret:(.+)")
_SUFFIXED = re.compile(r"(.+)-([A-Za-z0-9]{6})")


def of_arn(text: str) -> tuple[str, str, str, str | None] | None:
    """(account, region, name, suffix) that an ARN names; None for what is none.

    An ARN may be partial, without the suffix. One whose name ends like a suffix is taken to have it, as on AWS.
    """
    found = _ARN.fullmatch(text)
    if found is None:
        return None
    suffixed = _SUFFIXED.fullmatch(found[3])
    if suffixed is not None:
        return found[2], found[1], suffixed[1], suffixed[2]
    return found[2], found[1], found[3], None
