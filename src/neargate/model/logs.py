"""CloudWatch Logs' records. The events themselves lie in the store's log table, under a stream's `key`.

Group names hold no newline, so `account/region/GROUP\\nSTREAM` is unambiguous, sorts by stream within a group, and
is the key of both the stream's record and its events. Times are epoch milliseconds, as this API has them.
"""

from __future__ import annotations

from typing import ClassVar

import attrs

from neargate.model.records import Json
from neargate.model.tags import Tags

DAY = 86_400_000


@attrs.frozen(kw_only=True)
class LogGroup:
    """A log group. `retention` in days, None: events never expire."""

    KIND: ClassVar[str] = "logs.group"
    account: str
    region: str
    name: str
    created: int
    retention: int | None = None
    kms_key: str | None = None
    group_class: str = "STANDARD"
    deletion_protection: bool = False
    tags: Tags = attrs.field(factory=dict)

    @property
    def key(self) -> str:
        return f"{self.account}/{self.region}/{self.name}"

    @property
    def arn(self) -> str:
        """Without the `:*` that IAM policies and the older API add."""
        return f"arn:aws:logs:{self.region}:{self.account}:log-group:{self.name}"

    def stream_key(self, stream: str) -> str:
        """The key of a stream's record and of its events; of `""`, the prefix of all streams of the group."""
        return stream_key(self.account, self.region, self.name, stream)

    def expires_before(self, now: int) -> int | None:
        """Events with a smaller timestamp have expired; None where they never do."""
        return None if self.retention is None else now - self.retention * DAY


@attrs.frozen(kw_only=True)
class LogStream:
    """A log stream. When its first and last events happened is read from the events, not kept here."""

    KIND: ClassVar[str] = "logs.stream"
    account: str
    region: str
    group: str
    name: str
    created: int

    @property
    def key(self) -> str:
        return stream_key(self.account, self.region, self.group, self.name)

    @property
    def arn(self) -> str:
        group = f"arn:aws:logs:{self.region}:{self.account}:log-group:{self.group}"
        return f"{group}:log-stream:{self.name}"


@attrs.frozen(kw_only=True)
class LogResourcePolicy:
    """A policy of the account for a region, as given."""

    KIND: ClassVar[str] = "logs.resource-policy"
    account: str
    region: str
    name: str
    document: str
    updated: int

    @property
    def key(self) -> str:
        return f"{self.account}/{self.region}/{self.name}"


@attrs.frozen(kw_only=True)
class LogFilter:
    """A metric filter or a subscription filter of a group: its pattern, and the rest as it was given.

    `kind` is `metric` or `subscription`; `settings` holds the API's members besides names and pattern.
    """

    KIND: ClassVar[str] = "logs.filter"
    account: str
    region: str
    group: str
    kind: str
    name: str
    pattern: str
    created: int
    settings: Json = attrs.field(factory=dict)

    @property
    def key(self) -> str:
        return filter_key(self.account, self.region, self.kind, self.group, self.name)


@attrs.frozen(kw_only=True)
class QueryDefinition:
    """A saved Logs Insights query."""

    KIND: ClassVar[str] = "logs.query-definition"
    account: str
    region: str
    id: str
    name: str
    query: str
    modified: int
    settings: Json = attrs.field(factory=dict)

    @property
    def key(self) -> str:
        return f"{self.account}/{self.region}/{self.id}"


@attrs.frozen(kw_only=True)
class InsightsQuery:
    """A query that was started. Its result is what it says of the events up to `seq`; times in epoch milliseconds."""

    KIND: ClassVar[str] = "logs.query"
    account: str
    region: str
    id: str
    query: str
    groups: tuple[str, ...]
    start: int
    end: int
    created: int
    seq: int
    limit: int | None = None

    @property
    def key(self) -> str:
        return f"{self.account}/{self.region}/{self.id}"


def filter_key(account: str, region: str, kind: str, group: str, name: str) -> str:
    """Of no name, the prefix of all filters of a kind in a group; of no group either, of a kind."""
    return f"{account}/{region}/{kind}/{group}\n{name}" if group else f"{account}/{region}/{kind}/"


def stream_key(account: str, region: str, group: str, stream: str) -> str:
    """`account/region/GROUP\\nSTREAM`."""
    return f"{account}/{region}/{group}\n{stream}"
