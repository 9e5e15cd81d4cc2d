"""The pictures, as plain lines."""

from __future__ import annotations

import pytest

from neargate.cli.delivery import Address, Environment
from neargate.cli.rendering import (
    delivery_lines,
    duration,
    environment_lines,
    failing_lines,
    failure_lines,
    plain,
    serving_lines,
    stack_lines,
)
from tests.unit.cli.states import build, delivery, deploy, source, stack

BUILD_LOG = (
    "[Container] 2026/01/01 Entering phase BUILD",
    "[Container] 2026/01/01 Running command make image",
    "image",
    "[Container] 2026/01/01 Running command make test",
    *(f"line {n}" for n in range(30)),
    "1 failed",
    "[Container] 2026/01/01 Command did not exit successfully make test exit status 2",
    "[Container] 2026/01/01 Entering phase POST_BUILD",
)


def test_a_delivery_that_builds() -> None:
    log = tuple(f"line {n}" for n in range(20))
    assert plain(delivery_lines(delivery(source(), build(log=log), deploy()), now=115.0)) == [
        "shop  3f2a91c Add a discount",
        "  ✓ Source      GitHub            0.4 s  Add a discount",
        "  ● Build       CodeBuild          14 s",
        *(f"      │ line {n}" for n in range(12, 20)),
        "  ○ Deploy_DEV  CloudFormation",
    ]


def test_a_delivery_that_deploys_shows_what_each_resource_waits_for() -> None:
    shown = stack(waiting="0 of 1 tasks running")
    seen = delivery(source(), build("Succeeded", log=("quiet now",)), deploy("InProgress", shown))
    assert plain(delivery_lines(seen, now=113.0))[2:] == [
        "  ✓ Build       CodeBuild          11 s",
        "  ● Deploy_DEV  CloudFormation    1.0 s",
        "      ✓ Cluster  AWS::ECS::Cluster  CREATE_COMPLETE",
        "      ● Service  AWS::ECS::Service  CREATE_IN_PROGRESS  0 of 1 tasks running",
    ]


def test_what_the_execution_waits_for_comes_last() -> None:
    assert plain(delivery_lines(delivery(source(), waiting="Deploy_DEV is taken"), now=1.0))[-1] == (
        "  Deploy_DEV is taken"
    )


def test_the_reason_stands_on_top_of_a_failed_stack() -> None:
    failed = stack("ROLLBACK_COMPLETE", "CREATE_FAILED", reason="Circuit breaker")
    assert plain(stack_lines(failed)) == [
        "Shop-DEV  ROLLBACK_COMPLETE",
        "  Service (AWS::ECS::Service): Circuit breaker",
        "  ✓ Cluster  AWS::ECS::Cluster  CREATE_COMPLETE",
        "  ✗ Service  AWS::ECS::Service  CREATE_FAILED  Circuit breaker",
    ]


def test_a_failed_build_shows_the_lines_of_the_command_that_failed() -> None:
    seen = delivery(source(), build("Failed", BUILD_LOG, "exit status 2"), deploy(), status="Failed")
    shown = plain(failure_lines(seen))
    assert shown[0] == "Build failed: exit status 2"
    assert len(shown) == 26
    assert shown[-2:] == ["  │ 1 failed", f"  │ {BUILD_LOG[-2]}"]


@pytest.mark.parametrize(
    ("log", "shown"),
    [
        ((), []),
        (("no command ran",), ["no command ran"]),
        (BUILD_LOG[:4] + BUILD_LOG[-3:], [BUILD_LOG[3], "1 failed", BUILD_LOG[-2]]),
    ],
)
def test_failing_lines(log: tuple[str, ...], shown: list[str]) -> None:
    assert failing_lines(log) == shown


def test_a_failed_deployment_shows_its_stack() -> None:
    failed = stack("UPDATE_ROLLBACK_COMPLETE", "UPDATE_FAILED", reason="No image")
    seen = delivery(source(), build("Succeeded"), deploy("Failed", failed, "Stack failed"), status="Failed")
    assert plain(failure_lines(seen))[:3] == [
        "Deploy_DEV failed: Stack failed",
        "Shop-DEV  UPDATE_ROLLBACK_COMPLETE",
        "  Service (AWS::ECS::Service): No image",
    ]


def test_an_execution_that_another_overtook() -> None:
    assert plain(failure_lines(delivery(source(), status="Superseded"))) == [
        "The execution e-1 ended: Superseded."
    ]


def test_what_keeps_serving() -> None:
    dev = Environment("Shop-DEV", (Address("s", "http://172.31.0.4:3000", True),))
    prod = Environment("Shop-PROD", (Address("s", "http://172.31.0.5:3000", True),))
    down = Environment("Shop-QA", (Address("s", "http://172.31.0.6:3000", False),))
    absent = Environment("Shop-TEST", trouble="the stack does not exist")
    assert plain(serving_lines([dev, prod, down, absent])) == ["Shop-DEV and Shop-PROD keep serving."]
    assert plain(serving_lines([dev, absent])) == ["Shop-DEV keeps serving."]
    assert serving_lines([down, absent]) == []


def test_the_addresses() -> None:
    found = [
        Environment("Shop-DEV", (Address("s", "http://172.31.0.4:3000", True),)),
        Environment("Shop-PROD", (Address("s", "http://172.31.0.5:3000", False),)),
        Environment("Shop-Data"),
        Environment("Shop-QA", trouble="the service s has no running task"),
    ]
    assert [environment.up for environment in found] == [True, False, True, False]
    assert plain(environment_lines(found)) == [
        "✓ Shop-DEV   http://172.31.0.4:3000",
        "✗ Shop-PROD  http://172.31.0.5:3000  does not answer",
        "✓ Shop-Data  no ECS service in it",
        "✗ Shop-QA    the service s has no running task",
    ]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (124, "2 min 04 s"),
    ],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words
