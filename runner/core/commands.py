"""Commands: what a person asks of a live run, as rows that the run reads twice a second."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class CommandKind(StrEnum):
    """What may be asked of a live run."""

    CANCEL = "cancel"  # data: ids (list of job ids), abandon_running
    LIMITS = "limits"  # data: total, lanes, max_credits; what is not named stays
    #: data: max_credits, refresh, accept_stale; take the manifest as it is on disk now
    RELOAD = "reload"


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """Asked, and perhaps answered."""

    number: int
    kind: CommandKind
    data: Mapping[str, Any]
    asked_at: datetime
    asked_by: str  # user@host
    done_at: datetime | None = None
    result: Mapping[str, Any] | None = None  # what came of it; `error` where it was refused


@dataclass(frozen=True, kw_only=True, slots=True)
class Wait:
    """Why a run starts nothing, in one lane or (empty) in all, for whoever looks."""

    lane: str
    code: str  # quota, back-off, probe, evidence, group, budget, window, disk, download, paused, …
    reason: str
    until: datetime | None = None
