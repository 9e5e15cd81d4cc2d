"""AssumeRole and GetSessionToken."""

from __future__ import annotations

import re

from neargate.model import tags
from neargate.model.errors import AwsError, not_implemented
from neargate.model.iam import Session
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.planners import policy_document
from neargate.planners.policy_document import TrustCaller
from neargate.services.sts.issue import denied, find_role, issue, issue_for_caller

CHAINED_LIMIT = 3600


@operation("sts", "AssumeRole")
def assume_role(cx: Context, request: Json) -> Json:
    """Credentials of a role whose trust policy names the caller (`via`: the service that calls)."""
    _refuse_mfa(request, "AssumeRole")
    arn, duration = request["RoleArn"], request.get("DurationSeconds") or 3600
    if not re.fullmatch(r"arn:aws[a-z-]*:iam::\d{12}:role/.+", arn):
        raise AwsError("ValidationError", f"{arn} is invalid")
    role = find_role(cx, arn)
    if role is None or not policy_document.trusts(
        policy_document.read(role.trust_policy), _who(cx, request.get("ExternalId"))
    ):
        raise denied(cx, arn)
    if duration > role.max_session and not cx.caller.via:  # "does not limit sessions assumed by AWS services"
        raise AwsError(
            "ValidationError",
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        )
    if cx.caller.role is not None and not cx.caller.via and duration > CHAINED_LIMIT:
        raise AwsError(
            "ValidationError",
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
        )
    if request.get("Policy"):
        policy_document.parse_identity(request["Policy"])
    session = issue(
        cx,
        arn,
        request["RoleSessionName"],
        duration,
        policy=request.get("Policy"),
        policy_arns=tuple(item["arn"] for item in request.get("PolicyArns") or ()),
        tags=tags.from_list(request.get("Tags")),
        source_identity=request.get("SourceIdentity"),
    )
    answer: Json = {
        "Credentials": _credentials(session),
        "AssumedRoleUser": {"AssumedRoleId": session.user_id, "Arn": session.principal},
    }
    if request.get("SourceIdentity"):
        answer["SourceIdentity"] = request["SourceIdentity"]
    return answer


@operation("sts", "GetSessionToken")
def get_session_token(cx: Context, request: Json) -> Json:
    """Credentials that act as the caller; a root's last an hour at most, as on AWS."""
    _refuse_mfa(request, "GetSessionToken")
    if cx.caller.role is not None or cx.caller.access_key.startswith("ASIA"):
        raise AwsError("AccessDenied", "Cannot call GetSessionToken with session credentials", status=403)
    root = cx.caller.principal.endswith(":root")
    longest = 3600 if root else 43200
    duration = min(request.get("DurationSeconds") or longest, longest)
    return {"Credentials": _credentials(issue_for_caller(cx, duration))}


def _refuse_mfa(request: Json, operation_name: str) -> None:
    for member in ("SerialNumber", "TokenCode", "ProvidedContexts"):
        if request.get(member):
            raise not_implemented(f"sts:{operation_name} with {member}", "sts")


def _who(cx: Context, external_id: str | None) -> TrustCaller:
    """The caller under each name a trust policy may give it: itself, its role, its account."""
    if cx.caller.via:
        return TrustCaller("sts:AssumeRole", service=cx.caller.via, external_id=external_id)
    account = cx.caller.account
    names = [cx.caller.principal, account, f"arn:aws:iam::{account}:root"]
    if cx.caller.role is not None:
        names.append(cx.caller.role)
    return TrustCaller("sts:AssumeRole", names=tuple(names), external_id=external_id)


def _credentials(session: Session) -> Json:
    return {
        "AccessKeyId": session.id,
        "SecretAccessKey": session.secret,
        "SessionToken": session.token,
        "Expiration": session.expires,
    }
