"""DynamoDB: tables as AWS describes them; another stream after the first."""

from __future__ import annotations

from typing import Any
from uuid import NAMESPACE_URL, uuid5

from neargate.model.records import Json
from neargate.runtimes.moto_corrections import dynamodb_streaming
from neargate.runtimes.moto_corrections.asked import Addition, Asked, Correction, Preparation
from neargate.runtimes.moto_corrections.dynamodb_streaming import has_stream, settle, table_of


def _table(asked: Asked, answer: Json) -> Json:
    member = "Table" if "Table" in answer else "TableDescription"
    return {**answer, member: _described(answer[member])}


def _described(table: Json) -> Json:
    found = {name: value for name, value in table.items() if value != []}
    found["TableId"] = str(uuid5(NAMESPACE_URL, table["TableArn"]))  # the same after a restart
    found["AttributeDefinitions"] = sorted(
        table["AttributeDefinitions"], key=lambda each: str(each["AttributeName"])
    )
    billing = found.pop("BillingModeSummary", {})
    if billing.get("BillingMode") == "PAY_PER_REQUEST":
        since = {"LastUpdateToPayPerRequestDateTime": table["CreationDateTime"]}
        found["BillingModeSummary"] = {**since, **billing}
        found["ProvisionedThroughput"] = {"ReadCapacityUnits": 0, "WriteCapacityUnits": 0}
    found["ProvisionedThroughput"] = {"NumberOfDecreasesToday": 0, **found["ProvisionedThroughput"]}
    for kind in ("GlobalSecondaryIndexes", "LocalSecondaryIndexes"):
        if kind in found:
            found[kind] = [_index(table["TableArn"], each) for each in found[kind]]
    return found


def _index(table: str, index: Json) -> Json:
    found = {"IndexArn": f"{table}/index/{index['IndexName']}", "IndexSizeBytes": 0, "ItemCount": 0, **index}
    if "ProvisionedThroughput" in found:
        found["ProvisionedThroughput"] = {"NumberOfDecreasesToday": 0, **found["ProvisionedThroughput"]}
    return found


def _stream_on(asked: Asked) -> Json:
    """After a stream was switched off another one can be switched on."""
    stream = asked.request.get("StreamSpecification") or {}
    if stream.get("StreamEnabled"):
        table = table_of(asked)
        if not has_stream(table):
            table.latest_stream_label = None
    return asked.request


def _updated(asked: Asked, answer: Json) -> Json:
    settle(table_of(asked))
    return _table(asked, answer)


# -- Contributor Insights: kept as set; the rules of CloudWatch that AWS makes of it are not there -------------


def _insights_of(asked: Asked) -> tuple[Any, str]:
    """The table's settings, by index ("" for the table itself)."""
    table = table_of(asked)
    table.neargate_insights = getattr(table, "neargate_insights", {})
    return table, str(asked.request.get("IndexName", ""))


def _set_insights(asked: Asked) -> Json:
    table, index = _insights_of(asked)
    table.neargate_insights[index] = asked.request["ContributorInsightsAction"] == "ENABLE"
    return _insights(table, index)


def _insights(table: Any, index: str) -> Json:
    on = table.neargate_insights.get(index, False)
    named = {"TableName": table.name, **({"IndexName": index} if index else {})}
    return {**named, "ContributorInsightsStatus": "ENABLED" if on else "DISABLED"}


ADDITIONS: dict[str, Addition] = {
    "DescribeContributorInsights": lambda asked: _insights(*_insights_of(asked)),
    "UpdateContributorInsights": _set_insights,
    **dynamodb_streaming.ADDITIONS,
}
PREPARATIONS: dict[str, Preparation] = {"UpdateTable": _stream_on}
CORRECTIONS: dict[str, Correction] = {
    "CreateTable": _table,
    "DeleteTable": _table,
    "DescribeTable": _table,
    "UpdateTable": _updated,
}
