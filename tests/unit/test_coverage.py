"""The coverage page says what the code does, and is where error messages point."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from neargate import coverage
from neargate.model.errors import AwsError
from neargate.resources import registry, schemas
from neargate.services import dispatch
from neargate.wire.known_services import SERVICES

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "coverage.md"
SOURCES = sorted((ROOT / "src" / "neargate").rglob("*.py"))


def anchors() -> set[str]:
    return set(re.findall(r"^## (\S+)$", PAGE.read_text(), re.MULTILINE))


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == coverage.page(), f"docs/coverage.md lags behind: {coverage.COMMAND}"


def test_a_service_is_counted_as_the_dispatcher_answers() -> None:
    ecs = coverage.service_coverage("ecs")
    assert "RunTask" in ecs.implemented
    assert "CreateTaskSet" in ecs.missing
    with pytest.raises(AwsError, match="ecs:CreateTaskSet is not implemented"):
        dispatch.find("ecs", "CreateTaskSet")


def test_a_type_is_counted_by_what_a_template_may_set() -> None:
    group = coverage.type_coverage(registry.find("AWS::Logs::LogGroup"))
    assert "RetentionInDays" in group.honoured
    assert "DataProtectionPolicy" in group.not_honoured
    assert "Arn" not in group.honoured + group.not_honoured  # it is read-only


@pytest.mark.parametrize("declared", registry.supported(), ids=lambda declared: declared.type)
def test_a_declaration_honours_only_what_its_schema_has(declared: registry.ResourceType) -> None:
    schema = schemas.schema(declared.type)
    assert declared.honoured <= set(schema.properties) - set(schema.read_only)


def test_every_service_that_a_request_can_reach_has_a_section() -> None:
    """`dispatch.find` names the service in the refusal of whatever is not declared."""
    assert set(SERVICES) <= anchors()


def _services_of_refusals(tree: ast.AST) -> Iterator[str]:
    """The literal second arguments of `not_implemented(…)`."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or len(node.args) < 2:
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        service = node.args[1]
        if name == "not_implemented" and isinstance(service, ast.Constant):
            yield str(service.value)


def test_every_pointer_to_the_page_resolves() -> None:
    pointers: dict[str, str] = {}
    for source in SOURCES:
        text = source.read_text()
        for service in _services_of_refusals(ast.parse(text)):
            pointers[service] = source.name
        for anchor in re.findall(r"docs/coverage\.md#([a-z0-9-]+)", text):
            pointers[anchor] = source.name
    assert {"ecs", "cloudformation", "codebuild"} <= set(pointers)
    assert {where for anchor, where in pointers.items() if anchor not in anchors()} == set()
