"""Output files: how many, of what format, and that each can be opened."""

from __future__ import annotations

import io
import sys
import wave
import zipfile
from typing import Any
from xml.etree import ElementTree as ET

import av
import pytest
from PIL import Image

from runner.emulator.encode import measure
from runner.emulator.media import MediaMaker, render
from runner.emulator.outputs import CONTENT_TYPES, OutputFile, files_of, frame_size, seconds_of
from runner.emulator.plain import plain_media
from runner.emulator.records import TaskRecord
from runner.errors import MissingExtra

FACTS = (("model", "veo3.1"), ("prompt", "A serene forest <&> " * 8), ("task", "abc"))


def task(endpoint: str = "image_to_video", model: str = "gen4_turbo", **body: Any) -> TaskRecord:
    facts = body.pop("facts", {})
    return TaskRecord(
        id="0b206bec-c53f-43ed-b2f5-a275d068920e", index=0, account="a", key="k",
        endpoint=endpoint, model=model, lane=model, body=body, created_at=0.0, estimate=1,
        final=1, generation_s=1.0, start_at=0.0, ended=True, facts=facts,
    )  # fmt: skip


def exts(media: str, model: str = "m", **body: Any) -> list[str]:
    return [file.ext for file in files_of(task(model=model, **body), media)]


def file(ext: str, *, seconds: float = 1.0, sound: bool = False, name: str = "abc") -> OutputFile:
    return OutputFile(
        task=name, index=0, ext=ext, width=320, height=180, seconds=seconds, sound=sound,
        facts=FACTS,
    )  # fmt: skip


# What a task makes


@pytest.mark.parametrize(
    ("media", "body", "expected"),
    [
        ("video", {}, ["mp4"]),
        ("video", {"outputFormat": "prores"}, ["mov"]),
        ("video", {"outputFormat": "hdr_prores"}, ["mov"]),
        ("video", {"outputFormat": "mov"}, ["mov"]),
        ("video", {"outputFormat": "hdr10"}, ["mp4"]),
        ("video", {"outputFormat": "png_sequence"}, ["zip", "wav"]),
        ("video", {"outputFormat": "hdr_exr_sequence", "audio": False}, ["zip"]),
        ("image", {}, ["png"]),
        ("image", {"outputFormat": "webp"}, ["webp"]),
        ("image", {"outputCount": 4}, ["png"] * 4),
        ("audio", {}, ["mp3"]),
        ("audio", {"outputFormat": "wav"}, ["wav"]),
        ("audio", {"outputFormat": "ogg_opus"}, ["ogg"]),
        ("audio", {"format": "flac", "numVariants": 2}, ["flac", "flac"]),
        ("any", {}, ["png", "mp4"]),
    ],
)
def test_formats_follow_from_the_body(
    media: str, body: dict[str, Any], expected: list[str]
) -> None:
    assert exts(media, **body) == expected


def test_vector_model_makes_svg_and_flash_makes_webp() -> None:
    assert exts("image", model="recraft_v4_1_vector") == ["svg"]
    assert exts("image", model="recraft_v4_1_flash") == ["webp"]


@pytest.mark.parametrize(
    ("body", "size"),
    [
        ({"ratio": "1280:720"}, (640, 360)),
        ({"ratio": "720:1280"}, (360, 640)),
        ({"ratio": "1584:672"}, (640, 270)),
        ({"ratio": "auto"}, (640, 360)),
        ({}, (640, 360)),
        ({"input": {"aspectRatio": "1:1"}}, (640, 640)),
        ({"ratio": "1408:11264"}, (80, 640)),
    ],
)
def test_pictures_keep_the_ratio_and_stay_small(
    body: dict[str, Any], size: tuple[int, int]
) -> None:
    assert frame_size(body) == size


def test_clip_is_as_long_as_asked_or_as_its_input_within_ten_seconds() -> None:
    assert seconds_of(task(duration=4)) == 4.0
    assert seconds_of(task(duration=30)) == 10.0
    assert seconds_of(task(duration="auto")) == 5.0
    assert seconds_of(task(facts={"seconds": 7.5})) == 7.5
    assert seconds_of(task(input={"duration": 3})) == 3.0


def test_facts_name_endpoint_model_seed_task_and_prompt() -> None:
    (made,) = files_of(task(promptText="A lighthouse", seed=7), "video")
    assert dict(made.facts) == {
        "endpoint": "image_to_video", "model": "gen4_turbo", "seed": "7",
        "task": "0b206bec-c53f-43ed-b2f5-a275d068920e", "prompt": "A lighthouse",
    }  # fmt: skip
    assert made.path == "/outputs/0b206bec-c53f-43ed-b2f5-a275d068920e/0/video.mp4"


# Real media


@pytest.mark.parametrize(("ext", "sound"), [("mp4", True), ("mp4", False), ("mov", True)])
def test_clip_plays_for_its_length_with_and_without_sound(ext: str, sound: bool) -> None:
    data = render(file(ext, seconds=2.0, sound=sound))
    with av.open(io.BytesIO(data)) as container:
        frames = len(list(container.decode(video=0)))
        assert bool(container.streams.audio) is sound
        assert frames == 2 * file(ext).fps
        assert container.duration is not None
        assert container.duration / av.time_base == pytest.approx(2.0, abs=0.1)
    found = measure(data)
    assert found["seconds"] == pytest.approx(2.0, abs=0.1)
    assert found["longest_side_px"] == 320


@pytest.mark.parametrize("ext", ["mp3", "wav", "flac", "ogg"])
def test_sound_plays_for_its_length(ext: str) -> None:
    data = render(file(ext, seconds=1.5))
    with av.open(io.BytesIO(data)) as container:
        assert container.streams.audio[0].type == "audio"
        samples = sum(frame.samples for frame in container.decode(audio=0))
        rate = container.streams.audio[0].rate
    assert samples / rate == pytest.approx(1.5, abs=0.1)


@pytest.mark.parametrize("ext", ["png", "jpeg", "webp"])
def test_picture_opens_and_has_its_size(ext: str) -> None:
    with Image.open(io.BytesIO(render(file(ext)))) as image:
        image.load()
        assert image.size == (320, 180)
        assert image.format == ext.upper()


def test_sequence_is_a_zip_of_pictures() -> None:
    with zipfile.ZipFile(io.BytesIO(render(file("zip")))) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert names[0] == "frame_0001.png"
        with Image.open(io.BytesIO(archive.read(names[-1]))) as image:
            assert image.size == (320, 180)


def test_vector_picture_is_valid_and_tells_the_prompt() -> None:
    root = ET.fromstring(render(file("svg")))  # noqa: S314 - made two lines above
    assert "A serene forest <&>" in "".join(root.itertext())


@pytest.mark.parametrize("ext", sorted(CONTENT_TYPES))
def test_bytes_follow_from_the_task_alone(ext: str) -> None:
    first = render(file(ext, sound=ext == "mp4"))
    assert first == render(file(ext, sound=ext == "mp4"))
    assert first != render(file(ext, sound=ext == "mp4", name="other"))


def test_file_that_nobody_can_read_has_no_measures() -> None:
    assert measure(b"nothing") == {}
    assert measure(b"") == {}


# Plain media


@pytest.mark.parametrize("ext", sorted(CONTENT_TYPES))
def test_plain_bytes_follow_from_the_task_and_have_the_wanted_size(ext: str) -> None:
    first = plain_media(file(ext), 5000)
    assert first == plain_media(file(ext), 5000)
    assert first != plain_media(file(ext, name="other"), 5000)
    assert ext == "svg" or len(first) >= 5000


def test_plain_png_wav_and_zip_are_real() -> None:
    with Image.open(io.BytesIO(plain_media(file("png")))) as image:
        image.load()
    with wave.open(io.BytesIO(plain_media(file("wav")))) as sound:
        assert sound.getnframes() == 2048
    with zipfile.ZipFile(io.BytesIO(plain_media(file("zip")))) as archive:
        assert archive.testzip() is None


@pytest.mark.parametrize(
    ("ext", "at", "mark"),
    [
        ("mp4", 4, b"ftypisom"), ("mov", 4, b"ftypqt  "), ("jpeg", 0, b"\xff\xd8\xff"),
        ("webp", 8, b"WEBP"), ("mp3", 0, b"ID3"), ("flac", 0, b"fLaC"), ("ogg", 0, b"OggS"),
    ],
)  # fmt: skip
def test_plain_files_begin_as_their_kind_does(ext: str, at: int, mark: bytes) -> None:
    assert plain_media(file(ext))[at : at + len(mark)] == mark


# The maker


def test_maker_remembers_what_it_drew_and_forgets_the_oldest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("runner.emulator.media.CACHE_BYTES", 150)
    maker = MediaMaker("real")
    first, second = file("png", name="one"), file("png", name="two")
    assert maker.cached(first) is None
    maker.keep(first, b"x" * 100)
    assert maker.cached(first) == b"x" * 100
    maker.keep(second, b"y" * 100)
    assert maker.cached(first) is None
    assert maker.cached(second) == b"y" * 100


def test_plain_maker_needs_no_drawing() -> None:
    maker = MediaMaker("plain", 100)
    assert maker.cached(file("png")) == maker.draw(file("png"))


def test_without_the_extra_the_message_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "av" else sys)
    with pytest.raises(MissingExtra, match=r"missing: av") as caught:
        MediaMaker("real")
    assert caught.value.hint == "install `runway-batch[media]`"
    MediaMaker("plain")
