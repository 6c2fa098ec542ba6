"""What a plan knows of caps that other batches of the state file use too."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from runner.app.forecast import forecast
from runner.app.planning import plan_project
from runner.app.project import load_project
from runner.clock import SystemClock
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

    async def used() -> dict[str, tuple[int, bool]]:
        found = await forecast(project, await plan_project(project))
        return {cap.name: (cap.used, cap.passes) for cap in found.caps}

    nothing = {"batch": (0, False), "day": (0, False), "month": (0, False)}
    assert await used() == nothing, "there is no state file"
    now = SystemClock().now()
    async with await JobStore.open(project.state, clock=SystemClock()) as store:
        await store.upsert_batch("other", base_url=project.service)
        await store.upsert_batch("elsewhere", base_url="https://other.example")
        assert await used() == nothing
        long_ago, today = await add(store, make_spec("a"), make_spec("b"), batch="other")
        [apart] = await add(store, make_spec("c"), batch="elsewhere")
        await happen(store, long_ago, *finished(at=now - timedelta(days=2)))
        await happen(store, today, *finished(at=now))
        await happen(store, apart, *finished(at=now))
    assert await used() == {"batch": (0, False), "day": (25, True), "month": (50, False)}
