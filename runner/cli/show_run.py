"""The end of a run: what was made, what was not and why, what it cost, what to do next."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from runner.app.batch import BatchStatus
from runner.app.run import RunResult
from runner.core.job import ACTIVE, Job, JobStatus
from runner.core.outcome import Reason
from runner.core.summary import summary_json

from .output import Output
from .show_status import collect_by, counts_line, failure_lines, hours_left, money_lines, ways_out

#: exit code of a reason as a stable word for scripts
CODES = {
    3: "failed", 4: "account", 5: "service", 6: "locked", 7: "halted", 8: "budget", 10: "time",
    11: "needs_a_person", 130: "interrupted", 143: "interrupted",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Ending:
    """What is shown when a run has ended."""

    result: RunResult
    status: BatchStatus
    file: Path
    state: Path
    output_dir: Path
    now: datetime
    emulator: bool
    shared: str = ""  # options of this call that any following command needs: ` --state x.db`
    again: str = ""  # those that a following run needs, of `shared` too

    @property
    def suffix(self) -> str:
        """What a following command needs to find the batch: ` --batch FILE --emulator`."""
        return f" --batch {self._file}{self.shared}{self._emulator}"

    @property
    def flags(self) -> str:
        return f" {self._file}{self.shared}{self._emulator}"

    @property
    def run(self) -> str:
        """The command that goes on, as it has to be typed."""
        return f"runway-batch run {self._file}{self.again}{self._emulator}"

    @property
    def _file(self) -> str:
        return shlex.quote(str(self.file))

    @property
    def _emulator(self) -> str:
        return " --emulator" if self.emulator else ""


def ending_json(ending: Ending) -> dict[str, Any]:
    result = ending.result
    return {
        "batch": {
            "name": result.summary.batch,
            "state": str(ending.state),
            "output_dir": str(ending.output_dir),
        },
        "exit_code": result.exit_code,
        "reasons": [_reason_json(reason) for reason in result.reasons],
        **summary_json(result.summary),
    }


def _reason_json(reason: Reason) -> dict[str, Any]:
    return {"exit_code": reason.exit_code, "message": reason.message, "hint": reason.hint}


def reason_errors(reasons: Iterable[Reason]) -> list[dict[str, str]]:
    """Reasons as `errors` of the envelope."""
    return [
        {
            "code": CODES.get(reason.exit_code, "error"),
            "message": reason.message,
            "hint": reason.hint,
            "where": "",
        }
        for reason in reasons
    ]


def show_ending(ending: Ending, out: Output) -> None:
    """Numbers on stdout; why work is left, and the next command, on stderr."""
    summary = ending.result.summary
    jobs = [line.job for line in ending.status.jobs]
    out.data(f"{summary.batch}: {counts_line(summary)}")
    out.data(f"files    {len(files_made(ending)):,} in {ending.output_dir}")
    for line in failure_lines(jobs):
        out.data(line)
    for line in money_lines(summary, of_run=True):
        out.data(line)
    for line in ways_out([j for j in jobs if j.status is JobStatus.IN_DOUBT], ending.suffix):
        out.say(line)
    by = collect_by(jobs, ending.now)
    if by is not None:
        left = sum(job.status in ACTIVE for job in jobs)
        when = f"{by.astimezone():%Y-%m-%d %H:%M} ({hours_left(by, ending.now)})"
        out.say(f"still at Runway: {left:,}; collect by {when}")
    _show_reasons(ending, out)


def _show_reasons(ending: Ending, out: Output) -> None:
    for reason in ending.result.reasons:
        # cron runs with `-q`, and its mail has to say why
        (out.error if out.quiet else out.warning)(reason.message)
    for line in next_commands(ending):
        out.hint(line)


def files_made(ending: Ending) -> list[Path]:
    """Every output of the batch, in manifest order, as short as it can be said from here."""
    folder, here = ending.output_dir, Path.cwd()
    if folder.is_absolute() and folder.is_relative_to(here):
        folder = folder.relative_to(here)
    return [
        folder / output.path
        for line in ending.status.jobs
        if line.job.status is JobStatus.DONE
        for output in line.job.outputs
    ]


def next_commands(ending: Ending) -> list[str]:
    """What to type next, most urgent first."""
    codes = {reason.exit_code for reason in ending.result.reasons}
    found = []
    counts = ending.result.summary
    if counts.count(JobStatus.IN_DOUBT):
        found.append(f"settle what is in doubt: runway-batch resolve{ending.suffix}")
    if counts.count(JobStatus.HELD):
        found.append(f"change what held jobs share, or: runway-batch resume{ending.flags}")
    if codes & {130, 143, 5}:
        found.append(f"go on: {ending.run}")
    found += _more_room(ending)
    if 3 in codes:
        found.append(f"try failed jobs again: runway-batch retry{ending.flags}")
    if any(_is_stale(line.job) for line in ending.status.jobs):
        found.append(f"make stale jobs again: {ending.run} --refresh stale")
    # these name no command: what they say is all there is
    told = {4, 7} if codes & {130, 143, 5} else {4, 7, 10}
    found += [reason.hint for reason in ending.result.reasons if reason.exit_code in told]
    return [line for line in dict.fromkeys(found) if line]


def _is_stale(job: Job) -> bool:
    return job.status is JobStatus.DONE and job.stale and not job.orphaned


def _more_room(ending: Ending) -> list[str]:
    """Which cap to raise and where, as the cap itself says it, and the command to go on with."""
    hints = [reason.hint for reason in ending.result.reasons if reason.exit_code == 8]
    return [f"{hint or 'raise the budget, then run again'}: {ending.run}" for hint in hints]
