"""A batch for people and for scripts: its jobs, its money, and what to do next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from runner.app.batch import BatchStatus, JobLine
from runner.core.credits import format_credits
from runner.core.job import ACTIVE, Job, JobStatus
from runner.core.lifecycle import OUTPUT_LIFE
from runner.core.summary import BatchSummary, job_json, summary_json

from .caps import cap_words, in_order, is_of_run
from .output import WIDE, Output, known_width
from .plan_notes import names_of
from .quotas import iso, quota_json, quota_words, wait_line
from .tables import GAP, columns_of, gaps

#: the order in which counts are shown
_ORDER = (
    JobStatus.DONE, JobStatus.DOWNLOADING, JobStatus.RUNNING, JobStatus.QUEUED,
    JobStatus.SUBMITTING, JobStatus.PENDING, JobStatus.IN_DOUBT, JobStatus.FAILED,
    JobStatus.SKIPPED, JobStatus.HELD, JobStatus.CANCELLED,
)  # fmt: skip
#: of a job that nobody asks for any more: it may still cost, or has to be settled
_GOING_ON = ACTIVE | {JobStatus.IN_DOUBT}
#: on a terminal, from so many jobs on, the finished ones are counted and not listed
MOST_LISTED = 200
_HEADERS = ("!job", "status", "model", ">!credits", "about")
#: cells in which a file can be told from others
_LEAST_ABOUT = 16


def status_json(status: BatchStatus, *, state: str) -> dict[str, Any]:
    stored = status.batch
    return {
        "batch": {
            "name": status.summary.batch,
            "state": state,
            "live": status.live,
            "paused_at": iso(stored.paused_at) if stored else None,
            "manifest": stored.manifest if stored else None,
            "output_dir": stored.output_dir if stored else None,
            "service": stored.base_url if stored else None,
        },
        **summary_json(status.summary),
        "waits": [
            {"lane": wait.lane, "code": wait.code, "reason": wait.reason, "until": iso(wait.until)}
            for wait in status.waits
        ],
        "quotas": [quota_json(quota) for quota in status.quotas.values()],
        "jobs": [job_json(line.job, reason=line.reason) for line in status.jobs],
    }


def show_status(
    status: BatchStatus, out: Output, *, now: datetime, suffix: str = "", fold: bool = False
) -> None:
    """Table, numbers, and the ways out of what needs a person.

    Args:
        status: the batch.
        out: where it is shown.
        now: what is far away is said with its date.
        suffix: what commands about its jobs need to find it again.
        fold: finished jobs of a long list are counted, not listed.
    """
    listed = status.jobs
    if fold and len(listed) > MOST_LISTED:
        listed = [line for line in listed if line.job.status is not JobStatus.DONE]
    out.table(*_table([_row(line) for line in listed], known_width() or WIDE))
    if hidden := len(status.jobs) - len(listed):
        out.data(f"and {hidden:,} that are done: `--all` lists them")
    out.data()
    live = ", a run works on it" if status.live else ""
    paused = ", paused" if status.batch and status.batch.paused_at else ""
    out.data(f"{status.summary.batch}: {counts_line(status.summary)}{live}{paused}")
    for line in (*money_lines(status.summary, of_run=status.live), *wait_lines(status, now)):
        out.data(line)
    jobs = [line.job for line in status.jobs]
    for line in ways_out([job for job in jobs if job.status is JobStatus.IN_DOUBT], suffix):
        out.data(line)


def _table(
    rows: Sequence[tuple[str, ...]], width: int
) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    """Ids are whole. Where the page is narrow, models go first, and of a file its end is shown."""
    columns = columns_of(_HEADERS, rows)
    if sum(column.widest for column in columns) + gaps(columns) <= width:
        return _HEADERS, rows
    kept = [*columns[:2], columns[3]]
    room = width - sum(column.widest for column in kept) - GAP * len(kept)
    lines = [(job, word, credits, _tail(about, room)) for job, word, _, credits, about in rows]
    return (*_HEADERS[:2], *_HEADERS[3:]), lines


def _tail(about: str, room: int) -> str:
    """The end of one long word, which is the place of a file; words are wrapped."""
    if " " in about or len(about) <= room:
        return about
    return f"…{about[1 - room :]}" if room >= _LEAST_ABOUT else ""


def _row(line: JobLine) -> tuple[str, str, str, str, str]:
    job = line.job
    flags = "".join(f", {word}" for word in ("stale", "orphaned") if getattr(job, word))
    credits = f"{job.charged:,}" if job.charged or not job.hold else f"{job.hold:,} held"
    return (
        job.id,
        f"{_word(job.status)}{flags}",
        job.spec.model or job.spec.endpoint,
        credits,
        _about(line),
    )


def _word(status: JobStatus) -> str:
    return status.value.replace("_", " ")


def _about(line: JobLine) -> str:
    job = line.job
    if line.reason:
        return f"waits: {line.reason}"
    if job.status is JobStatus.DONE:
        return ", ".join(output.path for output in job.outputs)
    if job.status is JobStatus.CANCELLED and job.error:
        return job.error.message
    error = f"{job.error.code}: {job.error.message}" if job.error else ""
    if job.collect_by is not None:
        by = f"collect by {job.collect_by.astimezone():%Y-%m-%d %H:%M}"
        return f"{by}; {error}" if error else by
    return error


def counts_line(summary: BatchSummary) -> str:
    """`7 of 12 done, 3 running, 2 pending, 1 no longer in the manifest`."""
    orphans = sum(summary.orphans.values())
    parts = [f"{summary.count_wanted(JobStatus.DONE):,} of {summary.jobs - orphans:,} done"]
    counts = ((status, summary.count_wanted(status)) for status in _ORDER[1:])
    parts += [f"{n:,} {_word(status)}" for status, n in counts if n]
    if orphans:
        parts.append(orphan_words(summary.orphans))
    return ", ".join(parts)


def orphan_words(orphans: Mapping[JobStatus, int]) -> str:
    """`3 no longer in the manifest`; of these, those that are not over yet by status."""
    going_on = ", ".join(
        f"{n:,} {_word(status)}"
        for status in _ORDER
        if status in _GOING_ON and (n := orphans.get(status, 0))
    )
    which = f" ({going_on})" if going_on else ""
    return f"{sum(orphans.values()):,} no longer in the manifest{which}"


def money_lines(summary: BatchSummary, *, of_run: bool) -> list[str]:
    """Credits of the batch and its caps; the cap of a run only while it means something."""
    totals = summary.totals
    parts = [f"{format_credits(totals.spent)} spent"]
    if totals.reserved:
        parts.append(f"{format_credits(totals.reserved)} reserved")
    if totals.in_doubt:
        parts.append(f"{format_credits(totals.in_doubt)} in doubt")
    if summary.cap is not None:
        parts.append(f"of {format_credits(summary.cap.limit)}")
    lines = ["credits: " + ", ".join(parts)]
    for cap in in_order(summary.caps):
        if cap.name == "batch" or (is_of_run(cap) and not of_run):
            continue
        name = cap_words(cap.name)
        lines.append(f"cap {name}: {format_credits(cap.used)} of {format_credits(cap.limit)}")
    return lines


def wait_lines(status: BatchStatus, now: datetime) -> Iterator[str]:
    """Why nothing starts, and how the daily quotas of the batch's models stand."""
    for wait in status.waits:
        lane = f" {wait.lane}" if wait.lane else ""
        yield f"waits{lane}: {wait_line(wait, now)}"
    lanes = {line.job.lane for line in status.jobs}
    for quota in sorted(status.quotas.values(), key=lambda quota: quota.lane):
        if quota.lane in lanes and quota.most is not None:
            yield f"quota {quota.lane}: {quota_words(quota)}"


def ways_out(in_doubt: Sequence[Job], suffix: str) -> Iterable[str]:
    """What a person can say about creates whose answer was lost."""
    if not in_doubt:
        return
    yield "in doubt: a create may have arrived and been charged; look at Runway, then say one of"
    for job in in_doubt[:3]:
        command = f"  runway-batch resolve {job.id}{suffix}"
        yield f"{command} --not-arrived|--lost|--resubmit|--task ID"
    if len(in_doubt) > 3:
        yield f"  and {len(in_doubt) - 3:,} more: `runway-batch resolve{suffix}` lists them"


def failures(jobs: Iterable[Job]) -> Mapping[str, list[str]]:
    """Job ids by cause, the commonest cause first."""
    causes: dict[str, list[str]] = {}
    for job in jobs:
        if job.status in {JobStatus.FAILED, JobStatus.SKIPPED}:
            cause = f"{job.error.code}: {job.error.message}".rstrip(".") if job.error else "unknown"
            causes.setdefault(cause, []).append(job.id)
    return dict(sorted(causes.items(), key=lambda item: -len(item[1])))


def failure_lines(jobs: Iterable[Job]) -> list[str]:
    return [
        f"failed   {len(ids):,}: {cause} ({names_of(ids)})" for cause, ids in failures(jobs).items()
    ]


def collect_by(jobs: Iterable[Job], now: datetime) -> datetime | None:
    """By when everything at Runway should have been collected; None where nothing is there.

    A task that still runs is kept from its end on, which is not before now.
    """
    left = [job.collect_by or now + OUTPUT_LIFE for job in jobs if job.status in ACTIVE]
    return min(left, default=None)


def hours_left(by: datetime, now: datetime) -> str:
    """`23 h` for people in a hurry."""
    return f"{max(timedelta(), by - now).total_seconds() / 3600:.0f} h"
