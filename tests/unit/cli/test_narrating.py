"""The same delivery told to a log: everything once, in the order in which it happened."""

from __future__ import annotations

from neargate.cli.narrating import Narrator
from tests.unit.cli.states import build, delivery, deploy, source, stack


def test_a_delivery_is_told_once() -> None:
    narrator = Narrator()
    first = delivery(source(), build(log=("one",)), deploy(), waiting="a worker")
    assert narrator.delivery(first) == [
        "Source      started (GitHub)",
        "Source      succeeded in 0.4 s: Add a discount",
        "Build       started (CodeBuild)",
        "Build       | one",
        "a worker",
    ]
    assert narrator.delivery(first) == []
    assert narrator.delivery(delivery(source(), build("Succeeded", ("one", "two")), deploy())) == [
        "Build       | two",
        "Build       succeeded in 11 s",
    ]


def test_a_deployment_tells_what_its_resources_do_and_wait_for() -> None:
    narrator = Narrator()
    begun = deploy("InProgress", stack(waiting="0 of 1 tasks running"))
    assert narrator.delivery(delivery(begun)) == [
        "Deploy_DEV  started (CloudFormation)",
        "Deploy_DEV  Cluster CREATE_COMPLETE",
        "Deploy_DEV  Service CREATE_IN_PROGRESS",
        "Deploy_DEV  Service: 0 of 1 tasks running",
        "Deploy_DEV  Shop-DEV CREATE_IN_PROGRESS",
    ]
    ended = deploy("Failed", stack("ROLLBACK_COMPLETE", "CREATE_FAILED", reason="No image"), "Stack failed")
    assert narrator.delivery(delivery(ended, status="Failed")) == [
        "Deploy_DEV  Service CREATE_FAILED: No image",
        "Deploy_DEV  Shop-DEV ROLLBACK_COMPLETE",
        "Deploy_DEV  failed in 1 min 08 s: Stack failed",
    ]


def test_a_stack_that_did_not_change_is_no_news() -> None:
    ended = deploy("Succeeded", stack("CREATE_COMPLETE", "CREATE_COMPLETE"))
    assert Narrator().delivery(delivery(ended)) == [
        "Deploy_DEV  started (CloudFormation)",
        "Deploy_DEV  succeeded in 1 min 08 s",
    ]


def test_an_update_tells_only_what_it_reaches() -> None:
    assert Narrator().stack(stack("UPDATE_IN_PROGRESS", "UPDATE_IN_PROGRESS")) == [
        "Service UPDATE_IN_PROGRESS",
        "Shop-DEV UPDATE_IN_PROGRESS",
    ]
