"""Dashboards: documents that are kept, checked for being JSON, and given back."""

from __future__ import annotations

import json
import re

import attrs

from neargate.model import tags
from neargate.model.cloudwatch import Dashboard
from neargate.model.errors import AwsError
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.services.cloudwatch.lookup import invalid_value, page

_NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")
_PAGE = 1000
_MOST_WIDGETS = 500


@operation("cloudwatch", "PutDashboard")
def put_dashboard(cx: Context, request: Json) -> Json:
    name, body = request["DashboardName"], request["DashboardBody"]
    if not _NAME.fullmatch(name):
        raise invalid_value(
            "The value for field DashboardName contains invalid characters. "
            "It can only contain alphanumerics, dash (-) and underscore (_).\n"
        )
    _check_body(body)
    before = cx.tx.get(Dashboard, f"{cx.account}/{name}")
    if before is None:
        given = tags.from_list(request.get("Tags"))
        before = Dashboard(account=cx.account, name=name, body=body, modified=cx.now, tags=given)
    cx.tx.put(attrs.evolve(before, body=body, modified=cx.now))
    return {"DashboardValidationMessages": []}


@operation("cloudwatch", "GetDashboard", reads=True)
def get_dashboard(cx: Context, request: Json) -> Json:
    found = cx.tx.get(Dashboard, f"{cx.account}/{request['DashboardName']}")
    if found is None:
        raise _unknown(request["DashboardName"])
    return {"DashboardArn": found.arn, "DashboardBody": found.body, "DashboardName": found.name}


@operation("cloudwatch", "ListDashboards", reads=True)
def list_dashboards(cx: Context, request: Json) -> Json:
    prefix = request.get("DashboardNamePrefix") or ""
    every = cx.tx.scan(Dashboard, f"{cx.account}/{prefix}")
    shown, token = page(every, lambda one: one.name, request.get("NextToken"), _PAGE)
    entries = [
        {
            "DashboardName": one.name,
            "DashboardArn": one.arn,
            "LastModified": one.modified,
            "Size": len(one.body.encode()),
        }
        for one in shown
    ]
    return {"DashboardEntries": entries, **({"NextToken": token} if token else {})}


@operation("cloudwatch", "DeleteDashboards")
def delete_dashboards(cx: Context, request: Json) -> Json:
    """All of them, or, where one does not exist, none."""
    for name in request["DashboardNames"]:
        if not cx.tx.delete(Dashboard, f"{cx.account}/{name}"):
            raise _unknown(name)
    return {}


def _check_body(body: str) -> None:
    try:
        document = json.loads(body)
    except ValueError:
        document = None
    problem = None
    if not isinstance(document, dict):
        problem = ("", "The dashboard body should be a JSON object")
    elif not isinstance(document.get("widgets", []), list):
        problem = ("/widgets", "Should be array")
    elif len(document.get("widgets", [])) > _MOST_WIDGETS:
        problem = ("/widgets", f"Should NOT have more than {_MOST_WIDGETS} items")
    if problem is not None:
        messages = [{"dataPath": problem[0], "message": problem[1]}]
        text = json.dumps(messages, indent=2)
        raise AwsError(
            "DashboardInvalidInputError",
            f"The dashboard body is invalid, there are 1 validation errors:\n{text}",
            dashboardValidationMessages=[{"DataPath": problem[0], "Message": problem[1]}],
        )


def _unknown(name: str) -> AwsError:
    return AwsError("DashboardNotFoundError", f"Dashboard {name} does not exist", status=404)
