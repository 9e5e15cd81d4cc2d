"""IAM: who may act, recorded as AWS records it. Evaluation comes with a later issue; nothing is enforced."""

from neargate.services.iam import (
    account,
    instance_profiles,
    managed_policies,
    policy_versions,
    principals_policies,
    roles,
    service_linked_roles,
    tagging,
    users,
)

__all__ = [
    "account",
    "instance_profiles",
    "managed_policies",
    "policy_versions",
    "principals_policies",
    "roles",
    "service_linked_roles",
    "tagging",
    "users",
]
