"""One job for people and for scripts: why, what it cost, what to do next, what happened."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from runner.app.comparing import Difference, differences
from runner.app.explaining import Explanation, explain
from runner.core.changes import ELSEWHERE
from runner.core.credits import format_credits
from runner.core.groups import is_moderation
from runner.core.history import Attempt
from runner.core.job import AT_RUNWAY, Job, JobStatus
from runner.core.summary import job_json

from .event_text import EventLines, event_fields, event_name
from .options import Flags
from .output import LABEL, Output, page_width
from .places import after, find, run_command, suffix
from .wrapping import wrapped

#: characters of a changed value
MOST_VALUE = 60
#: labels of lines that are copied
_COPIED = ("manifest  ", "output    ")


async def explain_job(flags: Flags, job_id: str, batch: str | None, *, emulator: bool) -> int:
    """Show it; reads only."""
    out = flags.output()
    found = await explain(await find(flags, batch, emulator=emulator), job_id)
    place = found.batch.manifest if found.batch else ""
    changed = await differences(found.job, place, flags.settings(pretend=emulator))
    commands = list(next_commands(found, batch, emulator=emulator))
    if out.json:
        out.envelope("explain", explanation_json(found, commands, changed))
    else:
        show_explanation(found, commands, out, changed)
    return 0


def explanation_json(
    found: Explanation, commands: list[str], changed: Sequence[Difference] = ()
) -> dict[str, Any]:
    return {
        "batch": found.job.batch,
        "live": found.live,
        "job": job_json(found.job, reason=found.reason),
        "manifest": found.batch.manifest if found.batch else None,
        "needs": [{"id": need.id, "status": need.status.value} for need in found.needs],
        "needed_by": list(found.needed_by),
        "attempts": [_attempt_json(attempt) for attempt in found.attempts],
        "changed": [
            {"field": each.field, "made": each.made, "now": each.now} for each in changed
        ],
        "next": commands,
        "events": [
            {"event": event_name(event), "at": event.at.isoformat(), "status": job.status.value,
             "fields": event_fields(event)}
            for job, event in found.past
        ],
    }  # fmt: skip


def _attempt_json(attempt: Attempt) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "started_at": attempt.started_at.isoformat(),
        "ended_at": attempt.ended_at.isoformat() if attempt.ended_at else None,
        "task_id": attempt.task_id,
        "reserve": attempt.reserve,
        "charged": attempt.charged,
        "outcome": attempt.outcome,
        "identity": attempt.identity,
        "consumed": list(attempt.consumed),
    }


def show_explanation(
    found: Explanation, commands: list[str], out: Output, changed: Sequence[Difference] = ()
) -> None:
    """The answer first, its proof below."""
    for line in (*_facts(found), *map(_difference, changed), *_attempts(found)):
        _show(line, out)
    if was_moderated(found.job):
        out.data("first     change its prompt or input: as it is, it would be refused again")
    for command in commands:
        out.data(f"next      {command}")
    out.data()
    lines = EventLines()
    for job, event in found.past:
        for line in wrapped(lines.line(job, event, dated=True), page_width(), indent=LABEL):
            out.data(line)


def _show(line: str, out: Output) -> None:
    """Paths stay as they are, so that they can be copied; the rest is wrapped."""
    if line.startswith(_COPIED):
        out.data(line)
        return
    for part in wrapped(line, page_width(), indent=LABEL):
        out.data(part)


def was_moderated(job: Job) -> bool:
    """Whether moderation refused it, so that the same request is pointless."""
    return (
        job.status is JobStatus.FAILED and job.error is not None and is_moderation(job.error.code)
    )


def _facts(found: Explanation) -> Iterator[str]:
    job = found.job
    flags = "".join(f", {word}" for word in ("stale", "orphaned") if getattr(job, word))
    yield f"{job.id}: {job.status.value.replace('_', ' ')}{flags}"
    if found.reason:
        full = f": {job.lane} has as many tasks at Runway as it may, see `runway-batch limits`"
        yield f"waits     {found.reason}{full if found.reason == 'slot' else ''}"
    elif job.error:
        yield f"why       {job.error.code}: {job.error.message}"
    yield f"money     {money_words(job)}"
    place = found.batch.manifest if found.batch else ""
    if place and job.spec.line and not job.orphaned:
        yield f"manifest  {place}:{job.spec.line}"
    worst = format_credits(job.spec.reserve)
    yield f"made by   {job.spec.endpoint}, {job.lane}, worst case {worst}"
    for need in found.needs:
        yield f"needs     {need.id} ({need.status.value.replace('_', ' ')})"
    if found.needed_by:
        yield f"for       {', '.join(found.needed_by)}"
    for output in job.outputs:
        warning = f" ({output.warning})" if output.warning else ""
        yield f"output    {output.path}{warning}"
    if job.collect_by is not None:
        yield f"collect   by {job.collect_by.astimezone():%Y-%m-%d %H:%M}"


def money_words(job: Job) -> str:
    """Whether anything was spent: the first thing that somebody asks."""
    spent = f"{format_credits(job.charged)} spent" if job.charged else "nothing spent"
    if not job.hold:
        return spent
    word = "in doubt" if job.status is JobStatus.IN_DOUBT else "reserved"
    return f"{spent}, {format_credits(job.hold)} {word}"


def _difference(each: Difference) -> str:
    return f"changed   {each.field}: made with {_brief(each.made)}, now {_brief(each.now)}"


def _brief(value: Any) -> str:
    """A value in one line, cut where it is long."""
    if value is None:
        return "nothing"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MOST_VALUE else f"{text[:MOST_VALUE]}…"


def _attempts(found: Explanation) -> Iterator[str]:
    for attempt in found.attempts:
        task = f"task {attempt.task_id}" if attempt.task_id else "no task"
        if attempt.charged is None:
            money = f"{format_credits(attempt.reserve)} set aside"
        else:
            money = f"{format_credits(attempt.charged)} charged"
        at = f"{attempt.started_at.astimezone():%Y-%m-%d %H:%M:%S}"
        yield f"attempt   {attempt.number}: {at}, {task}, {_outcome(found, attempt)}, {money}"


def _outcome(found: Explanation, attempt: Attempt) -> str:
    if attempt.charged is not None:
        return attempt.outcome
    return "no answer" if found.job.status is JobStatus.IN_DOUBT else "not ended yet"


def next_commands(found: Explanation, batch: str | None, *, emulator: bool) -> Iterator[str]:
    """What to type, if anything has to be typed at all."""
    job = found.job
    manifest = found.batch.manifest if found.batch else ""
    run = run_command(batch, emulator=emulator, manifest=manifest)
    here = after(batch, emulator=emulator)
    again = f"runway-batch retry{here} -s {job.id}"
    match job.status:
        case JobStatus.IN_DOUBT:
            ways = "--not-arrived|--lost|--resubmit|--task ID"
            yield f"runway-batch resolve{suffix(batch, emulator=emulator)}"
            yield f"runway-batch resolve {job.id}{suffix(batch, emulator=emulator)} {ways}"
        case JobStatus.FAILED if was_moderated(job):
            yield run  # an edited job is made again; as it is, it would be refused again
        case JobStatus.FAILED | JobStatus.CANCELLED:
            yield again
        case JobStatus.HELD if job.error is not None and job.error.code == ELSEWHERE:
            yield run  # takes the result over once it is there
        case JobStatus.HELD:
            yield f"{again}, or `runway-batch resume{here}` for every held job"
        case JobStatus.DONE if job.stale and not job.orphaned:
            yield f"{run} --refresh stale"
        case JobStatus.SKIPPED:
            for need in found.needs:
                if need.status is not JobStatus.DONE:
                    yield f"runway-batch explain {need.id}{suffix(batch, emulator=emulator)}"
        case JobStatus.PENDING if found.batch and found.batch.paused_at:
            yield f"runway-batch resume{here}"
        case status if status in AT_RUNWAY | {JobStatus.PENDING, JobStatus.DOWNLOADING}:
            if not found.live:
                yield run
