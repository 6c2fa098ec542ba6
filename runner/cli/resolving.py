"""`resolve`: what is in doubt, what the account says of it, and what a person says."""

from __future__ import annotations

from dataclasses import dataclass

from runner.app.adopting import adopt
from runner.app.batch import BatchRef
from runner.app.evidence import Doubts, Unproven, look_into, settle_by_evidence
from runner.app.settling import jobs_in_doubt, resolve
from runner.core.credits import format_credits
from runner.core.events import Verdict
from runner.core.evidence import Evidence, explain
from runner.core.job import Job
from runner.errors import SubmitUncertain
from runner.settings import Settings

from .options import Flags
from .output import Output
from .places import find, run_command, suffix
from .service import service_settings
from .show_status import ways_out

_SAID = {
    Verdict.ADOPTED: "is collected by the next run",
    Verdict.LOST: "counts as charged and failed",
    Verdict.RESUBMIT: "counts as charged (unconfirmed), and is made and paid again by the next run",
    Verdict.NOT_ARRIVED: "was not charged, and is made by the next run",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Where:
    """Which batch `resolve` is about."""

    batch: str | None
    emulator: bool

    @property
    def suffix(self) -> str:
        return suffix(self.batch, emulator=self.emulator)


async def list_in_doubt(flags: Flags, where: Where) -> int:
    """With the evidence on each model; 11 where a person is needed, else 0."""
    out = flags.output()
    ref = await find(flags, where.batch, emulator=where.emulator)
    doubts = Doubts(jobs=(), evidence=())
    if await jobs_in_doubt(ref):
        doubts = await look_into(ref, await _settings(flags, where))
    if out.json:
        out.envelope("resolve", {"batch": ref.name, **_doubts_json(doubts)})
    elif doubts.jobs:
        rows = [(j.id, j.lane, f"{j.hold:,}", _when(j), _why(j)) for j in doubts.jobs]
        out.table(("job", "model", ">credits held", "sent", "why"), rows)
        _show_evidence(doubts, out, where)
        for line in ways_out(doubts.jobs, where.suffix):
            out.say(line)
    else:
        out.data("nothing is in doubt")
    return SubmitUncertain.exit_code if doubts.jobs else 0


async def by_evidence(flags: Flags, where: Where, job_id: str | None) -> int:
    """Settle what is proven not to have arrived; 11 where something is left in doubt."""
    out = flags.output()
    ref = await find(flags, where.batch, emulator=where.emulator)
    doubts = Doubts(jobs=(), evidence=())
    if await jobs_in_doubt(ref):
        doubts = await look_into(ref, await _settings(flags, where))
    settled = await settle_by_evidence(ref, job_id, doubts)
    left = [job for job in await jobs_in_doubt(ref) if job_id in {None, job.id}]
    if out.json:
        done = [{"id": job.id, "status": job.status.value} for job in settled]
        out.envelope(
            "resolve", {"batch": ref.name, "settled": done, "left": [job.id for job in left]}
        )
    else:
        for job in settled:
            out.data(f"{job.id} {_SAID[Verdict.NOT_ARRIVED]}")
        if settled:
            out.hint(f"go on: {_run(where, ref)}")
        elif not left:
            out.data("nothing is in doubt")
        for job in left:
            out.warning(f"{job.id} stays in doubt: the evidence on {job.lane} does not clear it")
    return Unproven.exit_code if left else 0


async def settle(
    flags: Flags, where: Where, job_id: str, verdict: Verdict, *, task_id: str | None
) -> int:
    """Write down what became of a job."""
    out = flags.output()
    ref = await find(flags, where.batch, emulator=where.emulator)
    if task_id is None:
        job = await resolve(ref, job_id, verdict)
    else:
        job = await adopt(ref, job_id, task_id, await _settings(flags, where))
    if out.json:
        data = {"batch": ref.name, "job": job.id, "verdict": verdict.value}
        out.envelope("resolve", {**data, "status": job.status.value, "charged": job.charged})
        return 0
    out.data(f"{job.id} {_SAID[verdict]}; {format_credits(job.charged)} charged so far")
    if verdict is not Verdict.LOST:
        out.hint(f"go on: {_run(where, ref)}")
    return 0


def _run(where: Where, ref: BatchRef) -> str:
    return run_command(where.batch, emulator=where.emulator, manifest=ref.manifest)


async def _settings(flags: Flags, where: Where) -> Settings:
    return await service_settings(flags, where.batch, emulator=where.emulator)


def _show_evidence(doubts: Doubts, out: Output, where: Where) -> None:
    for evidence in doubts.evidence:
        for line in explain(evidence):
            out.data(f"evidence  {line}")
    if doubts.not_read:
        out.say(f"the account was not read now: {doubts.not_read}")
    proven = [evidence.lane for evidence in doubts.evidence if evidence.not_arrived]
    times = [at for evidence in doubts.evidence if (at := evidence.again_at)]
    command = f"runway-batch resolve --by-evidence{where.suffix}"
    if proven:
        out.hint(f"release what never arrived: {command}")
    elif times:
        when = f"{min(times).astimezone():%H:%M:%S}"
        out.hint(f"from {when} on a second reading may prove it: {command}")
    out.say("the account cannot tell one create from another, nor ours from those of others")


def _doubts_json(doubts: Doubts) -> dict[str, object]:
    return {
        "in_doubt": [_job_json(job) for job in doubts.jobs],
        "evidence": [_evidence_json(evidence) for evidence in doubts.evidence],
        "not_read": doubts.not_read,
    }


def _evidence_json(evidence: Evidence) -> dict[str, object]:
    again = evidence.again_at
    return {
        "model": evidence.lane,
        "in_doubt": evidence.doubts,
        "not_arrived": evidence.not_arrived,
        "counted": evidence.counted,
        "again_at": again.isoformat() if again else None,
        "lines": explain(evidence),
        "readings": [
            {
                "at": one.at.isoformat(), "balance": one.balance,
                "balance_expected": one.balance_expected, "creates": one.creates,
                "creates_expected": one.creates_expected, "window_moved": one.window_moved,
                "agrees": one.agrees,
            }
            for one in evidence.compared
        ],
    }  # fmt: skip


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
