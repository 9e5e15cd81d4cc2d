"""What an account has as a whole."""

from __future__ import annotations

from neargate.model.iam import Group, InstanceProfile, OpenIdProvider, Policy, Role, ServerCertificate, User
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.services.iam.groups import GROUPS_QUOTA
from neargate.services.iam.managed_policies import POLICY_QUOTA
from neargate.services.iam.policy_versions import VERSIONS_QUOTA
from neargate.services.iam.principals_policies import ATTACHED_QUOTA
from neargate.services.iam.roles import TRUST_POLICY_QUOTA
from neargate.services.iam.users import KEYS_QUOTA


@operation("iam", "ListAccountAliases", reads=True)
def list_account_aliases(cx: Context, request: Json) -> Json:
    """None: an alias cannot be made here."""
    return {"AccountAliases": [], "IsTruncated": False}


@operation("iam", "GetAccountSummary", reads=True)
def get_account_summary(cx: Context, request: Json) -> Json:
    """Counts of what exists and the quotas that are enforced here."""
    prefix = f"{cx.account}/"
    policies = cx.tx.scan(Policy, prefix)
    return {
        "SummaryMap": {
            "Roles": len(cx.tx.scan(Role, prefix)),
            "Users": len(cx.tx.scan(User, prefix)),
            "Groups": len(cx.tx.scan(Group, prefix)),
            "Providers": len(cx.tx.scan(OpenIdProvider, prefix)),
            "ServerCertificates": len(cx.tx.scan(ServerCertificate, prefix)),
            "InstanceProfiles": len(cx.tx.scan(InstanceProfile, prefix)),
            "Policies": len(policies),
            "PolicyVersionsInUse": sum(len(policy.versions) for policy in policies),
            "AssumeRolePolicySizeQuota": TRUST_POLICY_QUOTA,
            "PolicySizeQuota": POLICY_QUOTA,
            "VersionsPerPolicyQuota": VERSIONS_QUOTA,
            "AttachedPoliciesPerRoleQuota": ATTACHED_QUOTA,
            "AttachedPoliciesPerUserQuota": ATTACHED_QUOTA,
            "AttachedPoliciesPerGroupQuota": ATTACHED_QUOTA,
            "GroupsPerUserQuota": GROUPS_QUOTA,
            "AccessKeysPerUserQuota": KEYS_QUOTA,
        }
    }
