"""Forgetting events that are older than their group keeps them."""

from __future__ import annotations

from neargate.model.logs import LogGroup, LogStream
from neargate.model.records import Tx


def expire(tx: Tx, now: float) -> int:
    """Delete, in all accounts and regions, the events that expired by `now` (epoch seconds); how many.

    A driver calls it now and then, inside a write of its own.
    """
    deleted = 0
    for group in tx.scan(LogGroup):
        before = group.expires_before(int(now * 1000))
        if before is None:
            continue
        for stream in tx.scan(LogStream, group.stream_key("")):
            deleted += tx.drop_log_events(stream.key, before=before)
    return deleted
