"""`resolve`: what is in doubt, and what a person says of it."""

from __future__ import annotations

from runner.app.batch import jobs_in_doubt, resolve
from runner.core.credits import format_credits
from runner.core.events import Verdict
from runner.core.job import Job
from runner.errors import SubmitUncertain

from .options import Flags
from .places import find, run_command, suffix
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
    job = await resolve(ref, job_id, verdict, task_id)
    if out.json:
        data = {"batch": ref.name, "job": job.id, "verdict": verdict.value}
        out.envelope("resolve", {**data, "status": job.status.value, "charged": job.charged})
        return 0
    out.data(f"{job.id} {_SAID[verdict]}; {format_credits(job.charged)} charged so far")
    if verdict is not Verdict.LOST:
        out.hint(f"go on: {run_command(batch, emulator=emulator)}")
    return 0


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
