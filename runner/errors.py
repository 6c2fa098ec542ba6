"""Every error raised on purpose.

RunnerError                    message, hint, exit_code, code
 ├── UsageError                a flag, setting or argument; exit 2
 ├── ManifestError             one or more problems, each with its place; exit 2
 ├── CatalogError              the table of models is unreadable; exit 2
 ├── StoreError                the state file; exit 2
 │    ├── StoreLocked          another process holds the batch; exit 6
 │    │    └── StoreBusy       the file is locked for the moment: worth another try
 │    ├── StoreGone            moved or deleted while a run had it open; exit 11
 │    ├── StoreUntrusted       a copy, or older than the outputs on disk; exit 11
 │    ├── StaleJob             somebody else changed the job first
 │    └── NotNow               a create has to wait; nothing was written
 │         ├── CapReached      a cap left no room for a reserve; exit 8
 │         ├── BalanceTooOld   the account must be read again before the reserve is judged
 │         ├── BatchPaused     a person has paused the batch
 │         ├── SlotsTaken      other runs of the account use the lane's slots
 │         ├── QuotaUsedUp     the lane's rolling 24 hours are full; exit 10
 │         └── GroupFull       a group without a success has enough jobs in flight; exit 7
 ├── ApiError                  status, code, request id; never the key
 │    ├── TransientApiError    worth another try; exit 5
 │    ├── PermanentApiError    not worth it (bad request, not found)
 │    ├── AccountError         key refused or no credits: stops the run; exit 4
 │    └── SubmitUncertain      the create may have arrived
 ├── DownloadError             worth another fetch, never another task
 │    └── LinkRefused          the link expired or was refused: read the task again
 ├── DiskFull                  nothing can be written; submitting stops
 └── MissingExtra              an optional package is not installed; exit 2
IllegalTransition              a bug of ours (AssertionError), never caught
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


class RunnerError(Exception):
    """An expected failure: one line, a hint and an exit code; never a traceback."""

    exit_code = 1
    #: stable name for `--json`
    code = "error"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(RunnerError):
    """A flag, an argument or a setting that cannot be used."""

    exit_code = 2
    code = "usage"


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One thing wrong with a manifest, and where."""

    message: str
    hint: str = ""
    file: str = ""
    line: int = 0  # 1-based; 0 = unknown
    column: int = 0  # 1-based; 0 = unknown
    path: str = ""  # jobs[3].image_to_video.ratio
    rows: tuple[str, ...] = ()  # the first places of data it concerns: shots.csv:17
    count: int = 1  # of how many rows or jobs it is true in all; more than `rows` names
    is_note: bool = False  # of a warning: said of what is most likely meant

    @property
    def where(self) -> str:
        """`file:line:column`, as far as known."""
        parts = [self.file or "manifest"]
        if self.line:
            parts.append(str(self.line))
            if self.column:
                parts.append(str(self.column))
        return ":".join(parts)


class ManifestError(RunnerError):
    """The manifest cannot be used. Carries all problems found, not only the first."""

    exit_code = 2
    code = "manifest"

    def __init__(self, problems: Sequence[Problem]) -> None:
        first = problems[0]
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(f"{first.where}: {first.message}{more}", hint=first.hint)
        self.problems = tuple(problems)


class CatalogError(RunnerError):
    """The table of models and prices is unreadable or contradicts itself."""

    exit_code = 2
    code = "catalog"


class StoreError(RunnerError):
    """The state file cannot be used."""

    exit_code = 2
    code = "state"


class StoreLocked(StoreError):
    """Another process holds the batch."""

    exit_code = 6
    code = "locked"


class StoreBusy(StoreLocked):
    """Another program keeps the state file locked; nothing was written, worth another try."""

    code = "busy"


class StoreGone(StoreError):
    """The state file is no longer where a run opened it; the run has stopped."""

    exit_code = 11
    code = "state_gone"


class StoreUntrusted(StoreError):
    """A copy, or older than what lies on disk: going on could pay again, so nothing is sent."""

    exit_code = 11
    code = "state_untrusted"


class StaleJob(StoreError):
    """The job was changed by somebody else since it was read; nothing was written."""

    exit_code = 6
    code = "conflict"


class NotNow(StoreError):
    """A create has to wait for something; nothing was written."""


class CapReached(NotNow):
    """A reserve did not fit under a cap; nothing was written."""

    exit_code = 8
    code = "budget"

    def __init__(
        self, message: str, *, cap: str, available: int, until: datetime | None = None,
        hint: str = "",
    ) -> None:  # fmt: skip
        super().__init__(message, hint=hint)
        self.cap = cap
        self.available = available
        self.until = until  # when there is room again by itself; None: never


class BalanceTooOld(NotNow):
    """What may be spent depends on the account's balance, whose last reading is too old."""

    exit_code = 8
    code = "balance"
    until: datetime | None = None


class BatchPaused(NotNow):
    """A person has paused the batch, perhaps only a moment ago."""

    exit_code = 11
    code = "paused"


class SlotsTaken(NotNow):
    """The lane's slots are in use, by this run and others of the same account."""

    exit_code = 10
    code = "slots"


class QuotaUsedUp(NotNow):
    """The lane's rolling 24 hours are full."""

    exit_code = 10
    code = "quota"

    def __init__(self, message: str, *, until: datetime, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.until = until  # when the next create is due


class GroupFull(NotNow):
    """A group of jobs without a success so far has as many in flight as it may."""

    exit_code = 7
    code = "group"

    def __init__(self, message: str, *, group: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.group = group  # kind:name


class ApiError(RunnerError):
    """Runway answered with an error, or did not answer."""

    exit_code = 5
    code = "api"

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        hint: str = "",
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.retry_after_s = retry_after_s


class TransientApiError(ApiError):
    """Worth another try. For a create: it is certain that nothing was created."""

    code = "service"


class PermanentApiError(ApiError):
    """Not worth another try: bad request, not found."""

    exit_code = 3
    code = "refused"


class AccountError(ApiError):
    """The key was refused or the account has no credits: nothing more is submitted."""

    exit_code = 4
    code = "account"


class SubmitUncertain(ApiError):
    """A create whose answer was lost: it may have arrived and may be charged."""

    exit_code = 11
    code = "in_doubt"


class DownloadError(RunnerError):
    """A download failed; worth another fetch, never another task."""

    exit_code = 3
    code = "download"


class LinkRefused(DownloadError):
    """The server refused the link (any 4xx): read the task again for a fresh one."""

    code = "link"


class DiskFull(RunnerError):
    """The disk cannot take more; submitting stops, nothing paid is lost."""

    exit_code = 7
    code = "disk"


class MissingExtra(RunnerError):
    """An optional package is not installed."""

    exit_code = 2
    code = "extra"


class IllegalTransition(AssertionError):
    """An event that the job's status does not allow: a bug of ours."""
