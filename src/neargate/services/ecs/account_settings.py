"""Account settings: recorded per principal, or for the account."""

from __future__ import annotations

from neargate.model.ecs import AccountSetting
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.services.ecs.lookup import invalid, page

_DEFAULTS = {
    "awsvpcTrunking": "disabled",
    "containerInsights": "disabled",
    "containerInstanceLongArnFormat": "enabled",
    "defaultLogDriverMode": "non-blocking",
    "fargateFIPSMode": "disabled",
    "fargateTaskRetirementWaitPeriod": "7",
    "guardDutyActivate": "off",
    "serviceLongArnFormat": "enabled",
    "tagResourceAuthorization": "off",
    "taskLongArnFormat": "enabled",
}
_LONG_ARNS = ("serviceLongArnFormat", "taskLongArnFormat", "containerInstanceLongArnFormat")
_VALUES = {
    "containerInsights": {"enabled", "disabled", "on", "off", "enhanced"},
    "defaultLogDriverMode": {"blocking", "non-blocking"},
    "fargateTaskRetirementWaitPeriod": {"0", "7", "14"},
    "guardDutyActivate": {"on", "off"},
    "tagResourceAuthorization": {"on", "off", "enabled", "disabled"},
}
_ON_OFF = {"enabled", "disabled", "on", "off"}


@operation("ecs", "PutAccountSetting")
def put_account_setting(cx: Context, request: Json) -> Json:
    return _put(cx, request, request.get("principalArn") or cx.caller.principal)


@operation("ecs", "PutAccountSettingDefault")
def put_account_setting_default(cx: Context, request: Json) -> Json:
    return _put(cx, request, "")


@operation("ecs", "DeleteAccountSetting")
def delete_account_setting(cx: Context, request: Json) -> Json:
    principal = request.get("principalArn") or cx.caller.principal
    found = cx.tx.get(AccountSetting, cx.caller.scope(principal, request["name"]))
    if found is not None:
        cx.tx.delete(AccountSetting, found.key)
    value = found.value if found else _DEFAULTS.get(request["name"], "")
    return {"setting": _described(request["name"], value, principal)}


@operation("ecs", "ListAccountSettings", reads=True)
def list_account_settings(cx: Context, request: Json) -> Json:
    """What was put, or with `effectiveSettings` also the defaults."""
    principal = request.get("principalArn") or cx.caller.principal
    put = {s.name: s.value for s in cx.tx.scan(AccountSetting, cx.caller.scope(principal, ""))}
    if request.get("effectiveSettings"):
        account = {s.name: s.value for s in cx.tx.scan(AccountSetting, cx.caller.scope("", ""))}
        put = {**_DEFAULTS, **account, **put}
    wanted = sorted(
        name
        for name, value in put.items()
        if request.get("name") in (None, name) and request.get("value") in (None, value)
    )
    answer = page(request, "settings", wanted, 100)
    answer["settings"] = [_described(name, put[name], principal) for name in answer["settings"]]
    return answer


def _put(cx: Context, request: Json, principal: str) -> Json:
    name, value = request["name"], request["value"]
    if value not in _VALUES.get(name, _ON_OFF):
        raise invalid(f"Value '{value}' is not valid for setting '{name}'.")
    if name in _LONG_ARNS and value in ("disabled", "off"):
        raise invalid(f"The setting {name} cannot be disabled: ARNs are always in the long format.")
    cx.tx.put(
        AccountSetting(account=cx.account, region=cx.region, principal=principal, name=name, value=value)
    )
    return {"setting": _described(name, value, principal or f"arn:aws:iam::{cx.account}:root")}


def _described(name: str, value: str, principal: str) -> Json:
    return {"name": name, "value": value, "principalArn": principal, "type": "user"}
