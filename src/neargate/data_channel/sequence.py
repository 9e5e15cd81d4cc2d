"""Streams of numbered messages: what was sent and not acknowledged is sent again; what arrives is put in order."""

from __future__ import annotations

import attrs

from neargate.data_channel.message import SYN, Message

FIRST_PATIENCE = 0.2
LONGEST_PATIENCE = 1.0
"""Seconds after which an unacknowledged message is sent again: at first, and at most. Between them the times that
acknowledgements took decide, as in TCP."""

_GRANULARITY = 0.01
_MOST_HELD = 10_000  # messages that came before their turn


@attrs.define
class _Sent:
    message: Message
    at: float
    again: int = 0


@attrs.define
class Outgoing:
    """One side's stream. `type` is INPUT or OUTPUT; times are in seconds, of whatever clock."""

    type: str
    _next: int = 0
    _waiting: dict[int, _Sent] = attrs.field(factory=dict)
    _round_trip: float = 0.1
    _variation: float = 0.0
    _patience: float = FIRST_PATIENCE

    def number(self, payload_type: int, payload: bytes, identity: bytes, now: float) -> Message:
        """The stream's next message; it waits for its acknowledgement from now on."""
        message = Message(
            type=self.type,
            id=identity,
            created=round(now * 1000),
            sequence=self._next,
            flags=SYN if self._next == 0 else 0,
            payload_type=payload_type,
            payload=payload,
        )
        self._waiting[self._next] = _Sent(message, now)
        self._next += 1
        return message

    def acknowledged(self, sequence: int, now: float) -> None:
        """A number nobody waits for is fine: acknowledgements come twice where messages did."""
        sent = self._waiting.pop(sequence, None)
        if sent is None or sent.again:
            return  # which of the sendings was acknowledged is not known, so it tells nothing of the time
        took = now - sent.at
        self._variation = 0.75 * self._variation + 0.25 * abs(self._round_trip - took)
        self._round_trip = 0.875 * self._round_trip + 0.125 * took
        wanted = self._round_trip + max(_GRANULARITY, 4 * self._variation)
        self._patience = min(LONGEST_PATIENCE, wanted)

    def overdue(self, now: float) -> Message | None:
        """The oldest message that waits, where it has waited too long; it counts as sent again now."""
        if not self._waiting:
            return None
        oldest = next(iter(self._waiting.values()))
        if now - oldest.at < self._patience:
            return None
        oldest.at = now
        oldest.again += 1
        return oldest.message

    def due_at(self) -> float | None:
        """When to ask for `overdue`; None where nothing waits."""
        if not self._waiting:
            return None
        return next(iter(self._waiting.values())).at + self._patience

    def unacknowledged(self) -> list[Message]:
        """All that waits, oldest first: what a new connection has to hear."""
        return [sent.message for sent in self._waiting.values()]

    def __len__(self) -> int:
        return len(self._waiting)


@attrs.define
class Incoming:
    """The other side's stream, in order, each message once."""

    _expected: int = 0
    _held: dict[int, Message] = attrs.field(factory=dict)

    def take(self, message: Message) -> list[Message] | None:
        """The messages whose turn it is now; empty for a repetition or one that is early.

        None where it cannot be held: it must not be acknowledged, and will come again.
        """
        if message.sequence < self._expected:
            return []
        if message.sequence > self._expected:
            if len(self._held) >= _MOST_HELD:
                return None
            self._held[message.sequence] = message
            return []
        ready = [message]
        self._expected += 1
        while (following := self._held.pop(self._expected, None)) is not None:
            ready.append(following)
            self._expected += 1
        return ready
