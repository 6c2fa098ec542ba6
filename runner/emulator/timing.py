"""How long a pretend generation takes."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass

#: median seconds by endpoint; anything else by what it makes
MEDIANS_S: Mapping[str, float] = {
    "image_to_video": 60.0,
    "text_to_video": 75.0,
    "video_to_video": 90.0,
    "video_upscale": 45.0,
    "image_upscale": 20.0,
    "text_to_speech": 5.0,
    "sound_effect": 6.0,
    "recipes/multi_shot_video": 180.0,
    "recipes/product_ad": 180.0,
    "workflows/{id}": 120.0,
}
BY_MEDIA_S: Mapping[str, float] = {"video": 60.0, "image": 15.0, "audio": 8.0, "any": 60.0}
SPREAD = 0.35  # sigma of the logarithm
PENDING_S = (0.5, 3.0)  # from acceptance to the start where a slot is free


@dataclass(frozen=True, kw_only=True, slots=True)
class Timing:
    """Seconds of one task, as the emulator's clock counts them."""

    pending_s: float
    generation_s: float


def timing_of(endpoint: str, media: str, rng: random.Random, speed: float) -> Timing:
    """Lognormal around the endpoint's median; divided by the emulator's speed."""
    median = MEDIANS_S.get(endpoint, BY_MEDIA_S[media])
    generation = rng.lognormvariate(math.log(median), SPREAD)
    return Timing(pending_s=rng.uniform(*PENDING_S) / speed, generation_s=generation / speed)
