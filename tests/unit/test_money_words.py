from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.credits import format_credits, parse_credits
from runner.core.job import Failure, Job, JobStatus, OutputFile
from runner.core.ledger import Cap, LedgerTotals
from runner.core.outcome import EXIT_ORDER, Reason, exit_code_of
from runner.core.sidecar import render_sidecar
from runner.core.spec import AssetRef, OutputRef, map_refs, refs_in
from runner.core.spending import Consent, decide_spending
from runner.core.summary import BatchSummary, job_json, summary_json, work_left
from runner.errors import UsageError
from runner.testing import START, make_spec


def test_every_figure_is_in_credits_and_dollars():
    assert format_credits(1250) == "1,250 cr ($12.50)"
    assert format_credits(0) == "0 cr ($0.00)"
    assert format_credits(-5) == "-5 cr (-$0.05)"


@pytest.mark.parametrize(
    ("text", "credits"),
    [(1500, 1500), ("1,500", 1500), ("$15", 1500), ("$0.01", 1), ("$12.345", 1234), ("20 cr", 20)],
)
def test_amounts_are_read_as_credits_or_dollars(text, credits):
    assert parse_credits(text) == credits


@pytest.mark.parametrize("text", ["", "ten", "-5", "$", "1e3", "5 EUR", True])
def test_what_is_no_amount_is_refused_with_a_hint(text):
    with pytest.raises(UsageError) as caught:
        parse_credits(text)
    assert caught.value.hint


@given(st.integers(0, 10**9))
def test_dollars_never_round_a_cap_up(cents):
    assert parse_credits(f"${cents / 100:.2f}") == cents


@pytest.mark.parametrize(
    ("facts", "consent", "cap"),
    [
        ({"worst": 0}, Consent.GIVEN, 0),
        ({"worst": 0, "budget": 50}, Consent.GIVEN, None),
        ({"worst": 10, "budget": 100}, Consent.GIVEN, None),
        ({"worst": 10}, Consent.REFUSED, None),
        ({"worst": 10, "yes": True}, Consent.GIVEN, 10),
        ({"worst": 10, "yes": True, "budget": 5}, Consent.GIVEN, None),
        ({"worst": 10, "max_credits": 7}, Consent.GIVEN, 7),
        ({"worst": 10, "interactive": True}, Consent.ASK, 10),
        ({"worst": 501, "interactive": True, "budget": 1000}, Consent.ASK, None),
        ({"worst": 500, "interactive": True, "budget": 1000}, Consent.GIVEN, None),
        ({"worst": 501, "interactive": True, "budget": 1000, "yes": True}, Consent.GIVEN, None),
        ({"worst": 10, "require_budget": True, "yes": True}, Consent.REFUSED, None),
        ({"worst": 10, "require_budget": True, "interactive": True}, Consent.REFUSED, None),
        ({"worst": 10, "require_budget": True, "budget": 100}, Consent.GIVEN, None),
        ({"worst": 10, "require_budget": True, "max_credits": 7}, Consent.GIVEN, 7),
        ({"worst": 0, "require_budget": True}, Consent.GIVEN, 0),
    ],
)
def test_when_a_run_may_spend(facts, consent, cap):
    given_facts = {
        "budget": None,
        "max_credits": None,
        "confirm_over": 500,
        "yes": False,
        "interactive": False,
        **facts,
    }
    spending = decide_spending(given_facts.pop("worst"), **given_facts)
    assert spending.consent is consent
    assert spending.run_cap == cap


def test_of_several_reasons_the_first_of_the_table_is_the_exit_code():
    reasons = [Reason(exit_code=code, message="") for code in (3, 10, 8, 11)]
    assert exit_code_of(reasons) == 11
    assert exit_code_of([]) == 0
    assert exit_code_of([Reason(exit_code=c, message="") for c in EXIT_ORDER]) == 1


def summary(**counts: int) -> BatchSummary:
    return BatchSummary(
        batch="b",
        counts={JobStatus(name): n for name, n in counts.items()},
        totals=LedgerTotals(spent=30, reserved=20, in_doubt=10),
        caps=(Cap(name="batch", limit=100, used=60), Cap(name="tag:x", limit=5, used=9)),
    )


def test_what_is_left_decides_the_exit_code():
    assert exit_code_of(work_left(summary(done=3))) == 0
    assert exit_code_of(work_left(summary(done=3, failed=1))) == 3
    assert exit_code_of(work_left(summary(skipped=1, downloading=1))) == 5
    assert exit_code_of(work_left(summary(failed=1, in_doubt=1))) == 11


def test_budget_as_json():
    data = summary_json(summary(done=1))
    assert data["budget"]["cap"] == 100
    assert data["budget"]["available"] == 40
    assert data["budget"]["caps"][1]["available"] == 0
    assert data["summary"]["done"] == 1
    assert set(data["summary"]) == {status.value for status in JobStatus}


def finished_job() -> Job:
    asset = AssetRef(path="/in/a.png", sha256="aa", bytes=5, media="image")
    parent = OutputRef(job="p", key="kk", index=1, media="video")
    spec = make_spec("a", body={"promptImage": asset.to_json(), "more": [parent.to_json()]})
    output = OutputFile(index=0, path="b/a.mp4", bytes=9, sha256="ff", media_type="video/mp4")
    return Job(
        batch="b", spec=spec, status=JobStatus.DONE, task_id="t1", task_ids=("t1",),
        attempt=1, charged=25, outputs=(output,), since=START,
        error=Failure(code="X", message="y"),
    )  # fmt: skip


def test_a_sidecar_says_what_made_the_file_and_holds_no_link():
    data = json.loads(render_sidecar(finished_job(), tool="runway-batch 0", finished_at="now"))
    assert data["task_id"] == "t1"
    assert data["credits"] == 25
    assert data["request"]["promptImage"] == {"file": "/in/a.png", "sha256": "aa", "bytes": 5}
    assert data["request"]["more"] == [{"job": "p", "key": "kk", "output": 1}]
    assert data["outputs"][0]["sha256"] == "ff"


def test_a_job_as_json_names_its_money_and_its_files():
    data = job_json(finished_job(), reason="")
    assert data["credits"] == {"estimated": 25, "reserved": 0, "charged": 25}
    assert data["outputs"][0]["path"] == "b/a.mp4"
    assert data["task_ids"] == ["t1"]
    assert json.dumps(data)


def test_references_are_found_in_order_and_replaced():
    body = finished_job().spec.body
    assert [type(ref).__name__ for ref in refs_in(body)] == ["AssetRef", "OutputRef"]
    replaced = map_refs(body, lambda ref: "uri")
    assert replaced["promptImage"] == "uri"
    assert replaced["more"] == ["uri"]
    assert body["more"] != ["uri"]
