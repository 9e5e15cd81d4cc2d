"""Rules: assertions over parameters that are checked before anything is created."""

from __future__ import annotations

from typing import Any

from neargate.model.errors import not_implemented
from neargate.planners.template.evaluation import Evaluator, Scope
from neargate.planners.template.functions import walk
from neargate.planners.template.nouns import Template, invalid

_UNAVAILABLE = frozenset({"Fn::RefAll", "Fn::ValueOf", "Fn::ValueOfAll"})


def check_rules(template: Template, scope: Scope) -> None:
    """Raises ValidationError for the first assertion that does not hold.

    Each rule is `{RuleCondition?, Assertions: [{Assert, AssertDescription?}]}`; without a RuleCondition it applies.
    """
    evaluator = Evaluator(scope)
    for name, rule in template.rules.items():
        assertions = rule.get("Assertions") if isinstance(rule, dict) else None
        if not isinstance(assertions, list) or not all(
            isinstance(a, dict) and "Assert" in a for a in assertions
        ):
            raise invalid(f"Template format error: Rule {name} must have a list of Assertions.")
        for function, _ in walk(rule):
            if function in _UNAVAILABLE:
                raise not_implemented(function, "cloudformation")
        if "RuleCondition" in rule and not evaluator.condition(rule["RuleCondition"], _no_condition):
            continue
        for assertion in assertions:
            if not evaluator.condition(assertion["Assert"], _no_condition):
                raise invalid(f"Template error: Rule {name} failed: {_description(assertion)}")


def _description(assertion: dict[str, Any]) -> str:
    return str(assertion.get("AssertDescription", "an assertion does not hold"))


def _no_condition(name: str) -> bool:
    raise invalid(f"Template error: unresolved condition dependency {name} in Rules")
