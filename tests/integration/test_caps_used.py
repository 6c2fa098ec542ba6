"""What a plan knows of caps that other batches of the state file use too."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from runner.app.capcheck import check_caps
from runner.app.project import caps_of, caps_used, load_project
from runner.clock import SystemClock
from runner.core.plan import plan
from runner.settings import Settings
from runner.store.store import JobStore
from runner.testing import make_spec
from tests.integration.store_steps import add, finished, happen

MANIFEST = """\
version: 1
name: small
budget: {credits: 500, per_day: 30, per_month: 100}
jobs:
  - id: still
    text_to_image: {model: gen4_image, promptText: a, ratio: 1920:1080}
"""


async def test_a_plan_counts_what_other_batches_spent_today(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(MANIFEST, encoding="utf-8")
    project = load_project(tmp_path / "m.yaml", Settings(state=tmp_path / "state.db"))
    assert await caps_used(project) == (), "nothing has run here"
    now = SystemClock().now()
    async with await JobStore.open(project.state, clock=SystemClock()) as store:
        await store.upsert_batch("other")
        assert await caps_used(project) == (), "this batch has not"
        long_ago, today = await add(store, make_spec("a"), make_spec("b"), batch="other")
        await happen(store, long_ago, *finished(at=now - timedelta(days=2)))
        await happen(store, today, *finished(at=now))
        await store.upsert_batch("small")
        await store.set_caps("small", caps_of(project))

    planned = plan(project.specs, {})
    checks = check_caps(planned, caps_of(project), await caps_used(project))
    assert {check.name: (check.used, check.passes) for check in checks} == {
        "batch": (0, False),
        "day": (25, True),
        "month": (50, False),
    }
