"""What `run` was told, in the terms of the parts that need it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from pathlib import Path

from runner.app.local_zone import LocalZone
from runner.app.planning import Wish
from runner.app.project import Project
from runner.app.run_rules import RunOptions
from runner.core.schedule import next_time_of_day
from runner.settings import Settings

from .consent import Purse
from .emulator_process import SPEED
from .options import Flags
from .places import emulator_home, emulator_settings
from .questions import is_interactive


@dataclass(frozen=True, kw_only=True, slots=True)
class RunRequest:
    """The flags of `run`."""

    file: Path
    command: str = "run"
    sets: Mapping[str, str] = field(default_factory=dict)  # of a table: what `--set` says
    max_credits: int | None = None
    jobs: Mapping[str | None, int] = field(default_factory=dict)
    max_duration_s: float | None = None
    until: time | None = None  # by the clock of this machine
    max_wait_s: float | None = None
    drain_s: float | None = None
    yes: bool = False
    take_over: bool = False
    refresh: str | None = None  # `stale`
    accept_stale: bool = False
    emulator: bool = False
    speed: float = SPEED
    display: str | None = None
    stats_s: float = 60.0


def options_of(request: RunRequest, now: datetime) -> RunOptions:
    """For a run that starts now: of two ends the earlier one counts."""
    ends = []
    if request.max_duration_s is not None:
        ends.append(now + timedelta(seconds=request.max_duration_s))
    if request.until is not None:
        ends.append(next_time_of_day(request.until, now, LocalZone()))
    return RunOptions(
        jobs=request.jobs,
        take_over=request.take_over,
        deadline=min(ends, default=None),
        max_wait_s=request.max_wait_s,
        drain_s=request.drain_s,
        wish=wish_of(request),
    )


def wish_of(request: RunRequest) -> Wish:
    """What was asked of stale jobs."""
    return Wish(refresh=request.refresh is not None, accept_stale=request.accept_stale)


def purse_of(flags: Flags, request: RunRequest, project: Project) -> Purse:
    return Purse(
        budget=project.manifest.budget.overall,
        max_credits=request.max_credits,
        confirm_over=project.manifest.confirm_over,
        yes=request.yes,
        interactive=is_interactive(flags),
        require_budget=project.policy.require_budget,
    )


def settings_for(flags: Flags, request: RunRequest) -> Settings:
    if request.emulator:
        home = emulator_home(request.file.parent)
        return emulator_settings(flags, home, speed=request.speed)
    return flags.settings()
