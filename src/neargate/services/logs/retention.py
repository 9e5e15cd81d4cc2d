"""Forgetting events that are older than their group keeps them, and queries of last week."""

from __future__ import annotations

from neargate.model.logs import DAY, InsightsQuery, LogGroup, LogStream
from neargate.model.records import Tx

_QUERIES_KEPT = 7 * DAY


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
    for query in tx.scan(InsightsQuery):
        if query.created < now * 1000 - _QUERIES_KEPT:
            tx.delete(InsightsQuery, query.key)
    return deleted
