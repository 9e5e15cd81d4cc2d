"""The quotas of an account, AWS's defaults."""

from __future__ import annotations

from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.services.elbv2 import certificates, listeners, load_balancers, rules
from neargate.services.elbv2.actions import MOST_GROUPS, MOST_GROUPS_OF_A_BALANCER
from neargate.services.elbv2.conditions import MOST_VALUES, MOST_WILDCARDS
from neargate.services.elbv2.lookup import page
from neargate.services.elbv2.target_groups import MOST as MOST_TARGET_GROUPS

_LIMITS = {
    "application-load-balancers": load_balancers.MOST,
    "certificates-per-application-load-balancer": certificates.MOST,
    "condition-values-per-alb-rule": MOST_VALUES,
    "condition-wildcards-per-alb-rule": MOST_WILDCARDS,
    "listeners-per-application-load-balancer": listeners.MOST,
    "listeners-per-network-load-balancer": listeners.MOST,
    "network-load-balancers": load_balancers.MOST,
    "rules-per-application-load-balancer": rules.MOST,
    "target-groups": MOST_TARGET_GROUPS,
    "target-groups-per-action-on-application-load-balancer": MOST_GROUPS,
    "target-groups-per-action-on-network-load-balancer": 1,
    "target-groups-per-application-load-balancer": MOST_GROUPS_OF_A_BALANCER,
    "targets-per-application-load-balancer": 1000,
    "targets-per-availability-zone-per-network-load-balancer": 500,
    "targets-per-network-load-balancer": 3000,
}


@operation("elbv2", "DescribeAccountLimits", reads=True)
def describe_account_limits(cx: Context, request: Json) -> Json:
    limits = [{"Name": name, "Max": str(most)} for name, most in _LIMITS.items()]
    return page(request, "Limits", limits, dict)
