"""Neargate beside what AWS itself answered: the tests that LocalStack recorded on real AWS.

    python -m benchmarks.recorded CHECKOUT [--python PYTHON] [--write] [pytest arguments…]

CHECKOUT is a clone of github.com/localstack/localstack (archived March 2026; its tests are Apache-2.0 and are not
part of this repository). PYTHON is a Python 3.13 or later for its fixtures, which come from PyPI. The tests run
against a new server of ours. `--write` keeps the counts and the failures in docs/recorded-behaviour.toml, whose
explanations docs/coverage.md shows.

A test needs Lambda where its failure names an AWS::Lambda type, a SAM function, or an operation of lambda: Neargate
runs no functions, so such a test says nothing about CloudFormation. Everything else that runs counts.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.servers import neargate

ROOT = Path(__file__).parent.parent
VENV = ROOT / ".venv-recorded"
KEPT = ROOT / "docs" / "recorded-behaviour.toml"
FIXTURES = ("localstack-core[test]==2026.3.0", "cbor2<5.9", "pytest-timeout", "pytest-xdist")
FOLDER = "tests/aws/services/cloudformation"
HOST_NAME = "localhost.localstack.cloud"

_SECONDS = 90  # for one test
_WORKERS = 3
_NEEDS_LAMBDA = re.compile(
    r"AWS::Lambda::|AWS::Serverless::(?:Function|Api)|\blambda:[A-Z]\w+|client\('lambda'\)"
)
_CONFIGURE = 'int(os.environ.get("EDGE_PORT", constants.DEFAULT_PORT_EDGE))'


@dataclass(frozen=True)
class Result:
    """One test: its name below the folder, and what became of it."""

    test: str
    outcome: str  # passed, failed, lambda, skipped
    why: str = ""


def main(arguments: list[str]) -> int:
    """0 where at least 90 % of the tests that need no Lambda pass, else 1."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recorded")
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--python", default="python3.13")
    parser.add_argument("--write", action="store_true")
    given, rest = parser.parse_known_args(arguments)
    _install(given.python)
    _prepare(given.checkout)
    with neargate() as server:
        results = _run(given.checkout, server.port, rest or [FOLDER])
    print(_summary(results))
    if given.write:
        KEPT.write_text(_kept(results, _explanations()))
        print(f"Written to {KEPT.relative_to(ROOT)}; run `python -m neargate.coverage > docs/coverage.md`.")
    counted = [r for r in results if r.outcome in {"passed", "failed"}]
    return 0 if sum(r.outcome == "passed" for r in counted) >= 0.9 * len(counted) else 1


def _install(python: str) -> None:
    if (VENV / "bin" / "pytest").exists():
        return
    subprocess.run([python, "-m", "venv", str(VENV)], check=True)
    pip = [str(VENV / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *FIXTURES], check=True)


def _prepare(checkout: Path) -> None:
    """Their conftest has the port written into it, and their fixtures a host name that must lead here."""
    conftest = checkout / "tests/aws/conftest.py"
    text = conftest.read_text()
    if _CONFIGURE not in text:
        conftest.write_text(text.replace("port=constants.DEFAULT_PORT_EDGE", f"port={_CONFIGURE}"))
    if HOST_NAME not in Path("/etc/hosts").read_text():
        raise SystemExit(f"/etc/hosts has no line `127.0.0.1 {HOST_NAME}`, which these tests need.")


def _run(checkout: Path, port: int, arguments: Iterable[str]) -> list[Result]:
    report = checkout / "neargate-report.xml"
    environment = {
        **os.environ,
        "TEST_SKIP_LOCALSTACK_START": "1",
        "TEST_AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "EDGE_PORT": str(port),
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    command = [
        str(VENV / "bin" / "python"),
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--show-capture=no",
    ]
    command += [f"--timeout={_SECONDS}", f"--numprocesses={_WORKERS}", f"--junit-xml={report}", *arguments]
    subprocess.run(command, cwd=checkout, env=environment, check=False)
    with contextlib.closing(report.open("rb")) as file:
        cases = ElementTree.parse(file).getroot().iter("testcase")
    return [_result(case) for case in cases]


def _result(case: ElementTree.Element) -> Result:
    module, _, tail = case.get("classname", "").replace(".", "/").partition("/test_")
    test = f"{module.removeprefix(FOLDER).strip('/')}/test_{tail}::{case.get('name')}".lstrip("/")
    if case.find("skipped") is not None:
        return Result(test, "skipped")
    failed = case.find("failure") if case.find("failure") is not None else case.find("error")
    if failed is None:
        return Result(test, "passed")
    text = failed.text or ""
    if _NEEDS_LAMBDA.search(text):
        return Result(test, "lambda")
    return Result(test, "failed", _last_error(text) or (failed.get("message") or "").split("\n")[0])


def _last_error(text: str) -> str:
    lines = [line[1:].strip() for line in text.splitlines() if line.startswith("E ")]
    return next((line for line in lines if "Error" in line or line.startswith("assert")), "")[:200]


def _counts(results: Iterable[Result]) -> dict[str, int]:
    found = dict.fromkeys(("passed", "failed", "lambda", "skipped"), 0)
    for result in results:
        found[result.outcome] += 1
    return found


def _summary(results: list[Result]) -> str:
    count = _counts(results)
    counted = count["passed"] + count["failed"]
    lines = [f"FAILED {r.test}: {r.why}" for r in results if r.outcome == "failed"]
    share = 100 * count["passed"] / counted if counted else 0.0
    lines.append(
        f"{count['passed']} of {counted} that need no Lambda pass ({share:.1f} %); "
        f"{count['lambda']} need Lambda, {count['skipped']} are skipped by their authors."
    )
    return "\n".join(lines)


def _explanations() -> dict[str, str]:
    if not KEPT.exists():
        return {}
    kept: dict[str, str] = tomllib.loads(KEPT.read_text()).get("failures", {})
    return kept


def _kept(results: list[Result], explanations: dict[str, str]) -> str:
    count = _counts(results)
    lines = [
        "# Written by `python -m benchmarks.recorded --write`; the explanations are kept from run to run.",
        "",
    ]
    lines += [f"{name} = {number}" for name, number in count.items()]
    lines += ["", "[failures]"]
    for result in sorted((r for r in results if r.outcome == "failed"), key=lambda r: r.test):
        why = explanations.get(result.test, "")
        lines.append(f"{_quoted(result.test)} = {_quoted(why)}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
