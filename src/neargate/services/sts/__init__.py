"""STS: who calls, and temporary credentials."""

from neargate.services.sts import assume, identity

__all__ = ["assume", "identity"]
