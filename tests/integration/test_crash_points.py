"""Killed right before and right after every write of a run, then run again by somebody else."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import pytest

from runner.core.events import Resolved, Verdict
from runner.core.job import JobStatus
from runner.core.ledger import Caps, ledger_move
from runner.core.lifecycle import transition
from runner.core.spec import OutputRef
from runner.errors import DownloadError, PermanentApiError, SubmitUncertain, TransientApiError
from runner.testing import FakeTask, make_spec
from tests.integration.mortal import (
    Life,
    Runner,
    assert_promises,
    assert_settled,
    runner,
    unclaimed,
)

#: a batch of 9 whose worst case is exactly the budget
CAP = 9 * 25
FAR = 10_000


def specs():
    parent = make_spec("parent")
    ref = OutputRef(job="parent", key=parent.key, media="video")
    child = make_spec("child", needs=["parent"], body={"promptImage": ref.to_json()})
    names = ("retried", "lost", "three-files", "turned-away", "moderated", "refused")
    return [child, parent, *(make_spec(name) for name in names), make_spec("last", needs=["child"])]


@dataclass
class Trouble:
    """What goes wrong, once for each prompt, however often the runner is killed."""

    creates: Counter[str] = field(default_factory=Counter)
    cut: set[str] = field(default_factory=set)

    def before_create(self, _endpoint, body, _count):
        prompt = body["promptText"]
        if prompt == "refused":
            raise PermanentApiError("`ratio` is wrong", status=400)
        if prompt == "turned-away" and not self.creates[prompt]:
            self.creates[prompt] += 1
            raise TransientApiError("busy", status=503)

    def shape(self, task: FakeTask, _count: int) -> None:
        prompt = task.body["promptText"]
        self.creates[prompt] += 1
        if prompt == "retried" and self.creates[prompt] == 1:
            task.failure_code = "INTERNAL"
        if prompt == "moderated":
            task.failure_code = "SAFETY.INPUT.TEXT"
        if prompt == "three-files":
            task.outputs = 3

    def after_create(self, _endpoint, body, _count):
        if body["promptText"] == "lost":
            raise SubmitUncertain("no answer")

    def before_fetch(self, url: str, _count: int) -> None:
        if url not in self.cut and url.endswith(("1/0", "3/1")):
            self.cut.add(url)
            raise DownloadError("cut")


def plague(made: Runner) -> None:
    trouble = Trouble()
    note = made.rig.api.after_create
    assert note is not None

    def after_create(*args):
        note(*args)
        trouble.after_create(*args)

    made.rig.api.before_create = trouble.before_create
    made.rig.api.shape = trouble.shape
    made.rig.api.after_create = after_create
    made.rig.downloader.before_fetch = trouble.before_fetch


async def load(made: Runner) -> None:
    """As a run does, under its lease."""
    await made.start()
    await made.rig.load(specs(), Caps(batch=CAP))


async def killed_and_run_again(*lives: Life) -> bool:
    """Whether the last kill came at all: False once the batch ends before it."""
    async with runner(cap=CAP) as made:
        plague(made)
        await load(made)
        for life in lives:
            await made.run(life)
            await assert_promises(made)
        await made.run()
        await assert_settled(made)
        await assert_finished(made, kills=len(lives))
        return lives[-1].dead


async def assert_finished(made: Runner, *, kills: int) -> None:
    """Only what is in doubt, what Runway refused and what waits for the former is not done."""
    statuses = await made.rig.statuses()
    expected = dict.fromkeys(statuses, JobStatus.DONE)
    expected |= {"lost": JobStatus.IN_DOUBT, "moderated": JobStatus.FAILED}
    expected["refused"] = JobStatus.FAILED
    for name, status in statuses.items():
        if status is JobStatus.IN_DOUBT:
            expected[name] = JobStatus.IN_DOUBT
    for parent, child in (("parent", "child"), ("child", "last")):
        if expected[parent] is not JobStatus.DONE:
            expected[child] = JobStatus.PENDING
    assert statuses == expected
    surprises = [n for n, s in statuses.items() if s is JobStatus.IN_DOUBT and n != "lost"]
    assert len(surprises) <= 5 * kills, "a kill puts no more in doubt than there are slots"


async def writes_of_a_whole_run() -> int:
    async with runner(cap=CAP) as made:
        plague(made)
        await load(made)
        life = Life()
        await made.run(life)
        await assert_finished(made, kills=0)
        return life.writes


async def test_a_run_that_lives_makes_a_known_number_of_writes():
    """The other tests go through all of them: a shrinking batch would make them worthless."""
    writes = await writes_of_a_whole_run()
    assert 40 < writes < 80
    assert writes == await writes_of_a_whole_run()


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_killed_at_any_write_nothing_is_paid_twice_and_the_next_run_finishes(after):
    kills = 0
    while await killed_and_run_again(Life(at_write=kills + 1, after=after)):
        kills += 1
    assert kills == await writes_of_a_whole_run()


@pytest.mark.parametrize("second", [1, 2, 3, 7])
async def test_killed_again_while_recovering(second):
    came = [
        await killed_and_run_again(
            Life(at_write=first), Life(at_write=second, after=bool(first % 8))
        )
        for first in range(2, 44, 4)
    ]
    assert sum(came) > len(came) / 2, "most of the second lives were too short to be killed"


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_process_that_never_lives_for_more_than_three_writes_gets_there_all_the_same(after):
    async with runner(cap=CAP, slots=2) as made:
        plague(made)
        await load(made)
        deaths = 0
        while await made.run(Life(at_write=3, after=after)) is None:
            await assert_promises(made)
            await settle_by_the_truth(made)
            deaths += 1
            assert deaths < 100, "no way forward"
        await settle_by_the_truth(made)
        await made.run()
        await assert_settled(made)
        await assert_only_refusals_are_left(made)
        assert deaths > 10


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_what_a_kill_put_in_doubt_is_settled_by_the_truth_and_the_books_are_exact(after):
    """A person who looks at the account adopts what is there and re-queues what is not."""
    for at_write in range(1, FAR, 3):
        async with runner(cap=CAP) as made:
            plague(made)
            await load(made)
            life = Life(at_write=at_write, after=after)
            await made.run(life)
            if not life.dead:
                assert at_write > 40
                return
            await made.run()
            await settle_by_the_truth(made)
            await made.run()
            await settle_by_the_truth(made)  # its answer is lost whenever it is sent
            await made.run()
            await assert_settled(made)
            await assert_only_refusals_are_left(made)


async def assert_only_refusals_are_left(made: Runner) -> None:
    assert (await made.rig.store.totals("b")).in_doubt == 0
    left = {n: s for n, s in (await made.rig.statuses()).items() if s is not JobStatus.DONE}
    assert left == {"moderated": JobStatus.FAILED, "refused": JobStatus.FAILED}


async def settle_by_the_truth(made: Runner) -> None:
    jobs = await made.rig.jobs()
    found = unclaimed(made.rig.api, jobs)
    for job in jobs.values():
        if job.status is not JobStatus.IN_DOUBT:
            continue
        [task_id] = found.get(job.id, [None])
        verdict = Verdict.ADOPTED if task_id else Verdict.NOT_ARRIVED
        event = Resolved(at=made.rig.clock.now(), verdict=verdict, task_id=task_id)
        await made.rig.store.save(job, transition(job, event), event, ledger_move(job, event))


async def test_a_file_that_was_verified_before_the_kill_is_not_fetched_again():
    for at_write in range(1, FAR):
        async with runner() as made:
            await made.start()
            await made.rig.load([make_spec("only")])
            life = Life(at_write=at_write, after=True)
            await made.run(life)
            if not life.dead:
                break
            [job] = (await made.rig.jobs()).values()
            fetches = made.rig.downloader.fetches
            await made.run()
            if job.outputs:
                assert made.rig.downloader.fetches == fetches
    assert at_write == 7  # intent, task, running, succeeded, verified, downloaded, and no more


async def test_a_kill_before_the_intent_is_on_disk_has_sent_nothing():
    async with runner() as made:
        await made.start()
        await made.rig.load([make_spec("only")])
        await made.run(Life(at_write=1))
        assert made.rig.api.tasks == {}
        assert await made.rig.statuses() == {"only": JobStatus.PENDING}


async def test_a_kill_between_the_answer_and_its_record_is_in_doubt_and_stays_so():
    async with runner(cap=25) as made:
        await made.start()
        await made.rig.load([make_spec("only")], Caps(batch=25))
        await made.run(Life(at_write=2))
        assert len(made.rig.api.tasks) == 1
        for _ in range(3):
            await made.run()
            [job] = (await made.rig.jobs()).values()
            assert (job.status, job.hold) == (JobStatus.IN_DOUBT, 25)
        assert len(made.rig.api.tasks) == 1
