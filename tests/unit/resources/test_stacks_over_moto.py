"""Failed updates of resources that moto keeps, whose memory no store transaction takes back."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.resources.stacks import Stacks

pytest.importorskip("moto")
pytestmark = pytest.mark.anyio


QUEUE = "arn:aws:sqs:us-east-1:000000000000:jobs"


def rule(source: str, target: str) -> dict[str, Any]:
    properties = {
        "Name": "orders",
        "Description": source,
        "EventPattern": {"source": [source]},
        "Targets": [{"Id": "1", "Arn": target}],
    }
    return {"Type": "AWS::Events::Rule", "Properties": properties}


async def test_what_a_failed_update_had_changed_is_changed_back(stacks: Stacks) -> None:
    made = await stacks.carry_out("CreateStack", Rule=rule("shop", QUEUE))
    assert made["StackStatus"] == "CREATE_COMPLETE"

    failed = await stacks.carry_out("UpdateStack", Rule=rule("bank", "nowhere"))

    assert failed["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert any("nowhere is not valid" in text for text in await stacks.reasons())
    seen = await stacks.call("events", "DescribeRule", Name="orders")
    assert (seen["Description"], seen["EventPattern"]) == ("shop", '{"source":["shop"]}')
    targets = (await stacks.call("events", "ListTargetsByRule", Rule="orders"))["Targets"]
    assert [target["Arn"] for target in targets] == [QUEUE]
