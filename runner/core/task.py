"""A task: Runway's remote object, as we see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class TaskStatus(StrEnum):
    """Runway's own words (API version 2024-11-06)."""

    PENDING = "PENDING"  # accepted, not started
    THROTTLED = "THROTTLED"  # accepted, waits for one of the account's slots: a queue, no failure
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


TERMINAL = frozenset({TaskStatus.SUCCEEDED, TaskStatus.FAILED, TaskStatus.CANCELLED})


@dataclass(frozen=True, kw_only=True, slots=True)
class CreatedTask:
    """Runway's answer to a create."""

    id: str
    #: the most the task may cost, in credits; absent before August 2026
    estimated_credits: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """Runway's answer to a read. Links are secrets: kept in memory, hidden from `repr`."""

    id: str
    status: TaskStatus
    created_at: datetime | None = None
    progress: float | None = None  # 0..1, only while RUNNING
    output: tuple[str, ...] = field(default=(), repr=False)
    failure: str = ""
    failure_code: str = ""
    estimated_credits: int | None = None
    #: final charge in credits; None where the API does not say
    cost_credits: int | None = None

    @property
    def is_terminal(self) -> bool:
        return self.status in TERMINAL


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelLimits:
    """The account's limits for one model; None = unlimited."""

    max_concurrent: int | None
    max_daily: int | None
    daily_used: int = 0  # creates counted in the rolling 24 hours


@dataclass(frozen=True, kw_only=True, slots=True)
class Organization:
    """The account: prepaid balance in credits and limits per model."""

    credit_balance: int
    models: Mapping[str, ModelLimits] = field(default_factory=dict)
    max_monthly_credit_spend: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """The account as it was at some moment between asking and the answer."""

    asked_at: datetime
    answered_at: datetime
    organization: Organization


@dataclass(frozen=True, kw_only=True, slots=True)
class RouterRequest:
    """One submission in a Model Router's history: the only list of task ids there is."""

    #: None where a model was chosen, or may have been, and no task is named
    task_id: str | None
    created_at: datetime
    model: str = ""
    estimated_credits: int | None = None
