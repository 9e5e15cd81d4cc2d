"""IAM's policy grammar: parse a document, refuse what IAM refuses, in IAM's words.

`parse_identity` reads what roles, users and managed policies hold, `parse_trust` a role's trust policy. Both
return a `Document` of normalised statements or raise `AwsError("MalformedPolicyDocument", …)`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import attrs

from neargate.model.errors import AwsError
from neargate.model.records import Json

Strings = tuple[str, ...]

_STATEMENT_FIELDS = frozenset(
    {
        "Sid",
        "Effect",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Principal",
        "NotPrincipal",
        "Condition",
    }
)
_VERSIONS = frozenset({"2008-10-17", "2012-10-17"})
_OPERATOR = re.compile(
    r"(ForAllValues:|ForAnyValue:)?(String(Not)?(Equals|Like|EqualsIgnoreCase)"
    r"|Numeric(Not)?Equals|Numeric(Less|Greater)Than(Equals)?"
    r"|Date(Not)?Equals|Date(Less|Greater)Than(Equals)?"
    r"|Bool|BinaryEquals|(Not)?IpAddress|Arn(Not)?(Equals|Like)|Null)(IfExists)?",
    re.IGNORECASE,
)
_PRINCIPAL_ARN = re.compile(
    r"arn:aws[a-z-]*:(iam::\d{12}:(root|(role|user)/[\w+=,.@/-]+)|iam::cloudfront:user/.+"
    r"|sts::\d{12}:(assumed-role|federated-user|self)(/.+)?)"
)
_TRUST_ACTIONS = frozenset(
    {"assumerole", "assumerolewithsaml", "assumerolewithwebidentity", "tagsession", "setsourceidentity"}
    | {"setcontext", "assumeroot", "gettoken", "*"}
)


@attrs.frozen
class Condition:
    """`operator` as written (`StringEquals`, `ForAnyValue:StringLike`…), a context key, and its values."""

    operator: str
    key: str
    values: Strings


@attrs.frozen(kw_only=True)
class Statement:
    """One statement. Of each pair (actions, not_actions)… at most one is set; None means absent.

    `principals` maps `AWS`, `Service`, `Federated`, `CanonicalUser` to names; `{"*": ("*",)}` is everybody.
    """

    allow: bool
    sid: str | None = None
    actions: Strings | None = None
    not_actions: Strings | None = None
    resources: Strings | None = None
    not_resources: Strings | None = None
    principals: dict[str, Strings] | None = None
    not_principals: dict[str, Strings] | None = None
    conditions: tuple[Condition, ...] = ()


@attrs.frozen
class Document:
    """A policy that follows the grammar."""

    version: str
    statements: tuple[Statement, ...]


def malformed(message: str) -> AwsError:
    """The error for a document that breaks the grammar."""
    return AwsError("MalformedPolicyDocument", message)


def parse_identity(text: str, *, managed: bool = False) -> Document:
    """An inline or session policy, or a `managed` one. Raises MalformedPolicyDocument.

    Only a managed policy must name the newest version; elsewhere a document without one is of 2008-10-17.
    """
    raw = _load(text)
    statements = _raw_statements(raw)
    for statement in statements:
        if "Principal" in statement or "NotPrincipal" in statement:
            raise malformed("Policy document should not specify a principal.")
    version = raw.get("Version", "2008-10-17")
    if managed and version != "2012-10-17":
        raise malformed("Policy document must be version 2012-10-17 or greater.")
    parsed = tuple(_statement(statement) for statement in statements)
    for found in parsed:
        _require_identity_parts(found)
    _unique_sids(parsed, "Statement IDs (SID) in a single policy must be unique.")
    return Document(version, parsed)


def parse_trust(text: str, is_service: Callable[[str], bool]) -> Document:
    """A role's trust policy. `is_service` knows the service principals that AWS has.

    Raises MalformedPolicyDocument. Whether named roles and users exist is the caller's to check.
    """
    raw = _load(text)
    statements = _raw_statements(raw)
    for statement in statements:
        for field in ("Resource", "NotResource"):
            if field in statement:
                raise malformed(f"Has prohibited field {field}")
        if "Principal" not in statement and "NotPrincipal" not in statement:
            raise malformed("Missing required field Principal")
        if "NotPrincipal" in statement:
            raise malformed("Has prohibited field NotPrincipal")
    parsed = tuple(_statement(statement) for statement in statements)
    for found in parsed:
        _require_trust_parts(found, is_service)
    _unique_sids(parsed, "Statement IDs (SID) in a single policy must be unique.")
    return Document(raw.get("Version", "2008-10-17"), parsed)


def read(text: str) -> Document:
    """A document that was accepted before: parsed without the rules that depend on where it is used."""
    raw = _load(text)
    return Document(
        raw.get("Version", "2008-10-17"), tuple(_statement(statement) for statement in _raw_statements(raw))
    )


def named_principals(document: Document) -> list[str]:
    """The ARNs of roles and users that a trust policy names, in order."""
    return [
        name
        for statement in document.statements
        for name in (statement.principals or {}).get("AWS", ())
        if re.match(r"arn:[^:]*:iam::\d{12}:(role|user)/", name)
    ]


def size(text: str) -> int:
    """A document's size as IAM's quotas count it: characters that are not white space."""
    return sum(1 for character in text if not character.isspace())


def _load(text: str) -> Json:
    try:
        raw = json.loads(text, object_pairs_hook=_without_duplicates)
    except ValueError:
        raise malformed("This policy contains invalid Json") from None
    if not isinstance(raw, dict) or set(raw) - {"Version", "Id", "Statement"}:
        raise malformed("Syntax errors in policy.")
    if "Id" in raw and not isinstance(raw["Id"], str):
        raise malformed("Syntax errors in policy.")
    version = raw.get("Version", "2008-10-17")
    if not isinstance(version, str) or version not in _VERSIONS:
        raise malformed("Syntax errors in policy.")
    return raw


def _without_duplicates(pairs: list[tuple[str, Any]]) -> Json:
    if len({name for name, _ in pairs}) != len(pairs):
        raise malformed("Syntax errors in policy.")
    return dict(pairs)


def _raw_statements(raw: Json) -> list[Json]:
    statements = raw.get("Statement")
    if isinstance(statements, dict):
        statements = [statements]
    if not isinstance(statements, list) or not statements:
        raise malformed("Syntax errors in policy.")
    for statement in statements:
        if not isinstance(statement, dict) or set(statement) - _STATEMENT_FIELDS:
            raise malformed("Syntax errors in policy.")
    return statements


def _statement(raw: Json) -> Statement:
    if raw.get("Effect") not in ("Allow", "Deny"):
        raise malformed("Syntax errors in policy.")
    for this, other in (("Action", "NotAction"), ("Resource", "NotResource"), ("Principal", "NotPrincipal")):
        if this in raw and other in raw:
            raise malformed("Syntax errors in policy.")
    sid = raw.get("Sid")
    if sid is not None and not isinstance(sid, str):
        raise malformed("Syntax errors in policy.")
    return Statement(
        allow=raw["Effect"] == "Allow",
        sid=sid,
        actions=_strings(raw, "Action"),
        not_actions=_strings(raw, "NotAction"),
        resources=_strings(raw, "Resource"),
        not_resources=_strings(raw, "NotResource"),
        principals=_principals(raw, "Principal"),
        not_principals=_principals(raw, "NotPrincipal"),
        conditions=_conditions(raw.get("Condition", {})),
    )


def _strings(raw: Json, field: str) -> Strings | None:
    if field not in raw:
        return None
    value = raw[field]
    items = value if isinstance(value, list) else [value]
    if not all(isinstance(item, str) for item in items):
        raise malformed("Syntax errors in policy.")
    return tuple(items)


def _principals(raw: Json, field: str) -> dict[str, Strings] | None:
    if field not in raw:
        return None
    value = raw[field]
    if value == "*":
        return {"*": ("*",)}
    if not isinstance(value, dict):
        raise malformed(f'Invalid principal in policy: "{value}"' if isinstance(value, str) else _SYNTAX)
    if set(value) - {"AWS", "Service", "Federated", "CanonicalUser"}:
        raise malformed(_SYNTAX)
    return {kind: _strings(value, kind) or () for kind in value}


_SYNTAX = "Syntax errors in policy."


def _conditions(raw: Any) -> tuple[Condition, ...]:
    if not isinstance(raw, dict):
        raise malformed(_SYNTAX)
    found = []
    for operator, tests in raw.items():
        if not _OPERATOR.fullmatch(operator):
            raise malformed(f"Invalid Condition type : {operator}.")
        if not isinstance(tests, dict):
            raise malformed(_SYNTAX)
        for key, value in tests.items():
            values = value if isinstance(value, list) else [value]
            if not all(isinstance(item, str | bool | int | float) for item in values):
                raise malformed(_SYNTAX)
            found.append(Condition(operator, key, tuple(_text(item) for item in values)))
    return tuple(found)


def _text(value: str | bool | float) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _require_identity_parts(statement: Statement) -> None:
    actions = statement.actions if statement.actions is not None else statement.not_actions
    if not actions:
        raise malformed("Policy statement must contain actions.")
    resources = statement.resources if statement.resources is not None else statement.not_resources
    if not resources:
        raise malformed("Policy statement must contain resources.")
    for action in actions:
        _check_action(action)
    for resource in resources:
        _check_resource(resource)
    _check_sid(statement.sid)


def _check_action(action: str) -> None:
    if action == "*":
        return
    vendor, colon, name = action.partition(":")
    if not colon:
        raise malformed("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")
    if ":" in name:
        raise malformed("Actions/Condition can contain only one colon.")
    if not re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9-]*", vendor):
        raise malformed(f"Vendor {vendor} is not valid")
    if not name or not re.fullmatch(r"[a-zA-Z0-9*?]+", name):
        raise malformed("The policy failed legacy parsing")


def _check_resource(resource: str) -> None:
    if resource == "*" or re.fullmatch(r"\*+", resource):
        return
    parts = resource.split(":", 5)
    if parts[0] != "arn":
        raise malformed(f'Resource {resource} must be in ARN format or "*".')
    if len(parts) < 6 and not resource.endswith("*"):
        raise malformed("The policy failed legacy parsing")
    if len(parts) < 3:
        return
    partition, vendor = parts[1], parts[2]
    if not re.fullmatch(r"aws(-cn|-us-gov|-iso[a-z-]*|-eusc)?|.*[*?$].*", partition):
        raise malformed(f'Partition "{partition}" is not valid for resource "{resource}".')
    if not vendor or (re.search(r"[*?]", vendor) and resource != f"arn:{partition}:*"):
        raise malformed("Resource vendor must be fully qualified and cannot contain regexes.")
    if vendor == "iam" and len(parts) > 3 and parts[3] not in ("", "*"):
        raise malformed(f"IAM resource {resource} cannot contain region information.")
    if vendor == "s3" and len(parts) > 5 and parts[3] and not parts[5].startswith(_S3_REGIONAL):
        raise malformed(f"Resource {resource} can not contain region information.")


_S3_REGIONAL = ("accesspoint", "job", "storage-lens", "*", "async-request", "access-grants")


def _check_sid(sid: str | None) -> None:
    if sid is not None and not re.fullmatch(r"[0-9A-Za-z]*", sid):
        raise malformed(
            "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular "
            "expression [0-9A-Za-z]*"
        )


def _unique_sids(statements: tuple[Statement, ...], message: str) -> None:
    sids = [statement.sid for statement in statements if statement.sid]
    if len(set(sids)) != len(sids):
        raise malformed(message)


def _require_trust_parts(statement: Statement, is_service: Callable[[str], bool]) -> None:
    actions = statement.actions if statement.actions is not None else statement.not_actions
    if not actions:
        raise malformed("Missing required field Action")
    for action in actions:
        vendor, _, name = action.partition(":")
        if action != "*" and (vendor.lower() != "sts" or not _trust_action(name)):
            raise malformed("AssumeRole policy may only specify STS AssumeRole actions.")
    principals = statement.principals or {}
    if not any(principals.values()):
        raise malformed(
            "Invalid principal in policy: com.amazon.balsa.error.InvalidPolicyException: "
            "The passed in policy has a statement with no principals!"
        )
    for name in principals.get("AWS", ()):
        if name != "*" and not re.fullmatch(r"\d{12}|A(RO|ID)A[A-Z0-9]+", name):
            _check_principal_arn(name)
    for name in principals.get("Service", ()):
        if not is_service(name):
            raise malformed(f'Invalid principal in policy: "SERVICE":"{name}"')
    for name in principals.get("Federated", ()):
        if not re.fullmatch(r"arn:aws[a-z-]*:iam::\d{12}:(saml|oidc)-provider/.+|[a-z0-9.-]+\.[a-z]+", name):
            raise malformed(f'Invalid principal in policy: "FEDERATED":"{name}"')
    if "CanonicalUser" in principals:
        raise malformed(f'Invalid principal in policy: "CANONICAL":"{principals["CanonicalUser"][0]}"')


def _check_principal_arn(name: str) -> None:
    if not _PRINCIPAL_ARN.fullmatch(name):
        raise malformed(f'Invalid principal in policy: "AWS":"{name}"')


def _trust_action(name: str) -> bool:
    lowered = name.lower()
    if "*" in lowered or "?" in lowered:
        pattern = re.escape(lowered).replace(r"\*", ".*").replace(r"\?", ".")
        return any(re.fullmatch(pattern, known) for known in _TRUST_ACTIONS - {"*"})
    return lowered in _TRUST_ACTIONS


def trusts(document: Document, caller: TrustCaller) -> bool:
    """Whether a trust policy lets this caller do `caller.action`. An explicit Deny wins.

    Of conditions only `sts:ExternalId` is decided here; the others are taken as met until policy evaluation
    knows their context.
    """
    allowed = False
    for statement in document.statements:
        if _statement_applies(statement, caller):
            if not statement.allow:
                return False
            allowed = True
    return allowed


@attrs.frozen
class TrustCaller:
    """Who wants to assume a role: `names` are all the names under which a policy may mean it."""

    action: str
    service: str = ""
    names: Strings = ()
    external_id: str | None = None


def _statement_applies(statement: Statement, caller: TrustCaller) -> bool:
    if statement.actions is not None and not any(_matches(a, caller.action) for a in statement.actions):
        return False
    if statement.not_actions is not None and any(_matches(a, caller.action) for a in statement.not_actions):
        return False
    principals = statement.principals or {}
    services, names = principals.get("Service", ()), principals.get("AWS", ())
    everybody = "*" in principals or "*" in names
    meant = everybody or caller.service in services or any(name in names for name in caller.names)
    return meant and all(_external_id_met(condition, caller) for condition in statement.conditions)


def _matches(pattern: str, action: str) -> bool:
    expression = re.escape(pattern.lower()).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(expression, action.lower()) is not None


def _external_id_met(condition: Condition, caller: TrustCaller) -> bool:
    if condition.key.lower() != "sts:externalid" or condition.operator.lower() not in (
        "stringequals",
        "stringlike",
    ):
        return True
    return caller.external_id is not None and any(
        _matches_text(value, caller.external_id, wild=condition.operator.lower() == "stringlike")
        for value in condition.values
    )


def _matches_text(pattern: str, value: str, *, wild: bool) -> bool:
    if not wild:
        return pattern == value
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), value) is not None
