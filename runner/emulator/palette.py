"""Colours and a pitch that follow from a task."""

from __future__ import annotations

import colorsys
import random
from dataclasses import dataclass

Rgb = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Palette:
    """What tells the files of one task from those of another."""

    back: Rgb
    disc: Rgb
    text: Rgb
    pitch_hz: float

    @classmethod
    def of(cls, task: str, index: int) -> Palette:
        luck = random.Random(f"{task}/{index}/palette")
        hue = luck.random()
        return cls(
            back=_rgb(hue, 0.22, 0.55),
            disc=_rgb(hue + luck.uniform(0.3, 0.7), 0.5, 0.7),
            text=(245, 245, 240),
            pitch_hz=round(luck.uniform(180.0, 720.0), 1),
        )


def _rgb(hue: float, light: float, colour: float) -> Rgb:
    red, green, blue = colorsys.hls_to_rgb(hue % 1.0, light, colour)
    return int(red * 255), int(green * 255), int(blue * 255)
