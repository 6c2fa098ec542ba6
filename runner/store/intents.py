"""What a create needs besides its caps, judged in the transaction of its intent.

The order is that of the checks below; each says what is full, how much is left, and what to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from sqlite3 import Connection

from runner.core.credits import format_credits
from runner.core.groups import GroupKind, GroupState
from runner.core.job import AT_RUNWAY, Job
from runner.core.limits import Terms
from runner.core.task import Reading
from runner.errors import BalanceTooOld, BatchPaused, CapReached, GroupFull, QuotaUsedUp, SlotsTaken
from runner.store import account, group_rows, windows
from runner.store.caps import BALANCE, where
from runner.store.codec import to_micros
from runner.store.rows import Row

#: a run of another batch that has said nothing for longer uses no slots
SILENT = timedelta(seconds=30)

_AT_RUNWAY = ", ".join(f"'{status.value}'" for status in sorted(AT_RUNWAY))
TAKEN = f"""
SELECT COUNT(*) AS tasks FROM jobs WHERE status IN ({_AT_RUNWAY}) AND lane = :lane
  AND job <> :job AND (batch = :batch OR batch IN (
    SELECT runs.batch FROM runs JOIN batches ON batches.batch = runs.batch
    WHERE runs.ended_at IS NULL AND runs.heartbeat_at > :alive AND batches.base_url = :service))
"""  # noqa: S608 - made of constants


def check(
    db: Connection, batch: int, job: int, after: Job, credits: int, at: datetime,
    caps: Sequence[Row], terms: Terms | None,
) -> None:  # fmt: skip
    """Whether an intent may be written; its job is, its entry is not yet.

    Raises:
        CapReached: no room in the rolling day or month, or above the balance to keep.
        BalanceTooOld: nobody knows the balance as it is now.
        BatchPaused, SlotsTaken, QuotaUsedUp, GroupFull: only with `terms`.
    """
    if terms is not None:
        _check_not_paused(db, batch)
    service = account.service_of(db, batch)
    windows.check(db, service, caps, credits, at)
    reading = account.newest(db, service)
    _check_balance(db, service, caps, credits, reading, terms)
    if terms is None:
        return
    _check_slots(db, service, batch, job, after.lane, at, terms)
    if reading is not None:
        _check_quota(db, service, after.lane, reading, at)
    for state in group_rows.states(db, service, after):
        _check_group(db, service, batch, state, credits, at, terms)


def _check_not_paused(db: Connection, batch: int) -> None:
    row = db.execute("SELECT name, paused_at FROM batches WHERE batch = ?", (batch,)).fetchone()
    if row["paused_at"] is not None:
        raise BatchPaused(
            f"batch `{row['name']}` is paused", hint="`runway-batch resume` lets it go on"
        )


def check_room(
    db: Connection, batch: int, credits: int, now: datetime, caps: Sequence[Row]
) -> None:
    """Whether a reserve would fit into day, month and balance, as far as known; writes nothing.

    Raises:
        CapReached: it would not.
    """
    service = account.service_of(db, batch)
    windows.check(db, service, caps, credits, now)
    reading = account.newest(db, service)
    if reading is not None:
        _check_balance(db, service, caps, credits, reading, None)


def _check_balance(
    db: Connection, service: str, caps: Sequence[Row], credits: int, reading: Reading | None,
    terms: Terms | None,
) -> None:  # fmt: skip
    cap = next((cap for cap in caps if cap["name"] == BALANCE), None)
    if cap is None:
        return
    oldest = None if terms is None else terms.balance_from
    if reading is None or (oldest is not None and reading.asked_at < oldest):
        raise BalanceTooOld(
            "the account's balance is not known well enough to keep"
            f" {format_credits(cap['limit_credits'])} of it",
            hint="the account is read again, then the job goes on",
        )
    balance = reading.organization.credit_balance
    left = balance - account.unread_credits(db, service, reading) - cap["limit_credits"]
    if credits > left:
        raise _keeps_balance(cap, balance, credits, max(0, left))


def _keeps_balance(cap: Row, balance: int, credits: int, available: int) -> CapReached:
    return CapReached(
        f"the account has {format_credits(balance)} and keeps"
        f" {format_credits(cap['limit_credits'])}, which leaves {format_credits(available)},"
        f" and the job may cost {format_credits(credits)}",
        cap=BALANCE,
        available=available,
        hint=f"buy credits, or lower {where('budget.keep_balance', cap)}, then run again",
    )


def _check_slots(
    db: Connection, service: str, batch: int, job: int, lane: str, at: datetime, terms: Terms
) -> None:
    values = {"service": service, "batch": batch, "job": job, "lane": lane,
              "alive": to_micros(at - SILENT)}  # fmt: skip
    taken = db.execute(TAKEN, values).fetchone()["tasks"]
    if taken >= terms.slots:
        raise SlotsTaken(
            f"`{lane}` has {terms.slots} slots, and {taken} tasks use them",
            hint="it goes on when one of them ends",
        )


def _check_quota(db: Connection, service: str, lane: str, reading: Reading, at: datetime) -> None:
    limits = reading.organization.models.get(lane)
    if limits is None or limits.max_daily is None:
        return
    # cheap, and almost always enough: what has left the window can only make more room
    unread = account.unread_creates(db, service, lane, reading)
    if limits.daily_used + unread < limits.max_daily:
        return
    quota = account.quota(db, service, lane, reading, at)
    if quota.frees_at is not None:
        raise QuotaUsedUp(
            f"`{lane}` may be created {limits.max_daily} times in 24 hours, and"
            f" {quota.used} are used",
            until=quota.frees_at,
            hint=f"the next one is due at {quota.frees_at:%Y-%m-%d %H:%M} UTC",
        )


def _check_group(
    db: Connection, service: str, batch: int, state: GroupState, credits: int, at: datetime,
    terms: Terms,
) -> None:  # fmt: skip
    group = state.group
    if state.succeeded:
        if group.kind is GroupKind.PRICE and credits < (state.credits or 0):
            raise GroupFull(
                f"{group.label} is {format_credits(state.credits or 0)}, and"
                f" {format_credits(credits)} would be set aside",
                group=group.id,
                hint="it goes on once that much is set aside",
            )
        return
    most = group.most_in_flight(terms.refusals, state.refused)
    in_flight = state.in_flight
    if 0 < most <= in_flight:
        in_flight -= group_rows.abandoned(db, service, batch, group, at)
    if not most:
        raise GroupFull(
            f"{group.label} has failed {state.refused} times, and never succeeded",
            group=group.id,
            hint="a person looks first: `runway-batch retry` tries again",
        )
    if in_flight >= most:
        raise GroupFull(
            f"{group.label} has no success yet, and {in_flight} of its jobs are at Runway,"
            f" of {most} at most",
            group=group.id,
            hint="it goes on when one of them ends",
        )
