"""Before anything is spent: the cost is said, and somebody agrees or nothing happens."""

from __future__ import annotations

from typing import Any

import pytest

from runner.cli.consent import Purse, agree, cost_line
from runner.cli.output import Output
from runner.core.job import Job, JobStatus
from runner.core.plan import Plan
from runner.errors import UsageError
from runner.testing import make_spec
from tests.plans import plan


def plan_of(*worst: int) -> Plan:
    return plan([make_spec(f"j{n}", worst=credits) for n, credits in enumerate(worst)], {})


def purse(**fields: Any) -> Purse:
    given: dict[str, Any] = {
        "budget": None, "max_credits": None, "confirm_over": 500, "yes": False,
        "interactive": False,
    }  # fmt: skip
    return Purse(**{**given, **fields})


def never(question: str) -> bool:
    raise AssertionError(f"nobody should be asked: {question}")


def test_within_a_budget_nobody_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert agree(plan_of(100), purse(budget=200), Output(), never) is None
    assert capsys.readouterr().err == "1 job to make: 100 cr ($1.00)\n"


def test_the_cap_of_the_run_is_handed_on() -> None:
    assert agree(plan_of(100), purse(max_credits=50), Output(), never) == 50


def test_without_a_terminal_a_cap_is_needed() -> None:
    with pytest.raises(UsageError) as caught:
        agree(plan_of(100), purse(), Output(), never)
    assert caught.value.exit_code == 2
    assert "--max-credits" in caught.value.hint
    assert "--yes" in caught.value.hint


def test_where_the_policy_requires_a_budget_yes_is_not_enough() -> None:
    with pytest.raises(UsageError, match="the policy requires a budget") as caught:
        agree(plan_of(100), purse(yes=True, require_budget=True), Output(), never)
    assert "--yes" not in caught.value.hint
    assert agree(plan_of(100), purse(budget=200, require_budget=True), Output(), never) is None


def test_yes_without_a_cap_makes_the_worst_case_the_cap(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert agree(plan_of(100, 30), purse(yes=True), Output(), never) == 130
    assert "the worst case is the cap: 130 cr ($1.30)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("fields", "worst", "cap"),
    [({}, 10, 10), ({"budget": 1000}, 501, None), ({"max_credits": 900}, 501, 900)],
)
def test_a_person_is_asked_where_much_or_no_limit_is_at_stake(
    fields: dict[str, Any], worst: int, cap: int | None
) -> None:
    asked: list[str] = []

    def yes(question: str) -> bool:
        asked.append(question)
        return True

    assert agree(plan_of(worst), purse(interactive=True, **fields), Output(), yes) == cap
    assert f"{worst} cr" in asked[0]


def test_no_means_nothing_is_spent() -> None:
    with pytest.raises(UsageError, match="aborted, nothing spent") as caught:
        agree(plan_of(10), purse(interactive=True), Output(), lambda question: False)
    assert caught.value.exit_code == 2


def test_where_nothing_is_to_make_nobody_is_asked() -> None:
    spec = make_spec("a")
    done = Job(batch="b", spec=spec, status=JobStatus.DONE)
    finished = plan([spec], {"a": done})
    assert cost_line(finished) == "nothing new to make"
    assert agree(finished, purse(), Output(), never) == 0, "no retry was agreed to either"


def test_many_jobs_are_counted() -> None:
    assert cost_line(plan_of(*[5] * 1200)) == "1,200 jobs to make: 6,000 cr ($60.00)"
