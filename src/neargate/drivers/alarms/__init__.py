"""Alarms: what state they are in, and what follows from it."""

from neargate.drivers.alarms.driver import AlarmDriver

__all__ = ["AlarmDriver"]
