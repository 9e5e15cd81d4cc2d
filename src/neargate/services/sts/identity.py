"""Who somebody is."""

from __future__ import annotations

from neargate.model.iam import AccessKey, Session
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.services.sts.issue import caller_id

UNKNOWN_KEYS_ACCOUNT = "000000000000"


@operation("sts", "GetCallerIdentity", reads=True)
def get_caller_identity(cx: Context, request: Json) -> Json:
    return {"UserId": caller_id(cx), "Account": cx.account, "Arn": cx.caller.principal}


@operation("sts", "GetAccessKeyInfo", reads=True)
def get_access_key_info(cx: Context, request: Json) -> Json:
    """The account a key acts in. A key that nobody issued acts in the account it spells, or in the first."""
    wanted = request["AccessKeyId"]
    known = cx.tx.get(Session, wanted) or cx.tx.get(AccessKey, wanted)
    if known is not None:
        return {"Account": known.account}
    spelled = len(wanted) == 12 and wanted.isdecimal()
    return {"Account": wanted if spelled else UNKNOWN_KEYS_ACCOUNT}
