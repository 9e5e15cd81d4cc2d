"""kill -9 after every single write of any stack operation: the next server comes to the same end.

Templates and stories are generated. An operation is carried out once, one commit for each write, and the database is
kept as it was after each; a new driver then goes on from every one of these states. Nothing waits, nothing is random.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neargate.drivers.stacks import StackDriver
from neargate.gateway.api import DEFAULT_ACCOUNT, DEFAULT_REGION, root
from neargate.model.cloudformation import EVENTS, Stack, StackResource
from neargate.model.logs import LogGroup
from neargate.model.operations import Settings
from neargate.model.ports import Clock
from neargate.model.ssm import Parameter
from neargate.services.dispatch import Dispatcher
from neargate.store import sqlite
from neargate.store.blobs import BlobDirectory
from neargate.system import SystemIds
from tests.scenarios.wording import Wording
from tests.unit.services.cloud import SteppingClock

THOROUGH = bool(os.environ.get("NEARGATE_THOROUGH"))
EXAMPLES = 80 if THOROUGH else 8

Json = dict[str, Any]
ROOT = root(DEFAULT_ACCOUNT, DEFAULT_REGION)


@pytest.fixture(autouse=True, scope="module")
def one_commit_for_each_write() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite, "_GROUP", 1)
        yield


class KeptStore(sqlite.SqliteStore):
    """The store, keeping what the database was after each commit while `states` is a list."""

    def __init__(self, path: Path, clock: Clock) -> None:
        super().__init__(path, clock)
        self.states: list[bytes] | None = None

    def _commit(self, connection: sqlite3.Connection, batch: list[sqlite._Write]) -> None:
        super()._commit(connection, batch)
        states = self.states
        if states is not None:
            state = connection.serialize()
            if not states or state != states[-1]:
                states.append(state)


class Server:
    """A store, the services, and the driver of stacks."""

    def __init__(self, directory: Path) -> None:
        clock = SteppingClock()
        store = KeptStore.open(directory / "neargate.db", clock, durable=False)
        assert isinstance(store, KeptStore)
        self.store = store
        blobs = BlobDirectory(directory / "blobs")
        self.dispatcher = Dispatcher(store, clock, SystemIds(), blobs, Settings())
        self._driver = asyncio.create_task(StackDriver(store, self.dispatcher, clock).run())

    async def call(self, service: str, operation: str, **request: Any) -> Json:
        return await self.dispatcher.call(ROOT, service, operation, request)

    async def settle(self) -> Stack:
        """The one stack, when no operation of it is under way."""
        changed = asyncio.Event()
        unsubscribe = self.store.subscribe(frozenset({Stack.KIND}), lambda *_: changed.set())
        try:
            async with asyncio.timeout(20):
                while True:
                    changed.clear()
                    (stack,) = self.store.read(lambda view: view.scan(Stack))
                    if stack.operation is None:
                        return stack
                    await changed.wait()
        finally:
            unsubscribe()

    async def close(self) -> None:
        self._driver.cancel()
        await asyncio.gather(self._driver, return_exceptions=True)
        self.store.close()


async def serving(work: Callable[[Server], Awaitable[Any]], state: bytes | None = None) -> Any:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        if state is not None:
            (directory / "neargate.db").write_bytes(state)
        server = Server(directory)
        try:
            return await work(server)
        finally:
            await server.close()


# -- what there is in the end ------------------------------------------------------------------------------


def picture(server: Server, stack: Stack) -> Json:
    """The stack, its resources and the world, without times and random ids."""
    wording = Wording()
    read = server.store.read
    resources = read(lambda view: view.scan(StackResource, stack.key + "/"))
    events: dict[str, list[str]] = {}
    skipped = set()
    for entry in read(lambda view: view.entries(EVENTS, stack.key)):
        body = entry.body
        identity = shown(body["PhysicalResourceId"])
        line = f"{body['ResourceStatus']} {identity} {body.get('ResourceStatusReason', '')}"
        events.setdefault(body["LogicalResourceId"], []).append(wording.plain(line))
        if body["ResourceStatus"] == "DELETE_SKIPPED" and body["ResourceType"] in REAL:
            skipped.add(body["PhysicalResourceId"])
    return {
        "status": stack.status,
        "reason": stack.reason,
        "outputs": stack.outputs,
        "resources": {
            r.logical_id: (r.status, shown(r.made.physical_id) if r.made else None) for r in resources
        },
        "events": events,
        "world": world(server),
        "ours": sorted(
            {r.made.physical_id for r in resources if r.made is not None and r.type in REAL} | skipped
        ),
        "leftovers": [r.logical_id for r in resources if r.leftover is not None],
    }


def shown(physical_id: str) -> str:
    """A handle's is a URL with a random part."""
    return physical_id.partition("?")[0]


REAL = {"AWS::Logs::LogGroup", "AWS::SSM::Parameter"}


def world(server: Server) -> list[str]:
    """The names of all log groups and parameters."""
    groups = server.store.read(lambda view: view.scan(LogGroup))
    parameters = server.store.read(lambda view: view.scan(Parameter))
    return sorted([group.name for group in groups] + [parameter.name for parameter in parameters])


# -- stories -----------------------------------------------------------------------------------------------


@attrs.frozen
class Step:
    """An API call; after a call of CloudFormation, until its operation has ended."""

    operation: str
    request: Json = attrs.field(factory=dict)
    service: str = "cloudformation"

    async def play(self, server: Server) -> Stack | None:
        named = {"StackName": "x"} if self.service == "cloudformation" else {}
        await server.call(self.service, self.operation, **named, **self.request)
        return await server.settle() if self.service == "cloudformation" else None


async def undisturbed(before: list[Step], last: Step) -> tuple[Json, list[bytes]]:
    """The end of the story, and the database after each write of its last step."""

    async def work(server: Server) -> tuple[Json, list[bytes]]:
        for step in before:
            await step.play(server)
        server.store.states = states = []
        await server.store.write(lambda tx: None)  # what was before
        stack = await last.play(server)
        assert stack is not None
        server.store.states = None
        return picture(server, stack), states[1:]

    found: tuple[Json, list[bytes]] = await serving(work)
    return found


async def continued(state: bytes) -> Json:
    async def work(server: Server) -> Json:
        return picture(server, await server.settle())

    found: Json = await serving(work, state)
    return found


def check(before: list[Step], last: Step, *, exact: bool) -> None:
    """`exact`: nothing fails on the way, so that even the events are alike. Else which siblings had begun when one
    failed is chance, with or without a kill."""

    async def play() -> None:
        wanted, states = await undisturbed(before, last)
        assert wanted["world"] == wanted["ours"]
        for number, state in enumerate(states, 1):
            seen = await continued(state)
            after = f"killed after write {number} of {len(states)}"
            assert seen["world"] == seen["ours"], after
            assert seen["leftovers"] == [], after
            names = list(wanted) if exact else ["status", "outputs"]
            assert {n: seen[n] for n in names} == {n: wanted[n] for n in names}, after

    asyncio.run(play())


# -- templates ---------------------------------------------------------------------------------------------

NAMES = ("A", "B", "C", "D")
VALUES = ("1", "2")


@st.composite
def resource(draw: st.DrawFn, name: str, others: list[str]) -> Json:
    """A log group, a parameter or a wait condition handle; named or not, kept or not, conditional or not."""
    kind = draw(st.sampled_from(("group", "parameter", "handle")))
    value = draw(st.sampled_from(VALUES))
    declared: Json = {"Type": "AWS::CloudFormation::WaitConditionHandle"}
    if kind == "group":
        declared = {"Type": "AWS::Logs::LogGroup", "Properties": {"RetentionInDays": 7 * int(value)}}
        if draw(st.booleans()):  # another name replaces it
            declared["Properties"]["LogGroupName"] = f"/{name}/{draw(st.sampled_from(VALUES))}"
    if kind == "parameter":
        declared = {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": value}}
        if draw(st.booleans()):
            declared["Properties"]["Name"] = f"/{name}/{draw(st.sampled_from(VALUES))}"
        if others and draw(st.booleans()):
            declared["Properties"]["Value"] = {"Ref": draw(st.sampled_from(others))}
    if draw(st.booleans()):
        declared["DependsOn"] = [other for other in others if draw(st.booleans())]
    policy = draw(st.sampled_from((None, None, "Retain", "RetainExceptOnCreate")))
    if policy is not None:
        declared["DeletionPolicy"] = policy
    if draw(st.booleans()):
        declared["UpdateReplacePolicy"] = draw(st.sampled_from(("Delete", "Retain")))
    return declared


@st.composite
def templates(draw: st.DrawFn) -> Json:
    """Up to four resources that need each other and all of which live; a false condition hides one more."""
    chosen = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True))
    found: Json = {}
    for name in chosen:
        found[name] = draw(resource(name, list(found)))
    found["Hidden"] = {"Type": "AWS::Logs::LogGroup", "Condition": "Never"}
    if draw(st.booleans()):
        found[chosen[-1]]["Condition"] = "Always"
    return {
        "Conditions": {
            "Never": {"Fn::Equals": ["a", "b"]},
            "Always": {"Fn::Not": [{"Condition": "Never"}]},
        },
        "Resources": found,
        "Outputs": {"Which": {"Value": draw(st.sampled_from(VALUES))}},
    }


def bad(template: Json) -> Json:
    """The same with one more resource that cannot be made, and that needs those before it or none of them."""
    needed = [name for name in template["Resources"] if name != "Hidden"]
    failing = {"Type": "AWS::Logs::LogGroup", "Properties": {"RetentionInDays": 2}, "DependsOn": needed}
    return {**template, "Resources": {**template["Resources"], "Bad": failing}}


def body(template: Json, **more: Any) -> Json:
    return {"TemplateBody": json.dumps(template), **more}


def changed(first: Json, second: Json) -> Json:
    """`second` without changes of a resource's type, which no update accepts; always an update by its output."""
    kept = {
        name: declared if declared["Type"] == old.get(name, declared)["Type"] else old[name]
        for old in (first["Resources"],)
        for name, declared in second["Resources"].items()
    }
    return {**second, "Resources": _closed(kept), "Outputs": {"Which": {"Value": "3"}}}


def _closed(resources: Json) -> Json:
    """Without needs and references that lead nowhere, or in a circle."""
    earlier: list[str] = []
    found: Json = {}
    for name, declared in resources.items():
        text = {**declared, "DependsOn": [n for n in declared.get("DependsOn", ()) if n in earlier]}
        value = declared.get("Properties", {}).get("Value")
        if isinstance(value, dict) and value["Ref"] not in earlier:
            text["Properties"] = {**declared["Properties"], "Value": "elsewhere"}
        found[name] = text
        earlier.append(name)
    return found


def cases(examples: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=not THOROUGH,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )


@cases(EXAMPLES)
@given(templates())
def test_create_and_delete(template: Json) -> None:
    create = Step("CreateStack", body(template))
    check([], create, exact=True)
    check([create], Step("DeleteStack"), exact=True)


@cases(EXAMPLES // 2)
@given(templates(), st.sampled_from(({}, {"OnFailure": "DELETE"}, {"RetainExceptOnCreate": True})))
def test_create_that_fails(template: Json, how: Json) -> None:
    check([], Step("CreateStack", body(bad(template), **how)), exact=False)


@cases(EXAMPLES)
@given(templates(), templates())
def test_update(first: Json, second: Json) -> None:
    update = Step("UpdateStack", body(changed(first, second)))
    check([Step("CreateStack", body(first))], update, exact=True)


@cases(EXAMPLES)
@given(templates(), templates(), st.booleans())
def test_update_that_fails(first: Json, second: Json, stays: bool) -> None:
    update = Step("UpdateStack", body(bad(changed(first, second)), DisableRollback=stays))
    check([Step("CreateStack", body(first))], update, exact=False)


@cases(EXAMPLES)
@given(templates(), templates())
def test_rollback_by_hand(first: Json, second: Json) -> None:
    update = Step("UpdateStack", body(bad(changed(first, second)), DisableRollback=True))
    check([Step("CreateStack", body(first)), update], Step("RollbackStack"), exact=True)


@pytest.mark.parametrize("skip", [["A"], None], ids=["skipping", "forced"])
def test_rollback_that_is_continued(skip: list[str] | None) -> None:
    """What the rollback was to change was deleted by hand; it goes on without."""

    def group(days: int, name: str) -> Json:
        return {
            "Type": "AWS::Logs::LogGroup",
            "Properties": {"LogGroupName": name, "RetentionInDays": days},
        }

    first = {"Resources": {"A": group(7, "/a"), "B": group(7, "/b"), "C": group(7, "/c")}}
    second = bad(
        {
            "Resources": {
                "A": group(14, "/a"),
                "B": {**group(14, "/b"), "DependsOn": "A"},
                "New": group(7, "/n"),
            }
        }
    )
    before = [
        Step("CreateStack", body(first)),
        Step("UpdateStack", body(second, DisableRollback=True)),
        Step("DeleteLogGroup", {"logGroupName": "/a"}, "logs"),
        Step("RollbackStack"),
    ]
    how: Json = {"ForceRollback": True} if skip is None else {"ResourcesToSkip": skip}

    async def play() -> None:
        wanted, states = await undisturbed(before, Step("ContinueUpdateRollback", how))
        assert (wanted["status"], wanted["world"]) == ("UPDATE_ROLLBACK_COMPLETE", ["/b", "/c"])
        for number, state in enumerate(states, 1):
            assert await continued(state) == wanted, f"killed after write {number}"

    asyncio.run(play())
