"""AWS::IAM's types: who may act, and what they may do."""

from __future__ import annotations

from neargate.resources import iam_identities, iam_policies, iam_roles, iam_users

TYPES = {**iam_roles.TYPES, **iam_policies.TYPES, **iam_users.TYPES, **iam_identities.TYPES}
