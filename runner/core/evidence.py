"""What the account says about creates in doubt, and what it cannot say.

Two witnesses, both counted by Runway: the balance, and the creates of a model in the rolling
24 hours. Only "it did not arrive" can be proven, and only where both agree with our own record
at two readings apart; everything else is shown to a person. A witness is heard only where our own
record is sure: a create that was under way while the account was read, or a task whose charge is
not settled, makes a reading say nothing, neither yes nor no.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from runner.core.credits import format_credits
from runner.core.ledger import Entry, EntryState
from runner.core.quota import DAY, MARGIN
from runner.core.task import Reading

#: the two readings that prove something are at least so far apart
APART = timedelta(minutes=10)


@dataclass(frozen=True, kw_only=True, slots=True)
class Compared:
    """One reading after the doubt against the one before it."""

    at: datetime
    balance_expected: int | None  # None: some charge is not known to the credit
    balance: int
    creates_expected: int | None  # None: nobody can say which of ours the readings count
    creates: int | None  # counted by Runway since the reading before; None: lane not listed
    window_moved: bool  # a create left the rolling 24 hours in between, or may have

    @property
    def agrees(self) -> bool:
        """Both witnesses say that nothing arrived beyond what we know."""
        return (
            not self.window_moved
            and self.balance_expected == self.balance
            and self.creates is not None
            and self.creates == self.creates_expected
        )

    @property
    def contradicts(self) -> bool:
        """One of them says that something else happened."""
        if self.balance_expected is not None and self.balance_expected != self.balance:
            return True
        return not self.window_moved and self.surplus not in {0, None}

    @property
    def surplus(self) -> int | None:
        """Creates counted beyond those we know of; None where nobody can say."""
        if self.creates is None or self.creates_expected is None:
            return None
        return self.creates - self.creates_expected


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """Everything known about the creates in doubt of one lane."""

    lane: str
    doubts: int
    first_at: datetime | None  # intent of the first of them
    before: Reading | None
    compared: tuple[Compared, ...]  # oldest first; the last ones, as many as decide

    @property
    def agreeing(self) -> tuple[datetime, ...]:
        """Times of the readings that agree, and that none after them contradicts."""
        found: list[datetime] = []
        for one in self.compared:
            if one.contradicts:
                found.clear()
            elif one.agrees:
                found.append(one.at)
        return tuple(found)

    @property
    def not_arrived(self) -> bool:
        """Proven, as far as the account can: two readings apart agree, and none later objects."""
        agreeing = self.agreeing
        return bool(agreeing) and agreeing[-1] - agreeing[0] >= APART

    @property
    def again_at(self) -> datetime | None:
        """When another reading can prove it; None where it is proven, or none agrees so far."""
        if self.not_arrived or not self.agreeing:
            return None
        return self.agreeing[0] + APART

    @property
    def counted(self) -> bool:
        """The newest reading counts more creates than we know of: some may have arrived."""
        last = self.compared[-1] if self.compared else None
        return last is not None and (last.surplus or 0) > 0


def evidence_of(lane: str, entries: Sequence[Entry], readings: Sequence[Reading]) -> Evidence:
    """Compare the readings around the lane's creates in doubt with our own record.

    Args:
        lane: a model.
        entries: of the account, all batches: everything not settled before the first reading.
        readings: of the account, oldest first.
    """
    doubts = [e for e in entries if e.lane == lane and e.state is EntryState.IN_DOUBT]
    first_at = min((e.intended_at for e in doubts), default=None)
    before = [r for r in readings if first_at is not None and r.answered_at < first_at]
    given_up = max((e.answered_at or e.intended_at for e in doubts), default=None)
    after = [r for r in readings if given_up is not None and r.asked_at > given_up]
    base = before[-1] if before else None
    compared = () if base is None else _back_to_an_answer(lane, entries, base, after)
    return Evidence(
        lane=lane, doubts=len(doubts), first_at=first_at, before=base, compared=compared
    )


def explain(evidence: Evidence) -> list[str]:
    """The evidence in sentences, and what it cannot tell."""
    if not evidence.doubts:
        return []
    lane = evidence.lane
    if evidence.before is None:
        return [f"{lane}: there is no reading of the account from before the create"]
    if not evidence.compared:
        return [f"{lane}: the account was not read since; `--by-evidence` needs two readings"]
    last = evidence.compared[-1]
    lines = [_counted(evidence, last), _balanced(last)]
    if last.window_moved:
        lines.append("a create has left the 24 hours in between, or may have, so the count proves"
                     " nothing")  # fmt: skip
    if evidence.not_arrived:
        lines.append("both agree at two readings ten minutes apart: nothing arrived, if nobody"
                     " else spends on this account")  # fmt: skip
    else:
        lines.append("this does not prove that nothing arrived; creates and refunds of others are"
                     " part of these figures")  # fmt: skip
    return [f"{lane}: {line}" for line in lines]


def _back_to_an_answer(
    lane: str, entries: Sequence[Entry], base: Reading, after: Sequence[Reading]
) -> tuple[Compared, ...]:
    """From the newest reading back to the one that contradicts, or that makes it a proof.

    What lies before it changes nothing; and there may be days of readings and creates.
    """
    found: list[Compared] = []
    newest: datetime | None = None
    for reading in reversed(after):
        one = _compare(lane, entries, base, reading)
        found.append(one)
        newest = newest or (one.at if one.agrees else None)
        is_proof = one.agrees and newest is not None and newest - one.at >= APART
        if one.contradicts or is_proof:
            break
    return tuple(reversed(found))


def _compare(lane: str, entries: Sequence[Entry], base: Reading, reading: Reading) -> Compared:
    was, now = (r.organization.models.get(lane) for r in (base, reading))
    expected = _expected_change(entries, base, reading)
    ours = [e for e in entries if e.lane == lane]
    return Compared(
        at=reading.asked_at,
        balance_expected=None if expected is None else base.organization.credit_balance + expected,
        balance=reading.organization.credit_balance,
        creates_expected=_expected_creates(ours, base, reading),
        creates=None if was is None or now is None else now.daily_used - was.daily_used,
        window_moved=_window_moved(ours, was.daily_used if was else 0, base, reading),
    )


# creates of the lane


def _expected_creates(ours: Sequence[Entry], base: Reading, reading: Reading) -> int | None:
    """Creates known to have arrived between the readings; None where that is not certain."""
    known = [e for e in ours if e.state is not EntryState.IN_DOUBT and e.arrived is not False]
    if any(_is_unclear(entry, base, reading) for entry in known):
        return None
    return sum(base.answered_at < e.intended_at < reading.asked_at for e in known)


def _is_unclear(entry: Entry, base: Reading, reading: Reading) -> bool:
    """Whether a create may have arrived before a reading, or after it, or not at all."""
    if entry.arrived is None:
        return _is_during(entry, base.asked_at, reading.answered_at)
    return any(_is_during(entry, r.asked_at, r.answered_at) for r in (base, reading))


def _is_during(entry: Entry, start: datetime, end: datetime) -> bool:
    """Whether the create was under way at some moment between the two."""
    return entry.intended_at <= end and (entry.answered_at is None or entry.answered_at >= start)


def _window_moved(ours: Sequence[Entry], used: int, base: Reading, reading: Reading) -> bool:
    """Whether a create that was counted may have left the 24 hours before the second reading.

    The age of a create that we do not know is not known either.
    """
    edge = reading.answered_at - DAY + MARGIN
    staying = [e for e in ours if e.arrived and _was_answered_by(e, base) and e.intended_at > edge]
    since = [e for e in ours if e.arrived is not False and e.intended_at > base.answered_at]
    return len(staying) != used or any(entry.intended_at <= edge for entry in since)


def _was_answered_by(entry: Entry, reading: Reading) -> bool:
    return entry.answered_at is not None and entry.answered_at < reading.asked_at


# the balance


def _expected_change(entries: Sequence[Entry], base: Reading, reading: Reading) -> int | None:
    """How the balance changed if no create in doubt was charged; None where nobody can say."""
    change = 0
    for entry in entries:
        if entry.arrived is None:
            if not _leaves_alone(entry, base, reading):
                return None
        elif entry.arrived:
            was, now = _taken(entry, base), _taken(entry, reading)
            if was is None or now is None:
                return None
            change -= now - was
    return change


def _leaves_alone(entry: Entry, base: Reading, reading: Reading) -> bool:
    """Whether a create that may not have arrived at all takes no part in the change."""
    if entry.state is EntryState.IN_DOUBT:  # one before the first reading may have been refunded
        return entry.intended_at > base.answered_at
    is_old = entry.settled_at is not None and entry.settled_at < base.asked_at
    return is_old or entry.intended_at > reading.answered_at


def _taken(entry: Entry, reading: Reading) -> int | None:
    """What Runway had taken for an entry by then; None where nobody can say to the credit."""
    if entry.intended_at > reading.answered_at:
        return 0
    if entry.settled_at is None or not _was_answered_by(entry, reading):
        return None
    if entry.settled_at < reading.asked_at:
        return entry.credits
    # taken at the create; what the task did not cost in the end came back before we saw it
    return entry.asked if entry.asked == entry.credits else None


def _counted(evidence: Evidence, last: Compared) -> str:
    if last.creates is None:
        return "Runway does not count this model's creates"
    counted = f"creates since the reading before, as Runway counts: {last.creates}"
    doubts = f"in doubt: {evidence.doubts}"
    if last.creates_expected is None:
        return f"{counted}; how many of them are known is not certain; {doubts}"
    return f"{counted}; known: {last.creates_expected}; {doubts}"


def _balanced(last: Compared) -> str:
    if last.balance_expected is None:
        return "what the balance should be is not known to the credit: other charges are open"
    return (
        f"the balance is {format_credits(last.balance)},"
        f" without the creates in doubt it would be {format_credits(last.balance_expected)}"
    )
