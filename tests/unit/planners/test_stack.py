"""The stack planner: side by side where it may, against the arrows when removing, nothing new after a failure."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from neargate.planners.stack import Progress, plan_apply, plan_removal

CHAIN = {"A": frozenset[str](), "B": frozenset({"A"}), "C": frozenset({"B"}), "D": frozenset[str]()}


def test_what_needs_nothing_starts_together() -> None:
    plan = plan_apply(CHAIN, {})
    assert plan.start == ("A", "D")
    assert not plan.finished


def test_a_dependant_starts_when_what_it_needs_is_done() -> None:
    assert plan_apply(CHAIN, {"A": "busy"}).start == ("D",)
    assert plan_apply(CHAIN, {"A": "done", "D": "done"}).start == ("B",)


def test_nothing_starts_after_a_failure() -> None:
    plan = plan_apply(CHAIN, {"A": "done", "D": "failed"})
    assert plan.start == ()
    assert plan.failed == ("D",)


def test_removal_runs_against_the_arrows() -> None:
    assert plan_removal(CHAIN, {}).start == ("C", "D")
    assert plan_removal(CHAIN, {"C": "done", "D": "busy"}).start == ("B",)


def test_a_failed_removal_keeps_back_only_what_it_needs() -> None:
    plan = plan_removal(CHAIN, {"C": "failed", "D": "done"})
    assert plan.start == ()
    assert plan.finished


@st.composite
def graphs(draw: st.DrawFn) -> Mapping[str, frozenset[str]]:
    names = [f"R{number}" for number in range(draw(st.integers(1, 8)))]
    return {
        name: frozenset(draw(st.sets(st.sampled_from(names[:index])))) if index else frozenset[str]()
        for index, name in enumerate(names)
    }


@given(graphs(), st.randoms(use_true_random=False))
def test_applying_then_removing_visits_everything_in_order(
    needs: Mapping[str, frozenset[str]], chance: object
) -> None:
    for plan_of, before in (
        (plan_apply, lambda n: needs[n]),
        (plan_removal, lambda n: {m for m in needs if n in needs[m]}),
    ):
        progress: dict[str, Progress] = {}
        for _ in range(len(needs) * 2 + 1):
            plan = plan_of(needs, progress)
            if plan.finished:
                break
            name = chance.choice(plan.start)  # type: ignore[attr-defined]
            assert all(progress.get(other) == "done" for other in before(name))
            progress[name] = "done"
        assert progress.keys() == needs.keys()
