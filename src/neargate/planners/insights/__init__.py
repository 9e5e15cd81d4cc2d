"""Logs Insights' query language: `compile_query` reads a query, `Query.run` applies it to events."""

from neargate.planners.insights.query import Query, UnknownCommand, compile_query
from neargate.planners.insights.records import Event, discovered
from neargate.planners.insights.tokens import MalformedQuery

__all__ = ["Event", "MalformedQuery", "Query", "UnknownCommand", "compile_query", "discovered"]
