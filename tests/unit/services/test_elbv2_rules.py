"""Rules: their order, their conditions, what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.services.elbv2_calls import FIXED, Balancing, balancing, forward, path


@pytest.fixture
def elb() -> Iterator[Balancing]:
    with balancing() as made:
        yield made


@pytest.fixture
def listener(elb: Balancing) -> str:
    return elb.listener(elb.balancer())


def rules(elb: Balancing, listener: str) -> list[tuple[str, str]]:
    shown = elb("DescribeRules", ListenerArn=listener)["Rules"]
    return [(one["Priority"], one["RuleArn"]) for one in shown]


def test_rules_are_shown_by_priority_the_default_one_last(elb: Balancing, listener: str) -> None:
    for priority in (30, 4, 100):
        elb.rule(listener, priority)
    assert [priority for priority, _ in rules(elb, listener)] == ["4", "30", "100", "default"]
    default = elb("DescribeRules", ListenerArn=listener)["Rules"][-1]
    assert (default["IsDefault"], default["Conditions"]) == (True, [])
    shown = elb("DescribeListeners", ListenerArns=[listener])["Listeners"][0]
    assert default["Actions"] == shown["DefaultActions"]


def test_a_priority_is_used_once(elb: Balancing, listener: str) -> None:
    elb.rule(listener, 10)
    assert elb.refused(
        "CreateRule", ListenerArn=listener, Priority=10, Conditions=[path("/b")], Actions=[FIXED]
    ) == ("PriorityInUse", "Priority '10' is currently in use")


def test_priorities_can_change_places(elb: Balancing, listener: str) -> None:
    first, second, third = (elb.rule(listener, number) for number in (1, 2, 3))

    def swap(**priorities: int) -> list[dict[str, Any]]:
        names = {"first": first, "second": second, "third": third}
        return [{"RuleArn": names[name], "Priority": number} for name, number in priorities.items()]

    elb("SetRulePriorities", RulePriorities=swap(first=2, second=1))
    assert [arn for _, arn in rules(elb, listener)][:3] == [second, first, third]
    assert elb.refused("SetRulePriorities", RulePriorities=swap(first=3)) == (
        "PriorityInUse",
        "Priority '3' is currently in use",
    )
    assert elb.refused("SetRulePriorities", RulePriorities=swap(first=7, second=7)) == (
        "ValidationError",
        "Priority '7' was provided multiple times",
    )


def test_the_default_rule_stays(elb: Balancing, listener: str) -> None:
    ((_, default),) = rules(elb, listener)
    assert elb.refused("DeleteRule", RuleArn=default) == (
        "OperationNotPermitted",
        f"Default rule '{default}' cannot be deleted",
    )
    assert elb.refused("ModifyRule", RuleArn=default, Actions=[FIXED])[0] == "OperationNotPermitted"
    assert elb("DescribeRules", RuleArns=[default])["Rules"][0]["IsDefault"]


def test_rules_can_be_changed_in_part(elb: Balancing, listener: str) -> None:
    group = elb.group()
    rule = elb.rule(listener)
    elb("ModifyRule", RuleArn=rule, Actions=[forward(group)])
    (changed,) = elb("ModifyRule", RuleArn=rule, Conditions=[path("/x", "/y")])["Rules"]
    assert changed["Actions"][0]["TargetGroupArn"] == group
    assert changed["Conditions"][0]["Values"] == ["/x", "/y"]
    assert elb.refused("ModifyRule", RuleArn=rule) == (
        "ValidationError",
        "Either conditions or actions must be specified",
    )
    elb("DeleteRule", RuleArn=rule)
    elb("DeleteTargetGroup", TargetGroupArn=group)


def test_conditions_are_shown_complete(elb: Balancing, listener: str) -> None:
    given = [
        {"Field": "path-pattern", "Values": ["/img/*"]},
        {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "X-A", "Values": ["1"]}},
        {"Field": "query-string", "QueryStringConfig": {"Values": [{"Key": "v", "Value": "2"}]}},
        {"Field": "source-ip", "SourceIpConfig": {"Values": ["10.0.0.0/8"]}},
        {"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": ["GET"]}},
    ]
    arn = elb.rule(listener, Conditions=given)
    (shown,) = elb("DescribeRules", RuleArns=[arn])["Rules"]
    assert shown["Conditions"][0] == {**given[0], "PathPatternConfig": {"Values": ["/img/*"]}}
    assert shown["Conditions"][1:] == given[1:]


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        (
            [{"Field": "cookie"}],
            "Condition field 'cookie' must be one of '[host-header,http-header,http-request-method,path-pattern,"
            "query-string,source-ip]'",
        ),
        ([path("/1", "/2", "/3", "/4", "/5", "/6")], "A rule can only have '5' condition values"),
        ([path("/*?", "/*?*"), ], None),
        ([path("/*", "/*?", "/*?*", "/*")], "A rule can only have '6' condition wildcards"),
        ([path("/a"), path("/b")], "A rule can only have one 'path-pattern' condition"),
        ([path("/" + "a" * 128)], "The 'path-pattern' value is too long; the limit is '128'"),
        (
            [{"Field": "path-pattern", "Values": ["/a", "/b"]}],
            "The 'path-pattern' field contains too many values; the limit is '1'",
        ),
        (
            [{**path("/a"), "Values": ["/a"]}],
            "You cannot provide both Values and 'PathPatternConfig' for a condition of type 'path-pattern'",
        ),
        ([path()], "A condition value must be specified"),
        ([], "A condition must be specified"),
        (
            [{"Field": "source-ip", "Values": ["10.0.0.0/8"]}],
            "The 'Values' field is not compatible with 'source-ip'",
        ),
        (
            [{"Field": "source-ip", "SourceIpConfig": {"Values": ["10.0.0.1"]}}],
            "The source IP '10.0.0.1' must be in CIDR format",
        ),
        ([{"Field": "source-ip"}], "A 'SourceIpConfig' must be specified with 'source-ip'"),
        (
            [{"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": ["get"]}}],
            "The 'http-request-method' value is invalid; the allowed characters are A-Z, hyphen and underscore",
        ),
        (
            [{"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "a" * 41, "Values": ["x"]}}],
            "The 'HttpHeaderName' value is too long; the limit is '40'",
        ),
        (
            [{"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "Host", "Values": ["x"]}}],
            "Use a condition of type 'host-header' to specify a host header condition",
        ),
        (
            [{"Field": "query-string", "QueryStringConfig": {"Values": [{"Key": "v"}]}}],
            "A 'Value' must be specified in 'QueryStringKeyValuePair'",
        ),
        (
            [{"Field": "host-header", "HostHeaderConfig": {"Values": ["a_b"]}}],
            "Condition value 'a_b' contains a character that is not valid",
        ),
    ],
)  # fmt: skip
def test_conditions_that_are_refused(
    elb: Balancing, listener: str, conditions: list[dict[str, Any]], message: str | None
) -> None:
    if message is None:
        elb.rule(listener, Conditions=conditions)
        return
    assert elb.refused(
        "CreateRule", ListenerArn=listener, Priority=1, Conditions=conditions, Actions=[FIXED]
    ) == ("ValidationError", message)


def test_regular_expressions_and_transforms_are_refused_by_name(elb: Balancing, listener: str) -> None:
    wanted = {"ListenerArn": listener, "Priority": 1, "Actions": [FIXED]}
    expression = [{"Field": "path-pattern", "PathPatternConfig": {"RegexValues": ["^/a"]}}]
    assert elb.refused("CreateRule", Conditions=expression, **wanted)[0] == "NotImplemented"
    transform = [{"Type": "url-rewrite", "UrlRewriteConfig": {"Rewrites": [{"Regex": "a", "Replace": "b"}]}}]
    code, message = elb.refused("CreateRule", Conditions=[path("/a")], Transforms=transform, **wanted)
    assert code == "NotImplemented"
    assert message.startswith("elbv2:CreateRule Transforms is not implemented")


def test_a_hundred_rules_are_enough(elb: Balancing, listener: str) -> None:
    for number in range(1, 101):
        elb.rule(listener, number)
    assert elb.refused(
        "CreateRule", ListenerArn=listener, Priority=101, Conditions=[path("/b")], Actions=[FIXED]
    )[0] == ("TooManyRules")


def test_who_is_not_there(elb: Balancing, listener: str) -> None:
    ghost = f"{listener.replace(':listener/', ':listener-rule/')}/0123456789abcdef"
    assert elb.refused("DeleteRule", RuleArn=ghost) == ("RuleNotFound", f"Rule '{ghost}' not found")
    assert elb.refused("DescribeRules", RuleArns=[ghost]) == ("RuleNotFound", "One or more rules not found")
    assert elb.refused("DescribeRules") == (
        "ValidationError",
        "You must specify either listener rule ARNs or a listener ARN",
    )
