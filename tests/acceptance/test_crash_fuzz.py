"""kill -9 by the hundred, half of them at the worst points, while one answer in ten is faulty.

    make crash-fuzz                      # 500 kills
    CRASH_SEED=… make crash-fuzz         # the seed that a failure named

What counts is what the server charged, and what is on disk.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.crash.steps import Steps
from tests.crash.world import world

SEED = os.environ.get("CRASH_SEED", "20261123")
KILLS = int(os.environ.get("CRASH_KILLS", "25"))
#: each world has its own service and batch; many small ones differ more than a large one
KILLS_PER_WORLD = 25


@pytest.mark.parametrize("number", range(-(-KILLS // KILLS_PER_WORLD)))
def test_killed_again_and_again_nothing_is_paid_twice_overspent_or_lost(
    tmp_path: Path, number: int
) -> None:
    with world(tmp_path, f"{SEED}/{number}") as its_world:
        steps = Steps(its_world)
        steps.suffer(min(KILLS, KILLS_PER_WORLD))
        steps.rest()
        its_world.check_at_rest()
