"""The money of the pretend service: what is taken, given back, owed and bought, and the sums of it.

Every change of a balance is made here. Nothing looks at all tasks: sums are kept as they change.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import date

from runner.emulator import views
from runner.emulator.ground import Ground
from runner.emulator.records import Account, TaskRecord, Totals, evolve

#: the service looks about hourly whether to buy credits by itself
RECHARGE_EVERY_S = 3600.0

#: credits by UTC day and lane; given back counts negative
Days = Mapping[date, Mapping[str, int]]


class Till:
    """Balances and totals of all accounts of one world."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._days: defaultdict[str, defaultdict[date, Counter[str]]]
        self._days = defaultdict(lambda: defaultdict(Counter))
        self._due: list[tuple[float, str]] = []  # a heap: when, which task
        self._bodies: Counter[tuple[str, str, str]] = Counter()  # account, endpoint, digest
        self._equal: defaultdict[str, dict[str, int]] = defaultdict(dict)
        for task in ground.state.tasks.values():
            self._note(task)
            if task.owed:
                heapq.heappush(self._due, (task.refunded_at, task.id))

    def totals(self, account: str) -> Totals:
        return self._ground.state.totals.get(account) or Totals(id=account)

    def days(self, account: str) -> Days:
        return self._days[account]

    def equal(self, account: str) -> dict[str, int]:
        """Digests of bodies that one endpoint was sent more than once, with the number of tasks."""
        return self._equal[account]

    # What happens to a task

    def take(self, task: TaskRecord) -> None:
        """A task was made: its credits are taken."""
        self._move(task.account, -task.estimate)
        self._note(task)
        found = self.totals(task.account)
        if task.is_others:
            self._keep(evolve(found, others=found.others + 1))
            return
        charged = found.charged + task.estimate
        outstanding, alive = found.outstanding + task.estimate, found.alive + 1
        self._keep(
            evolve(
                found,
                creates=found.creates + 1,
                taken=found.taken + task.estimate,
                outstanding=outstanding,
                alive=alive,
                most_charged=max(found.most_charged, charged),
                most_outstanding=max(found.most_outstanding, outstanding),
                most_alive=max(found.most_alive, alive),
            )
        )

    def refuse(self, account: str) -> None:
        """A create was turned down."""
        found = self.totals(account)
        self._keep(evolve(found, refused=found.refused + 1))

    def end(self, task: TaskRecord) -> None:
        """A task has ended, one way or another."""
        if not task.is_others:
            found = self.totals(task.account)
            outstanding = found.outstanding - task.estimate
            self._keep(evolve(found, outstanding=outstanding, alive=found.alive - 1))

    def give_back(self, task: TaskRecord, credits: int, at: float) -> None:
        """Return credits of a task, to the balance at once or when the delay is over."""
        if credits <= 0:
            return
        delay_s = self._ground.knobs.refund_delay_s
        due, owed = at + delay_s, credits if delay_s > 0 else 0
        task = evolve(task, refunded=task.refunded + credits, refunded_at=due, owed=owed)
        self._ground.state.put(task)
        self._days[task.account][views.day_of(due)][task.lane] -= credits
        if owed:
            heapq.heappush(self._due, (due, task.id))
        else:
            self._move(task.account, credits)
        if not task.is_others:
            found = self.totals(task.account)
            self._keep(evolve(found, given_back=found.given_back + credits))

    # What happens by itself

    def until(self, now: float) -> None:
        """Pay what is due, buy what is to be bought."""
        while self._due and self._due[0][0] <= now:
            task = self._ground.state.tasks[heapq.heappop(self._due)[1]]
            self._move(task.account, task.owed)
            self._ground.state.put(evolve(task, owed=0))
        for account in tuple(self._ground.state.accounts.values()):
            if account.recharge_to and account.recharge_look_at <= now:
                self._recharge(account, now)

    def _recharge(self, account: Account, now: float) -> None:
        is_low = account.balance < account.recharge_below
        balance = max(account.balance, account.recharge_to) if is_low else account.balance
        look_at = now + RECHARGE_EVERY_S
        self._ground.state.put(evolve(account, balance=balance, recharge_look_at=look_at))

    def _move(self, account_id: str, credits: int) -> None:
        account = self._ground.state.accounts[account_id]
        self._ground.state.put(evolve(account, balance=account.balance + credits))

    def _keep(self, totals: Totals) -> None:
        self._ground.state.put(totals)

    def _note(self, task: TaskRecord) -> None:
        days = self._days[task.account]
        days[views.day_of(task.created_at)][task.lane] += task.estimate
        if task.refunded:
            days[views.day_of(task.refunded_at)][task.lane] -= task.refunded
        if not task.is_others:
            key = (task.account, task.endpoint, task.digest)
            self._bodies[key] += 1
            if self._bodies[key] > 1:
                self._equal[task.account][task.digest] = self._bodies[key]
