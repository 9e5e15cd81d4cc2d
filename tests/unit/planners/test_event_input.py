"""What EventBridge's targets are sent."""

from __future__ import annotations

import json
from typing import Any

import pytest

from neargate.planners.event_input import target_input

EVENT: dict[str, Any] = {
    "id": "1",
    "source": "shop",
    "time": "2026-01-01T00:00:00Z",
    "detail": {"order": 7, "who": 'say "hi"', "items": [{"name": "tea"}], "a.b": 1},
}


def sent(**target: Any) -> str:
    return target_input(target, EVENT, "orders", "arn:rule")


def test_the_event_itself() -> None:
    assert json.loads(sent()) == EVENT


def test_a_constant() -> None:
    assert sent(Input='{"a": 1}') == '{"a": 1}'


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$", EVENT),
        ("$.detail.order", 7),
        ("$.detail.items[0].name", "tea"),
        ("$.detail['a.b']", 1),
        ("$.detail.items[1]", None),
        ("$.detail.order.more", None),
    ],
)
def test_a_part_of_it(path: str, found: object) -> None:
    assert json.loads(sent(InputPath=path)) == found


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ('{"order": <order>, "who": "<who>"}', '{"order": 7, "who": "say \\"hi\\""}'),
        ('"order <order> of <items>"', '"order 7 of [{\\"name\\": \\"tea\\"}]"'),
        ('{"all": <items>, "raw": <who>}', '{"all": [{"name": "tea"}], "raw": "say \\"hi\\""}'),
        ('"<unknown> <none>"', '"<unknown> "'),
        ('"<aws.events.rule-name> <aws.events.rule-arn>"', '"orders arn:rule"'),
    ],
)
def test_a_template(template: str, text: str) -> None:
    paths = {"order": "$.detail.order", "who": "$.detail.who", "items": "$.detail.items", "none": "$.nowhere"}
    assert sent(InputTransformer={"InputPathsMap": paths, "InputTemplate": template}) == text


def test_the_whole_event_in_a_template() -> None:
    filled = json.loads(sent(InputTransformer={"InputTemplate": '{"event": <aws.events.event.json>}'}))
    assert filled == {"event": EVENT}
    without_detail = json.loads(sent(InputTransformer={"InputTemplate": "<aws.events.event>"}))
    assert without_detail == {key: value for key, value in EVENT.items() if key != "detail"}
