"""EC2's nouns that stand in no VPC: prefix lists, flow logs, key pairs. Keys are `account/region/id`."""

from __future__ import annotations

from typing import ClassVar

import attrs

from neargate.model.ec2 import Regional


@attrs.frozen(kw_only=True)
class PrefixEntry:
    cidr: str
    description: str = ""


@attrs.frozen(kw_only=True)
class PrefixList(Regional):
    """A customer-managed prefix list. `versions` are its entries over time: the last one counts, and its number
    is their count."""

    KIND: ClassVar[str] = "ec2.prefix-list"
    name: str
    family: str
    max_entries: int
    versions: tuple[tuple[PrefixEntry, ...], ...]
    state: str = "create-complete"

    @property
    def entries(self) -> tuple[PrefixEntry, ...]:
        return self.versions[-1]


@attrs.frozen(kw_only=True)
class FlowLog(Regional):
    """A flow log's configuration. `destination_type` is `cloud-watch-logs`, `s3` or `kinesis-data-firehose`."""

    KIND: ClassVar[str] = "ec2.flow-log"
    resource_id: str
    created: float
    destination_type: str
    destination: str | None = None
    log_group: str | None = None
    role: str | None = None
    cross_account_role: str | None = None
    traffic: str | None = None
    format: str
    interval: int = 600
    options: dict[str, str | bool] | None = None


@attrs.frozen(kw_only=True)
class KeyPair(Regional):
    """A key pair without its private half, which AWS hands out once and forgets. `public_key` is in OpenSSH's
    form."""

    KIND: ClassVar[str] = "ec2.key-pair"
    name: str
    type: str
    fingerprint: str
    public_key: str
    created: float
