"""Why a value that a change set shows is not known although CloudFormation tried to work it out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from neargate.planners.template import functions as fn
from neargate.planners.template.evaluation import Scope, evaluate
from neargate.planners.template.nouns import UNKNOWN
from neargate.planners.template.scalars import is_scalar, text_of


def doubts(value: Any, scope: Scope) -> Iterator[str]:
    """In CloudFormation's words: exports that do not exist, and lists to be joined that are not known yet."""
    for name, argument in fn.walk(value, scope.conditions):
        if name == "Fn::ImportValue":
            export = evaluate(argument, scope)
            if is_scalar(export) and scope.exports(text_of(export)) is UNKNOWN:
                yield f"No export named {text_of(export)}"
        elif name == "Fn::Join" and isinstance(argument, list) and evaluate(argument[1], scope) is UNKNOWN:
            yield fn.JOIN
