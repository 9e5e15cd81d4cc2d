"""The OCI distribution API behind ECR, an ASGI app for /v2/."""

from neargate.gateway.registry.app import registry_app

__all__ = ["registry_app"]
