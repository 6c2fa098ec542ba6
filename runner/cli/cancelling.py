"""`cancel`: the question before, and what became of each job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from runner.app.cancelling import CancelRequest, CancelResult, cancel, look_before
from runner.core.cancelling import CancelPlan, Fate
from runner.core.credits import format_credits
from runner.core.job import Job
from runner.core.outcome import Reason, exit_code_of
from runner.core.summary import jobs_word
from runner.settings import Settings

from .options import Flags
from .output import Output
from .places import emulator_home, emulator_settings, find, folder_of, suffix
from .questions import must_agree
from .service import service_settings
from .show_run import reason_errors

_WORDS = {
    Fate.DROPPED: "dropped, never sent",
    Fate.CANCELLED: "cancelled at Runway",
    Fate.ABANDONED: "cancelled while it ran; its credits are lost",
    Fate.KEPT: "kept: it is paid, and is collected",
    Fate.IN_DOUBT: "in doubt: nothing is known of a task",
    Fate.OPEN: "not cancelled yet",
}
#: ids named for each fate
MOST_LINES = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class CancelFlags:
    """What `cancel` was told."""

    batch: str | None
    select: Sequence[str]
    abandon_running: bool
    yes: bool
    emulator: bool


async def cancel_jobs(flags: Flags, asked: CancelFlags) -> int:
    """0 where everything was done that is safe, else why not."""
    out = flags.output()
    ref = await find(flags, asked.batch, emulator=asked.emulator)
    request = CancelRequest(
        ref=ref,
        settings=_settings(flags, asked),
        selected=asked.select,
        abandon_running=asked.abandon_running,
    )
    planned = await look_before(request)
    _agree(flags, planned, asked)
    if planned.at_runway:
        settings = await service_settings(flags, asked.batch, emulator=asked.emulator)
        request = replace(request, settings=settings)
    result = await cancel(request)
    reasons = _reasons(result, suffix(asked.batch, emulator=asked.emulator))
    if out.json:
        data = {"batch": ref.name, **_result_json(result)}
        out.envelope("cancel", data, ok=not reasons, errors=reason_errors(reasons))
    else:
        _show(result, reasons, out)
    return exit_code_of(reasons)


def _settings(flags: Flags, asked: CancelFlags) -> Settings:
    """Without starting an emulator that may not be needed."""
    if asked.emulator:
        return emulator_settings(flags, emulator_home(folder_of(asked.batch)), speed=1)
    return flags.settings()


def _agree(flags: Flags, planned: CancelPlan, asked: CancelFlags) -> None:
    if not planned.unsent and not planned.at_runway:
        return
    if asked.abandon_running and planned.at_runway:
        lost = format_credits(planned.lost)
        question = f"give up {_jobs(planned.at_runway)} at Runway and lose up to {lost}?"
        must_agree(flags, question, yes=asked.yes)
    elif not asked.select:
        must_agree(flags, f"{_question(planned)}?", yes=asked.yes)


def _question(planned: CancelPlan) -> str:
    """Only of what is there."""
    drop = f"drop {_jobs(planned.unsent)} not sent" if planned.unsent else ""
    end = f"cancel what has not begun of {_jobs(planned.at_runway)} at Runway"
    return ", and ".join(part for part in (drop, end if planned.at_runway else "") if part)


def _reasons(result: CancelResult, where: str) -> list[Reason]:
    found = []
    if opened := result.of(Fate.OPEN):
        message = f"{_jobs(opened)} not cancelled yet: Runway, or the run, has not answered"
        found.append(Reason(exit_code=5, message=message, hint="run the same command again"))
    if doubts := result.of(Fate.IN_DOUBT):
        message = f"{_jobs(doubts)} in doubt cannot be cancelled: nobody has their task ids"
        found.append(
            Reason(exit_code=11, message=message, hint=f"runway-batch resolve{where} settles them")
        )
    return found


def _show(result: CancelResult, reasons: Sequence[Reason], out: Output) -> None:
    for fate, words in _WORDS.items():
        jobs = result.of(fate)
        for job in jobs[:MOST_LINES]:
            out.data(f"{job.id}: {words}{_money(job, fate)}")
        if len(jobs) > MOST_LINES:
            out.data(f"and {len(jobs) - MOST_LINES:,} more: {words}")
    if ended := result.of(Fate.ENDED):
        out.data(f"{_jobs(ended)} had ended before")
    elif not result.jobs:
        out.data("nothing to cancel")
    if result.of(Fate.CANCELLED, Fate.ABANDONED):
        out.say(
            "a task may begin in the moment between the last look at it and its end: the estimate"
            " stays booked as spent, as what Runway gave back cannot be read of a task that is gone"
        )
    for reason in reasons:
        out.warning(reason.message)
        out.hint(reason.hint)


def _money(job: Job, fate: Fate) -> str:
    if fate in {Fate.CANCELLED, Fate.ABANDONED}:
        return f"; {format_credits(job.charged)} stay booked"
    return ""


def _result_json(result: CancelResult) -> dict[str, Any]:
    return {
        "live": result.live,
        "jobs": [
            {"id": job.id, "fate": fate.value, "status": job.status.value, "hold": job.hold,
             "charged": job.charged}
            for job, fate in result.jobs
        ],
    }  # fmt: skip


def _jobs(jobs: Sequence[Job]) -> str:
    return jobs_word(len(jobs))
