"""IAM's decision over identity policies."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neargate.planners import policy_document
from neargate.planners.policy_document import Document
from neargate.planners.policy_evaluation import Request, decide, like


def policy(*statements: dict[str, Any], version: str = "2012-10-17") -> Document:
    return policy_document.read(json.dumps({"Version": version, "Statement": list(statements)}))


def allow(action: str = "*", resource: str = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: str = "*", resource: str = "*", **more: Any) -> dict[str, Any]:
    return {**allow(action, resource, **more), "Effect": "Deny"}


GROUP = "arn:aws:logs:us-east-1:111111111111:log-group:/web"


@pytest.mark.parametrize(
    ("statements", "decision"),
    [
        ([allow()], "allowed"),
        ([allow("logs:*")], "allowed"),
        ([allow("LOGS:createlog*")], "allowed"),
        ([allow("logs:CreateLogGroup")], "implicitDeny"),
        ([allow("*", f"{GROUP}:*")], "allowed"),
        ([allow("*", "arn:aws:logs:*:*:*")], "allowed"),
        ([allow("*", GROUP)], "implicitDeny"),
        ([allow(), deny("logs:CreateLogStream")], "explicitDeny"),
        ([deny("logs:CreateLogStream"), allow()], "explicitDeny"),
        ([{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}], "allowed"),
        ([{"Effect": "Allow", "NotAction": "logs:*", "Resource": "*"}], "implicitDeny"),
        ([{"Effect": "Deny", "Action": "*", "NotResource": f"{GROUP}:*"}, allow()], "allowed"),
    ],
)
def test_actions_and_resources(statements: list[dict[str, Any]], decision: str) -> None:
    asked = Request("logs:CreateLogStream", f"{GROUP}:log-stream:app/1")
    assert decide([policy(*statements)], asked) == decision


@pytest.mark.parametrize(
    ("condition", "met"),
    [
        ({"StringEquals": {"aws:RequestedRegion": "us-east-1"}}, True),
        ({"StringEquals": {"AWS:requestedregion": ["eu-west-1", "us-east-1"]}}, True),
        ({"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}, False),
        ({"StringNotEquals": {"aws:RequestedRegion": "eu-west-1"}}, True),
        ({"StringEqualsIgnoreCase": {"aws:RequestedRegion": "US-EAST-1"}}, True),
        ({"StringLike": {"aws:RequestedRegion": "us-*"}}, True),
        ({"StringNotLike": {"aws:RequestedRegion": "us-*"}}, False),
        ({"StringEquals": {"absent": "x"}}, False),
        ({"StringNotEquals": {"absent": "x"}}, True),
        ({"StringEqualsIfExists": {"absent": "x"}}, True),
        ({"Null": {"absent": "true"}}, True),
        ({"Null": {"absent": "false"}}, False),
        ({"NumericLessThan": {"n": "10"}}, True),
        ({"NumericGreaterThanEquals": {"n": "9"}}, True),
        ({"NumericEquals": {"n": "nine"}}, False),
        ({"DateGreaterThan": {"at": "2026-01-01T00:00:00Z"}}, True),
        ({"DateLessThan": {"at": "2026-01-01T00:00:00Z"}}, False),
        ({"Bool": {"secure": "true"}}, True),
        ({"IpAddress": {"ip": "10.0.0.0/8"}}, True),
        ({"NotIpAddress": {"ip": "10.0.0.0/8"}}, False),
        ({"ArnLike": {"arn": "arn:aws:sns:*:111111111111:news"}}, True),
        ({"ArnEquals": {"arn": "arn:aws:sns:*:news"}}, False),
        ({"ForAnyValue:StringEquals": {"tags": ["a", "z"]}}, True),
        ({"ForAllValues:StringEquals": {"tags": ["a", "z"]}}, False),
        ({"ForAllValues:StringEquals": {"tags": ["a", "b"]}}, True),
        ({"ForAllValues:StringEquals": {"absent": ["a"]}}, True),
        ({"ForAnyValue:StringEquals": {"absent": ["a"]}}, False),
        ({"StringEquals": {"aws:RequestedRegion": "us-east-1"}, "Bool": {"secure": "false"}}, False),
    ],
)
def test_conditions(condition: dict[str, Any], met: bool) -> None:
    context = {
        "aws:RequestedRegion": ("us-east-1",),
        "n": ("9",),
        "at": ("2026-11-23T13:00:00Z",),
        "secure": ("true",),
        "ip": ("10.1.2.3",),
        "arn": ("arn:aws:sns:us-east-1:111111111111:news",),
        "tags": ("a", "b"),
    }
    asked = Request("sns:Publish", "*", context)
    assert (decide([policy(allow(Condition=condition))], asked) == "allowed") is met


def test_policy_variables_are_filled_in_from_the_context() -> None:
    mine = policy(allow("s3:*", "arn:aws:s3:::home/${aws:username}/*"))
    asked = Request("s3:GetObject", "arn:aws:s3:::home/ann/x", {"aws:username": ("ann",)})
    assert decide([mine], asked) == "allowed"
    assert decide([mine], Request("s3:GetObject", "arn:aws:s3:::home/bob/x", asked.context)) == "implicitDeny"
    assert decide([mine], Request("s3:GetObject", "arn:aws:s3:::home//x")) == "implicitDeny"


@given(st.text(alphabet="ab*?:/", max_size=8), st.text(alphabet="ab:/", max_size=8))
def test_wildcards_agree_with_a_plain_matcher(pattern: str, text: str) -> None:
    def matches(p: str, t: str) -> bool:
        if not p:
            return not t
        if p[0] == "*":
            return any(matches(p[1:], t[i:]) for i in range(len(t) + 1))
        return bool(t) and (p[0] in ("?", t[0])) and matches(p[1:], t[1:])

    assert like(pattern, text) == matches(pattern, text)
