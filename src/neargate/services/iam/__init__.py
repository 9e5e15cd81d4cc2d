"""IAM: who may act, recorded as AWS records it. Execution roles of tasks are enforced; other calls are not."""

from neargate.services.iam import (
    account,
    instance_profiles,
    managed_policies,
    policy_versions,
    principals_policies,
    roles,
    service_linked_roles,
    simulation,
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
    "simulation",
    "tagging",
    "users",
]
