"""Which files a task makes: how many, of what format, how large, how long."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from runner.emulator.records import TaskRecord

#: longest side of a picture the emulator draws, in pixels
LONGEST_SIDE_PX = 640
#: longest clip the emulator draws; longer ones are cut here
LONGEST_S = 10.0
DEFAULT_S = 5.0

CONTENT_TYPES: Mapping[str, str] = {
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "zip": "application/zip",
    "png": "image/png",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "svg": "image/svg+xml",
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
}
_VECTOR_MODELS = frozenset({"recraft_v4_1_vector"})
_NODES = ("image", "video")  # what the sample workflow makes


@dataclass(frozen=True, kw_only=True, slots=True)
class OutputFile:
    """One file of a task. Its bytes follow from this and nothing else."""

    task: str
    index: int
    ext: str
    width: int
    height: int
    seconds: float
    sound: bool
    facts: tuple[tuple[str, str], ...]  # shown in the picture

    @property
    def content_type(self) -> str:
        return CONTENT_TYPES[self.ext]

    @property
    def media(self) -> str:
        """image, video or audio; a frame sequence is a video."""
        return "video" if self.ext == "zip" else self.content_type.partition("/")[0]

    @property
    def fps(self) -> int:
        """Frames per second of a clip: few, so that drawing one stays quick."""
        return 2 if self.ext == "mov" else 6

    @property
    def path(self) -> str:
        return f"/outputs/{self.task}/{self.index}/{self.media}.{self.ext}"


def files_of(task: TaskRecord, media: str) -> tuple[OutputFile, ...]:
    """The outputs of a task that makes `media`."""
    width, height = frame_size(task.body)
    sound = task.body.get("audio", True) is not False
    return tuple(
        OutputFile(
            task=task.id,
            index=index,
            ext=ext,
            width=width,
            height=height,
            seconds=seconds_of(task),
            sound=sound and media == "video",
            facts=_facts(task),
        )
        for index, ext in enumerate(_extensions(task, media, sound))
    )


def seconds_of(task: TaskRecord) -> float:
    """Length of a clip: as asked for, else as long as its input, else five seconds."""
    asked = (_input(task.body).get("duration"), task.facts.get("seconds"))
    known = [float(n) for n in asked if isinstance(n, int | float) and n > 0]
    return min(known[0] if known else DEFAULT_S, LONGEST_S)


def frame_size(body: Mapping[str, Any]) -> tuple[int, int]:
    """The asked ratio, scaled down; even numbers, as video encoders want."""
    names = ("ratio", "aspectRatio", "targetAspectRatio")
    found = (_ratio(_input(body).get(name)) for name in names)
    width, height = next((size for size in found if size), (1280, 720))
    scale = LONGEST_SIDE_PX / max(width, height)
    return _even(width * scale), _even(height * scale)


def _extensions(task: TaskRecord, media: str, sound: bool) -> Iterator[str]:
    body = _input(task.body)
    match media:
        case "image":
            yield from [_image_ext(task.model, body)] * _count(body, "outputCount")
        case "audio":
            yield from [_audio_ext(body)] * _count(body, "numVariants")
        case "video":
            yield from _video_exts(str(body.get("outputFormat", "mp4")), sound)
        case _:  # a workflow: one file per node
            yield from ("png", "mp4")[: len(_NODES)]


def _image_ext(model: str, body: Mapping[str, Any]) -> str:
    if model in _VECTOR_MODELS:
        return "svg"
    default = "webp" if model == "recraft_v4_1_flash" else "png"
    return str(body.get("outputFormat", default))


def _audio_ext(body: Mapping[str, Any]) -> str:
    wanted = str(body.get("outputFormat", body.get("format", "mp3")))
    return "ogg" if wanted == "ogg_opus" else wanted


def _video_exts(wanted: str, sound: bool) -> Iterator[str]:
    if "sequence" in wanted:
        yield "zip"
        if sound:
            yield "wav"
    else:
        yield "mov" if "prores" in wanted or wanted == "mov" else "mp4"


def _count(body: Mapping[str, Any], name: str) -> int:
    value = body.get(name, 1)
    return max(1, int(value)) if isinstance(value, int) else 1


def _input(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The body, or its `input` for the model-neutral endpoints."""
    inner = body.get("input")
    return inner if isinstance(inner, Mapping) else body


def _ratio(value: Any) -> tuple[float, float] | None:
    left, _, right = str(value).partition(":")
    if left.isdigit() and right.isdigit() and int(left) and int(right):
        return float(left), float(right)
    return None


def _even(size: float) -> int:
    return max(16, 2 * math.floor(size / 2))


def _facts(task: TaskRecord) -> tuple[tuple[str, str], ...]:
    body = _input(task.body)
    prompt = body.get("promptText") or body.get("prompt") or body.get("userConcept") or ""
    return (
        ("endpoint", task.endpoint),
        ("model", task.lane),
        ("seed", str(body.get("seed", "-"))),
        ("task", task.id),
        ("prompt", str(prompt)[:240]),
    )
