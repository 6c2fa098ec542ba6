"""kill -9 by the hundred, half of them at the worst points, while one answer in ten is faulty.

    make crash-fuzz                          # 500 kills; here are 25
    make crash-fuzz CRASH_SEED=20261123/7    # only the world that a failure names

What counts is what the server charged, and what is on disk.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.crash.launcher import Doom
from tests.crash.state import NOTHING
from tests.crash.steps import Steps
from tests.crash.world import world

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="victims are forked")
SEED = os.environ.get("CRASH_SEED", "20261123")
KILLS = int(os.environ.get("CRASH_KILLS", "25"))
#: each world has its own service and batch; many small ones differ more than a large one
KILLS_PER_WORLD = 25
WORLDS = range(-(-KILLS // KILLS_PER_WORLD))
SEEDS = [SEED] if "/" in SEED else [f"{SEED}/{number}" for number in WORLDS]


#: what an undisturbed run of every kind of job passes: the points that the fuzz rests on
PASSED = {
    *(f"{when} commit of {event}" for when in ("before", "after") for event in (
        "Added", "SubmitStarted", "TaskAccepted", "TaskSucceeded", "Verified", "Downloaded",
    )),
    *(f"{when} {what}" for when in ("before", "after") for what in (
        "lease", "heal", "piece", "fsync of a part", "state of a part", "fetch", "link", "place",
        "replace", "sidecar",
    )),
    "upload answered", "read answered",
    "create asked", "create sent", "create answered",
}  # fmt: skip


def test_a_run_passes_the_named_points_and_takes_away_what_kills_left(tmp_path: Path) -> None:
    with world(tmp_path, SEED) as its_world:
        its_world.quiet()
        its_world.grow(NOTHING)
        # a state file that was never finished, two names for one file, a temporary one
        for point in ("in migration", "after link", "before replace"):
            killed = its_world.do(Doom(point=point, nth=1), "run", its_world.file)
            assert killed.is_killed, point
        its_world.grow(its_world.stored())
        its_world.do(Doom(point="in migration", nth=99), "run", its_world.file)
        passed = set(json.loads((tmp_path / "passed.json").read_text()))
        its_world.check_at_rest()
    assert passed >= PASSED, sorted(PASSED - passed)


@pytest.mark.parametrize("seed", SEEDS)
def test_killed_again_and_again_nothing_is_paid_twice_overspent_or_lost(
    tmp_path: Path, seed: str
) -> None:
    with world(tmp_path, seed) as its_world:
        steps = Steps(its_world)
        steps.suffer(min(KILLS, KILLS_PER_WORLD))
        steps.rest()
        its_world.check_at_rest()
