"""Jobs priced by the length of an input: files are probed first, links leave the price open."""

from __future__ import annotations

import wave
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image

from runner.core.credits import CostBand
from runner.core.price_memory import PriceMemory, SeenPrice
from runner.core.spec import Json, OutputRef
from runner.manifest.catalog_file import load_catalog
from runner.manifest.inputs import LocalInputs
from runner.manifest.pricing import asks_more, cap_problems, dearer, price
from runner.testing import START, make_spec

CATALOG = load_catalog()
CLIP_S, SOUND_S, FPS = 4, 13, 24


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip of 4 s with 24 frames a second, 13 s of silence, and a picture of 2048 px."""
    folder = tmp_path_factory.mktemp("inputs")
    with av.open(str(folder / "clip.mp4"), "w") as file:
        stream = file.add_stream("mpeg4", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(CLIP_S * FPS):
            file.mux(stream.encode(av.VideoFrame(64, 48, "yuv420p")))
        file.mux(stream.encode(None))
    with wave.open(str(folder / "sound.wav"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(2 * 8000 * SOUND_S))
    Image.effect_noise((2048, 64), 10).save(folder / "plate.png")
    return folder


def uri(value: Json) -> Json:
    return {"type": "video", "uri": value}


def sound(value: Json) -> Json:
    return {"type": "audio", "uri": value}


def plain(value: Json) -> Json:
    return value


@dataclass(frozen=True)
class Case:
    """A job whose input decides what it costs."""

    model: str
    endpoint: str
    name: str  # of the field
    write: Callable[[Json], Json]
    file: str
    exact: int  # credits for the file
    unknown: int | None  # at worst, where its length is not known
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def media(self) -> str:
        return {"mp4": "video", "wav": "audio", "png": "image"}[self.file[-3:]]


CLIP, SOUND, PLATE = "clip.mp4", "sound.wav", "plate.png"
MAGNIFIC = "magnific_video_upscaler_creative"
PRECISION = "magnific_precision_upscaler_v2"
#: by the second of a sound or clip
BY_SECOND = [
    Case("act_two", "character_performance", "reference", uri, CLIP, 20, 150),
    Case("eleven_voice_isolation", "voice_isolation", "audioUri", plain, SOUND, 3, 600),
    Case("eleven_voice_dubbing", "voice_dubbing", "audioUri", plain, SOUND, 7, None),
    Case("eleven_multilingual_sts_v2", "speech_to_speech", "media", sound, SOUND, 5, None),
    Case("eleven_multilingual_sts_v2", "speech_to_speech", "media", uri, CLIP, 2, None),
    Case("enhance_frame_rate", "video_upscale", "videoUri", plain, CLIP, 2, 150),
    Case("upscale_v1", "video_upscale", "videoUri", plain, CLIP, 8, 80),
    Case("aleph2", "video_to_video", "videoUri", plain, CLIP, 112, 840),
]
#: by its frames or its size
BY_SIZE = [
    Case(MAGNIFIC, "video_upscale", "videoUri", plain, CLIP, 68, None, {"resolution": "1k"}),
    Case(PRECISION, "image_upscale", "imageUri", plain, PLATE, 25, 150),
    Case(PRECISION, "image_upscale", "imageUri", plain, PLATE, 150, 150, {"scaleFactor": 4}),
    Case("ruby", "video_to_hdr", "videoUri", plain, CLIP, 80, 1200),
]


def each(cases: list[Case]) -> pytest.MarkDecorator:
    named = [pytest.param(case, id=f"{case.model}-{case.media}-{case.exact}") for case in cases]
    return pytest.mark.parametrize("case", named)


def priced(
    case: Case, value: Json, folder: Path, durations: Mapping[str, float] | None = None,
    memory: PriceMemory | None = None,
) -> CostBand:  # fmt: skip
    body = {"model": case.model, case.name: case.write(value), **case.more}
    info = CATALOG.find(case.endpoint, case.model)
    return price(info, body, LocalInputs(folder), durations or {}, memory)


def file_of(case: Case, folder: Path) -> Json:
    return LocalInputs(folder).asset(case.file, case.media).to_json()


@each(BY_SECOND + BY_SIZE)
def test_a_local_file_is_probed_and_its_price_is_exact(case: Case, folder: Path) -> None:
    band = priced(case, file_of(case, folder), folder)
    assert (band.low, band.expected, band.worst) == (case.exact, case.exact, case.exact)
    assert band.shape


@each(BY_SECOND + BY_SIZE)
def test_a_link_is_not_measured_so_the_limit_of_the_service_counts_or_nobody_knows(
    case: Case, folder: Path
) -> None:
    band = priced(case, "https://example.com/a", folder)
    assert band.worst == case.unknown
    assert band.note.endswith("(a link is not measured)")
    assert band.shape == ""  # the next link may be longer: nothing is learnt from this one
    spec = replace(make_spec("dub"), estimate=band)
    if band.worst is None:
        [(key, message, hint)] = cap_problems(spec, None)
        assert key == ""
        assert message.startswith("nobody knows what `dub` may cost: ")
        assert " not known" in message
        assert message.endswith("(a link is not measured)")
        assert "`max_credits`" in hint
    assert list(cap_problems(replace(spec, max_credits=1200), None)) == []


@each(BY_SECOND)
def test_an_output_of_another_job_has_the_length_that_its_body_says(
    case: Case, folder: Path
) -> None:
    output = OutputRef(job="p", key="k", media=case.media).to_json()
    unknown = priced(case, output, folder)
    assert unknown.worst == case.unknown
    assert unknown.note.endswith("(the output of another job is not there yet)")
    seconds = CLIP_S if case.media == "video" else SOUND_S
    known = priced(case, output, folder, {"p": float(seconds)})
    assert (known.worst, known.note) == (case.exact, "")


def test_a_file_that_does_not_tell_its_length_is_budgeted_like_a_link(tmp_path: Path) -> None:
    (tmp_path / "sound.wav").write_bytes(b"RIFF\xff\xff\0\0WAVEjunk" + bytes(600))
    dub = BY_SECOND[2]
    band = priced(dub, file_of(dub, tmp_path), tmp_path)
    assert band.worst is None
    assert band.note == "length of `audioUri` not known (the file does not tell)"


def test_lengths_of_several_inputs_are_added_up(folder: Path) -> None:
    clip = LocalInputs(folder).asset("clip.mp4", "video").to_json()
    body = {"model": "seedance2_5", "duration": 5, "ratio": "1280:720", "promptText": "a",
            "referenceVideos": [{"uri": clip}, {"uri": clip}]}  # fmt: skip
    info = CATALOG.find("text_to_video", "seedance2_5")
    assert price(info, body, LocalInputs(folder), {}).worst == 5 * 30 + 8 * 15


def test_a_character_that_is_a_link_does_not_hide_the_length_of_the_performance(
    folder: Path,
) -> None:
    clip = LocalInputs(folder).asset("clip.mp4", "video").to_json()
    body = {"character": {"type": "image", "uri": "https://example.com/a.png"},
            "reference": uri(clip)}  # fmt: skip
    info = CATALOG.find("character_performance", "act_two")
    assert price(info, body, LocalInputs(folder), {}).worst == 20


def test_where_the_price_is_unknown_the_length_of_any_clip_may_decide_it(folder: Path) -> None:
    info = CATALOG.find("video_to_audio", "mirelo_sfx_2_0")
    clip = LocalInputs(folder).asset("clip.mp4", "video").to_json()
    known = price(info, {"videoUri": clip}, LocalInputs(folder), {})
    assert (known.worst, bool(known.shape)) == (None, True)
    link = price(info, {"videoUri": "https://example.com/a.mp4"}, LocalInputs(folder), {})
    assert link.shape == ""


# what was seen before


def memory_of(band: CostBand, endpoint: str, credits: int) -> PriceMemory:
    known = SeenPrice(model="m", asked=credits, charged=None, at=START, most=credits, most_at=START)
    return PriceMemory(seen={(endpoint, band.shape): known})


def test_what_runway_asked_for_a_clip_is_the_price_of_the_next_one_of_its_length(
    folder: Path,
) -> None:
    info = CATALOG.find("video_to_audio", "mirelo_sfx_2_0")
    body = {"videoUri": LocalInputs(folder).asset("clip.mp4", "video").to_json()}
    first = price(info, body, LocalInputs(folder), {})
    memory = memory_of(first, "video_to_audio", 40)
    again = price(info, body, LocalInputs(folder), {}, memory)
    assert (again.worst, again.confidence) == (40, "medium")
    assert list(cap_problems(replace(make_spec("a"), estimate=again), None)) == []
    other = {"videoUri": "https://example.com/a.mp4"}
    assert price(info, other, LocalInputs(folder), {}, memory).worst is None


def test_one_workflow_does_not_price_another(folder: Path) -> None:
    info, inputs = CATALOG.find("workflows/one", None), LocalInputs(folder)
    memory = memory_of(price(info, {}, inputs, {}), "workflows/one", 70)
    assert price(info, {}, inputs, {}, memory, endpoint="workflows/one").worst == 70
    assert price(info, {}, inputs, {}, memory, endpoint="workflows/two").worst is None


# caps


def banded(low: int, expected: int, worst: int | None, **more: Any) -> CostBand:
    return CostBand(low=low, expected=expected, worst=worst, **more)


@pytest.mark.parametrize(
    ("band", "max_credits", "per_job", "errors", "asks"),
    [
        (banded(25, 25, 25), None, None, [], False),
        (banded(25, 25, 25), 20, None, ["costs about 25 cr"], False),
        (banded(25, 25, 25), None, 20, ["may cost 25 cr"], False),
        (banded(10, 50, 50), None, 30, ["may cost 50 cr"], False),
        # Runway asked more than the table says: no error, for the job may be done
        (banded(25, 45, 45, asked=45), 30, None, [], True),
        (banded(25, 45, 45, asked=45), None, 30, [], True),
        (banded(25, 45, 45, asked=45), None, 50, [], False),
        # the table alone is above the cap, whatever Runway asked
        (banded(90, 90, 100, asked=90), 50, None, ["costs about 90 cr"], True),
        (banded(10, 25, 50, asked=25), None, 30, ["may cost 50 cr"], False),
        # a guess that Runway has corrected
        (banded(40, 40, 40, asked=40, confidence="medium"), 30, None, [], True),
        (banded(40, 40, 40, asked=40, confidence="medium"), 50, None, [], False),
        (banded(5, 5, 5, asked=45, confidence="user"), 30, None, [], True),
    ],
)
def test_caps_are_held_against_the_table_and_told_of_what_runway_asked(
    band: CostBand, max_credits: int | None, per_job: int | None, errors: list[str], asks: bool
) -> None:
    spec = replace(make_spec("a"), estimate=band, max_credits=max_credits)
    found = [message for _, message, _ in cap_problems(spec, per_job)]
    assert len(found) == len(errors)
    for message, expected in zip(found, errors, strict=True):
        assert expected in message
    assert (asks_more(spec, per_job) is not None) is asks


def test_words_for_a_job_that_runway_asks_more_for() -> None:
    spec = replace(make_spec("a"), estimate=banded(25, 45, 45, asked=45), max_credits=30)
    assert asks_more(spec, None) == (
        "Runway asked 45 cr ($0.45) for a job like `a`, more than its `max_credits` of"
        " 30 cr ($0.30)"
    )
    assert spec.reserve == 45
    assert dearer(spec, None, "x") is None
