"""Every wait has a reason."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta, timezone
from typing import Any

import pytest

from runner.core.commands import Wait
from runner.core.groups import groups_of
from runner.core.job import Failure, Job, JobStatus
from runner.core.ledger import Cap
from runner.core.quota import DailyQuota
from runner.core.waiting import Surroundings, why_waiting
from runner.testing import START, make_spec

HOUR = timedelta(hours=1)
LIVE = Surroundings(now=START)


def job(job_id: str = "a", status: JobStatus = JobStatus.PENDING, **fields: Any) -> Job:
    spec = make_spec(job_id, tags=("hero",))
    return Job(batch="b", spec=spec, status=status, **fields)


def quota(**fields: Any) -> dict[str, DailyQuota]:
    told: dict[str, Any] = {"most": 50, "used": 50, "by_others": 0, "frees_at": START + 3 * HOUR}
    return {"gen4_turbo": DailyQuota(lane="gen4_turbo", **{**told, **fields})}


def test_what_is_not_pending_waits_for_nothing() -> None:
    for status in set(JobStatus) - {JobStatus.PENDING}:
        assert why_waiting(job(status=status), [], LIVE) == ""


def test_its_own_reasons_come_first() -> None:
    paused = replace(LIVE, is_paused=True)
    lost, stale = job("p", JobStatus.IN_DOUBT), job("p", JobStatus.DONE, stale=True)
    assert why_waiting(job(), [lost], paused) == "needs `p` (in_doubt)"
    assert why_waiting(job(), [stale], paused) == "parent is stale: `p`"
    assert why_waiting(job(orphaned=True), [], paused) == "no longer in the manifest"
    assert why_waiting(job(stale=True), [], paused) == "the manifest says something else now"
    later = job(not_before=START + HOUR, error=Failure(code="HTTP_429", message="busy"))
    assert why_waiting(later, [], paused) == "back-off until 01:00: busy"
    assert why_waiting(job(not_before=START), [], LIVE) == "slot"


@pytest.mark.parametrize(
    ("around", "expected"),
    [
        ({}, "slot"),
        ({"is_live": False}, "no run works on it"),
        ({"is_paused": True, "is_live": False}, "paused: `runway-batch resume` goes on"),
        (
            {"waits": [Wait(lane="", code="window", reason="outside of the window",
                            until=START + 5 * HOUR)]},
            "outside of the window until 05:00",
        ),
        (
            {"waits": [Wait(lane="gen4_turbo", code="quota", reason="daily quota: 5 of 5",
                            until=START + 30 * HOUR)]},
            "daily quota until 2026-01-02 06:00: 5 of 5",
        ),
        ({"waits": [Wait(lane="veo3.1", code="quota", reason="daily quota")]}, "slot"),
        ({"waits": [Wait(lane="", code="disk", reason="full", until=START)]}, "full"),
        ({"quotas": quota()}, "daily quota until 03:00: 50 of 50 used"),
        ({"quotas": quota(), "is_live": False}, "daily quota until 03:00: 50 of 50 used"),
        ({"quotas": quota(frees_at=None)}, "slot"),
        ({"quotas": quota(frees_at=START)}, "slot"),
    ],
)  # fmt: skip
def test_what_stands_around_it_comes_next(around: dict[str, Any], expected: str) -> None:
    assert why_waiting(job(), [], replace(LIVE, **around)) == expected


def test_waits_of_a_dead_run_say_nothing() -> None:
    old = [Wait(lane="", code="window", reason="outside of the window")]
    around = replace(LIVE, waits=old, is_live=False)
    assert why_waiting(job(), [], around) == "no run works on it"


def test_only_jobs_of_a_full_group_wait_for_it() -> None:
    [first, *_] = groups_of("b", job("a").spec)
    full = Wait(lane="gen4_turbo", code="group", reason=f"{first.label} has no success yet")
    around = replace(LIVE, waits=[full])
    assert why_waiting(job("a"), [], around) == full.reason
    assert why_waiting(job("another"), [], around) == "slot"


@pytest.mark.parametrize(
    ("name", "live", "told"),
    [
        ("batch", False, "batch"),
        ("model:gen4_turbo", False, "model:gen4_turbo"),
        ("tag:hero", False, "tag:hero"),
        ("run:5f", True, "this run's cap"),
        ("day", False, "the cap of 24 hours"),
        ("month", False, "the cap of 30 days"),
        ("balance", False, "the balance to spare"),
        ("run:5f", False, None),
        ("tag:other", False, None),
        ("model:veo3.1", False, None),
    ],
)
def test_a_cap_without_room_is_named_where_it_covers_the_job(
    name: str, live: bool, told: str | None
) -> None:
    around = Surroundings(now=START, is_live=live, caps=[Cap(name=name, limit=30, used=20)])
    idle = "slot" if live else "no run works on it"
    expected = f"budget: 25 cr ($0.25) do not fit under {told}: 10 cr ($0.10) left"
    assert why_waiting(job(), [], around) == (expected if told else idle)


def test_times_are_those_of_the_person_who_asks() -> None:
    around = replace(LIVE, local=timezone(2 * HOUR), quotas=quota())
    assert why_waiting(job(), [], around).startswith("daily quota until 05:00")
