"""The parts of the engine alone: inputs, the create call, names of files, waiting."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.events import Downloaded, SubmitStarted, TaskAccepted, TaskSucceeded, Verified
from runner.core.job import Job, JobStatus, OutputFile
from runner.core.lifecycle import transition
from runner.core.limits import Terms
from runner.core.policy import Patience, Policies
from runner.core.spec import AssetRef, OutputRef
from runner.core.task import CreatedTask, Task, TaskStatus
from runner.engine.collecting import Collector
from runner.engine.inputs import URL_BYTES, URL_LENGTH, Inputs
from runner.engine.recorder import Recorder
from runner.engine.submitting import RECORD_TRIES, Submitter, code_of
from runner.engine.tools import Tools
from runner.engine.waiting import ANSWER_S, LAST_MOMENT_S, all_ended, answers_of, sleep_or
from runner.errors import (
    AccountError,
    CapReached,
    DiskFull,
    PermanentApiError,
    StaleJob,
    StoreBusy,
    StoreError,
    SubmitUncertain,
    TransientApiError,
)
from runner.ports import Fetched
from runner.testing import START, FakeClock, FakeDownloader, FakeFrames, make_spec

OUT = Path("/out")
FILE = OutputFile(index=0, path="b/p.mp4", bytes=1000, sha256="5ha", media_type="video/mp4")
LINK = "https://cdn.example/file.mp4"


def any_terms(_job: Job) -> Terms:
    return Terms(slots=5, refusals=5)


@dataclass
class Desk:
    """The store, the API and the uploader as far as a part needs them."""

    jobs: dict[str, Job] = field(default_factory=dict)
    saved: list[str] = field(default_factory=list)
    save_errors: list[Exception] = field(default_factory=list)  # raised in turn
    refuse_from: str = ""  # kind of event at which `save_errors` begin
    answer: Any = None  # a Task, a CreatedTask, or an error
    uploads: list[AssetRef] = field(default_factory=list)
    created: list[Any] = field(default_factory=list)
    rescued: list[str] = field(default_factory=list)  # said outside of the state file

    async def job(self, _batch: str, job_id: str) -> Job | None:
        return self.jobs.get(job_id)

    async def save(
        self, _before: Job, after: Job, event: Any, _move: Any, _terms: Terms | None
    ) -> None:
        kind = type(event).__name__
        if self.save_errors and kind == self.refuse_from:
            raise self.save_errors.pop(0)
        self.saved.append(kind)
        self.jobs[after.id] = after

    async def holds_task(self, task_id: str) -> bool:
        return any(task_id in job.task_ids for job in self.jobs.values())

    async def get_task(self, _task_id: str) -> Task:
        return self._answer()

    async def create_task(self, _endpoint: str, body: Any) -> CreatedTask:
        self.created.append(body)
        return self._answer()

    async def uri_for(self, asset: AssetRef) -> str:
        self.uploads.append(asset)
        return f"runway://{asset.sha256}"

    def _answer(self) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
async def clock() -> AsyncIterator[FakeClock]:
    made = FakeClock()
    yield made
    made.close()


def tools(desk: Desk, clock: FakeClock, downloader: Any = None) -> Tools:
    port: Any = desk
    policies = Policies()
    return Tools(
        batch="b", api=port, uploader=port, downloader=downloader or port, frames=FakeFrames(),
        store=port,
        recorder=Recorder(port, (), clock=clock), clock=clock, rng=random.Random(1),
        policies=policies,
        patience=Patience(policies.patience_s), output_dir=OUT, tool="test",
        rescue=desk.rescued.append,
    )  # fmt: skip


def succeeded(*links: str) -> Task:
    return Task(id="t1", status=TaskStatus.SUCCEEDED, output=links)


# Inputs: the link of a parent, or an upload of its file


def parent_of(media: str = "video", *, size: int = 1000, index: int = 0) -> tuple[Job, OutputRef]:
    spec = make_spec("parent")
    outputs = tuple(replace(FILE, index=n, bytes=size) for n in range(index + 1))
    job = Job(batch="b", spec=spec, status=JobStatus.DONE, task_id="t1", outputs=outputs)
    return job, OutputRef(job="parent", key=spec.key, index=index, media=media)


async def input_of(clock: FakeClock, desk: Desk, ref: OutputRef | AssetRef) -> str:
    spec = make_spec("child", body={"promptImage": ref.to_json()})
    body = await Inputs(tools(desk, clock)).body_of(spec)
    return str(body["promptImage"])


@pytest.mark.parametrize("media", ["image", "video", "audio"])
async def test_a_parent_s_own_link_saves_an_upload(clock, media):
    parent, ref = parent_of(media)
    desk = Desk(jobs={"parent": parent}, answer=succeeded(LINK))
    assert await input_of(clock, desk, ref) == LINK
    assert desk.uploads == []


@pytest.mark.parametrize(
    ("link", "why"),
    [
        ("http://cdn.example/file.mp4", "plain http"),
        ("https://192.0.2.7/file.mp4", "an IPv4 address"),
        ("https://[2001:db8::1]/file.mp4", "an IPv6 address"),
        ("https://localhost/file.mp4", "a name without a domain"),
        ("https:///file.mp4", "no host"),
        ("ftp://cdn.example/file.mp4", "another scheme"),
        (f"https://cdn.example/{'a' * URL_LENGTH}", "too long"),
        ("", "no link"),
    ],
    ids=lambda value: value if " " in value else "",
)
async def test_a_link_that_runway_cannot_read_becomes_an_upload_of_the_file(clock, link, why):
    parent, ref = parent_of()
    desk = Desk(jobs={"parent": parent}, answer=succeeded(link))
    assert await input_of(clock, desk, ref) == "runway://5ha", why
    [asset] = desk.uploads
    assert asset == AssetRef(path="/out/b/p.mp4", sha256="5ha", bytes=1000, media="video")


async def test_the_longest_link_that_runway_takes_is_used(clock):
    parent, ref = parent_of()
    link = "https://cdn.example/".ljust(URL_LENGTH, "a")
    desk = Desk(jobs={"parent": parent}, answer=succeeded(link))
    assert await input_of(clock, desk, ref) == link


@pytest.mark.parametrize("media", list(URL_BYTES))
async def test_a_file_too_large_for_a_link_is_uploaded_and_its_task_not_read(clock, media):
    parent, ref = parent_of(media, size=URL_BYTES[media])
    desk = Desk(jobs={"parent": parent}, answer=succeeded(LINK))
    assert await input_of(clock, desk, ref) == LINK
    parent, ref = parent_of(media, size=URL_BYTES[media] + 1)
    desk = Desk(jobs={"parent": parent}, answer=AssertionError("must not be asked"))
    assert await input_of(clock, desk, ref) == "runway://5ha"


@pytest.mark.parametrize(
    "answer",
    [
        PermanentApiError("gone", status=404),
        TransientApiError("busy", status=503),
        Task(id="t1", status=TaskStatus.RUNNING),
        succeeded(),
    ],
)
async def test_a_task_that_gives_no_link_leaves_the_verified_file(clock, answer):
    parent, ref = parent_of()
    assert await input_of(clock, Desk(jobs={"parent": parent}, answer=answer), ref) == (
        "runway://5ha"
    )


async def test_a_refused_key_is_no_reason_to_upload(clock):
    parent, ref = parent_of()
    desk = Desk(jobs={"parent": parent}, answer=AccountError("no", status=401))
    with pytest.raises(AccountError):
        await input_of(clock, desk, ref)
    assert desk.uploads == []


async def test_the_second_output_is_the_second_link(clock):
    parent, ref = parent_of(index=1)
    desk = Desk(jobs={"parent": parent}, answer=succeeded(LINK, LINK + "2"))
    assert await input_of(clock, desk, ref) == LINK + "2"


async def test_one_reference_in_two_places_is_looked_up_once(clock):
    asset = AssetRef(path="/in/a.png", sha256="abc", bytes=5, media="image")
    body = {"promptImage": asset.to_json(), "referenceImages": [{"uri": asset.to_json()}] * 3}
    desk = Desk()
    made = await Inputs(tools(desk, clock)).body_of(make_spec("child", body=body))
    assert made["referenceImages"] == [{"uri": "runway://abc"}] * 3
    assert desk.uploads == [asset]


@pytest.mark.parametrize(
    "change",
    [
        {"status": JobStatus.FAILED},
        {"status": JobStatus.DOWNLOADING},
        {"spec": make_spec("parent", body={"promptText": "edited"})},
        {"outputs": ()},
    ],
    ids=["failed", "not here yet", "made of something else", "no outputs"],
)
async def test_an_output_that_is_not_there_is_refused_and_nothing_is_sent(clock, change):
    parent, ref = parent_of()
    desk = Desk(jobs={"parent": replace(parent, **change)}, answer=succeeded(LINK))
    with pytest.raises(PermanentApiError, match="parent"):
        await input_of(clock, desk, ref)
    assert desk.uploads == []


async def test_a_number_beyond_the_last_output_is_named_as_people_count(clock):
    parent, ref = parent_of()
    desk = Desk(jobs={"parent": parent}, answer=succeeded(LINK))
    with pytest.raises(PermanentApiError, match="has 1 outputs, none with number 3"):
        await input_of(clock, desk, replace(ref, index=2))


# The create call


def pending() -> Job:
    return Job(batch="b", spec=make_spec("a"), version=1)


async def submitted(clock: FakeClock, desk: Desk) -> Job:
    return await Submitter(tools(desk, clock), any_terms).submit(pending(), {"promptText": "a"}, 25)


async def test_the_intent_is_on_disk_before_the_create_leaves(clock):
    desk = Desk(answer=CreatedTask(id="t1"))

    async def create(_endpoint: str, _body: Any) -> CreatedTask:
        assert desk.saved == ["SubmitStarted"]
        return CreatedTask(id="t1", estimated_credits=40)

    desk.create_task = create  # type: ignore[method-assign, assignment]
    job = await submitted(clock, desk)
    assert desk.saved == ["SubmitStarted", "TaskAccepted"]
    assert (job.status, job.task_id, job.hold) == (JobStatus.QUEUED, "t1", 40)


@pytest.mark.parametrize("error", [CapReached("no", cap="batch", available=0), StaleJob("changed")])
async def test_an_intent_that_is_refused_sends_nothing(clock, error):
    desk = Desk(save_errors=[error], refuse_from="SubmitStarted", answer=CreatedTask(id="t1"))
    with pytest.raises(type(error)):
        await submitted(clock, desk)
    assert desk.created == []


@pytest.mark.parametrize(
    ("answer", "event", "status"),
    [
        (SubmitUncertain("?"), "SubmitUnknown", JobStatus.IN_DOUBT),
        (TransientApiError("busy", status=503), "SubmitRefused", JobStatus.PENDING),
        (PermanentApiError("no", status=400), "GaveUp", JobStatus.FAILED),
    ],
)
async def test_each_answer_is_recorded_for_what_it_proves(clock, answer, event, status):
    desk = Desk(answer=answer)
    job = await submitted(clock, desk)
    assert (desk.saved, job.status) == (["SubmitStarted", event], status)
    assert job.hold == (25 if status is JobStatus.IN_DOUBT else 0)


async def test_a_server_s_wish_to_wait_is_a_lower_bound(clock):
    desk = Desk(answer=TransientApiError("quota", status=429, retry_after_s=7000))
    job = await submitted(clock, desk)
    assert job.not_before is not None
    assert (job.not_before - START).total_seconds() >= 7000
    assert job.error is not None
    assert job.error.code == "HTTP_429"


async def test_an_account_error_puts_the_job_back_and_is_raised(clock):
    desk = Desk(answer=AccountError("no credits", status=400))
    with pytest.raises(AccountError):
        await submitted(clock, desk)
    assert (desk.jobs["a"].status, desk.jobs["a"].hold) == (JobStatus.PENDING, 0)


@pytest.mark.parametrize("error", [DiskFull("the disk is full"), StoreBusy("locked")])
async def test_a_task_id_is_written_as_soon_as_the_disk_takes_it(clock, error):
    desk = Desk(
        answer=CreatedTask(id="t1"), save_errors=[error] * 20, refuse_from="TaskAccepted"
    )  # fmt: skip
    job = await submitted(clock, desk)
    assert (job.task_id, len(desk.created)) == ("t1", 1)
    assert clock.monotonic() == 20


@pytest.mark.parametrize(
    ("errors", "waited"),
    [([DiskFull("full")] * (RECORD_TRIES + 5), RECORD_TRIES), ([StaleJob("changed")], 0)],
    ids=["the disk stays full", "somebody changed the job"],
)
async def test_a_paid_task_whose_id_cannot_be_written_is_named_with_the_way_out(
    clock, errors, waited
):
    desk = Desk(answer=CreatedTask(id="t-77"), save_errors=errors, refuse_from="TaskAccepted")

    async def as_another_run_left_it(_batch: str, job_id: str) -> Job:
        return desk.jobs[job_id].evolve(status=JobStatus.IN_DOUBT)

    desk.job = as_another_run_left_it  # type: ignore[method-assign]
    with pytest.raises(StoreError, match="task t-77 of job `a` is paid") as caught:
        await submitted(clock, desk)
    assert "runway-batch resolve a --task t-77" in caught.value.hint
    assert desk.rescued == ["job `a` of batch `b` is task t-77"]
    assert clock.monotonic() == waited
    assert len(desk.created) == 1


async def test_leaving_a_create_does_not_cancel_it(clock):
    desk = Desk()

    async def create(_endpoint: str, _body: Any) -> CreatedTask:
        await clock.sleep(10)
        return CreatedTask(id="t1")

    desk.create_task = create  # type: ignore[method-assign, assignment]
    submitter = Submitter(tools(desk, clock), any_terms)
    caller = asyncio.create_task(submitter.submit(pending(), {}, 25))
    await clock.sleep(1)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    [create_call] = submitter.under_way
    assert (await create_call).task_id == "t1"
    assert submitter.under_way == frozenset()
    assert desk.saved == ["SubmitStarted", "TaskAccepted"]


def test_an_error_s_code_is_its_status_or_its_own_word():
    assert code_of(PermanentApiError("no", status=422)) == "HTTP_422"
    assert code_of(TransientApiError("no")) == "SERVICE"
    assert code_of(SubmitUncertain("no")) == "IN_DOUBT"


# Names of the files of a task


class Kinds(FakeDownloader):
    """A downloader whose files are of the kind that the link's end names."""

    async def fetch(self, url: str, part: Path) -> Fetched:
        # `super()` without arguments does not work in a subclass of a class with slots
        fetched = await FakeDownloader.fetch(self, url, part)
        ext = url.rpartition(".")[2]
        kind = {"mp4": "video/mp4", "png": "image/png", "mp3": "audio/mpeg"}[ext]
        return replace(fetched, media_type=kind, ext=ext)


def downloading(output: str = "{version}/a{part}.{ext}", **changes: Any) -> Job:
    job = Job(batch="b", spec=replace(make_spec("a"), output=output), version=1)
    for event in (
        SubmitStarted(at=START, reserve=25),
        TaskAccepted(at=START, task_id="t1-and-more", estimated=None),
        TaskSucceeded(at=START, credits=25),
    ):
        job = transition(job, event)
    return replace(job, **changes)


async def collected(
    clock: FakeClock, job: Job, *links: str, files: dict[str, str] | None = None
) -> tuple[Job, Kinds, Desk]:
    desk, downloader = Desk(), Kinds(clock, files=dict(files or {}))
    collector = Collector(tools(desk, clock, downloader), disk_full=lambda _: None)
    return await collector.collect(job, succeeded(*links)), downloader, desk


async def test_each_kind_of_file_counts_its_parts_alone(clock):
    links = ("x/1.mp4", "x/2.png", "x/3.mp4", "x/4.png", "x/5.mp3", "x/6.mp4")
    job, downloader, _ = await collected(clock, downloading(), *links)
    assert [output.path for output in job.outputs] == [
        "1/a.mp4", "1/a.png", "1/a-2.mp4", "1/a-2.png", "1/a.mp3", "1/a-3.mp4"
    ]  # fmt: skip
    assert [output.index for output in job.outputs] == list(range(6))
    assert list(downloader.texts) == ["/out/1/a.json"]


async def test_a_name_is_counted_the_same_when_half_of_the_files_are_here(clock):
    first, downloader, desk = await collected(clock, downloading(), "x/1.mp4", "x/2.mp4")
    half = replace(first, status=JobStatus.DOWNLOADING, outputs=first.outputs[:1], results=0)
    files = {"/out/1/a.mp4": first.outputs[0].sha256}
    again, downloader, desk = await collected(clock, half, "x/1.mp4", "x/2.mp4", files=files)
    assert again.outputs == first.outputs
    assert downloader.fetches == 1
    assert desk.saved == ["Verified", "Downloaded"]


class Noting(Kinds):
    """Remembers under which temporary names it was asked to save."""

    async def fetch(self, url: str, part: Path) -> Fetched:
        self.texts[f"part of {url}"] = str(part)
        return await Kinds.fetch(self, url, part)


async def part_of(clock: FakeClock, job: Job) -> str:
    downloader = Noting(clock)
    await Collector(tools(Desk(), clock, downloader), lambda _: None).collect(
        job, succeeded("x/1.mp4")
    )
    return downloader.texts["part of x/1.mp4"]


async def test_a_verified_part_is_moved_and_not_fetched_again(clock):
    first, _, _ = await collected(clock, downloading(), "x/1.mp4")
    [output] = first.outputs
    job = replace(downloading(), outputs=(output,))
    files = {await part_of(clock, job): output.sha256}
    again, downloader, desk = await collected(clock, job, "x/1.mp4", files=files)
    assert (downloader.fetches, desk.saved) == (0, ["Downloaded"])
    assert downloader.files == {"/out/1/a.mp4": output.sha256}
    assert again.outputs == (output,)


async def test_a_second_result_never_takes_the_name_of_the_first(clock):
    first, _, _ = await collected(clock, downloading("a{part}.{ext}"), "x/1.mp4")
    second, _, _ = await collected(clock, downloading("a{part}.{ext}", results=1), "x/2.mp4")
    assert [first.outputs[0].path, second.outputs[0].path] == ["a.mp4", "a_v2.mp4"]


async def test_names_that_are_taken_are_skipped_until_one_is_free(clock):
    taken = {"/out/a.mp4": "mine", "/out/a_v2.mp4": "mine too"}
    job, downloader, _ = await collected(
        clock, downloading("a{part}.{ext}"), "x/1.mp4", files=taken
    )
    assert job.outputs[0].path == "a_v3.mp4"
    assert {name: downloader.files[name] for name in taken} == taken


async def test_parts_of_two_attempts_or_jobs_never_share_a_file(clock):
    job, brother = downloading(), downloading()
    brother = replace(brother, spec=replace(brother.spec, id="b"))
    jobs = [job, replace(job, task_id="t2"), brother]
    parts = {await part_of(clock, each) for each in jobs}
    assert len(parts) == 3
    assert {Path(part).parent for part in parts} == {OUT / "1"}


async def test_a_job_without_a_sidecar_gets_none(clock):
    job = downloading()
    quiet = replace(job, spec=replace(job.spec, sidecar=False))
    _, downloader, _ = await collected(clock, quiet, "x/1.mp4")
    assert downloader.texts == {}


@given(st.lists(st.sampled_from(["mp4", "png", "mp3"]), min_size=1, max_size=12))
def test_no_two_files_of_a_task_have_one_name(kinds):
    async def names() -> list[str]:
        clock = FakeClock()
        links = [f"x/{number}.{kind}" for number, kind in enumerate(kinds)]
        job, _, desk = await collected(clock, downloading("a{part}.{ext}"), *links)
        clock.close()
        assert desk.saved.count(Verified.__name__) == len(kinds)
        assert desk.saved[-1] == Downloaded.__name__
        return [output.path for output in job.outputs]

    found = asyncio.run(names())
    assert len(set(found)) == len(kinds)


# Waiting


async def test_a_wait_ends_with_its_time(clock):
    await sleep_or(clock, 30, asyncio.Event())
    assert clock.monotonic() == 30


async def test_a_wait_ends_as_soon_as_it_is_woken(clock):
    wake = asyncio.Event()

    async def ring() -> None:
        await clock.sleep(3)
        wake.set()

    bell = asyncio.create_task(ring())
    await sleep_or(clock, 30, wake)
    await bell
    assert clock.monotonic() == 3


async def test_waiting_for_all_ends_with_the_last_and_cancels_none(clock):
    tasks = [asyncio.create_task(clock.sleep(seconds)) for seconds in (1, 9, 4)]
    await all_ended(clock, tasks, 60)
    assert clock.monotonic() == 9
    assert not any(task.cancelled() for task in tasks)


async def test_waiting_for_all_gives_up_and_leaves_the_slow_one_alone(clock):
    slow = asyncio.create_task(clock.sleep(100))
    await all_ended(clock, [slow], 10)
    assert (clock.monotonic(), slow.done()) == (10, False)
    await slow
    assert clock.monotonic() == 100


async def test_waiting_for_nothing_or_for_what_has_ended_takes_no_time(clock):
    ended = asyncio.create_task(clock.sleep(0))
    await ended
    await all_ended(clock, [], 60)
    await all_ended(clock, [ended], 60)
    assert clock.monotonic() == 0


async def test_a_task_that_fails_or_is_cancelled_has_ended_too(clock):
    async def fail() -> None:
        await clock.sleep(2)
        raise TransientApiError("no")

    failing, cancelled = asyncio.create_task(fail()), asyncio.create_task(clock.sleep(50))
    cancelled.cancel()
    await all_ended(clock, [failing, cancelled], 60)
    assert clock.monotonic() == 2
    assert isinstance(failing.exception(), TransientApiError)


async def answered_after(clock: FakeClock, answer_s: float, leave_s: float | None) -> float:
    create = asyncio.create_task(clock.sleep(answer_s))
    leaving = asyncio.Event()

    async def leave() -> None:
        if leave_s is not None:
            await clock.sleep(leave_s)
            leaving.set()

    leaver = asyncio.create_task(leave())
    await answers_of(clock, [create], leaving)
    waited = clock.monotonic()
    assert not create.cancelled()
    await asyncio.gather(create, leaver)
    return waited


@pytest.mark.parametrize(
    ("answer_s", "leave_s", "waited"),
    [
        (5, None, 5),
        (500, None, ANSWER_S),
        (500, 7, 7 + LAST_MOMENT_S),
        (8, 7, 8),
        (500, ANSWER_S - 1, ANSWER_S - 1 + LAST_MOMENT_S),
    ],
    ids=["answer", "no answer", "second signal", "answer in the last moment", "late second signal"],
)
async def test_creates_already_sent_are_waited_for(clock, answer_s, leave_s, waited):
    assert await answered_after(clock, answer_s, leave_s) == waited
