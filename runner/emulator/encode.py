"""Frames and tones to files, with whichever encoders PyAV was built with."""

from __future__ import annotations

import io
import math
from array import array
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av

from runner.emulator.outputs import OutputFile
from runner.emulator.palette import Palette

if TYPE_CHECKING:
    from PIL import Image

Encoder = tuple[str, dict[str, str], str]

RATE_HZ = 44_100
AUDIO_BLOCK = 1024  # samples; the frame size of AAC

#: (encoder, options, pixel format) in the order of preference. One thread: the same bytes always.
H264: tuple[Encoder, ...] = (
    ("libx264", {"preset": "ultrafast", "crf": "28"}, "yuv420p"),
    ("libopenh264", {}, "yuv420p"),
    ("mpeg4", {"qscale": "6"}, "yuv420p"),
)
PRORES: tuple[Encoder, ...] = (("prores_ks", {"profile": "0"}, "yuv422p10le"), *H264)
#: file type -> encoders of its sound
SOUND = {
    "mp4": ("aac",),
    "mov": ("aac",),
    "mp3": ("libmp3lame", "mp3"),
    "wav": ("pcm_s16le",),
    "flac": ("flac",),
    "ogg": ("libopus", "libvorbis", "opus"),
}
_CONTAINERS = {"mov": "mov", "mp4": "mp4", "mp3": "mp3", "wav": "wav", "flac": "flac", "ogg": "ogg"}


def encode_clip(file: OutputFile, frames: Iterable[Image.Image], fps: int) -> bytes:
    """A video of the frames, with a tone where the task has sound."""
    buffer = io.BytesIO()
    with _container(buffer, file.ext) as container:
        picture = _video_stream(container, file, fps)
        sound = _audio_stream(container, file.ext) if file.sound else None
        for index, image in enumerate(frames):
            frame = _frame(image).reformat(format=picture.pix_fmt)
            frame.pts, frame.time_base = index, Fraction(1, fps)
            container.mux(picture.encode(frame))
        container.mux(picture.encode(None))
        if sound is not None:
            _add_tone(container, sound, file)
    return buffer.getvalue()


def encode_sound(file: OutputFile) -> bytes:
    """A tone whose pitch follows from the task."""
    buffer = io.BytesIO()
    with _container(buffer, file.ext) as container:
        _add_tone(container, _audio_stream(container, file.ext), file)
    return buffer.getvalue()


def measure(data: bytes) -> dict[str, float]:
    """Length and size of an uploaded file, as far as it can be read."""
    try:
        with av.open(io.BytesIO(data)) as container:
            return dict(_measured(container))
    except (av.FFmpegError, ValueError):
        return {}


def _measured(container: Any) -> Iterator[tuple[str, float]]:
    if container.duration:
        yield "seconds", container.duration / av.time_base
    for stream in container.streams.video[:1]:
        if stream.codec_context is None:  # a format that FFmpeg knows but cannot decode
            return
        yield "longest_side_px", float(max(stream.width, stream.height))
        yield "megapixels", stream.width * stream.height / 1e6
        if stream.average_rate and container.duration:
            fps = float(stream.average_rate)
            yield "fps", fps
            frames = stream.frames or round(fps * container.duration / av.time_base)
            yield "frames", float(frames)


def _frame(image: Image.Image) -> Any:
    make: Any = av.VideoFrame  # its `from_image` carries no types
    return make.from_image(image)


def _container(buffer: io.BytesIO, ext: str) -> Any:
    options = {"fflags": "+bitexact"}
    return av.open(buffer, "w", format=_CONTAINERS[ext], options=options)


def _video_stream(container: Any, file: OutputFile, fps: int) -> Any:
    choices = PRORES if file.ext == "mov" else H264
    name, options, pixels = next(choice for choice in choices if _has_encoder(choice[0]))
    stream = container.add_stream(name, rate=fps, options=options)
    stream.width, stream.height, stream.pix_fmt = file.width, file.height, pixels
    stream.thread_count = 1
    return stream


def _audio_stream(container: Any, ext: str) -> Any:
    name = next(name for name in SOUND[ext] if _has_encoder(name))
    rate = 48_000 if "opus" in name else RATE_HZ
    stream = container.add_stream(name, rate=rate)
    stream.layout = "mono"
    return stream


def _add_tone(container: Any, stream: Any, file: OutputFile) -> None:
    resampler = av.AudioResampler(format=stream.format, layout="mono", rate=stream.rate)
    for block in _blocks(file, stream.rate):
        for frame in resampler.resample(block):
            container.mux(stream.encode(frame))
    for frame in resampler.resample(None):
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def _blocks(file: OutputFile, rate: int) -> Iterator[Any]:
    """The tone in blocks. One second is worked out and repeated."""
    pitch = round(Palette.of(file.task, file.index).pitch_hz)
    second = array("h", (int(6000 * math.sin(2 * math.pi * pitch * n / rate)) for n in range(rate)))
    total = int(file.seconds * rate)
    samples = (second * (total // rate + 1))[:total]
    for start in range(0, total, AUDIO_BLOCK):
        part = samples[start : start + AUDIO_BLOCK]
        frame = av.AudioFrame(format="s16", layout="mono", samples=len(part))
        frame.planes[0].update(part.tobytes())
        frame.sample_rate, frame.pts = rate, start
        frame.time_base = Fraction(1, rate)
        yield frame


def _has_encoder(name: str) -> bool:
    try:
        av.codec.Codec(name, "w")
    except (ValueError, av.FFmpegError):
        return False
    return True
