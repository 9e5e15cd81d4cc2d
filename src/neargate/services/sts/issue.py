"""Making temporary credentials. Operations use it, and so do drivers that hand credentials to tasks."""

from __future__ import annotations

import string

from neargate.model.errors import AwsError
from neargate.model.iam import Role, Session, User, derived_id, key_of
from neargate.model.operations import Context
from neargate.model.tags import Tags

_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_BASE64 = string.ascii_letters + string.digits + "+/"


def issue(
    cx: Context,
    role_arn: str,
    session_name: str,
    duration: float = 3600,
    *,
    policy: str | None = None,
    policy_arns: tuple[str, ...] = (),
    tags: Tags | None = None,
    source_identity: str | None = None,
) -> Session:
    """Credentials of a role for `duration` seconds, recorded so that their signatures can be verified.

    Asks nobody's permission: `AssumeRole` does. Raises AccessDenied where there is no such role.
    """
    role = find_role(cx, role_arn)
    if role is None:
        raise denied(cx, role_arn)
    session = Session(
        id="ASIA" + cx.ids.letters(16, _BASE32),
        secret=cx.ids.letters(40, _BASE64),
        token="IQoJb3JpZ2luX2Vj" + cx.ids.letters(336, _BASE64),
        account=role.account,
        principal=f"arn:aws:sts::{role.account}:assumed-role/{role.name}/{session_name}",
        user_id=f"{role.id}:{session_name}",
        issued=cx.now,
        expires=float(int(cx.now + duration)),
        role=role.arn,
        session_name=session_name,
        policy=policy,
        policy_arns=policy_arns,
        tags=tags or {},
        source_identity=source_identity,
        source=cx.caller.principal,
        via=cx.caller.via,
    )
    cx.tx.put(session)
    return session


def issue_for_caller(cx: Context, duration: float) -> Session:
    """Credentials that act as the caller (GetSessionToken)."""
    session = Session(
        id="ASIA" + cx.ids.letters(16, _BASE32),
        secret=cx.ids.letters(40, _BASE64),
        token="IQoJb3JpZ2luX2Vj" + cx.ids.letters(200, _BASE64),
        account=cx.account,
        principal=cx.caller.principal,
        user_id=caller_id(cx),
        issued=cx.now,
        expires=float(int(cx.now + duration)),
        source=cx.caller.principal,
    )
    cx.tx.put(session)
    return session


def caller_id(cx: Context) -> str:
    """The unique id of who calls: the account for root, `AIDA…`, or `AROA…:session`."""
    kind, _, name = cx.caller.principal.split(":", 5)[-1].partition("/")
    if kind == "user":
        user = cx.tx.get(User, key_of(cx.account, name.rsplit("/", 1)[-1]))
        return cx.account if user is None else user.id
    if kind == "assumed-role":
        session = cx.tx.get(Session, cx.caller.access_key) if cx.caller.access_key else None
        if session is not None:
            return session.user_id
        role = None if cx.caller.role is None else find_role(cx, cx.caller.role)
        role_id = derived_id("AROA", cx.caller.principal) if role is None else role.id
        return f"{role_id}:{name.partition('/')[2]}"
    return cx.account


def sweep(cx: Context) -> int:
    """Forget sessions that expired more than a day ago; how many. For a driver, now and then."""
    old = [session for session in cx.tx.scan(Session) if session.expires < cx.now - 86400]
    for session in old:
        cx.tx.delete(Session, session.key)
    return len(old)


def find_role(cx: Context, arn: str) -> Role | None:
    """The role of an ARN, in whichever account."""
    parts = arn.split(":", 5)
    if len(parts) < 6 or not parts[5].startswith("role/"):
        return None
    found = cx.tx.get(Role, key_of(parts[4], parts[5].rsplit("/", 1)[-1]))
    return found if found is not None and found.arn == arn else None


def denied(cx: Context, role_arn: str) -> AwsError:
    """STS tells nobody whether the role or the trust is missing."""
    return AwsError(
        "AccessDenied",
        f"User: {cx.caller.principal} is not authorized to perform: sts:AssumeRole on resource: {role_arn}",
        status=403,
    )
