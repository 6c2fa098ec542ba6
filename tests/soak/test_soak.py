"""The soak in small, for every change; `make soak` runs it with 20,000 jobs over 30 days."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.soak.soak import Scale, soak
from tests.soak.verdict import judge

SMALL = Scale(
    jobs=120, per_day=30, start=datetime(2026, 3, 27, 12, tzinfo=UTC), harsh=6.0,
    longest_run_days=1.5, longest_gap_h=12, seed=5,
)  # fmt: skip


async def test_a_week_of_outages_and_lost_answers_leaves_every_job_accounted_for():
    async with soak(SMALL) as small:
        await small.to_the_end()
        verdict = await judge(small)
    assert verdict.change_of_clocks
    assert verdict.virtual_days > 5
    assert {"done", "failed", "in_doubt"} == verdict.jobs.keys()
    assert verdict.jobs["done"] > 100
    assert {"kill", "leave", "itself"} == small.ends.keys()
    # what the soak is made of: had it not met this, it would have shown nothing
    met = small.service.injector.counts
    assert {
        "create lose",
        "create drop",
        "create fail",
        "read drop",
        "download expire",
    } <= met.keys()
