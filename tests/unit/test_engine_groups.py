"""What other batches and earlier runs found out about what our jobs share with theirs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from runner.core.events import Event, GaveUp, SubmitStarted, TaskAccepted
from runner.core.job import Job, JobStatus
from runner.core.ledger import Caps
from runner.core.spec import JobSpec
from runner.engine.rules import Rules
from runner.store.process import this_process
from runner.testing import make_spec
from tests.engine_rig import Rig, record, rig

DONE, HELD, PENDING = JobStatus.DONE, JobStatus.HELD, JobStatus.PENDING
PROMPT = {"promptText": "the same words"}


def specs(prefix: str, count: int, **fields: Any) -> list[JobSpec]:
    return [make_spec(f"{prefix}{n}", **fields) for n in range(count)]


async def in_other_batch(r: Rig, theirs: Sequence[JobSpec], *, is_live: bool = False) -> None:
    """Another batch of the account has these at Runway."""
    await r.store.upsert_batch("other")
    await r.load(theirs, batch="other")
    if is_live:
        await r.store.acquire("other", run_id="run-2", owner=this_process())
    for spec in theirs:
        now = r.clock.now()
        accepted = TaskAccepted(at=now, task_id=f"their-{spec.id}", estimated=None)
        await record(r, "other", spec.id, SubmitStarted(at=now, reserve=25), accepted)


async def refuse(r: Rig, theirs: Sequence[JobSpec]) -> None:
    """Moderation refuses them."""
    for spec in theirs:
        no = GaveUp(at=r.clock.now(), code="SAFETY.INPUT.TEXT", reason="no", credits=25)
        await record(r, "other", spec.id, no)


# moderation


async def test_what_moderation_refused_in_another_batch_is_held_before_it_is_sent():
    async with rig(slots=5) as r:
        theirs = specs("their", 5, body=PROMPT)
        await in_other_batch(r, theirs)
        await refuse(r, theirs)
        r.rules = Rules(max_wait_s=60)
        await r.load([*specs("same", 3, body=PROMPT), *specs("good", 3)])
        [reason] = await r.run()
        assert reason.exit_code == 7
        assert "refused 5 jobs that share prompt `the same words`" in reason.message
        assert reason.message.endswith("; 3 jobs held")
        assert await r.statuses() == {
            **dict.fromkeys(("same0", "same1", "same2"), HELD),
            **dict.fromkeys(("good0", "good1", "good2"), DONE),
        }
        assert r.api.prompts.keys() == {"good0", "good1", "good2"}
        await r.check()


async def test_what_moderation_refuses_in_another_batch_meanwhile_is_held_while_we_wait():
    async with rig(slots=5) as r:
        theirs = specs("their", 5, body=PROMPT)
        await in_other_batch(r, theirs, is_live=True)
        r.rules = Rules(max_wait_s=600)
        await r.load(specs("same", 3, body=PROMPT))
        running = asyncio.create_task(r.run())
        await r.clock.sleep(60)
        assert set((await r.statuses()).values()) == {PENDING}
        assert [wait.code for wait in await r.store.waits("b")] == ["group"]
        await refuse(r, theirs)
        [reason] = await running
        assert reason.exit_code == 7
        assert set((await r.statuses()).values()) == {HELD}
        assert r.clock.monotonic() < 90
        assert r.api.tasks == {}


# prices


def unsure(spec: JobSpec) -> JobSpec:
    """Its price is a guess of 25 credits."""
    return replace(spec, template="t", estimate=replace(spec.estimate, confidence="low"))


def reserves_of(r: Rig) -> dict[str, int]:
    """What the intent of each job sets aside."""
    found: dict[str, int] = {}

    def note(job: Job, event: Event) -> None:
        if isinstance(event, SubmitStarted):
            found[job.id] = event.reserve

    r.listeners.append(note)
    return found


async def test_a_later_run_sets_aside_what_an_earlier_one_learned_of_a_price():
    async with rig(slots=5, price=40, estimated=40) as r:
        reserves = reserves_of(r)
        shape = {"duration": 5}
        first = [unsure(make_spec("first", body=shape))]
        await r.load(first)
        assert await r.run() == []
        r.rules = Rules(max_wait_s=60)
        later = [unsure(spec) for spec in specs("later", 3, body=shape)]
        await r.load([*first, *later], Caps(batch=130))
        [reason] = await r.run()
        assert reason.exit_code == 8  # 40 are spent, and of the three only two fit at 40 each
        assert reserves == {"first": 25, "later0": 40, "later1": 40}
        assert r.api.charged == 120
        await r.check()


async def test_another_shape_is_a_price_of_its_own():
    async with rig(slots=1, price=40, estimated=40) as r:
        reserves = reserves_of(r)
        first = [unsure(make_spec("first", body={"duration": 5}))]
        await r.load(first)
        assert await r.run() == []
        r.api.price, r.api.estimated = 25, 25
        await r.load([*first, unsure(make_spec("short", body={"duration": 2}))])
        assert await r.run() == []
        assert reserves == {"first": 25, "short": 25}
