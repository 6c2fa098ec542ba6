"""`resolve`: what is in doubt, and what a person says of it."""

from __future__ import annotations

from dataclasses import replace

from runner.app.adopting import adopt
from runner.app.batch import jobs_in_doubt, resolve
from runner.clock import SystemClock
from runner.core.credits import format_credits
from runner.core.events import Verdict
from runner.core.job import Job
from runner.errors import SubmitUncertain
from runner.settings import Settings

from .emulator_process import SPEED, ensure_emulator
from .options import Flags
from .places import emulator_home, emulator_settings, find, folder_of, run_command, suffix
from .show_status import ways_out

_SAID = {
    Verdict.ADOPTED: "is collected by the next run",
    Verdict.LOST: "counts as charged and failed",
    Verdict.RESUBMIT: "counts as charged, and is made again by the next run",
    Verdict.NOT_ARRIVED: "was not charged, and is made by the next run",
}


async def list_in_doubt(flags: Flags, batch: str | None, *, emulator: bool) -> int:
    """11 where a person is needed, else 0."""
    out = flags.output()
    ref = await find(flags, batch, emulator=emulator)
    jobs = await jobs_in_doubt(ref)
    if out.json:
        out.envelope("resolve", {"batch": ref.name, "in_doubt": [_job_json(job) for job in jobs]})
    elif jobs:
        rows = [(job.id, job.lane, f"{job.hold:,}", _when(job), _why(job)) for job in jobs]
        out.table(("job", "model", ">credits held", "sent", "why"), rows)
        for line in ways_out(jobs, suffix(batch, emulator=emulator)):
            out.say(line)
    else:
        out.data("nothing is in doubt")
    return SubmitUncertain.exit_code if jobs else 0


async def settle(
    flags: Flags,
    batch: str | None,
    job_id: str,
    verdict: Verdict,
    *,
    task_id: str | None,
    emulator: bool,
) -> int:
    """Write down what became of a job."""
    out = flags.output()
    ref = await find(flags, batch, emulator=emulator)
    if task_id is None:
        job = await resolve(ref, job_id, verdict)
    else:
        job = await adopt(ref, job_id, task_id, await _service(flags, batch, emulator=emulator))
    if out.json:
        data = {"batch": ref.name, "job": job.id, "verdict": verdict.value}
        out.envelope("resolve", {**data, "status": job.status.value, "charged": job.charged})
        return 0
    out.data(f"{job.id} {_SAID[verdict]}; {format_credits(job.charged)} charged so far")
    if verdict is not Verdict.LOST:
        out.hint(f"go on: {run_command(batch, emulator=emulator)}")
    return 0


async def _service(flags: Flags, batch: str | None, *, emulator: bool) -> Settings:
    """Where to ask for a task: Runway, or the emulator that the batch ran on."""
    if not emulator:
        return flags.settings()
    home = emulator_home(folder_of(batch))
    card = await ensure_emulator(home, speed=SPEED, clock=SystemClock())
    return replace(emulator_settings(flags, home, speed=card.speed), base_url=card.url)


def _job_json(job: Job) -> dict[str, object]:
    return {
        "id": job.id,
        "model": job.lane,
        "hold": job.hold,
        "sent": job.since.isoformat() if job.since else None,
        "reason": _why(job),
    }


def _when(job: Job) -> str:
    return f"{job.since.astimezone():%Y-%m-%d %H:%M:%S}" if job.since else ""


def _why(job: Job) -> str:
    return job.error.message if job.error else ""
