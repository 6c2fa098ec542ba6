"""Prices in the state file: written with the answers of all batches, read as one memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from runner.core.credits import CostBand
from runner.core.events import TaskAccepted, TaskSucceeded
from runner.core.job import Job
from runner.core.price_memory import KEPT, PriceMemory
from runner.core.spec import JobSpec
from runner.errors import StaleJob
from runner.manifest.catalog_file import load_catalog
from runner.manifest.pricing import price
from runner.store.reader import StateReader
from runner.store.store import JobStore
from runner.testing import START, FakeClock, make_spec
from tests.integration.store_steps import accepted, add, gave_up, happen, in_other_batch, started

CATALOG = load_catalog()
HERE, THERE = "https://one", "https://two"


class NoInputs:
    """A manifest without local files."""

    asset: Any = None
    measures: Any = None


def estimated(duration: int, memory: PriceMemory | None = None) -> CostBand:
    """Of a model whose price nobody knows."""
    info = CATALOG.find("text_to_video", "kling_4")
    return price(info, {"model": "kling_4", "duration": duration}, NoInputs(), {}, memory)


def unpriced(name: str, duration: int = 5) -> JobSpec:
    body = {"model": "kling_4", "promptText": name, "duration": duration}
    return replace(
        make_spec(name, body=body, model="kling_4"),
        endpoint="text_to_video",
        estimate=estimated(duration),
        max_credits=90,
    )


@pytest.fixture
async def store() -> AsyncIterator[JobStore]:
    async with await JobStore.in_memory(clock=FakeClock()) as opened:
        await opened.upsert_batch("b", base_url=HERE)
        yield opened


def ended(credits: int | None, hours: float = 1) -> TaskSucceeded:
    return TaskSucceeded(at=START + timedelta(hours=hours), credits=credits)


async def test_what_two_batches_were_asked_is_one_memory(store: JobStore) -> None:
    first, longer = await add(store, unpriced("a"), unpriced("c", duration=10))
    [second] = await in_other_batch(store, unpriced("b"), service=HERE)
    await happen(store, first, started(90), accepted(estimated=60), ended(45))
    await happen(store, longer, started(90), accepted(estimated=120))
    await happen(store, second, started(90), accepted(estimated=60), ended(50, hours=2))
    memory = await store.remembered_prices(HERE)
    assert len(memory.seen) == 2
    known = estimated(5, memory)
    assert (known.expected, known.worst, known.confidence) == (50, 60, "medium")
    assert known.note == "as Runway charged on 2026-01-01"
    assert estimated(10, memory).worst == 120
    assert estimated(7, memory).worst is None


async def test_another_service_has_prices_of_its_own(store: JobStore) -> None:
    [job] = await in_other_batch(store, unpriced("a"), service=THERE)
    await happen(store, job, started(90), accepted(estimated=60))
    assert estimated(5, await store.remembered_prices(HERE)).worst is None
    assert estimated(5, await store.remembered_prices(THERE)).worst == 60
    assert (await store.remembered_prices("https://three")).seen == {}


async def test_an_answer_without_a_price_and_a_failure_teach_nothing(store: JobStore) -> None:
    first, second = await add(store, unpriced("a"), unpriced("b"))
    await happen(store, first, started(90), accepted(), ended(None))
    await happen(store, second, started(90), accepted(), gave_up(credits=20))
    assert (await store.remembered_prices(HERE)).seen == {}


async def test_a_job_whose_shape_nobody_knows_is_not_remembered(store: JobStore) -> None:
    nameless = replace(unpriced("a"), estimate=replace(estimated(5), shape=""))
    [job] = await add(store, nameless)
    await happen(store, job, started(90), accepted(estimated=60))
    assert (await store.remembered_prices(HERE)).seen == {}


async def test_what_is_not_written_is_not_learnt(store: JobStore) -> None:
    [job] = await add(store, unpriced("a"))
    sent = await happen(store, job, started(90))
    with pytest.raises(StaleJob):
        await happen(store, replace(sent, version=7), accepted(estimated=60))
    assert (await store.remembered_prices(HERE)).seen == {}


async def test_the_same_price_again_writes_no_row(store: JobStore) -> None:
    jobs = await add(store, *(unpriced(name) for name in "abc"))

    async def send(job: Job) -> PriceMemory:
        await happen(store, job, started(90), accepted(estimated=60), ended(60))
        return await store.remembered_prices(HERE)

    first = await send(jobs[0])
    assert (await send(jobs[1])).seen == first.seen
    assert (await send(jobs[2])).seen == first.seen


async def test_the_most_that_was_asked_counts_for_a_month(store: JobStore) -> None:
    jobs = await add(store, *(unpriced(name) for name in "abc"))
    await happen(store, jobs[0], started(90), accepted(estimated=80))
    await happen(store, jobs[1], started(90), accepted(estimated=60))
    assert estimated(5, await store.remembered_prices(HERE)).worst == 80
    late = TaskAccepted(at=START + KEPT + timedelta(hours=1), task_id="t", estimated=60)
    await happen(store, jobs[2], started(90), late)
    assert estimated(5, await store.remembered_prices(HERE)).worst == 60


async def test_a_memory_outlives_the_process_and_is_read_beside_a_run(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    async with await JobStore.open(path, clock=FakeClock()) as writer:
        await writer.upsert_batch("b", base_url=HERE)
        [job] = await add(writer, unpriced("a"))
        await happen(writer, job, started(90), accepted(estimated=60))
        async with await StateReader.read(path) as reader:
            assert estimated(5, await reader.remembered_prices(HERE)).worst == 60
    async with await StateReader.read(path) as reader:
        [seen] = (await reader.remembered_prices(HERE)).seen.values()
        assert (seen.model, seen.asked, seen.charged, seen.at) == ("kling_4", 60, None, START)


async def test_the_next_plan_needs_neither_cap_nor_probe(store: JobStore) -> None:
    [job] = await add(store, unpriced("a"))
    await happen(store, job, started(90), accepted(estimated=60), ended(60))
    memory = await store.remembered_prices(HERE)
    next_one = replace(unpriced("b"), estimate=estimated(5, memory), max_credits=None)
    assert next_one.reserve == 60
    [_, second] = await add(store, unpriced("a"), next_one)
    kinds = {state.group.kind for state in await store.group_states(second)}
    assert "price" not in kinds
