"""How many jobs of a plan can start under limits on money, slots of a day, models and tags."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.credits import CostBand
from runner.core.outlook import Limit, Outlook, Parents, outlook
from runner.core.plan import Plan, PlanRow

NO_TAGS: Mapping[str, int] = {}


def row(
    template: str, jobs: int, price: int, *, model: str = "m", done: int = 0,
    expected: int | None = None, tags: Mapping[str, int] = NO_TAGS,
) -> PlanRow:  # fmt: skip
    """Jobs that start, and some that are done."""
    return PlanRow(
        template=template, endpoint="e", model=model, jobs=jobs + done, words={}, starting=jobs,
        low=0, expected=jobs * (price if expected is None else expected), worst=jobs * price,
        tags=tags,
    )  # fmt: skip


def plan(*rows: PlanRow) -> Plan:
    starting = sum(row.starting for row in rows)
    cost = CostBand(low=0, expected=0, worst=sum(row.worst for row in rows))
    return Plan(jobs=starting, wanted=starting, starting=starting, cost=cost, rows=rows)


def look(planned: Plan, *limits: Limit, parents: Parents | None = None) -> Outlook:
    return outlook(planned, limits, lambda: parents or {})


def test_what_no_limit_holds_back_starts_and_nobody_asks_for_parents():
    def parents() -> Parents:
        raise AssertionError("not needed")

    found = outlook(plan(row("a", 4, 10)), [Limit(name="batch", room=40)], parents)
    assert (found.jobs, found.expected, found.starting, found.tight) == (4, 4, 4, ())
    assert outlook(plan(row("a", 4, 10)), [], parents).jobs == 4


@pytest.mark.parametrize(("room", "jobs"), [(0, 0), (9, 0), (10, 1), (39, 3), (40, 4)])
def test_a_cap_lets_as_many_start_as_fit_whole(room, jobs):
    assert look(plan(row("a", 4, 10)), Limit(name="batch", room=room)).jobs == jobs


def test_jobs_after_a_dear_one_still_start_if_they_are_cheap():
    found = look(plan(row("dear", 1, 100), row("cheap", 5, 10)), Limit(name="batch", room=30))
    assert found.jobs == 3


def test_at_expected_prices_more_start():
    found = look(plan(row("a", 10, 20, expected=10)), Limit(name="batch", room=100))
    assert (found.jobs, found.expected) == (5, 10)


def test_a_quota_counts_creates_and_a_model_cap_the_credits_of_its_model():
    planned = plan(row("a", 10, 5, model="x"), row("b", 10, 5, model="y"))
    quota = Limit(name="quota:x", room=4, is_quota=True, lane="x")
    cap = Limit(name="model:y", room=30, lane="y")
    found = look(planned, quota, cap)
    assert found.jobs == 4 + 6
    assert [(each.jobs, each.of) for each in found.allowances] == [(4, 10), (6, 10)]
    assert found.tight == ("quota:x", "model:y"), "the one that alone lets fewest start is first"


def test_the_cap_of_a_tag_holds_only_jobs_that_have_it():
    planned = plan(row("a", 10, 5, tags={"hero": 4}), row("b", 2, 5))
    found = look(planned, Limit(name="tag:hero", room=5, tag="hero"))
    assert found.allowance("tag:hero") is not None
    assert (found.jobs, found.allowances[0].jobs, found.allowances[0].of) == (6 + 1 + 2, 1, 4)


def test_every_limit_counts_for_the_jobs_that_it_is_about():
    planned = plan(row("a", 10, 5, model="x"), row("b", 10, 5, model="y"))
    limits = [Limit(name="batch", room=60), Limit(name="model:x", room=20, lane="x")]
    assert look(planned, *limits).jobs == 12
    assert look(planned, limits[0]).jobs == 12
    assert look(planned, limits[1]).jobs == 14


def test_children_of_jobs_that_do_not_start_wait():
    planned = plan(row("still", 40, 8, model="x"), row("clip", 40, 25, model="y"))
    quota = Limit(name="quota:x", room=10, is_quota=True, lane="x")
    assert look(planned, quota).jobs == 50, "where nobody says who needs whom"
    parents = {"clip": {"still"}, "still": set()}
    found = look(planned, quota, parents=parents)
    assert found.jobs == 20
    assert found.tight == ("quota:x",)


def test_children_of_finished_parents_do_not_wait():
    parents = {"clip": {"still", "clip"}}
    quota = Limit(name="quota:x", room=5, is_quota=True, lane="x")
    some_done = plan(row("still", 10, 8, model="x", done=190), row("clip", 200, 25, model="y"))
    assert look(some_done, quota, parents=parents).jobs == 5 + 195
    both_begun = plan(
        row("still", 10, 8, model="x", done=190), row("clip", 10, 25, model="y", done=190)
    )
    assert look(both_begun, quota, parents=parents).jobs == 5 + 5


def test_jobs_without_a_known_price_take_nothing_of_a_cap():
    assert look(plan(row("a", 3, 0)), Limit(name="batch", room=0)).jobs == 3


ROWS = st.lists(
    st.builds(
        row,
        st.sampled_from("abcd"),
        st.integers(1, 30),
        st.integers(0, 50),
        model=st.sampled_from("xy"),
        done=st.integers(0, 30),
        tags=st.just({}),
    ),
    min_size=1,
    max_size=6,
)
LIMITS = st.lists(
    st.one_of(
        st.builds(Limit, name=st.just("batch"), room=st.integers(0, 500)),
        st.builds(Limit, name=st.just("model:x"), room=st.integers(0, 500), lane=st.just("x")),
        st.builds(
            Limit, name=st.just("quota:y"), room=st.integers(0, 40), lane=st.just("y"),
            is_quota=st.just(True),
        ),
    ),
    max_size=3,
    unique_by=lambda limit: limit.name,
)  # fmt: skip


@given(rows=ROWS, limits=LIMITS, family=st.booleans())
def test_an_estimate_never_passes_the_plan_and_names_what_is_tight(rows, limits, family):
    planned = plan(*rows)
    parents = {"b": {"a"}, "c": {"a", "b"}, "d": {"c"}} if family else {}
    found = look(planned, *limits, parents=parents)
    assert 0 <= found.jobs <= planned.starting
    assert found.jobs == planned.starting or found.tight
    for each, limit in zip(found.allowances, limits, strict=True):
        assert 0 <= each.jobs <= each.of <= planned.starting
        assert (each.jobs < each.of) == (limit.name in found.tight)
