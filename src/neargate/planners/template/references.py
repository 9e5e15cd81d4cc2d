"""Dynamic references in evaluated values: `{{resolve:ssm:name:version}}` and its two sisters (facts 1.5).

They are found in texts after all functions are carried out, wherever a text holds them. What a plain `ssm` reference
stands for becomes part of the properties, so a changed value is a change of the resource. What the secret ones stand
for is put in only where a resource is made: events, change sets and records show the reference itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import attrs

from neargate.planners.template.nouns import Template, invalid

MARK = "{{resolve:"
_REFERENCE = re.compile(r"\{\{resolve:(ssm-secure|ssm|secretsmanager):([^{}]*)\}\}")
_SSM = re.compile(r"([^:]+)(?::(\d+))?")
_SSM_ARN = re.compile(r"(arn:[^:]+:ssm:[^:]*:[^:]*:[^:]+)(?::(\d+))?")

# Where CloudFormation takes an ssm-secure reference; it does not say which others it may take one day.
_SECURE_PLACES = frozenset(
    {
        "AWS::DirectoryService::MicrosoftAD/Properties/Password",
        "AWS::DirectoryService::SimpleAD/Properties/Password",
        "AWS::ElastiCache::ReplicationGroup/Properties/AuthToken",
        "AWS::IAM::User/Properties/LoginProfile/Password",
        "AWS::KinesisFirehose::DeliveryStream/Properties/RedshiftDestinationConfiguration/Password",
        "AWS::OpsWorks::App/Properties/AppSource/Password",
        "AWS::OpsWorks::Stack/Properties/CustomCookbooksSource/Password",
        "AWS::OpsWorks::Stack/Properties/RdsDbInstances",
        "AWS::RDS::DBCluster/Properties/MasterUserPassword",
        "AWS::RDS::DBInstance/Properties/MasterUserPassword",
        "AWS::Redshift::Cluster/Properties/MasterUserPassword",
    }
)


@attrs.frozen
class Reference:
    """One reference as written. `service` is ssm, ssm-secure or secretsmanager; `rest` what follows it."""

    text: str
    service: str
    rest: str

    @property
    def is_secret(self) -> bool:
        return self.service != "ssm"

    def parameter(self) -> tuple[str, int | None]:
        """(name, version) of one to Parameter Store. Raises ValidationError: labels, for one, do not work here."""
        found = _SSM_ARN.fullmatch(self.rest) or _SSM.fullmatch(self.rest)
        if found is None:
            raise invalid(f"Incorrect format is used in the following SSM reference: [{self.text}]")
        return found[1], None if found[2] is None else int(found[2])

    def secret(self) -> SecretReference:
        """The parts of one to Secrets Manager, which come in this order, each of the last four optional."""
        parts = self.rest.split(":")
        width = 7 if parts[0] == "arn" else 1
        name, kind, key, stage, version = (*(":".join(parts[:width]), *parts[width:]), *[""] * 4)[:5]
        if kind not in ("", "SecretString") or len(parts) > width + 4:
            raise invalid(
                f"Incorrect format is used in the following Secrets Manager reference: [{self.text}]"
            )
        return SecretReference(name, key or None, stage or None, version or None)


@attrs.frozen
class SecretReference:
    """Which part of which version of a secret. Without a `key` the whole text is meant."""

    secret: str
    key: str | None
    stage: str | None
    version: str | None


def in_text(text: str) -> list[Reference]:
    """The references of a text, in order."""
    if MARK not in text:
        return []
    return [Reference(found[0], found[1], found[2]) for found in _REFERENCE.finditer(text)]


def replaced(value: Any, resolve: Callable[[Reference], str | None]) -> Any:
    """The value with what `resolve` answers in place of each reference; None leaves it as written."""
    if isinstance(value, str):
        return _replaced_text(value, resolve) if MARK in value else value
    if isinstance(value, Mapping):
        return {key: replaced(item, resolve) for key, item in value.items()}
    if isinstance(value, list):
        return [replaced(item, resolve) for item in value]
    return value


def _replaced_text(text: str, resolve: Callable[[Reference], str | None]) -> str:
    def answer(found: re.Match[str]) -> str:
        resolved = resolve(Reference(found[0], found[1], found[2]))
        return found[0] if resolved is None else resolved

    return _REFERENCE.sub(answer, text)


def located(value: Any, path: str) -> Iterator[tuple[str, Reference]]:
    """Every reference with its place: `path` and the members on the way to it. A list is one place."""
    if isinstance(value, str):
        for reference in in_text(value):
            yield path, reference
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from located(item, f"{path}/{key}")
    elif isinstance(value, Sequence):
        for item in value:
            yield from ((path, reference) for _, reference in located(item, path))


def misplaced(places: Sequence[tuple[str, Reference]], *, versioned: bool) -> str | None:
    """CloudFormation's words for ssm-secure references where none may stand; None where all is well.

    It looks at those that name a version before it accepts a call, and at the others when it starts.
    """
    wrong = [
        place
        for place, reference in places
        if reference.service == "ssm-secure"
        and place not in _SECURE_PLACES
        and (reference.parameter()[1] is not None) == versioned
    ]
    return f"SSM Secure reference is not supported in: [{','.join(wrong)}]" if wrong else None


def check_defaults(template: Template) -> None:
    """A reference in a parameter's Default must name a version. Raises ValidationError."""
    for name, parameter in template.parameters.items():
        for reference in in_text(parameter.default or ""):
            if reference.service == "ssm" and reference.parameter()[1] is None:
                raise invalid(f"Template error: parameter {name} should not contain ssm versionless resolver")
