"""Local pictures, videos and sounds against what a model asks of its inputs.

The rules are data of the catalogue, `input_rules`. Most are warnings: the service refuses such a
file without charge, or crops it. Those named under `refused` are errors. What cannot be measured
is not judged; neither are URLs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from runner.core.catalog import ModelInfo, media_fields
from runner.core.ranges import is_number
from runner.core.spec import AssetRef, Body, as_ref
from runner.manifest.findings import Finding, Path, dotted
from runner.manifest.words import name_of

Measures = Mapping[str, float]
#: what a rule says against a file: name of the rule, message, hint
Verdict = tuple[str, str, str]

#: containers round the length of what they hold
_SLACK_S = 0.1
#: rules that speak of reference media only, which lie in fields of that name
_REFERENCE = "reference"


@dataclass(frozen=True, kw_only=True, slots=True)
class _File:
    path: Path
    ref: AssetRef
    media: str
    measures: Measures

    @property
    def name(self) -> str:
        return PurePath(self.ref.path).name

    @property
    def field(self) -> str:
        return str(self.path[0])

    @property
    def size(self) -> tuple[float, float] | None:
        """Width and height in pixels, where known."""
        width, height = self.measures.get("width_px"), self.measures.get("height_px")
        return (width, height) if width and height else None


def input_findings(
    info: ModelInfo, body: Body, measures: Callable[[AssetRef], Measures]
) -> Iterator[Finding]:
    """What is wrong with the local files of a body.

    Args:
        measures: of a file, as `media_probe.measure` gives them.
    """
    if not info.input_rules:
        return
    files = list(_files(info, body, measures))
    for file in files:
        for judge in _JUDGES[file.media]:
            for rule, message, hint in judge(info, body, file):
                yield _finding(info, file.path, rule, f"`{file.name}` {message}", hint)
    yield from _totals(info, files)


def _files(
    info: ModelInfo, body: Body, measures: Callable[[AssetRef], Measures]
) -> Iterator[_File]:
    for field in media_fields(info, body):
        ref = as_ref(field.value)
        if isinstance(ref, AssetRef) and field.media in _JUDGES:
            yield _File(path=field.path, ref=ref, media=field.media, measures=measures(ref))


def _finding(info: ModelInfo, path: Path, rule: str, message: str, hint: str) -> Finding:
    is_refused = rule in info.input_rules.get("refused", ())
    return Finding(
        path=path,
        message=f"`{dotted(path)}`: {message}",
        hint=hint,
        severity="error" if is_refused else "warning",
    )


# Pictures


def _shape(info: ModelInfo, body: Body, file: _File) -> Iterator[Verdict]:
    rule = "image_aspect_w_over_h"
    window = info.input_rules.get(rule)
    if window is None or file.size is None:
        return
    (width, height), (least, most) = file.size, window
    shape = width / height
    if least <= shape <= most:
        return
    if shape > most:
        crop = f"{int(height * most)} × {height:.0f}"
    else:
        crop = f"{width:.0f} × {int(width / least)}"
    message = f"is {_pixels(file)}, {shape:.3g} times as wide as high"
    takes = f"{name_of(info)} takes {least:g} to {most:g}"
    yield rule, f"{message}: {takes}", f"crop it, e.g. to {crop}"


def _sides(info: ModelInfo, body: Body, file: _File) -> Iterator[Verdict]:
    if file.size is None:
        return
    rules = info.input_rules
    if min(file.size) < rules.get("image_min_side_px", 0):
        least = rules["image_min_side_px"]
        takes = f"{name_of(info)} takes at least {least:,} on each side"
        yield "image_min_side_px", f"is {_pixels(file)}: {takes}", "use a larger picture"
    if "image_side_px" in rules:
        least, most = rules["image_side_px"]
        if min(file.size) < least or max(file.size) > most:
            takes = f"{name_of(info)} takes {least:,} to {most:,} on each side"
            yield "image_side_px", f"is {_pixels(file)}: {takes}", "resize it"


def _enlarged(info: ModelInfo, body: Body, file: _File) -> Iterator[Verdict]:
    most = info.input_rules.get("output_megapixels_max")
    schema = info.fields.get("scaleFactor", {})
    factor = body.get("scaleFactor", schema.get("default"))
    if most is None or file.size is None or not is_number(factor):
        return
    megapixels = file.size[0] * file.size[1] / 1e6
    if megapixels * factor**2 <= most:
        return
    fitting = [each for each in schema.get("enum", ()) if megapixels * each**2 <= most]
    yield (
        "output_megapixels_max",
        f"is {_pixels(file)}, at `scaleFactor: {factor}` {megapixels * factor**2:,.1f} megapixels: "
        f"{name_of(info)} makes at most {most:g}",
        f"write `scaleFactor: {max(fitting)}`" if fitting else "use a smaller picture",
    )


def _pixels(file: _File) -> str:
    return " × ".join(f"{side:.0f}" for side in file.size or ()) + " px"


# Videos and sounds


def _length(info: ModelInfo, body: Body, file: _File) -> Iterator[Verdict]:
    seconds = file.measures.get("seconds")
    for rule, (least, most) in _windows(info, file):
        if seconds is None or least - _SLACK_S <= seconds <= most + _SLACK_S:
            continue
        takes = f"at most {most:g} s" if not least else f"{least:g} to {most:g} s"
        message = f"is {seconds:.4g} s long: {name_of(info)} takes {takes}"
        yield rule, message, "cut it" if seconds > most else "use a longer one"


def _windows(info: ModelInfo, file: _File) -> Iterator[tuple[str, tuple[float, float]]]:
    """The rules for the length of this file."""
    rules, media = info.input_rules, file.media
    names = [f"{media}_seconds", f"{media}_seconds_exclusive"]
    if file.field.startswith(_REFERENCE):
        names.append(f"{_REFERENCE}_{media}_seconds")
    for name in names:
        if name in rules:
            least, most = rules[name]
            yield name, (least, most)
    if f"{media}_seconds_max" in rules:
        yield f"{media}_seconds_max", (0, rules[f"{media}_seconds_max"])


def _frames(info: ModelInfo, body: Body, file: _File) -> Iterator[Verdict]:
    rules, fps = info.input_rules, file.measures.get("fps", 0)
    if round(fps) > rules.get("max_fps", fps):
        most = rules["max_fps"]
        message = f"has {fps:g} frames per second: {name_of(info)} takes at most {most}"
        yield "max_fps", message, f"slow it down, e.g. `ffmpeg -i {file.name} -r {most} out.mp4`"
    longest = file.measures.get("longest_side_px", 0)
    if longest > rules.get("video_max_side_px", longest):
        takes = f"{name_of(info)} takes sides of at most {rules['video_max_side_px']:,}"
        yield "video_max_side_px", f"is {_pixels(file)}: {takes}", "make it smaller"


def _totals(info: ModelInfo, files: list[_File]) -> Iterator[Finding]:
    """References count together; a URL among them can only add to the sum."""
    rule = "reference_total_seconds_max"
    limits: Mapping[str, Any] = info.input_rules.get(rule, {})
    for media, most in limits.items():
        those = [
            file for file in files if file.media == media and file.field.startswith(_REFERENCE)
        ]
        total = sum(file.measures.get("seconds", 0) for file in those)
        if total > most + _SLACK_S * len(those):
            message = f"{media} of {total:.4g} s in all: {name_of(info)} takes at most {most:g} s"
            yield _finding(info, those[-1].path[:1], rule, message, "cut it")


_JUDGES = {
    "image": (_shape, _sides, _enlarged),
    "video": (_length, _frames),
    "audio": (_length,),
}
