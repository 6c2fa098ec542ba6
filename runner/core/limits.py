"""Slots: how many tasks of a lane may be at Runway at once.

A lane is a model, or the endpoint where there is none. Limits come from `GET /v1/organization`;
the manifest and `-j` only lower them. Slots in use are derived from the jobs and never counted,
so nothing can drift.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from runner.core.task import Organization

#: a model whose limit is `null` is unlimited; this many at once is what the highest tier has
UNLIMITED_SLOTS = 20
#: where the account's map leaves a model out even after one of its tasks was created
ABSENT_SLOTS = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Pause:
    """A lane that takes nothing new for a while."""

    until: datetime
    reason: str


@dataclass(kw_only=True, slots=True)
class _AbsentLane:
    """A lane that the account's map leaves out: found out by trying."""

    created: int = 0
    read_again: bool = False
    slots: int = 1
    throttled: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Bounds:
    """Upper bounds that a person set on tasks at Runway; None = no bound."""

    total: int | None = None
    lanes: Mapping[str, int] = field(default_factory=dict)
    queue_ahead: int = (
        1  # tasks kept waiting at Runway per lane, so that a freed slot starts at once
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Terms:
    """What a create needs besides its reserve; judged in the transaction of its intent."""

    slots: int  # tasks of the lane at Runway at once, over all live runs of the account
    refusals: int  # jobs in flight of a group that has no success yet
    #: for `keep_balance`: a reading asked for earlier than this is too old
    balance_from: datetime | None = None


class Slots:
    """The limits of one account, and what is known about lanes it does not list."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._models: dict[str, int | None] = {}
        self._absent: dict[str, _AbsentLane] = {}
        self._pauses: dict[str, Pause] = {}

    def set_bounds(self, bounds: Bounds) -> None:
        """New upper bounds, for what starts from now on."""
        self._bounds = bounds

    @property
    def total(self) -> int | None:
        return self._bounds.total

    def learn(self, organization: Organization) -> None:
        """Take the limits over from a fresh reading."""
        self._models = {name: m.max_concurrent for name, m in organization.models.items()}
        for lane, absent in self._absent.items():
            if lane not in self._models and absent.created and not absent.read_again:
                absent.read_again = True
                absent.slots = ABSENT_SLOTS

    def wants_reading(self, lane: str) -> bool:
        """Whether the account must be read again to know this lane."""
        absent = self._absent.get(lane)
        return absent is not None and absent.created > 0 and not absent.read_again

    def note_created(self, lane: str) -> None:
        if lane not in self._models:
            self._absent.setdefault(lane, _AbsentLane()).created += 1

    def note_throttled(self, lane: str) -> None:
        """A task of the lane waits for a slot: an unlisted lane does not grow further."""
        if lane in self._absent:
            self._absent[lane].throttled = True

    def note_finished(self, lane: str) -> None:
        """A task ended; an unlisted lane doubles while nothing was throttled."""
        absent = self._absent.get(lane)
        if absent is not None and absent.read_again and not absent.throttled:
            absent.slots = min(absent.slots * 2, UNLIMITED_SLOTS)

    def capacity(self, lane: str) -> int:
        """Tasks of the lane that may be at Runway at once, the queued-ahead ones included."""
        if lane in self._models:
            known = self._models[lane]
            slots = (UNLIMITED_SLOTS if known is None else known) + self._bounds.queue_ahead
        else:
            slots = self._absent.setdefault(lane, _AbsentLane()).slots
        return min(slots, self._bounds.lanes.get(lane, slots))

    def pause(self, lane: str, pause: Pause) -> None:
        """Start nothing in the lane until then; a later end wins."""
        current = self._pauses.get(lane)
        if current is None or current.until < pause.until:
            self._pauses[lane] = pause

    def paused(self, lane: str, now: datetime) -> Pause | None:
        pause = self._pauses.get(lane)
        return pause if pause is not None and pause.until > now else None
