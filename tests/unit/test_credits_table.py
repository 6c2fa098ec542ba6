"""Amounts of money: read, written, and as caps in a manifest; a cap is never rounded up."""

from __future__ import annotations

import contextlib
import re
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.credits import format_credits, parse_credits
from runner.errors import ManifestError, UsageError
from tests.unit.test_expand import expanded, jobs_of, problems_of, still

MOST = 10**9  # credits: the most that a manifest takes
AMOUNTS: list[tuple[Any, int]] = [
    (0, 0), ("0", 0), ("$0", 0), ("$0.00", 0), (1, 1), ("1", 1), (" 1 ", 1), ("1500", 1500),
    ("1,500", 1500), ("1_500", 1500), ("1,234,567", 1234567), ("1500 cr", 1500),
    ("1500cr", 1500), ("1500 credits", 1500), ("$1", 100), ("$ 1", 100), ("$1.5", 150),
    ("$1.50", 150), ("$0.01", 1), ("$0.009", 0), ("$0.29", 29), ("$0.57", 57), ("$0.58", 58),
    ("$1.13", 113), ("$1.15", 115), ("$4.35", 435), ("$8.20", 820), ("$19.99", 1999),
    ("$19.999", 1999), ("$1,234.56", 123456), ("$10,000", 1000000), ("$1000000.01", 100000001),
    ("0.9", 0), ("12.9", 12), ("12.9 cr", 12), ("007", 7),
]  # fmt: skip


@pytest.mark.parametrize(("written", "credits"), AMOUNTS)
def test_amount_is_read(written: Any, credits: int) -> None:
    assert parse_credits(written) == credits


@pytest.mark.parametrize(
    "written",
    ["", " ", "$", "-1", "-$1", "$-1", "+1", "1e3", "0x10", "1.", ".5", "$.5", "1 2", "one", "€5",
     "5€", "5 $", "5$", "$5 USD", "5 dollars", "5%", "inf", "nan", None, [], {}, True, False,
     "1\n2", "$1 $2", "<5"],
)  # fmt: skip
def test_what_is_no_amount_is_refused_with_a_way_to_write_it(written: Any) -> None:
    with pytest.raises(UsageError) as caught:
        parse_credits(written)
    assert "`1500`" in caught.value.hint
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("written", ["$1,5", "$12,50", "1,5", "1,50,0", "$1,,000", "5,"])
def test_comma_that_groups_no_thousands_never_makes_a_cap_larger(written: str) -> None:
    """Half of the world writes $12,50 for twelve and a half, and does not mean $1,250."""
    with pytest.raises(UsageError):
        parse_credits(written)


def test_decimal_comma_in_a_budget_is_a_problem_of_the_manifest() -> None:
    with pytest.raises(ManifestError):
        expanded(still("a"), budget={"per_job": "$0,07"})


@given(st.integers(0, MOST))
def test_cents_are_exact(cents: int) -> None:
    assert parse_credits(f"${cents // 100}.{cents % 100:02}") == cents


@given(st.decimals(0, 10**7, places=6, allow_nan=False))
def test_no_amount_of_dollars_becomes_more_credits_than_it_buys(dollars: Any) -> None:
    """Within a millionth of a credit, which floating point may lose."""
    credits = parse_credits(f"${dollars:f}")
    assert credits <= Fraction(str(dollars)) * 100 + Fraction(1, 10**6)
    assert credits > Fraction(str(dollars)) * 100 - 1 - Fraction(1, 10**6)


@given(st.integers(-MOST, MOST))
def test_figure_for_people_holds_both_units_and_can_be_read_back(credits: int) -> None:
    text = format_credits(credits)
    match = re.fullmatch(r"(-?)([\d,]+) cr \((-?)\$([\d,]+\.\d\d)\)", text)
    assert match is not None
    assert match[1] == match[3] == ("-" if credits < 0 else "")
    assert parse_credits(f"{match[2]} cr") == parse_credits(f"${match[4]}") == abs(credits)


@pytest.mark.parametrize("written", ["9" * 400, "$" + "9" * 400, "1" + "0" * 309 + " cr"])
def test_amount_beyond_all_measure_is_no_traceback(written: str) -> None:
    with contextlib.suppress(UsageError):
        assert parse_credits(written) > 10**300


def test_huge_bound_from_a_variable_is_a_problem_with_a_place() -> None:
    job = still("a", max_credits="${{ vars.most }}")
    for problem in expanded(job, vars={"most": "9" * 400}).problems:
        assert problem.path == "jobs[0].max_credits"


# Caps of a manifest


CAPS = [
    # budget -> whether a job of 8 credits fits
    ({"per_job": 8}, True), ({"per_job": 7}, False), ({"per_job": "$0.08"}, True),
    ({"per_job": "$0.07"}, False), ({"per_job": "$0.0799"}, False), ({"per_job": "8 cr"}, True),
    ({"per_job": 0}, False), ({"credits": 8, "per_job": 8}, True), ({}, True),
]  # fmt: skip


@pytest.mark.parametrize(("budget", "fits"), CAPS)
def test_cap_on_a_job_holds_to_the_credit_in_either_unit(
    budget: dict[str, Any], fits: bool
) -> None:
    assert (problems_of(still("a"), budget=budget) == []) == fits


@pytest.mark.parametrize(
    ("bound", "fits"), [(8, True), (7, False), ("$0.08", True), ("$0.0799", False), ("8 cr", True)]
)
def test_bound_of_a_job_holds_to_the_credit_in_either_unit(bound: Any, fits: bool) -> None:
    assert (problems_of(still("a", max_credits=bound)) == []) == fits


@pytest.mark.parametrize("bound", ["$0.20", "20", 20, "20 cr", "${{ vars.most }}"])
def test_every_way_to_write_a_bound_gives_the_same_reserve(bound: Any) -> None:
    spec = jobs_of(still("a", max_credits=bound), vars={"most": "$0.20"})["a"]
    assert (spec.max_credits, spec.reserve) == (20, 8)


@pytest.mark.parametrize("bound", ["ten", "-1", "$", True, [], {"a": 1}, 1e300])
def test_bound_from_a_variable_that_is_no_amount_is_a_problem_with_its_place(bound: Any) -> None:
    expansion = expanded(still("a", max_credits="${{ vars.most }}"), vars={"most": bound})
    (problem,) = expansion.problems
    assert problem.message.startswith("not an amount of credits: `")
    assert problem.path == "jobs[0].max_credits"


@pytest.mark.parametrize("key", ["credits", "per_job", "models", "tags"])
@pytest.mark.parametrize("amount", [-1, 1.5, "lots", True, None, [1], "9" * 400])
def test_budget_that_is_no_amount_is_refused_before_anything_is_planned(
    key: str, amount: Any
) -> None:
    value = {"veo3.1": amount} if key in ("models", "tags") else amount
    with pytest.raises(ManifestError) as caught:
        expanded(still("a"), budget={key: value})
    assert caught.value.problems[0].path.startswith(f"budget.{key}")


def test_price_and_bound_do_not_enter_the_key() -> None:
    """A new cap must not make finished work anew."""
    plain = jobs_of(still("a"))["a"]
    bounded = jobs_of(still("a", max_credits=50), budget={"credits": 100, "per_job": 40})["a"]
    assert plain.key == bounded.key
