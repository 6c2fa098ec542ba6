"""What a run was told about time, failures and the account."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo

from runner.core.halting import HaltLimits
from runner.core.schedule import Window


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """Limits of one run beyond money and slots."""

    halt: HaltLimits = field(default_factory=HaltLimits)
    #: creates leave only inside of it; None = at any time
    window: Window | None = None
    local: tzinfo = UTC  # of the machine, for a window without a time zone
    #: nothing is sent after this, and the run ends once it is drained
    deadline: datetime | None = None
    #: seconds: the run ends when nothing can move for longer; None = it waits
    max_wait_s: float | None = None
    #: seconds to collect after a stop by time or budget; None = the policy's
    drain_s: float | None = None
    #: nobody else spends on this account, so what it says is evidence
    exclusive: bool = False
    #: the balance must be fresh before anything is paid
    keeps_balance: bool = False
