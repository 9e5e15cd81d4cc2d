"""ECR: repositories, the images in them, and tokens for the registry that the gateway serves at /v2/."""

from neargate.services.ecr import (
    authorization,
    images,
    layers,
    policies,
    push,
    repositories,
    settings,
    tagging,
)

__all__ = [
    "authorization",
    "images",
    "layers",
    "policies",
    "push",
    "repositories",
    "settings",
    "tagging",
]
