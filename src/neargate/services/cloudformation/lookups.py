"""What a call's template and parameters name in Parameter Store and Secrets Manager: fetched, or refused, at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from neargate.model.errors import AwsError
from neargate.model.operations import Context
from neargate.model.records import Json
from neargate.planners import template as language
from neargate.planners.template import references
from neargate.resources import evaluation, lookups

_LISTS = ("CommaDelimitedList", "List<")


def resolved_parameters(
    cx: Context,
    template: language.Template,
    values: Mapping[str, str],
    role: str | None,
    *,
    change_set: bool,
) -> dict[str, str]:
    """Parameter to the value that its own value names: of the types `AWS::SSM::Parameter::Value<…>`, and of values
    that hold a reference to a version of a parameter. Raises ValidationError.

    They are fetched anew for every create, update and change set.
    """
    references.check_defaults(template)
    resolved = _typed(cx, template, values, role, change_set=change_set)
    for name, value in values.items():
        if references.MARK in value and name in template.parameters:
            found = references.replaced(value, lambda reference: _pinned(cx, reference, role))
            if found != value:
                resolved[name] = found
    return resolved


def _pinned(cx: Context, reference: references.Reference, role: str | None) -> str | None:
    """Only what names a version is settled with the parameters; the rest where it is used."""
    if reference.is_secret or reference.parameter()[1] is None:
        return None
    return lookups.plain_value(cx.invoke, reference, role)


def _typed(
    cx: Context,
    template: language.Template,
    values: Mapping[str, str],
    role: str | None,
    *,
    change_set: bool,
) -> dict[str, str]:
    wanted = [each for each in language.ssm_references(template, values) if each[1] != language.SSM_NAME]
    found = {name: _numbered(cx, key, role) for name, _, key in wanted}
    missing = [(name, key) for name, _, key in wanted if found[name] is None]
    if missing and change_set:
        raise _invalid(f"Parameter {missing[0][0]} should either have input value or default value")
    if missing:
        raise _invalid(
            f"Unable to fetch parameters [{_listed(key for _, key in missing)}] from parameter store for this account."
        )
    there = [(name, kind, key, answer) for name, kind, key in wanted if (answer := found[name]) is not None]
    secure = [key for _, _, key, answer in there if answer["Type"] == "SecureString"]
    if secure:
        raise _invalid(
            f"Parameters [{_listed(secure)}] referenced by template have types not supported by CloudFormation."
        )
    unlike = [key for _, kind, key, answer in there if _is_list(kind) != (answer["Type"] == "StringList")]
    if unlike:
        raise _invalid(
            f"Types for SSM parameters [{_listed(unlike)}] defined in CFN template and SSM are incompatible"
        )
    return {name: _trimmed(kind, str(answer["Value"])) for name, kind, _, answer in there}


def _numbered(cx: Context, key: str, role: str | None) -> Json | None:
    """CloudFormation knows names and versions, no labels."""
    _, colon, selector = key.rpartition(":")
    if colon and not key.startswith("arn:") and not selector.isdecimal():
        return None
    return lookups.parameter(cx.invoke, key, role)


def _is_list(kind: str) -> bool:
    return kind.startswith(_LISTS)


def _trimmed(kind: str, value: str) -> str:
    return ",".join(item.strip() for item in value.split(",")) if _is_list(kind) else value


def _listed(keys: Iterator[str] | list[str]) -> str:
    return ", ".join(keys)


def _invalid(message: str) -> AwsError:
    return AwsError("ValidationError", message)


# -- references in properties --------------------------------------------------------------------------------


def check_references(
    cx: Context, opened: evaluation.Opened, text: str, role: str | None, *, change_set: bool
) -> None:
    """Refuse what is wrong with the references of properties as far as it can be seen before anything is made.

    `text` is the template's: one that mentions none is not evaluated for it.
    """
    values = (value for value in opened.scope.parameters.values() if isinstance(value, str))
    if not any("resolve:" in each for each in (text, *values)):
        return
    places = list(lookups.places(opened))
    for _, reference in places:
        if reference.service != "secretsmanager":
            reference.parameter()
    wrong = references.misplaced(places, versioned=True)
    if wrong is None and change_set:
        wrong = references.misplaced(places, versioned=False)
    if wrong is not None:
        raise _invalid(wrong)
    for _, reference in places:
        lookups.plain_value(cx.invoke, reference, role)
