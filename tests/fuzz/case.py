"""A case: a seed with random damage, the same for the same numbers each time."""

from __future__ import annotations

import random

from tests.fuzz import octets, values
from tests.fuzz.seeds import MANIFEST, Bundle, bundles, weights


def make_case(seed: int, number: int) -> Bundle:
    """Case `number` of all that `seed` stands for."""
    rng = random.Random(f"{seed}:{number}")
    bundle = rng.choices(bundles(), weights=weights())[0]
    files = dict(bundle.files)
    name = _target(files, rng)
    said = values.damaged(files[name], rng) if _is_yaml(name) and rng.random() < 0.55 else None
    files[name] = octets.damaged(files[name], rng) if said is None else said
    if rng.random() < 0.1:
        other = _target(files, rng)
        files[other] = octets.damaged(files[other], rng)
    return Bundle(name=bundle.name, files=files)


def _target(files: dict[str, bytes], rng: random.Random) -> str:
    """Most often the manifest, now and then a table or another file beside it."""
    others = [name for name in files if name != MANIFEST and not name.startswith("odd/")]
    return rng.choice(others) if others and rng.random() < 0.25 else MANIFEST


def _is_yaml(name: str) -> bool:
    return name.endswith(".yaml")
