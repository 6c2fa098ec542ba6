"""Whole runs in virtual time on a real disk: frames that begin other jobs, archives, kills."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from runner.core.job import JobStatus
from runner.core.spec import AssetRef, JobSpec, OutputRef
from runner.downloads import unpacking
from runner.downloads.atomic import write_bytes
from runner.downloads.downloader import HttpDownloader
from runner.downloads.signature import judge
from runner.emulator.plain import zipped
from runner.errors import DiskFull, DownloadError
from runner.media.frames import FrameFolder
from runner.ports import Fetched
from runner.testing import FakeClock, FakeUploader, OutsideCalls, make_spec
from tests.engine_rig import Rig, rig
from tests.integration.mortal import Life, Mortal, runner
from tests.videos import BLUE, GREEN, RED, SIZE, clip, colour_of, is_like

DONE, FAILED = JobStatus.DONE, JobStatus.FAILED
FRAMES = {f"frame_{n:04}.png": f"picture {n}".encode() * 30 for n in range(1, 6)}

#: a file by its link
Content = Callable[[str], bytes]


class DiskDownloader:
    """A downloader whose servers are a function, and whose files are real."""

    def __init__(self, clock: FakeClock, content: Content) -> None:
        self.fetches = 0
        self._clock = clock
        self._content = content
        self._real = OutsideCalls(HttpDownloader(), clock)

    async def fetch(self, url: str, part: Path) -> Fetched:
        self.fetches += 1
        await self._clock.sleep(1.0)
        data = self._content(url)
        with self._clock.outside():
            write_bytes(part, data)
        kind = judge(data[:100], "", url).kind
        return Fetched(
            part=part, bytes=len(data), sha256=hashlib.sha256(data).hexdigest(),
            media_type=kind.media_type, ext=kind.ext,
        )  # fmt: skip

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def read(path: str) -> bytes:
    return Path(path).read_bytes()


class Shelf(FakeUploader):
    """Keeps what was uploaded."""

    def __init__(self) -> None:
        self.bytes: dict[str, bytes] = {}

    async def uri_for(self, asset: AssetRef) -> str:
        uri = await super().uri_for(asset)
        data = self.bytes[uri] = read(asset.path)
        assert (hashlib.sha256(data).hexdigest(), len(data)) == (asset.sha256, asset.bytes)
        return uri


def on_disk(made: Rig, folder: Path, content: Content) -> Shelf:
    """Give a rig real files."""
    shelf = Shelf()
    made.output_dir = folder / "out"
    made.downloader = DiskDownloader(made.clock, content)  # type: ignore[assignment]
    made.uploader = shelf
    made.frames = OutsideCalls(FrameFolder(folder / "frames", write_bytes), made.clock)
    return shelf


# Frames


def shots(frame: str = "last") -> list[JobSpec]:
    """A shot, and one that goes on from a frame of it."""
    first = make_spec("first")
    ref = OutputRef(job="first", key=first.key, media="image", frame=frame)
    return [first, make_spec("next", needs=["first"], body={"promptImage": ref.to_json()})]


@asynccontextmanager
async def filmed(folder: Path, video: bytes):
    async with rig() as made:
        yield made, on_disk(made, folder, lambda _: video)


@pytest.mark.parametrize(("frame", "colour"), [("first", RED), ("last", BLUE)])
async def test_a_shot_goes_on_from_a_frame_of_the_one_before(tmp_path, frame, colour):
    async with filmed(tmp_path, clip([RED, GREEN, GREEN, BLUE])) as (made, shelf):
        await made.load(shots(frame))
        assert await made.run() == []
        assert set((await made.statuses()).values()) == {DONE}
        sent = made.api.tasks["task-0002"].body["promptImage"]
        [(uri, data)] = shelf.bytes.items()
        assert sent == uri
        with Image.open(io.BytesIO(data)) as image:
            assert (image.format, image.size) == ("PNG", SIZE)
            assert is_like(colour_of(image), colour)
        await made.check()


async def test_a_video_without_frames_costs_nothing_more_and_says_why(tmp_path):
    async with filmed(tmp_path, clip([RED])[:200]) as (made, shelf):
        await made.load(shots())
        await made.run()
        jobs = await made.jobs()
        assert (jobs["first"].status, jobs["next"].status) == (DONE, FAILED)
        assert "first.mp4" in jobs["next"].error.message
        assert jobs["next"].error.code == "REFUSED"
        assert (made.api.charged, len(made.api.tasks), shelf.bytes) == (25, 1, {})
        assert jobs["next"].charged == jobs["next"].hold == 0
        await made.check()


async def test_a_video_that_was_changed_since_is_not_sent_on(tmp_path):
    async with filmed(tmp_path, clip([RED, BLUE])) as (made, shelf):
        first, after = shots()
        await made.load([first])
        await made.run()
        write_bytes(tmp_path / "out/batch/first.mp4", clip([RED, GREEN]))
        await made.load([first, after])
        await made.run()
        job = (await made.jobs())["next"]
        assert job.status is FAILED
        assert "changed since it was verified" in job.error.message
        assert (made.api.charged, shelf.bytes) == (25, {})


async def test_many_shots_from_one_frame_decode_it_once(tmp_path):
    async with filmed(tmp_path, clip([RED, BLUE])) as (made, shelf):
        first, after = shots()
        others = [
            replace(after, id=f"n{n}", body={**after.body, "promptText": f"n{n}"}) for n in range(8)
        ]
        await made.load([first, *(replace(spec, key=spec.id) for spec in others)])
        await made.run()
        assert set((await made.statuses()).values()) == {DONE}
        assert len(shelf.bytes) == 1
        assert len(names_in(tmp_path / "frames")) == 1


@pytest.mark.parametrize("error", [DiskFull("the disk is full"), DownloadError("cannot write")])
async def test_a_disk_that_takes_no_still_for_a_while_is_waited_for(tmp_path, error):
    tries: list[Path] = []

    def write(path: Path, data: bytes) -> None:
        tries.append(path)
        if len(tries) < 3:
            raise error
        write_bytes(path, data)

    async with filmed(tmp_path, clip([RED, BLUE])) as (made, _):
        made.frames = OutsideCalls(FrameFolder(tmp_path / "frames", write), made.clock)
        await made.load(shots())
        await made.run()
        assert set((await made.statuses()).values()) == {DONE}
        assert (len(tries), made.api.charged) == (3, 50)


def names_in(folder: Path) -> list[str]:
    """Of all there is below a folder, hidden things too."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


# Archives


def sequence() -> JobSpec:
    return replace(make_spec("shot"), unpack=True, output="shot{part}.{ext}")


def assert_whole(out: Path) -> None:
    """The archive, its frames and its sidecar, and nothing besides."""
    frames = [f"shot/{name}" for name in FRAMES]
    assert names_in(out) == sorted(["shot", "shot.json", "shot.zip", *frames])
    assert {name: (out / "shot" / name).read_bytes() for name in FRAMES} == FRAMES
    [told] = json.loads((out / "shot.json").read_text())["outputs"]
    assert (told["path"], told["unpacked"], told["members"]) == ("shot.zip", "shot/", 5)


async def test_a_frame_sequence_ends_as_a_folder_beside_its_archive(tmp_path):
    async with rig() as made:
        on_disk(made, tmp_path, lambda _: zipped(FRAMES))
        await made.load([sequence()])
        assert await made.run() == []
        assert_whole(tmp_path / "out")
        assert [name for _, name in made.events].count("Verified") == 1


async def test_an_archive_that_is_not_safe_is_paid_once_and_kept(tmp_path):
    data = zipped({**FRAMES, "../../escaped.png": b"x"})
    async with rig() as made:
        on_disk(made, tmp_path, lambda _: data)
        await made.load([sequence()])
        assert await made.run() == []
        [job] = (await made.jobs()).values()
        assert job.status is DONE
        assert "name is not safe" in job.outputs[0].warning
        assert names_in(tmp_path) == ["out", "out/shot.json", "out/shot.zip"]
        assert (tmp_path / "out/shot.zip").read_bytes() == data
        await made.run()
        assert (len(made.api.tasks), made.downloader.fetches) == (1, 1)


class MortalPort(Mortal):
    """A port at whose n-th call the process is killed; counted together with the writes."""

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            self._life.before_write()
            result = await found(*args, **kwargs)
            self._life.after_write()
            return result

        return call


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_killed_between_any_two_steps_the_next_run_ends_with_the_same_folder(tmp_path, after):
    """At every write of the state file and every call of the downloader, unpacking among them."""
    steps = 0
    while True:
        steps += 1
        folder = tmp_path / str(steps)
        folder.mkdir()
        life = Life(at_write=steps, after=after)
        async with runner() as made:
            on_disk(made.rig, folder, lambda _: zipped(FRAMES))
            disk: Any = made.rig.downloader
            await made.start()
            await made.rig.load([sequence()])
            made.rig.downloader = MortalPort(disk, life)  # type: ignore[assignment]
            await made.run(life)
            made.rig.downloader = disk
            if not life.dead:
                break
            await made.run()
            statuses = await made.rig.statuses()
            if statuses["shot"] is not JobStatus.IN_DOUBT:  # killed as the create was under way
                assert statuses == {"shot": DONE}
                assert_whole(folder / "out")
            assert len(made.rig.api.tasks) <= 1
            await made.rig.check()
    # intent, task, running, succeeded; fetch, look at the name, verified, place, unpack, sidecar,
    # downloaded; and no more
    assert steps == 12


async def test_killed_half_way_through_an_archive_it_is_unpacked_again(tmp_path, monkeypatch):
    async with runner() as made:
        on_disk(made.rig, tmp_path, lambda _: zipped(FRAMES))
        await made.start()
        await made.rig.load([sequence()])
        left = tmp_path / "out"
        life = Life()

        def half(packed, member, target, is_stopped):
            target.write_bytes(b"half")
            life.dead = True

        with monkeypatch.context() as dying:
            dying.setattr(unpacking, "_write", half)
            dying.setattr(unpacking.shutil, "rmtree", lambda *_, **__: None)
            dying.setattr(Path, "rename", lambda self, target: target)
            await made.run(life)
        assert life.dead
        hidden = [name for name in names_in(left) if name.startswith(".")]
        assert len(hidden) == 1 + len(FRAMES)
        assert "shot" not in names_in(left)
        await made.run()
        assert await made.rig.statuses() == {"shot": DONE}
        assert_whole(left)
        assert made.rig.downloader.fetches == 1
