"""A few hundred of the templates that `python -m tests.fuzz` makes by the million."""

from __future__ import annotations

import json
from random import Random

import pytest

from tests.fuzz import seeds
from tests.fuzz.lives import live
from tests.fuzz.mutations import mutated
from tests.fuzz.planning import Unexpected, plan, without_translator
from tests.scenarios import virtual_time

TEMPLATES = 600
LIVES = 6


@pytest.fixture(autouse=True)
def _no_translator(monkeypatch):
    without_translator(monkeypatch.setattr)


def test_any_template_is_planned_or_refused():
    found = seeds.own()
    outcomes = {"planned": 0, "refused": 0}
    for number in range(TEMPLATES):
        random = Random(number)
        outcomes["planned" if plan(mutated(found, random), random) else "refused"] += 1
    assert min(outcomes.values()) > TEMPLATES / 30, outcomes


def test_any_stack_ends_in_a_final_state():
    found = seeds.own()[:2]
    number, lived = 0, []
    while len(lived) < LIVES:
        number += 1
        random = Random(number)
        text = mutated(found, random)
        if plan(text, random) is None:
            continue
        whole = json.dumps(random.choice(found))
        pair = (whole, text) if len(lived) % 2 else (text, whole)
        lived.append(virtual_time.run(live(number, *pair, random)))
    assert any(each.startswith("CREATE_COMPLETE") for each in lived), lived


def test_the_harness_notices_what_no_caller_ever_sees(monkeypatch):
    monkeypatch.setattr("neargate.planners.template.validate", lambda *a, **k: [].pop())
    with pytest.raises(Unexpected, match="IndexError: pop from empty list"):
        plan("Resources: {A: {Type: AWS::Logs::LogGroup}}", Random(0))
