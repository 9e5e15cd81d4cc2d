"""Application Auto Scaling at work."""

from neargate.drivers.scaling.driver import ScalingDriver

__all__ = ["ScalingDriver"]
