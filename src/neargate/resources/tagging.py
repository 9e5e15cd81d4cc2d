"""How a service is told the tags of a resource: with its creation, and by tag and untag operations afterwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from neargate.model.records import Json
from neargate.model.tags import Tags, upper
from neargate.resources.declaration import Call, Desired, Existing, Steps


@attrs.frozen
class Tagging:
    """A service's tag operations. `resource`, `tags` and `keys` are the members of their requests; `form` spells
    the tags as the service wants them (`tags.upper`, `tags.lower`, or `dict` for a map)."""

    service: str
    resource: str
    tags: str = "Tags"
    keys: str = "TagKeys"
    form: Callable[[Tags], Any] = upper
    tag: str = "TagResource"
    untag: str = "UntagResource"
    at_creation: str | None = None  # the create request's member, where it is another one than `tags`
    system: bool = True  # False where the service that answers here refuses tags of AWS's own

    def at_create(self, want: Desired) -> Json:
        """The member of the create request, or nothing where there are no tags."""
        wanted = self._of(want)
        return {self.at_creation or self.tags: self.form(wanted)} if wanted else {}

    def _of(self, want: Desired) -> Tags:
        return want.all_tags if self.system else want.tags

    def change(self, old: Existing, want: Desired, resource: str | None = None) -> Steps[None]:
        """Take away and put on what differs. `resource` is what the service calls it, the physical id by default."""
        named = {self.resource: resource or old.id}
        before, after = self._of(old.desired), self._of(want)
        gone = sorted(before.keys() - after.keys())
        if gone:
            yield Call(self.service, self.untag, {**named, self.keys: gone})
        fresh = {key: value for key, value in after.items() if before.get(key) != value}
        if fresh:
            yield Call(self.service, self.tag, {**named, self.tags: self.form(fresh)})
