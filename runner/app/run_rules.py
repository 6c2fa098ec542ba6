"""What manifest, flags and machine say about one run, in the engine's terms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from runner.core.policy import Policies, PollPolicy, RetryPolicy
from runner.engine.rules import Rules
from runner.settings import Settings

from .local_zone import LocalZone
from .planning import NO_WISH, Wish
from .project import Project, caps_of


@dataclass(frozen=True, kw_only=True, slots=True)
class RunOptions:
    """What a run was told beyond its settings."""

    #: -j: upper bounds on tasks at Runway; None as a key = in total
    jobs: Mapping[str | None, int] = field(default_factory=dict)
    #: seconds to collect at a stop; None: a minute on a signal, 15 minutes when the time is up
    drain_s: float | None = None
    #: take the batch over from a run on another host, which nobody here can see
    take_over: bool = False
    #: `--until` and `--max-duration`, the earlier of them
    deadline: datetime | None = None
    #: `--max-wait`: seconds; the run ends when nothing can move for longer
    max_wait_s: float | None = None
    #: `--refresh stale` and `--accept-stale`
    wish: Wish = NO_WISH


def rules_of(project: Project, options: RunOptions, now: datetime) -> Rules:
    """Limits of the run that starts now."""
    manifest = project.manifest
    ends = [options.deadline]
    if manifest.schedule.max_duration_s is not None:
        ends.append(now + timedelta(seconds=manifest.schedule.max_duration_s))
    return Rules(
        halt=manifest.halt,
        window=manifest.schedule.window,
        local=LocalZone(),
        deadline=min((end for end in ends if end is not None), default=None),
        max_wait_s=options.max_wait_s,
        drain_s=options.drain_s,
        exclusive=manifest.account.exclusive,
        keeps_balance=caps_of(project).keep_balance is not None,
    )


def policies_of(project: Project, options: RunOptions, settings: Settings) -> Policies:
    """Intervals and attempts."""
    drain_s = Policies().drain_s if options.drain_s is None else options.drain_s
    return Policies(
        retry=RetryPolicy(attempts=project.manifest.retry.attempts),
        poll=PollPolicy(interval_s=settings.poll_interval_s),
        drain_s=drain_s,
    )
