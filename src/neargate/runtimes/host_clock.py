"""What the kernel knows of this machine's clock: how far off it may be, and whether anything keeps it right."""

from __future__ import annotations

import struct

import attrs

_TIMEX = struct.Struct("=I4xqqqqi4x")  # struct timex of a 64-bit Linux, as far as it is needed here
_SIZE = 256
_UNSYNCHRONISED = 0x40


@attrs.frozen
class ClockState:
    """`error_bound` is in milliseconds."""

    error_bound: float
    synchronised: bool


def clock_state() -> ClockState | None:
    """None where the machine does not tell (adjtimex(2) is Linux's)."""
    import ctypes

    try:
        adjtimex = ctypes.CDLL(None, use_errno=True).adjtimex
    except (AttributeError, OSError):
        return None
    buffer = ctypes.create_string_buffer(_SIZE)
    if adjtimex(buffer) < 0:
        return None
    _, _, _, maximum, _, status = _TIMEX.unpack_from(buffer.raw)
    return ClockState(error_bound=maximum / 1000, synchronised=not status & _UNSYNCHRONISED)
