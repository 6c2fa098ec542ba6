"""A plan as people see it: its tables and remarks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runner.cli.output import Output
from runner.cli.plan_notes import names_of
from runner.cli.plan_table import MOST_ROWS, slots_words, words_of
from runner.cli.show_plan import show_plan
from runner.cli.wrapping import wrapped
from runner.core.credits import CostBand
from runner.core.job import Failure, JobStatus
from runner.core.ledger import Caps
from runner.core.limits import Bounds
from runner.core.price_memory import PriceNote
from runner.core.standing import without_history
from runner.core.task import ModelLimits
from runner.testing import START, make_spec
from tests.plan_views import (
    PLAN,
    SPECS,
    STORED,
    banded,
    job_of,
    reading,
    seen,
    told,
)
from tests.plans import plan


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)


# tables


def test_a_plan_says_what_becomes_of_each_template(capsys: pytest.CaptureFixture[str]) -> None:
    lines = told(capsys, PLAN).splitlines()
    assert [line.split() for line in lines[:6]] == [
        ["template", "jobs", "model", "what", "cost"],
        ["new", "1", "gen4_turbo", "1", "new", "25", "cr", "($0.25)"],
        ["done", "1", "gen4_turbo", "1", "done", "-"],
        ["again", "1", "gen4_turbo", "1", "changed", "40", "cr", "($0.40)"],
        ["stale", "1", "gen4_turbo", "1", "stale", "-"],
        ["gone", "1", "gen4_turbo", "1", "orphaned", "-"],
    ]
    assert lines[6].startswith("total        5")
    assert "1 new, 1 done, 1 changed, 1 stale, " in lines[6]
    assert " 65 cr ($0.65) " in lines[6]
    assert "to make   2 of 4 jobs" in lines, "orphans are not asked for"


def test_one_template_and_one_model_are_one_table_without_a_total(
    capsys: pytest.CaptureFixture[str],
) -> None:
    printed = told(capsys, plan([make_spec("a")], {}))
    assert printed.count("gen4_turbo") == 1
    assert "total" not in printed
    assert "starting" not in printed


def test_the_table_by_model_is_there_where_it_says_something_else(
    capsys: pytest.CaptureFixture[str],
) -> None:
    a, b, c = make_spec("a"), make_spec("b", model="veo3"), make_spec("c")
    two = plan([a, b], {})
    assert "starting" not in told(capsys, two)
    assert "starting" in told(capsys, plan([a, b, c], {})), "a sum over two templates"
    known = without_history(reading(veo3=ModelLimits(max_concurrent=1, max_daily=None)), START)
    assert "starting" in told(capsys, two, seen(two, standing=known))


def test_models_have_a_table_of_their_own_with_slots_and_quota(
    capsys: pytest.CaptureFixture[str],
) -> None:
    limits = ModelLimits(max_concurrent=5, max_daily=50, daily_used=8)
    free = ModelLimits(max_concurrent=None, max_daily=None)
    standing = without_history(reading(gen4_turbo=limits, veo3=free), START)
    planned = plan([make_spec("a"), make_spec("b", model="veo3"), make_spec("c", model="x")], {})
    forecast = seen(planned, standing=standing, bounds=Bounds(lanes={"gen4_turbo": 3}))
    lines = [line.split("  ") for line in told(capsys, planned, forecast).splitlines()]
    rows = [[cell.strip() for cell in line if cell.strip()] for line in lines]
    assert ["model", "starting", "cost", "at once", "left today"] in rows
    assert ["gen4_turbo", "1", "25 cr ($0.25)", "3 of 5", "42 of 50"] in rows
    assert ["veo3", "1", "25 cr ($0.25)", "no limit", "no limit"] in rows
    assert ["x", "1", "25 cr ($0.25)", "?", "?"] in rows


def test_a_template_with_many_models_counts_them(capsys: pytest.CaptureFixture[str]) -> None:
    specs = [replace(make_spec(m, model=m), template="t") for m in ("a", "b", "c")]
    assert "3 models" in told(capsys, plan(specs, {}))
    assert "a, b" in told(capsys, plan(specs[:2], {}))


def test_bounds_of_the_manifest_stand_before_those_of_the_account() -> None:
    planned = plan([make_spec("a")], {})

    def words(account: int | None, bound: int | None) -> str:
        limits = ModelLimits(max_concurrent=account, max_daily=None)
        bounds = Bounds(lanes={} if bound is None else {"gen4_turbo": bound})
        standing = without_history(reading(gen4_turbo=limits), START)
        return slots_words(seen(planned, standing=standing, bounds=bounds), "gen4_turbo")

    assert [words(5, None), words(5, 9), words(5, 2), words(None, 4), words(None, None)] == [
        "5", "5", "2 of 5", "4", "no limit",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("width", "figures"),
    [
        (120, ["100 cr ($1.00)", "1,200 cr ($12.00)", "25,000 cr ($250.00)"]),
        (80, ["100", "1,200", "25,000 cr ($250.00)"]),
        (60, ["25,000 cr ($250.00)"]),
        (44, ["25,000 cr ($250.00)"]),
    ],
)
def test_a_narrow_page_has_fewer_columns_and_no_broken_figure(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int,
    figures: list[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("COLUMNS", str(width))
    show_plan(planned := plan([banded("opening")], {}), seen(planned), Output())
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    [row] = [line for line in lines if line.startswith("opening")]
    cells = [cell.strip() for cell in row.split("  ") if cell.strip()]
    assert cells[-len(figures) - 1 :] == ["1 new", *figures]
    assert ("gen4_turbo" in cells) is (width > 44)


def test_names_are_folded_before_figures(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    specs = [banded("x" * 70), banded("y", model="m" * 40), banded("z")]
    show_plan(planned := plan(specs, {}), seen(planned), Output())
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 60
    assert printed.count("25,000 cr ($250.00)") == 4, "three templates, one model"
    assert "50,000 cr ($500.00)" in printed
    assert "75,000 cr ($750.00)" in printed


def test_a_table_of_very_many_templates_ends_somewhere(capsys: pytest.CaptureFixture[str]) -> None:
    planned = plan([make_spec(f"t{n}") for n in range(MOST_ROWS + 40)], {})
    printed = told(capsys, planned)
    assert len(printed.splitlines()) < MOST_ROWS + 20
    assert "and 40 more templates: `--json` has all" in printed
    assert "100 new  2,500 cr ($25.00)" in printed


def test_statuses_are_words() -> None:
    assert words_of({"new": 1200, "in_doubt": 1}) == "1,200 new, 1 in doubt"


# notes


def test_stale_and_orphaned_jobs_have_their_price_and_the_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    printed = told(capsys, PLAN)
    assert (
        "stale     stale: kept as made; `run --refresh stale` would cost 50 cr ($0.50)\n" in printed
    )
    assert "orphaned  gone: no longer in the manifest, kept\n" in printed


def test_equal_jobs_are_named_with_their_price(capsys: pytest.CaptureFixture[str]) -> None:
    same = {"promptText": "same"}
    twins = plan([make_spec("a", body=same), make_spec("b", body=same)], {})
    assert "equal     b make what others make: 25 cr ($0.25)" in told(capsys, twins)


def test_a_job_without_a_known_price_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    spec = replace(make_spec("x"), estimate=CostBand(low=1, expected=2, worst=None), max_credits=9)
    printed = told(capsys, plan([spec], {}))
    assert "unpriced  x: `max_credits` bounds what is set aside" in printed
    assert "1 cr ($0.01) at best, 2 cr ($0.02) expected, 9 cr ($0.09) at worst" in printed


def test_prices_that_are_guessed_assumed_or_wrong_are_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    band = CostBand(low=1, expected=9, worst=9, confidence="low", note="the longest, 10 s")
    notes = [
        PriceNote(endpoint="e", model=f"m{n}", expected=25, seen=45, at=START) for n in range(7)
    ]
    planned = replace(
        plan([replace(make_spec("x"), estimate=band)], {}), price_notes=tuple(notes)
    )  # fmt: skip
    printed = told(capsys, planned)
    assert "unsure    gen4_turbo: the price table is not sure of 9 cr ($0.09)" in printed
    assert "assumed   the longest, 10 s (1 job)" in printed
    assert printed.count("Runway asked 45 cr ($0.45) for a job of") == 5
    assert "prices    and 2 more" in printed


def test_a_plan_with_nothing_to_do_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    done = plan(SPECS[1:2], {"done": STORED["done"]})
    printed = told(capsys, done, seen(done, Caps(batch=30)))
    assert "to make   nothing new to make\n" in printed
    assert "cap       batch: 30 cr ($0.30), 10 cr ($0.10) used: holds" in printed
    assert "tonight" not in printed
    assert "account" not in printed


def test_what_a_run_does_not_send_has_the_command_that_changes_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    error = Failure(code="X", message="x")
    names = {
        "run": JobStatus.RUNNING, "lost": JobStatus.IN_DOUBT, "held": JobStatus.HELD,
        "bad": JobStatus.FAILED,
    }  # fmt: skip
    stored = {name: job_of(name, status, error=error) for name, status in names.items()}
    specs = [*map(make_spec, names), make_spec("child", needs=["bad"])]
    printed = told(capsys, plan(specs, stored))
    assert "going on  1 at Runway or downloading: collecting them costs nothing" in printed
    assert "in doubt  lost: may have been charged; `runway-batch resolve` settles" in printed
    assert "held      held: `runway-batch resume` releases them" in printed
    assert "failed    1 job, not made again by themselves: `runway-batch retry`" in printed
    assert "waiting   child: a job that they need failed, was skipped or cancelled" in printed


def test_long_lists_of_names_are_cut() -> None:
    assert names_of(["a", "b"]) == "a, b"
    assert names_of([f"j{n}" for n in range(1207)]) == "j0, j1, j2, j3, j4 and 1,202 more"


@pytest.mark.parametrize("width", range(12, 60))
def test_no_line_breaks_an_amount_a_moment_or_a_command(width: int) -> None:
    whole = ["1,250 cr ($12.50)", "2026-01-02 03:10", "`run --refresh stale`", "-7 cr (-$0.07)"]
    lines = wrapped(f"about {whole[0]} at {whole[1]}, or {whole[2]} for {whole[3]}", width)
    assert all(any(part in line for line in lines) for part in whole)
    assert all(len(line) <= max(width, 22) for line in lines)
