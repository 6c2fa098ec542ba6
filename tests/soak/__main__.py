"""`make soak`: 20,000 jobs with a daily quota of 1,000, thirty virtual days, in minutes."""

from __future__ import annotations

import argparse
import asyncio
import sys
from dataclasses import asdict
from datetime import UTC, datetime

from runner.clock import SystemClock
from tests.soak.soak import Scale, soak
from tests.soak.verdict import judge

#: clocks in Paris go back on 25 October
START = datetime(2026, 10, 12, 12, tzinfo=UTC)
#: minutes of real time
LIMIT_MIN = 5


async def main() -> int:
    """Exit code: 0 where every promise held, and in time."""
    told = _arguments()
    clock = SystemClock()
    began_s = clock.monotonic()
    scale = Scale(jobs=told.jobs, per_day=told.per_day, start=START, seed=told.seed)
    async with soak(scale) as long:
        try:
            await long.to_the_end()
        finally:
            _say(*long.days)
        verdict = await judge(long)
    took_s = clock.monotonic() - began_s
    _say(f"runs ended: {dict(long.ends)}; exit codes: {dict(long.exits)}")
    _say(f"faults met: {dict(long.service.injector.counts)}")
    _say(*(f"{name}: {value}" for name, value in asdict(verdict).items()))
    _say(f"seed {told.seed}: every promise held; {took_s:.0f} s of real time")
    return 0 if took_s < LIMIT_MIN * 60 else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--jobs", type=int, default=20_000)
    parser.add_argument("--per-day", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def _say(*lines: str) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
