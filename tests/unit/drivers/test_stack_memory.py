"""What the driver remembers of a stack is what the store holds, whatever was written since."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import pytest

from neargate.drivers.stacks.memory import StackMemory
from neargate.drivers.stacks.place import Settled
from neargate.model.cloudformation import Made, StackResource
from tests.unit.services.cloud import Cloud, cloud

KEY = "000000000000/us-east-1/x/uuid"


@pytest.fixture
def aws() -> Iterator[Cloud]:
    with cloud() as made:
        yield made


def resource(name: str, status: str = "CREATE_IN_PROGRESS") -> StackResource:
    return StackResource(KEY, name, "AWS::Logs::LogGroup", status, 0.0, operation="one")


def put(aws: Cloud, memory: StackMemory, *resources: StackResource) -> None:
    for each in resources:
        aws.write(lambda tx, each=each: tx.put(each))  # type: ignore[misc]
        memory.notice(each.logical_id)


def test_a_look_sees_what_was_noticed(aws: Cloud) -> None:
    memory = StackMemory(aws.store, KEY)
    put(aws, memory, *(resource(name) for name in "ABCDEF"))
    first = memory.look()
    assert set(first) == set("ABCDEF")
    put(aws, memory, resource("B", "CREATE_COMPLETE"))
    aws.write(lambda tx: tx.delete(StackResource, f"{KEY}/C"))
    memory.notice("C")
    seen = memory.look()
    assert (seen["B"].status, "C" in seen, len(seen)) == ("CREATE_COMPLETE", False, 5)
    assert seen == {r.logical_id: r for r in aws.store.read(lambda view: view.scan(StackResource, KEY))}


def test_references_see_what_is_settled_when_they_are_asked() -> None:
    resources = {"A": resource("A")}
    settled = Settled("one", resources)
    assert settled.get("A") is None
    made = Made("a", {}, None)
    resources["A"] = attrs.evolve(resources["A"], made=made, status="CREATE_COMPLETE")
    assert (settled["A"], list(settled), len(settled)) == (made, ["A"], 1)
    assert Settled("two", resources).get("A") is None
