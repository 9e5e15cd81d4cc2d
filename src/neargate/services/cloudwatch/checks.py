"""What CloudWatch refuses in metric data queries and periods."""

from __future__ import annotations

import re
from collections.abc import Sequence

from neargate.model.errors import not_implemented
from neargate.model.records import Json
from neargate.planners import metric_math
from neargate.planners.metric_statistics import known
from neargate.services.cloudwatch.lookup import invalid

_ID = re.compile(r"[a-z][a-zA-Z0-9_]*")
_SHORT_PERIODS = (1, 5, 10, 20, 30)


def valid_period(period: int) -> bool:
    return period in _SHORT_PERIODS or (period > 0 and period % 60 == 0)


def check_queries(queries: Sequence[Json], account: str) -> None:
    """Raises ValidationError where AWS would not answer the queries; NotImplemented where Neargate cannot."""
    ids = [query["Id"] for query in queries]
    for name in ids:
        if not _ID.fullmatch(name):
            raise invalid(
                f"The value {name} for parameter Id is invalid: it must start with a lowercase letter and contain "
                "only letters, numbers and underscores."
            )
        if ids.count(name) > 1:
            raise invalid(f"The values for parameter Id must be unique: {name} is used more than once.")
    for query in queries:
        if query.get("AccountId") not in {None, account}:
            raise not_implemented("metrics of another account (cloudwatch)", "cloudwatch")
        if "${" in (query.get("Label") or ""):
            raise not_implemented("dynamic labels (cloudwatch)", "cloudwatch")
        if bool(query.get("MetricStat")) == bool(query.get("Expression")):
            raise invalid(
                f"Exactly one of the parameters MetricStat and Expression must be specified for {query['Id']}."
            )
        if query.get("MetricStat"):
            _check_metric(query)
    by_id = {query["Id"]: query for query in queries}
    fine: set[str] = set()
    for query in queries:
        if query.get("Expression"):
            _check_expression(query, by_id, (), fine)


def _check_metric(query: Json) -> None:
    stat = query["MetricStat"]
    if not known(stat["Stat"]):
        raise invalid(f"The value {stat['Stat']} for parameter MetricStat.Stat is not supported.")
    if not valid_period(stat["Period"]):
        raise invalid("The parameter Period must be 1, 5, 10, 20, 30 or a multiple of 60.")


def _check_expression(query: Json, by_id: dict[str, Json], above: tuple[str, ...], fine: set[str]) -> None:
    """`above` are the expressions on the way to this one, `fine` those that were checked before."""
    name, expression = query["Id"], query["Expression"]
    if name in fine:
        return
    if name in above:
        raise invalid(f"Error in expression '{name}': Circular reference")
    if re.match(r"\s*SELECT\b", expression, re.IGNORECASE):
        raise not_implemented("Metrics Insights queries (cloudwatch)", "cloudwatch")
    try:
        node = metric_math.parse(expression)
    except metric_math.Unsupported as missing:
        raise not_implemented(f"The function {missing} of metric math (cloudwatch)", "cloudwatch") from None
    except metric_math.MathError as error:
        raise invalid(f"Error in expression '{name}': {error}") from None
    for other in metric_math.names(node):
        if other in by_id:
            if by_id[other].get("Expression"):
                _check_expression(by_id[other], by_id, (*above, name), fine)
        elif other.upper() not in {"REPEAT", "LINEAR"}:
            raise invalid(f"Error in expression '{name}': Unknown identifier '{other}'")
    fine.add(name)
