"""The driver of CloudFormation stacks."""

from neargate.drivers.stacks.driver import StackDriver

__all__ = ["StackDriver"]
