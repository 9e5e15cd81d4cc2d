"""What Neargate itself keeps of Elastic File System: the ids of a real account that a project names."""

from __future__ import annotations

from typing import ClassVar

import attrs


@attrs.frozen(kw_only=True)
class AdoptedFileSystem:
    """A file system of a real account whose id means an own one here, empty at first."""

    KIND: ClassVar[str] = "efs.adopted"
    account: str
    region: str
    id: str
    adopted: float

    @property
    def key(self) -> str:
        return self.key_of(self.account, self.region, self.id)

    @staticmethod
    def key_of(account: str, region: str, file_system: str) -> str:
        return f"{account}/{region}/{file_system}"
