"""AWS's public parameters in the answers of Parameter Store."""

from __future__ import annotations

from neargate.model.operations import Context
from neargate.model.records import Json
from neargate.model.ssm import of_arn
from neargate.runtimes import public_parameters
from neargate.runtimes.public_parameters import PREFIX, Published
from neargate.services.ssm.lookup import not_found, page, version_not_found


def public_name(name: str) -> str | None:
    """The name, with its selector, where it or an ARN means a public parameter; None for any other."""
    named = of_arn(name)
    if named is not None and named[0] == "":
        return f"/{named[2]}{named[3]}"
    return name if name.startswith(PREFIX) else None


def value(cx: Context, name: str) -> Json:
    """GetParameter's `Parameter`. Only the version that is published can be named."""
    plain, colon, selector = name.partition(":")
    found = public_parameters.find(cx.region, plain)
    if found is None:
        raise not_found()
    if colon and selector != str(found.version):
        raise version_not_found(plain, selector)
    return {**_shown(cx, found), **({"Selector": f":{selector}"} if colon else {})}


def by_path(cx: Context, request: Json) -> Json:
    """GetParametersByPath's answer for a path of theirs."""
    path = request["Path"].rstrip("/") + "/"
    found = [
        each
        for each in public_parameters.below(cx.region, path)
        if request.get("Recursive") or "/" not in each.name[len(path) :]
    ]
    shown, token = page(
        found, lambda each: each.name, request.get("NextToken"), request.get("MaxResults", 10)
    )
    return {"Parameters": [_shown(cx, each) for each in shown], **({"NextToken": token} if token else {})}


def _shown(cx: Context, parameter: Published) -> Json:
    return {
        "Name": parameter.name,
        "Type": "String",
        "Value": parameter.value,
        "Version": parameter.version,
        "LastModifiedDate": parameter.modified,
        "ARN": f"arn:aws:ssm:{cx.region}::parameter{parameter.name}",
        "DataType": parameter.data_type,
    }
