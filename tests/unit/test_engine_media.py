"""What the engine asks for: a frame of a parent's video, a folder for what an archive holds."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runner.core.events import Downloaded, SubmitStarted, TaskAccepted, TaskSucceeded, Verified
from runner.core.job import Job, JobStatus, OutputFile
from runner.core.lifecycle import transition
from runner.core.sidecar import Unpacked
from runner.core.spec import OutputRef
from runner.core.task import Task, TaskStatus
from runner.engine.collecting import Collector
from runner.engine.inputs import Inputs
from runner.engine.tools import Tools
from runner.errors import DiskFull, DownloadError, PermanentApiError
from runner.ports import Fetched
from runner.testing import START, FakeClock, FakeDownloader, FakeFrames, make_spec
from tests.unit.test_engine_parts import OUT, Desk
from tests.unit.test_engine_parts import tools as tools_of


@pytest.fixture
async def clock() -> AsyncIterator[FakeClock]:
    made = FakeClock()
    yield made
    made.close()


# Frames


def parent(media_type: str = "video/mp4") -> Job:
    output = OutputFile(index=0, path="b/p.mp4", bytes=9, sha256="5ha", media_type=media_type)
    return Job(
        batch="b", spec=make_spec("parent"), status=JobStatus.DONE, task_id="t1", outputs=(output,)
    )


def still(frame: str) -> Any:
    return OutputRef(job="parent", key=parent().spec.key, media="image", frame=frame).to_json()


async def body_with(clock: FakeClock, desk: Desk, body: Any, **changes: Any) -> Any:
    tools: Tools = replace(tools_of(desk, clock), **changes)
    return await Inputs(tools).body_of(make_spec("child", body=body))


async def test_a_frame_is_uploaded_from_the_local_file_and_no_link_is_asked_for(clock):
    desk = Desk(jobs={"parent": parent()}, answer=AssertionError("must not be asked"))
    body = await body_with(clock, desk, {"promptImage": still("last")})
    [asset] = desk.uploads
    assert asset == await FakeFrames().frame(OUT / "b/p.mp4", sha256="5ha", which="last")
    assert body["promptImage"] == f"runway://{asset.sha256}"


async def test_first_and_last_frame_and_the_video_are_three_inputs(clock):
    desk = Desk(jobs={"parent": parent()}, answer=Task(id="t1", status=TaskStatus.RUNNING))
    images = [{"uri": still("first")}, {"uri": still("last")}, {"uri": still("last")}]
    video = OutputRef(job="parent", key=parent().spec.key, media="video").to_json()
    body = await body_with(clock, desk, {"promptImage": images, "videoUri": video})
    uris = [image["uri"] for image in body["promptImage"]]
    assert uris[1] == uris[2]
    assert len({*uris, body["videoUri"]}) == 3
    assert len(desk.uploads) == 3


@pytest.mark.parametrize("media_type", ["image/png", "audio/mpeg", "application/zip"])
async def test_what_is_no_video_has_no_frame_and_the_message_says_what_it_is(clock, media_type):
    desk = Desk(jobs={"parent": parent(media_type)})
    with pytest.raises(PermanentApiError, match=rf"`parent` has no last frame.*{media_type}"):
        await body_with(clock, desk, {"promptImage": still("last")})
    assert desk.uploads == []


async def test_a_kind_that_nobody_could_name_is_left_to_the_decoder(clock):
    desk = Desk(jobs={"parent": parent("application/octet-stream")})
    await body_with(clock, desk, {"promptImage": still("first")})
    assert len(desk.uploads) == 1


@pytest.mark.parametrize("error", [PermanentApiError("no frame"), DiskFull("full")])
async def test_what_keeps_a_frame_from_being_taken_keeps_the_job_from_being_sent(clock, error):
    class NoFrames:
        async def frame(self, video: Path, *, sha256: str, which: str) -> Any:
            raise error

    desk = Desk(jobs={"parent": parent()})
    with pytest.raises(type(error), match=error.message):
        await body_with(clock, desk, {"promptImage": still("last")}, frames=NoFrames())
    assert desk.uploads == []


# Archives


class Archives(FakeDownloader):
    """A downloader whose links end as the kind of their file does."""

    async def fetch(self, url: str, part: Path) -> Fetched:
        fetched = await FakeDownloader.fetch(self, url, part)
        ext = url.rpartition(".")[2]
        kind = {"zip": "application/zip", "wav": "audio/wav", "mp4": "video/mp4"}[ext]
        return replace(fetched, media_type=kind, ext=ext)


def downloading(*, unpack: bool = True, **changes: Any) -> Job:
    spec = replace(make_spec("a"), output="x/a{part}.{ext}", unpack=unpack)
    job = Job(batch="b", spec=spec, version=1)
    for event in (
        SubmitStarted(at=START, reserve=25),
        TaskAccepted(at=START, task_id="t1", estimated=None),
        TaskSucceeded(at=START, credits=25),
    ):
        job = transition(job, event)
    return replace(job, **changes)


async def collected(
    clock: FakeClock, job: Job, *links: str, downloader: Any = None
) -> tuple[Job, Any, Desk]:
    desk, downloader = Desk(), downloader or Archives(clock)
    collector = Collector(tools_of(desk, clock, downloader), disk_full=desk.rescued.append)
    task = Task(id="t1", status=TaskStatus.SUCCEEDED, output=links)
    return await collector.collect(job, task), downloader, desk


def outputs_told(downloader: Any) -> list[Any]:
    [text] = downloader.texts.values()
    outputs: list[Any] = json.loads(text)["outputs"]
    return outputs


async def test_an_archive_is_unpacked_before_the_job_is_done_and_the_sidecar_names_the_folder(
    clock,
):
    job, downloader, desk = await collected(clock, downloading(), "u/1.zip", "u/2.wav")
    assert job.status is JobStatus.DONE
    assert downloader.unpacked == ["/out/x/a.zip"]
    assert desk.saved == ["Verified", "Verified", "Downloaded"]
    archive, sound = outputs_told(downloader)
    assert (archive["unpacked"], archive["members"]) == ("x/a/", 1)
    assert "unpacked" not in sound


async def test_nobody_who_did_not_ask_gets_a_folder(clock):
    _, downloader, _ = await collected(clock, downloading(unpack=False), "u/1.zip")
    assert downloader.unpacked == []
    assert "unpacked" not in outputs_told(downloader)[0]


async def test_a_job_that_asks_and_makes_a_clip_gets_the_clip(clock):
    job, downloader, _ = await collected(clock, downloading(), "u/1.mp4")
    assert (job.status, downloader.unpacked) == (JobStatus.DONE, [])


class Hostile(Archives):
    """Its archives are not safe."""

    async def unpack(self, archive: Path) -> Unpacked:
        await FakeDownloader.unpack(self, archive)
        return Unpacked(warning="not unpacked: it is broken")


async def test_an_archive_that_stays_packed_is_a_result_with_a_warning(clock):
    job, downloader, desk = await collected(
        clock, downloading(), "u/1.zip", downloader=Hostile(clock)
    )
    assert job.status is JobStatus.DONE
    assert [output.warning for output in job.outputs] == ["not unpacked: it is broken"]
    assert desk.saved == [Verified.__name__, Verified.__name__, Downloaded.__name__]
    [told] = outputs_told(downloader)
    assert told["warning"] == "not unpacked: it is broken"
    assert "unpacked" not in told
    assert downloader.fetches == 1


async def test_a_warning_is_told_once_however_often_it_is_looked_at(clock):
    job, downloader, _ = await collected(clock, downloading(), "u/1.zip", downloader=Hostile(clock))
    again = replace(job, status=JobStatus.DOWNLOADING, expected=1)
    job, _, desk = await collected(clock, again, "u/1.zip", downloader=downloader)
    assert [output.warning for output in job.outputs] == ["not unpacked: it is broken"]
    assert desk.saved == ["Downloaded"]


async def test_a_warning_from_the_download_is_kept_beside_it(clock):
    class Odd(Hostile):
        async def fetch(self, url: str, part: Path) -> Fetched:
            return replace(await Archives.fetch(self, url, part), warning="odd type")

    job, _, _ = await collected(clock, downloading(), "u/1.zip", downloader=Odd(clock))
    assert job.outputs[0].warning == "odd type; not unpacked: it is broken"


@pytest.mark.parametrize("error", [DiskFull("no room to unpack"), DownloadError("cannot write")])
async def test_a_disk_that_refuses_to_unpack_is_waited_for_and_nothing_is_fetched_again(
    clock, error
):
    class Full(Archives):
        async def unpack(self, archive: Path) -> Unpacked:
            found = await FakeDownloader.unpack(self, archive)
            if len(self.unpacked) < 3:
                raise error
            return found

    job, downloader, desk = await collected(clock, downloading(), "u/1.zip", downloader=Full(clock))
    assert job.status is JobStatus.DONE
    assert desk.saved == ["Verified", "DownloadDelayed", "DownloadDelayed", "Downloaded"]
    assert downloader.fetches == 1
    assert desk.rescued == [error.message] * (2 if isinstance(error, DiskFull) else 0)
