"""The documents keep their word: commands are run by a test, links lead somewhere, nothing private is in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

ROOT = Path(__file__).resolve().parents[2]
GUIDES = sorted((ROOT / "docs" / "guides").glob("*.md"))
WITH_COMMANDS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *GUIDES]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]

DELIVERY = "tests/acceptance/test_delivery.py"
COVERAGE = "tests/unit/test_coverage.py"
SERVER = "tests/unit/cli/test_server.py"
WALK = "tests/unit/test_docs_commands.py"
CHECKS = ".ci/run"  # every check and every test, on a fresh machine

# document -> the test that runs all of its commands, from top to bottom
RUN_AS_A_WHOLE = {
    "aws-cli.md": f"{WALK}::test_the_aws_cli_guide_from_top_to_bottom",
    "cloudformation.md": f"{WALK}::test_the_cloudformation_guide_from_top_to_bottom",
    "exec.md": "tests/acceptance/test_exec.py::test_the_exec_guide_from_top_to_bottom",
    "getting-started.md": f"{WALK}::test_the_first_guide_from_top_to_bottom",
    "scaling.md": f"{WALK}::test_the_scaling_guide_from_top_to_bottom",
}

# a command as the documents have it -> who runs it
RUN_BY = {
    "make test": CHECKS,
    "make demo": f"{WALK}::test_what_make_demo_runs",
    "make check": f"{WALK}::test_make_check_is_a_part_of_make_test",
    ".venv/bin/python -m neargate.coverage > docs/coverage.md": f"{COVERAGE}::test_the_page_is_up_to_date",
    ".venv/bin/pytest -q tests/contract/test_runtime.py": CHECKS,
    "neargate up examples/product-service": f"{DELIVERY}::test_up_delivers_a_commit_to_dev_and_prod",
    "neargate up DIR": f"{DELIVERY}::test_up_delivers_a_commit_to_dev_and_prod",
    'eval "$(neargate env)"': f"{SERVER}::test_env_is_what_a_shell_evaluates",
    "aws cloudformation describe-stacks": RUN_AS_A_WHOLE["aws-cli.md"],
    "aws ecs list-tasks --cluster $CLUSTER --desired-status STOPPED": RUN_AS_A_WHOLE["aws-cli.md"],
}

PROGRAMS = {"make", "neargate", "aws", "git", "eval", "pip", "python", "docker", "curl", "sed"}
_FENCE = re.compile(r"^[ ]*```(?P<language>\w*)\n(?P<body>.*?)^[ ]*```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!!)\[[^\]]+\]\((?P<target>[^)\s]+)\)")


@attrs.frozen
class Block:
    """A fenced block: its language ("" for none) and its lines."""

    language: str
    lines: tuple[str, ...]


def blocks(document: Path) -> list[Block]:
    return [
        Block(found["language"], tuple(line.strip() for line in found["body"].splitlines()))
        for found in _FENCE.finditer(document.read_text())
    ]


def commands(document: Path) -> Iterator[str]:
    """Every line of the `sh` blocks; of blocks without a language, the lines that begin like a command."""
    for block in blocks(document):
        for line in block.lines:
            words = line.removeprefix("$ ").split(" #")[0].strip()
            if not words or words.startswith("#"):
                continue
            program = words.split()[0].removeprefix(".venv/bin/")
            if block.language == "sh" or (block.language == "" and program in PROGRAMS):
                yield words


def is_test(identity: str) -> bool:
    """Whether `file::function` (or a file) is there."""
    file, _, function = identity.partition("::")
    path = ROOT / file
    return path.is_file() and (not function or f"def {function}(" in path.read_text())


@pytest.mark.parametrize("document", WITH_COMMANDS, ids=lambda path: path.name)
def test_every_command_is_run_by_a_test(document: Path) -> None:
    if document.name in RUN_AS_A_WHOLE:
        return
    assert [command for command in commands(document) if command not in RUN_BY] == []


@pytest.mark.parametrize("identity", sorted({*RUN_BY.values(), *RUN_AS_A_WHOLE.values()}))
def test_the_tests_that_are_said_to_run_commands_exist(identity: str) -> None:
    assert is_test(identity)


def test_the_list_names_no_command_that_no_document_has() -> None:
    there = {command for document in WITH_COMMANDS for command in commands(document)}
    assert set(RUN_BY) - there == set()


def test_a_command_that_a_walk_runs_is_in_its_guide() -> None:
    guides = {walk: set(commands(ROOT / "docs" / "guides" / name)) for name, walk in RUN_AS_A_WHOLE.items()}
    claimed = {command: by for command, by in RUN_BY.items() if by in guides}
    assert [command for command, by in claimed.items() if command not in guides[by]] == []


def headings(document: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub forms them."""
    text = _FENCE.sub("", document.read_text())
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    broken = []
    for found in _LINK.finditer(_FENCE.sub("", document.read_text())):
        target = found["target"]
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        file, _, anchor = target.partition("#")
        path = (document.parent / file).resolve() if file else document
        if not path.exists() or (anchor and anchor not in headings(path)):
            broken.append(target)
    assert broken == []


_REGISTRIES = ("docker.io", "ghcr.io", "quay.io", "public.ecr.aws", "pypi.org", "pythonhosted.org", "npmjs")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_registry_and_no_path_of_one_machine(document: Path) -> None:
    text = document.read_text()
    assert [host for host in _REGISTRIES if host in text] == []
    assert "/work/" not in text


def test_paths_that_the_contributors_page_names_are_there() -> None:
    """In backticks, with a slash and an ending, or a package of the tree."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    named = set(re.findall(r"`([a-z_]+(?:/[a-z_0-9]+)+\.(?:py|md|toml))`", _FENCE.sub("", text)))
    places = (ROOT, ROOT / "src" / "neargate")
    assert len(named) > 10
    assert {name for name in named if not any((place / name).exists() for place in places)} == set()


def test_both_runtimes_are_driven_by_the_contract_suite() -> None:
    """What the checklist for a container engine rests on."""
    suite = (ROOT / "tests" / "contract" / "test_runtime.py").read_text()
    subject = suite[suite.index("async def subject(") : suite.index("\nasync def test_")]
    assert "MemoryRuntime(world)" in subject
    assert "EngineRuntime(locate" in subject
    tests = re.findall(r"^async def (test_\w+)\(([^)]*)\)", suite, re.MULTILINE)
    driven = [name for name, arguments in tests if "subject: Subject" in arguments]
    assert len(driven) > 20
    assert '"memory"' in suite
    assert '"engine"' in suite
