"""Builds: from a recorded StartBuild to a container that ran, its log, its artifacts, and nothing left behind."""

from neargate.drivers.builds.driver import BuildDriver

__all__ = ["BuildDriver"]
