"""Groups in the state file: counted with their jobs, over all batches of the account."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from runner.core.credits import CostBand
from runner.core.events import (
    Edited,
    GaveUp,
    Held,
    Requeued,
    TaskSucceeded,
)
from runner.core.spec import JobSpec
from runner.errors import (
    GroupFull,
)
from runner.store.process import this_process
from runner.store.store import JobStore
from runner.testing import START, FakeClock, make_spec
from tests.integration.store_steps import (
    ROOMY,
    accepted,
    add,
    gave_up,
    happen,
    in_other_batch,
    nothing_written,
    same_prompt,
    start,
)


@pytest.fixture
async def store() -> AsyncIterator[JobStore]:
    async with await JobStore.in_memory(clock=FakeClock()) as opened:
        await opened.upsert_batch("b", base_url="https://one")
        yield opened


def unsure(name: str, worst: int | None = 25) -> JobSpec:
    band = CostBand(low=1, expected=1, worst=worst, confidence="low")
    return replace(make_spec(name), estimate=band)


async def test_until_one_of_a_group_succeeds_only_a_few_are_in_flight(store: JobStore) -> None:
    jobs = await add(store, *(same_prompt(f"j{n}") for n in range(4)))
    [other] = await in_other_batch(store, same_prompt("theirs"))
    lease = await store.acquire("other", run_id="run-2", owner=this_process())
    terms = replace(ROOMY, refusals=2)
    first = await happen(store, await start(store, jobs[0], terms=terms), accepted())
    await start(store, other, terms=terms)  # a prompt is a prompt in every batch
    with pytest.raises(GroupFull) as caught:
        await start(store, jobs[1], terms=terms)
    assert caught.value.group.startswith("prompt:")
    assert caught.value.message == (
        "prompt `a cat` has no success yet, and 2 of its jobs are at Runway, of 2 at most"
    )
    await nothing_written(store, jobs[1])
    await lease.release(0)
    await start(store, jobs[1], terms=terms)  # what nobody works on keeps nobody waiting
    await happen(store, first, TaskSucceeded(at=START, credits=20))
    for job in jobs[2:]:
        await start(store, job, terms=terms)
    states = {state.group.kind: state for state in await store.group_states(jobs[1])}
    assert (states["prompt"].in_flight, states["prompt"].succeeded) == (4, 1)
    assert await store.check("b") == []


async def test_a_price_nobody_knows_is_probed_by_one_job_and_then_known(store: JobStore) -> None:
    first, second, third = await add(store, *(unsure(n) for n in ("a", "b", "c")))
    first = await start(store, first)
    with pytest.raises(GroupFull) as caught:
        await start(store, second)
    assert caught.value.group.startswith("price:")
    await happen(store, first, accepted(estimated=40))
    with pytest.raises(GroupFull, match=r"is 40 cr .* and 25 cr .* would be set aside"):
        await start(store, second)
    second = await start(store, second, reserve=40)
    await happen(store, second, accepted(estimated=60))
    with pytest.raises(GroupFull, match="is 60 cr"):
        await start(store, third, reserve=40)
    third = await start(store, third, reserve=60)
    await happen(store, third, accepted(estimated=50))
    assert (await store.group_states(third))[-1].credits == 60, "the most that was asked"


async def test_an_untold_price_is_counted_and_forgiven_when_a_person_looks(
    store: JobStore,
) -> None:
    [job] = await add(store, unsure("a"))

    async def price() -> tuple[int, int]:
        state = (await store.group_states(job))[-1]
        return state.refused, state.succeeded

    failed = await happen(store, await start(store, job), accepted(), gave_up(credits=None))
    assert await price() == (1, 0)
    pending = await happen(store, failed, Requeued(at=START))
    assert await price() == (1, 0), "nobody has looked at the group"
    held = Held(at=START, code="PRICE", reason="unknown")
    await happen(store, pending, held, Requeued(at=START))
    assert await price() == (0, 0)


async def test_an_edit_of_a_held_job_forgives_the_groups_it_was_held_for(store: JobStore) -> None:
    one, two = await add(store, same_prompt("one"), same_prompt("two"))
    moderated = GaveUp(at=START, code="SAFETY.INPUT.TEXT", reason="no", credits=0)
    await happen(store, await start(store, one), accepted(), moderated)
    held = await happen(store, two, Held(at=START, code="MODERATION", reason="the prompt"))
    assert [state.refused for state in await store.group_states(held)] == [1, 0]
    edited = Edited(at=START, spec=make_spec("two", body={"promptText": "a dog"}), position=1)
    await happen(store, held, edited)
    assert [state.refused for state in await store.group_states(held)] == [0, 0]


async def test_what_one_of_a_group_can_do_is_never_forgiven_away(store: JobStore) -> None:
    good, bad, more = await add(store, *(same_prompt(n) for n in ("good", "bad", "more")))
    moderated = GaveUp(at=START, code="SAFETY.INPUT.TEXT", reason="no", credits=0)
    await happen(store, await start(store, bad), accepted(), moderated)
    await happen(store, await start(store, good), accepted(), TaskSucceeded(at=START, credits=1))
    held = Held(at=START, code="MODERATION", reason="the prompt")
    await happen(store, more, held, Requeued(at=START))
    [prompt, _] = await store.group_states(more)
    assert (prompt.refused, prompt.succeeded) == (1, 1)
