"""What a stack policy forbids, and how it says so."""

from __future__ import annotations

import json
from typing import Any

import pytest

from neargate.model.errors import AwsError
from neargate.planners.stack_policy import denial, parse

ALL = {"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"}
NONE = {**ALL, "Effect": "Deny"}
BUCKETS = {"StringEquals": {"ResourceType": ["AWS::S3::Bucket"]}}


def said(*statements: dict[str, Any], action: str = "Update:Modify", name: str = "A") -> str | None:
    return denial(json.dumps({"Statement": statements}), action, name, "AWS::S3::Bucket")


def test_without_statements_everything_may_be_done() -> None:
    assert denial(None, "Update:Delete", "A", "T") is None
    assert denial("{}", "Update:Delete", "A", "T") is None


def test_what_nobody_allows_is_forbidden() -> None:
    assert said({**ALL, "Resource": "LogicalResourceId/B"}) == "Action not allowed by stack policy"
    assert said({**ALL, "Resource": "LogicalResourceId/A*"}) is None


def test_a_denial_names_its_statement() -> None:
    denied = said(ALL, {**NONE, "Action": ["Update:Modify", "Update:Replace"], "Condition": BUCKETS})
    assert denied == (
        "Action denied by stack policy: Statement [#2] does not allow [Update:Modify, Update:Replace] for resource [*];"
    )


def test_the_denial_wins_wherever_it_stands() -> None:
    bucket = {**NONE, "Condition": BUCKETS}
    assert said(bucket, ALL) is not None
    assert said(ALL, bucket) is not None


def test_of_two_about_the_same_the_later_counts() -> None:
    """Recorded on AWS: test_update_with_overlapping_policies."""
    assert said(NONE, ALL) is None
    assert said(ALL, NONE) is not None


def test_what_is_left_out() -> None:
    except_a = {**NONE, "NotResource": "LogicalResourceId/A"}
    del except_a["Resource"]
    assert said(ALL, except_a) is None
    assert said(ALL, except_a, name="B") is not None
    except_deletion = {**NONE, "NotAction": "Update:Delete"}
    del except_deletion["Action"]
    assert said(ALL, except_deletion, action="Update:Delete") is None
    assert said(ALL, except_deletion, action="Update:Replace") is not None


@pytest.mark.parametrize(
    "policy",
    [
        "x",
        "[]",
        '{"Statements": []}',
        '{"Statement": "x"}',
        json.dumps({"Statement": [{**ALL, "Principal": "me"}]}),
        json.dumps({"Statement": [{**ALL, "Action": "Delete:*"}]}),
        json.dumps({"Statement": [{**ALL, "Effect": "Maybe"}]}),
        json.dumps({"Statement": [{**ALL, "NotResource": "*"}]}),
        json.dumps({"Statement": [{**ALL, "Condition": {"StringEquals": {"Tag": "x"}}}]}),
        json.dumps({"Statement": [{**ALL, "Condition": {"Bool": {"ResourceType": "x"}}}]}),
    ],
)
def test_invalid_policies(policy: str) -> None:
    with pytest.raises(AwsError, match="Error validating stack policy: Invalid stack policy"):
        parse(policy)
