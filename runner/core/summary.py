"""The numbers everybody shows: progress, final summary, status and JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from runner.core.job import ACTIVE, Job, JobStatus
from runner.core.ledger import Cap, LedgerTotals
from runner.core.outcome import Reason


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchSummary:
    """Where a batch stands."""

    batch: str
    counts: Mapping[JobStatus, int]
    totals: LedgerTotals
    caps: Sequence[Cap] = ()
    #: of `counts`, the jobs that are no longer in the manifest
    orphans: Mapping[JobStatus, int] = field(default_factory=dict)

    @property
    def jobs(self) -> int:
        return sum(self.counts.values())

    def count(self, *statuses: JobStatus) -> int:
        return sum(self.counts.get(status, 0) for status in statuses)

    def count_wanted(self, *statuses: JobStatus) -> int:
        """Without those that nobody asks for any more: they rest, and no command starts them."""
        return self.count(*statuses) - sum(self.orphans.get(status, 0) for status in statuses)

    @property
    def cap(self) -> Cap | None:
        """The cap of the batch, None where it has none."""
        return next((cap for cap in self.caps if cap.name == "batch"), None)


@dataclass(frozen=True, kw_only=True, slots=True)
class LaneSum:
    """The jobs of one lane that have one status."""

    lane: str
    status: JobStatus
    jobs: int
    hold: int = 0  # credits
    charged: int = 0  # credits


def work_left(summary: BatchSummary) -> list[Reason]:
    """Reasons that follow from where the jobs stand when a run has ended."""
    reasons = []
    in_doubt = summary.count(JobStatus.IN_DOUBT)
    if in_doubt:
        reasons.append(
            Reason(
                exit_code=11,
                message=f"{jobs_word(in_doubt)} in doubt:"
                " a create may have arrived and been charged",
                hint="runway-batch status shows them; runway-batch resolve settles them",
            )
        )
    held = summary.count_wanted(JobStatus.HELD)
    if held:
        reasons.append(
            Reason(
                exit_code=11,
                message=f"{jobs_word(held)} held: somebody has to look first",
                hint="runway-batch explain JOB says why; runway-batch resume releases them",
            )
        )
    left = summary.count(*ACTIVE)
    if left:
        reasons.append(
            Reason(
                exit_code=5,
                message=f"{jobs_word(left)} not collected yet; to collect costs nothing",
                hint="run the same command again to collect them",
            )
        )
    failed = summary.count_wanted(JobStatus.FAILED, JobStatus.SKIPPED)
    if failed:
        reasons.append(
            Reason(
                exit_code=3,
                message=f"{jobs_word(failed)} failed or skipped",
                hint="runway-batch status shows why; runway-batch retry tries them again",
            )
        )
    return reasons


def not_started(summary: BatchSummary, *, blocked: int = 0) -> list[Reason]:
    """A reason where jobs of the manifest still wait, though nothing else explains it.

    Args:
        summary: when the run has ended.
        blocked: jobs that wait for a stale one, as the plan said.
    """
    if blocked:
        return [
            Reason(
                exit_code=11,
                message=f"{jobs_word(blocked)} not started: a parent is stale",
                hint="`run --refresh stale` makes it again, `run --accept-stale` goes on with it",
            )
        ]
    waiting = summary.count_wanted(JobStatus.PENDING)
    if not waiting:
        return []
    return [
        Reason(
            exit_code=5,
            message=f"{jobs_word(waiting)} still to make",
            hint="run the same command again to go on",
        )
    ]


def jobs_word(count: int) -> str:
    """`1 job`, `1,250 jobs`."""
    return "1 job" if count == 1 else f"{count:,} jobs"


def job_json(job: Job, *, reason: str) -> Mapping[str, Any]:
    """A job as `status --json` shows it (product contract, section 4)."""
    return {
        "id": job.id,
        "key": job.spec.key,
        "template": job.spec.template,
        "take": job.spec.take,
        "endpoint": job.spec.endpoint,
        "model": job.spec.model,
        "tags": list(job.spec.tags),
        "line": job.spec.line,
        "status": job.status.value,
        "reason": reason,
        "stale": job.stale,
        "orphaned": job.orphaned,
        "task_ids": list(job.task_ids),
        "attempts": job.attempt,
        "since": job.since.isoformat() if job.since else None,
        "collect_by": job.collect_by.isoformat() if job.collect_by else None,
        "credits": {
            "estimated": job.spec.estimate.worst,
            "reserved": job.hold,
            "charged": job.charged,
        },
        "outputs": [
            {
                "path": output.path,
                "bytes": output.bytes,
                "sha256": output.sha256,
                "media_type": output.media_type,
                "warning": output.warning,
            }
            for output in job.outputs
        ],
        "error": {"code": job.error.code, "message": job.error.message} if job.error else None,
    }


def summary_json(summary: BatchSummary) -> Mapping[str, Any]:
    """The `summary` and `budget` parts of `status --json`."""
    cap = summary.cap
    return {
        "summary": {status.value: summary.counts.get(status, 0) for status in JobStatus},
        "budget": {
            "cap": cap.limit if cap else None,
            "spent": summary.totals.spent,
            "reserved": summary.totals.reserved,
            "in_doubt": summary.totals.in_doubt,
            "available": cap.available if cap else None,
            "caps": [
                {"name": c.name, "limit": c.limit, "used": c.used, "available": c.available}
                for c in summary.caps
            ],
        },
    }
