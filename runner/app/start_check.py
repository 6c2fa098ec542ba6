"""What may not start although its manifest is right: told of jobs that a run would send."""

from __future__ import annotations

from runner.core.plan import PlanEntry
from runner.core.spec import OutputRef, refs_in
from runner.errors import MissingExtra, UsageError
from runner.manifest.pricing import asks_more
from runner.media.extra import INSTALL_HINT, media_extra_missing

from .project import Project

#: different messages that are kept
_MOST = 20


class StartCheck:
    """Looks at each job of a plan once."""

    def __init__(self, project: Project) -> None:
        limits = (project.manifest.budget.per_job, project.policy.budget.per_job)
        self._per_job = min((limit for limit in limits if limit is not None), default=None)
        self._dear: dict[str, None] = {}
        self._needs_frames = False

    def look(self, entry: PlanEntry) -> None:
        """One entry."""
        if not entry.starts:
            return
        spec = entry.spec
        if spec.estimate.asked and len(self._dear) < _MOST:
            message = asks_more(spec, self._per_job)
            self._dear |= {} if message is None else {message: None}
        if spec.needs and not self._needs_frames:
            self._needs_frames = any(
                isinstance(ref, OutputRef) and ref.frame for ref in refs_in(spec.body)
            )

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why jobs may not start; empty where all may."""
        missing = media_extra_missing() if self._needs_frames else None
        return (*self._dear, *([missing] if missing else []))


def refuse_start(reasons: tuple[str, ...]) -> None:
    """Stop before anything is sent.

    Raises:
        UsageError: a job would be dearer than its caps allow.
        MissingExtra: frames are needed, and cannot be taken.
    """
    if not reasons:
        return
    missing = media_extra_missing()
    if reasons[0] == missing:
        raise MissingExtra(missing, hint=INSTALL_HINT)
    raise UsageError(reasons[0], hint="raise the cap, or make the job smaller")
