"""IAM: who may act, recorded as AWS records it. Execution roles of tasks are enforced; other calls are not."""

from neargate.services.iam import (
    account,
    groups,
    instance_profiles,
    managed_policies,
    openid_providers,
    policy_versions,
    principals_policies,
    roles,
    server_certificates,
    service_linked_roles,
    simulation,
    tagging,
    users,
)

__all__ = [
    "account",
    "groups",
    "instance_profiles",
    "managed_policies",
    "openid_providers",
    "policy_versions",
    "principals_policies",
    "roles",
    "server_certificates",
    "service_linked_roles",
    "simulation",
    "tagging",
    "users",
]
