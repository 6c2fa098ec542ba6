"""What several policies allow together is never more than one of them allows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runner.core.budget import BudgetSpec, stricter
from runner.core.spending_policy import NO_POLICY, Allowed, SpendingPolicy, merged

AMOUNTS = st.none() | st.integers(0, 100)
NAMED = st.dictionaries(st.sampled_from("abc"), st.integers(0, 100))
BUDGETS = st.builds(
    BudgetSpec, credits=AMOUNTS, per_job=AMOUNTS, per_day=AMOUNTS, per_month=AMOUNTS,
    keep_balance=AMOUNTS, models=NAMED, tags=NAMED,
)  # fmt: skip
LISTS = st.lists(
    st.builds(
        Allowed,
        names=st.lists(st.sampled_from(["gen4", "gen*", "veo", "*"])).map(tuple),
        source=st.just("p.yaml"),
    ),
    max_size=2,
).map(tuple)
POLICIES = st.builds(
    SpendingPolicy, budget=BUDGETS, max_credits_per_run=AMOUNTS, require_budget=st.booleans(),
    models=LISTS,
)  # fmt: skip


def is_within(limit: int | None, bound: int | None) -> bool:
    return bound is None or (limit is not None and limit <= bound)


@given(BUDGETS, BUDGETS)
def test_of_two_budgets_the_stricter_of_each_applies(one: BudgetSpec, other: BudgetSpec) -> None:
    both = stricter(one, other)
    for each in (one, other):
        for name in ("credits", "per_job", "per_day", "per_month", "overall"):
            assert is_within(getattr(both, name), getattr(each, name))
        assert (both.keep_balance or 0) >= (each.keep_balance or 0)
        assert all(both.models[name] <= limit for name, limit in each.models.items())
        assert all(both.tags[name] <= limit for name, limit in each.tags.items())
    assert stricter(one, BudgetSpec()) == one, "nothing is made up"


@given(POLICIES, POLICIES, st.sampled_from(["gen4", "gen4.5", "veo"]))
def test_what_one_policy_forbids_both_together_forbid(
    one: SpendingPolicy, other: SpendingPolicy, model: str
) -> None:
    both = merged(one, other)
    forbidden = [each.refuses_model(model) is not None for each in (one, other)]
    assert (both.refuses_model(model) is not None) is any(forbidden)
    assert both.require_budget is (one.require_budget or other.require_budget)
    assert is_within(both.max_credits_per_run, one.max_credits_per_run)
    assert merged(one, NO_POLICY) == merged(NO_POLICY, one) == one


def test_without_a_list_everything_is_allowed_and_an_empty_one_allows_nothing() -> None:
    nothing = (Allowed(names=(), source="p.yaml"),)
    closed = SpendingPolicy(models=nothing, folders=nothing, hosts=nothing)
    assert NO_POLICY.refuses_model("gen4") is NO_POLICY.refuses_host("a.b") is None
    assert NO_POLICY.refuses_input("/in/a.png") is None
    assert closed.refuses_model("gen4") is closed.refuses_host("a.b") is nothing[0]
    assert closed.refuses_input("/in/a.png") is nothing[0]


def test_a_folder_allows_what_lies_in_it_and_not_its_namesakes() -> None:
    policy = SpendingPolicy(folders=(Allowed(names=("/in", "/more"), source="p"),))
    assert policy.refuses_input("/in/deep/a.png") is None
    assert policy.refuses_input("/inside/a.png") is not None
    assert policy.refuses_input("/a.png") is not None


def test_hosts_are_compared_whole_and_without_regard_to_case() -> None:
    policy = SpendingPolicy(hosts=(Allowed(names=("API.example.com",), source="p"),))
    assert policy.refuses_host("api.example.com.") is None
    for host in ("evil.api.example.com", "api.example.com.evil", "example.com", ""):
        assert policy.refuses_host(host) is not None
