"""`pause`, `resume` and `retry`: who may go on, and what it may cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from runner.app.releasing import pause, resume, retry
from runner.core.credits import format_credits
from runner.core.job import Job

from .options import Flags
from .places import after, find, run_command


async def pause_batch(flags: Flags, batch: str | None, *, emulator: bool) -> int:
    out = flags.output()
    ref = await find(flags, batch, emulator=emulator)
    found = await pause(ref)
    if out.json:
        out.envelope(
            "pause",
            {"batch": ref.name, "paused": True, "was_paused": found.was_paused, "live": found.live,
             "at_runway": found.at_runway},
        )  # fmt: skip
        return 0
    word = "was paused already" if found.was_paused else "is paused: nothing more is sent"
    out.data(f"{ref.name} {word}")
    if found.at_runway:
        what = "1 job goes on" if found.at_runway == 1 else f"{found.at_runway:,} jobs go on"
        who = "the live run" if found.live else "the next run"
        out.say(f"{what} at Runway; {who} collects what comes of it")
    out.hint(f"go on: runway-batch resume{after(batch, emulator=emulator)}")
    return 0


async def resume_batch(flags: Flags, batch: str | None, *, emulator: bool) -> int:
    out = flags.output()
    ref = await find(flags, batch, emulator=emulator)
    found = await resume(ref)
    if out.json:
        out.envelope(
            "resume",
            {"batch": ref.name, "paused": False, "was_paused": found.was_paused,
             "live": found.live, "released": priced(found.released)},
        )  # fmt: skip
        return 0
    out.data(f"{ref.name} {'is no longer paused' if found.was_paused else 'was not paused'}")
    if found.released:
        worst = sum(job.spec.reserve for job in found.released)
        jobs = (
            "1 held job is"
            if len(found.released) == 1
            else f"{len(found.released):,} held jobs are"
        )
        out.data(f"{jobs} released: {format_credits(worst)} at worst")
    if found.live:
        out.say("the live run goes on by itself")
    else:
        out.hint(f"go on: {run_command(batch, emulator=emulator, manifest=ref.manifest)}")
    return 0


async def retry_jobs(
    flags: Flags, batch: str | None, select: Sequence[str], *, emulator: bool
) -> int:
    out = flags.output()
    ref = await find(flags, batch, emulator=emulator)
    jobs = await retry(ref, select)
    if out.json:
        out.envelope("retry", {"batch": ref.name, "queued": priced(jobs)})
        return 0
    for job in jobs:
        out.data(f"queued {job.id}: {format_credits(job.spec.reserve)} at worst")
    if jobs:
        out.hint(f"go on: {run_command(batch, emulator=emulator, manifest=ref.manifest)}")
    else:
        out.data("no failed or held jobs")
        out.hint("cancelled ones are queued by name: `-s state:cancelled`")
    return 0


def priced(jobs: Sequence[Job]) -> list[dict[str, Any]]:
    return [{"id": job.id, "credits": job.spec.reserve} for job in jobs]
