"""Parameter Store's records.

A parameter carries its current version; each superseded one is a record of its own, so that overwriting costs two
small writes however long the history is. Times are epoch seconds.
"""

from __future__ import annotations

import re
from typing import ClassVar

import attrs

from neargate.model.tags import Tags

DEFAULT_KEY = "alias/aws/ssm"
MAX_VERSIONS = 100


@attrs.frozen(kw_only=True)
class Version:
    """What PutParameter made at one time. `key_id` is set for SecureString only."""

    number: int
    type: str
    value: str
    modified: float
    modified_by: str
    description: str | None = None
    key_id: str | None = None
    allowed_pattern: str | None = None
    tier: str = "Standard"
    data_type: str = "text"


@attrs.frozen(kw_only=True)
class Parameter:
    """A parameter. `labels` maps each label to the number of the one version that carries it."""

    KIND: ClassVar[str] = "ssm.parameter"
    account: str
    region: str
    name: str
    current: Version
    oldest: int = 1
    labels: dict[str, int] = attrs.field(factory=dict)
    tags: Tags = attrs.field(factory=dict)

    @property
    def key(self) -> str:
        return parameter_key(self.account, self.region, self.name)

    @property
    def arn(self) -> str:
        return f"arn:aws:ssm:{self.region}:{self.account}:parameter/{self.name.removeprefix('/')}"

    def labels_of(self, number: int) -> list[str]:
        """The labels that this version carries, in the order they were put."""
        return [label for label, labelled in self.labels.items() if labelled == number]


@attrs.frozen(kw_only=True)
class PastVersion:
    """A superseded version, under `PARAMETER\\nNUMBER`: parameter names hold no newline."""

    KIND: ClassVar[str] = "ssm.parameter-version"
    parameter: str
    version: Version

    @property
    def key(self) -> str:
        return version_key(self.parameter, self.version.number)


def parameter_key(account: str, region: str, name: str) -> str:
    """`x` and `/x` name the same parameter, as their ARNs do."""
    return f"{account}/{region}/{name.removeprefix('/')}"


def version_key(parameter: str, number: int) -> str:
    """Sorts by number within a parameter."""
    return f"{parameter}\n{number:012d}"


_ARN = re.compile(r"arn:aws[\w-]*:ssm:([^:]*):(\d{12}|):parameter/([^:]+)(:.+)?")


def of_arn(text: str) -> tuple[str, str, str, str] | None:
    """(account, region, name without its first slash, `:selector` or "") of a parameter's ARN; None for others.

    The account is empty for a public parameter.
    """
    found = _ARN.fullmatch(text)
    return None if found is None else (found[2], found[1], found[3], found[4] or "")
