"""Several runs on one state file and one account, killed and started again at random.

    make crash-fuzz                      # four runs, many kills, every kind of limit; here are two

The server never sees more than the cap, nor two creates for a job, nor one beyond the daily quota,
nor more tasks at once than there are slots.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.crash.crowd import CREDITS, crowd

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="victims are forked")
SEED = os.environ.get("CRASH_SEED", "20261123")
IS_LONG = "CRASH_KILLS" in os.environ
SIZE, KILLS = (4, 40) if IS_LONG else (2, 6)
#: creates that a limit leaves room for
ROOM = 40 if IS_LONG else 24
CAP = ROOM * CREDITS
BALANCE = 1000

#: what limits all of them together -> how that is said
LIMITS: Mapping[str, Mapping[str, Any]] = {
    "per_day": {"budget": f"{{per_day: {CAP}}}"},
    "policy": {"budget": "{per_day: 9999}", "policy": f"budget: {{per_month: {CAP}}}"},
    "keep_balance": {
        "budget": f"{{credits: 9999, keep_balance: {BALANCE - CAP}}}", "is_on_books": False
    },
    "faulty": {"budget": f"{{per_day: {CAP}}}", "is_faulty": True},
    "quota": {"budget": "9999", "daily": ROOM, "is_on_books": False},
}  # fmt: skip


@pytest.mark.parametrize("limit", LIMITS if IS_LONG else ["per_day"])
def test_killed_runs_that_share_a_limit_never_pass_it_together(tmp_path: Path, limit: str) -> None:
    with crowd(tmp_path, SEED, size=SIZE, cap=CAP, **LIMITS[limit]) as runs:
        runs.service.account(balance=BALANCE)
        runs.suffer(KILLS)
        runs.rest()
        runs.check_at_rest()
        assert runs.account()["charged"] > CAP / 2, "the limit was never near"
