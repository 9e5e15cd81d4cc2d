"""Saved Logs Insights queries."""

from __future__ import annotations

from neargate.model.errors import AwsError
from neargate.model.logs import QueryDefinition
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.services.logs.lookup import page

_SETTINGS = ("logGroupNames", "parameters", "queryLanguage")


@operation("logs", "PutQueryDefinition")
def put_query_definition(cx: Context, request: Json) -> Json:
    """Makes one, or replaces the one that `queryDefinitionId` names."""
    wanted = request.get("queryDefinitionId")
    if wanted is not None and cx.tx.get(QueryDefinition, cx.caller.scope(wanted)) is None:
        raise _missing()
    definition = QueryDefinition(
        account=cx.account,
        region=cx.region,
        id=wanted or cx.ids.uuid(),
        name=request["name"],
        query=request["queryString"],
        modified=int(cx.now * 1000),
        settings={member: request[member] for member in _SETTINGS if request.get(member)},
    )
    cx.tx.put(definition)
    return {"queryDefinitionId": definition.id}


@operation("logs", "DescribeQueryDefinitions", reads=True)
def describe_query_definitions(cx: Context, request: Json) -> Json:
    prefix, language = request.get("queryDefinitionNamePrefix", ""), request.get("queryLanguage")
    found = sorted(
        (
            one
            for one in cx.tx.scan(QueryDefinition, cx.caller.scope(""))
            if one.name.startswith(prefix) and language in (None, one.settings.get("queryLanguage", "CWLI"))
        ),
        key=_position,
    )
    shown, token = page(found, _position, request.get("nextToken"), request.get("maxResults", 1000))
    return {"queryDefinitions": [_described(one) for one in shown], "nextToken": token}


def _position(one: QueryDefinition) -> str:
    return f"{one.name}\n{one.id}"


@operation("logs", "DeleteQueryDefinition")
def delete_query_definition(cx: Context, request: Json) -> Json:
    if not cx.tx.delete(QueryDefinition, cx.caller.scope(request["queryDefinitionId"])):
        raise _missing()
    return {"success": True}


def _missing() -> AwsError:
    return AwsError("ResourceNotFoundException", "The specified query definition does not exist.")


def _described(one: QueryDefinition) -> Json:
    described: Json = {
        "queryDefinitionId": one.id,
        "name": one.name,
        "queryString": one.query,
        "lastModified": one.modified,
    }
    return {**described, **one.settings}
