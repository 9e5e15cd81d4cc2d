"""Secrets Manager: secrets with versions and stages, random passwords, resource policies."""

from __future__ import annotations

from neargate.services.secretsmanager import listing, passwords, policies, secrets, versions

__all__ = ["listing", "passwords", "policies", "secrets", "versions"]
