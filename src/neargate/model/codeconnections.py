"""Connections to source providers: names under which pipelines mean a repository."""

from __future__ import annotations

from typing import ClassVar

import attrs

from neargate.model.tags import Tags


@attrs.frozen(kw_only=True)
class Connection:
    """A connection. `service` is the API by whose name it goes: `codeconnections` or `codestar-connections`."""

    KIND: ClassVar[str] = "codeconnections.connection"
    account: str
    region: str
    service: str
    id: str
    name: str
    provider: str | None = None
    host: str | None = None
    tags: Tags = attrs.field(factory=dict)

    @property
    def key(self) -> str:
        return f"{self.account}/{self.region}/{self.id}"

    @property
    def arn(self) -> str:
        return f"arn:aws:{self.service}:{self.region}:{self.account}:connection/{self.id}"
