"""Who somebody is."""

from __future__ import annotations

from neargate.model.iam import AccessKey, Session, User, key_of
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.services.sts.issue import find_role

UNKNOWN_KEYS_ACCOUNT = "000000000000"


@operation("sts", "GetCallerIdentity", reads=True)
def get_caller_identity(cx: Context, request: Json) -> Json:
    return {"UserId": _user_id(cx), "Account": cx.account, "Arn": cx.caller.principal}


@operation("sts", "GetAccessKeyInfo", reads=True)
def get_access_key_info(cx: Context, request: Json) -> Json:
    """The account a key acts in. A key that nobody issued acts in the account it spells, or in the first."""
    wanted = request["AccessKeyId"]
    known = cx.tx.get(Session, wanted) or cx.tx.get(AccessKey, wanted)
    if known is not None:
        return {"Account": known.account}
    spelled = len(wanted) == 12 and wanted.isdecimal()
    return {"Account": wanted if spelled else UNKNOWN_KEYS_ACCOUNT}


def _user_id(cx: Context) -> str:
    resource = cx.caller.principal.split(":", 5)[-1]
    kind, _, name = resource.partition("/")
    if kind == "user":
        user = cx.tx.get(User, key_of(cx.account, name.rsplit("/", 1)[-1]))
        return cx.account if user is None else user.id
    if kind == "assumed-role":
        session = cx.tx.get(Session, cx.caller.access_key) if cx.caller.access_key else None
        if session is not None:
            return session.user_id
        role = None if cx.caller.role is None else find_role(cx, cx.caller.role)
        return f"{'AROA' if role is None else role.id}:{name.partition('/')[2]}"
    return cx.account
