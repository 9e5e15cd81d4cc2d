"""What Systems Manager keeps for a fleet of machines: patch baselines, maintenance windows, their targets and tasks.

`settings` are the members of the request that made or changed the thing, botocore's names. There is no fleet here:
nothing is patched and no window runs. Times are epoch seconds.
"""

from __future__ import annotations

from typing import ClassVar

import attrs

from neargate.model.records import Json
from neargate.model.tags import Tags


@attrs.frozen(kw_only=True)
class PatchBaseline:
    """A patch baseline; `groups` are the patch groups it is registered for."""

    KIND: ClassVar[str] = "ssm.patch-baseline"
    account: str
    region: str
    id: str
    created: float
    modified: float
    settings: Json
    groups: tuple[str, ...] = ()
    tags: Tags = attrs.field(factory=dict)

    @property
    def key(self) -> str:
        return f"{self.account}/{self.region}/{self.id}"

    @property
    def system(self) -> str:
        """The operating system whose patches it approves."""
        return str(self.settings.get("OperatingSystem", "WINDOWS"))


@attrs.frozen(kw_only=True)
class MaintenanceWindow:
    """A maintenance window."""

    KIND: ClassVar[str] = "ssm.maintenance-window"
    account: str
    region: str
    id: str
    created: float
    modified: float
    settings: Json
    tags: Tags = attrs.field(factory=dict)

    @property
    def key(self) -> str:
        return f"{self.account}/{self.region}/{self.id}"


@attrs.frozen(kw_only=True)
class WindowTarget:
    """Targets registered with a window, whose key `window` is."""

    KIND: ClassVar[str] = "ssm.window-target"
    window: str
    id: str
    settings: Json

    @property
    def key(self) -> str:
        return f"{self.window}/{self.id}"


@attrs.frozen(kw_only=True)
class WindowTask:
    """A task registered with a window, whose key `window` is."""

    KIND: ClassVar[str] = "ssm.window-task"
    window: str
    id: str
    settings: Json

    @property
    def key(self) -> str:
        return f"{self.window}/{self.id}"
