"""The pretend service as a state machine: no HTTP, no threads, no waiting.

Time is read from the clock at each call, and everything that should have happened since the last
call is played first. Every public method leaves its changes in the journal before it returns, so
that a charge and its task are on disk before an answer leaves.

Raises: every method that answers a request raises `Refusal` where the service would refuse.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from runner.clock import Clock
from runner.core.catalog import Catalog
from runner.emulator import answers, failures, views
from runner.emulator.acceptance import Acceptance, Intake, Script
from runner.emulator.ground import Ground
from runner.emulator.options import DEFAULT_KEY, EmulatorOptions
from runner.emulator.outputs import OutputFile
from runner.emulator.records import Account, KeyEntry, Record, TaskRecord, evolve
from runner.emulator.slots import Lane, Slots
from runner.emulator.state import Forgetful, Journal
from runner.emulator.till import Till

Json = Any

NO_SCRIPT = Script()
WORKFLOW = "workflows/{id}"  # its invocations are no tasks of their own
_UNUSED = {"dailyGenerations": 0}


@dataclass(frozen=True, kw_only=True, slots=True)
class ExtraKey:
    """A key that a scenario adds; of an account of its own unless it names another's key."""

    key: str
    credits: int = 0
    tier: int | None = None
    same_account_as: str = ""
    disabled: bool = False


class Backend:
    """Accounts, tasks and money of one world."""

    def __init__(
        self,
        catalog: Catalog,
        clock: Clock,
        options: EmulatorOptions,
        *,
        journal: Journal | None = None,
        earlier: Iterable[Record] = (),
    ) -> None:
        self._parts = (catalog, clock, options)
        self._journal = journal or Forgetful()
        self._begin(earlier)

    def _begin(self, earlier: Iterable[Record]) -> None:
        catalog, clock, options = self._parts
        self.ground = Ground(
            catalog=catalog, clock=clock, options=options, journal=self._journal, earlier=earlier
        )
        self.state = self.ground.state
        self.intake = Intake(self.ground)
        self.till = Till(self.ground)
        self._limit_views: dict[str, tuple[Json, Json]] = {}
        self._slots = Slots(limit=self._limit, start=self._start, end=self._end)
        if self.ground.is_new:
            self.add_key(ExtraKey(key=DEFAULT_KEY, credits=options.credits))
        self._resume()

    def _resume(self) -> None:
        """Put the unfinished tasks of an earlier life back into their queues."""
        unfinished = [task for task in self.state.tasks.values() if not task.ended]
        running = [task for task in unfinished if task.start_at is not None]
        waiting = [task for task in unfinished if task.start_at is None]
        for task in running:
            self._slots.resume((task.account, task.lane), task.id, task.end_at or 0.0)
        for task in sorted(waiting, key=lambda task: task.index):
            lane = (task.account, task.lane)
            held = task.held_until
            self._slots.add(lane, task.id, task.created_at, delay=0.0, held_until=held)

    def settle(self) -> float:
        """Play what happened until now; returns now."""
        now = self.ground.now()
        self._slots.until(now)
        self.till.until(now)
        self.state.flush()
        return now

    def limits_changed(self) -> None:
        """Start what fits into the limits as they are now."""
        self._slots.refill(self.settle())
        self.state.flush()

    # Keys

    def add_key(self, extra: ExtraKey) -> None:
        """A new key; known ones are left alone, so that a restart gives no credits."""
        if extra.key in self.state.keys:
            return
        owner = self.state.keys.get(extra.same_account_as)
        count = len(self.state.accounts)
        account = owner.account if owner else self.ground.new_id("account", count)
        if owner is None:
            tier = extra.tier or self.ground.options.tier
            self.state.put(Account(id=account, balance=extra.credits, tier=tier))
        self.state.put(KeyEntry(id=extra.key, account=account, disabled=extra.disabled))
        self.state.flush()

    def login(self, key: str) -> KeyEntry:
        """The key's entry; 401 for any other text."""
        entry = self.state.keys.get(key)
        if entry is None or entry.disabled:
            raise answers.bad_key()
        return entry

    # Tasks

    def create(
        self, key: KeyEntry, endpoint: str, body: Mapping[str, Json], script: Script = NO_SCRIPT
    ) -> TaskRecord:
        """Validate, charge and queue one task."""
        self.settle()
        with self.counting_refusals(key):
            info = self.intake.model_of(endpoint, body)
            self.intake.check(key, info, body)
            return self.accept(key, Acceptance(info=info, body=body, script=script))

    def accept(self, key: KeyEntry, wanted: Acceptance) -> TaskRecord:
        """Charge and queue a request that is known to be valid."""
        now = self.settle()
        task, pending_s = self.intake.record(key, wanted, now)
        return self.add(task, pending_s)

    def add(self, task: TaskRecord, pending_s: float) -> TaskRecord:
        """Charge and queue a task, whatever limits and balance say."""
        self.state.put(task)
        self.till.take(task)
        self.state.count_create(task)
        lane = (task.account, task.lane)
        held = task.held_until
        self._slots.add(lane, task.id, task.created_at, delay=pending_s, held_until=held)
        self.settle()
        return self.state.tasks[task.id]

    @contextmanager
    def counting_refusals(self, key: KeyEntry) -> Iterator[None]:
        """A create that is refused within is counted as one."""
        try:
            yield
        except answers.Refusal:
            self.till.refuse(key.account)
            self.state.flush()
            raise

    def find(self, key: KeyEntry, task_id: str, *, is_invocation: bool = False) -> TaskRecord:
        """A task, or a workflow invocation, that can still be read."""
        self.settle()
        task = self.state.tasks.get(task_id)
        if task is None or task.deleted or task.account != key.account or task.is_others:
            raise answers.no_task()
        if (task.endpoint == WORKFLOW) is not is_invocation:
            raise answers.no_task()
        return task

    def read(self, key: KeyEntry, task_id: str) -> Json:
        """`GET /v1/tasks/{id}`, with fresh links."""
        task, ground = self.find(key, task_id), self.ground
        erratic = ground.options.progress == "erratic"
        links = [ground.link(file) for file in ground.files(task)] if task.ended else []
        costs = ground.options.costs
        return views.task_view(task, ground.now(), links=links, costs=costs, erratic=erratic)

    def delete(self, key: KeyEntry, task_id: str) -> None:
        """Cancel or delete. Only what has not begun to run gives its credits back.

        A running task goes on unseen and keeps its slot until its end.
        """
        task = self.find(key, task_id)
        now = self.ground.now()
        is_waiting = views.status_of(task, now) in {"PENDING", "THROTTLED"}
        task = evolve(task, deleted=True, ended=task.ended or is_waiting)
        self.state.put(task)
        if is_waiting:
            self.till.end(task)
            self.till.give_back(task, task.estimate * self.ground.knobs.cancel_refunds, now)
            self._slots.drop((task.account, task.lane), task.id, now)
        self.state.flush()

    def open_link(self, path: str, token: str) -> OutputFile:
        """The file behind a link; 403 when it expired or was tampered with, 404 when deleted."""
        now = self.settle()
        if not self.ground.signer.allows(path, token, now):
            raise answers.refusal(403, "Access denied: the link is not valid any more")
        file = self.ground.file_at(path)
        if file is None:
            raise answers.not_found("file")
        return file

    # The account

    def organization(self, key: KeyEntry) -> Json:
        """`GET /v1/organization`."""
        now = self.settle()
        account, tiers = self.ground.account(key), self.ground.tiers
        usage: dict[str, Json] = dict.fromkeys(tiers.lanes, _UNUSED)
        for lane in self.state.lanes_used(account.id):
            if lane in usage:
                count = self.state.creates_of_day(account.id, lane, now)
                usage[lane] = {"dailyGenerations": count}
        return {
            "creditBalance": account.balance,
            "tier": {
                "maxMonthlyCreditSpend": tiers.monthly_credits(account.tier),
                "models": self._limits_view(account),
            },
            "usage": {"models": usage},
        }

    def _limits_view(self, account: Account) -> Json:
        """The limits of all lanes; made again only when they have changed."""
        seen = self._limit_views.get(account.id)
        if seen is None or seen[0] != (account.tier, account.limits):
            found = ((lane, self.ground.limits(account, lane)) for lane in self.ground.tiers.lanes)
            view = {
                lane: {
                    "maxConcurrentGenerations": limits.concurrent,
                    "maxDailyGenerations": limits.daily,
                }
                for lane, limits in found
            }
            seen = self._limit_views[account.id] = (account.tier, account.limits), view
        return seen[1]

    def usage(self, key: KeyEntry, start: date | None, before: date | None) -> Json:
        """`POST /v1/organization/usage`; the span is at most 90 days."""
        today = views.day_of(self.settle())
        first = start or today - timedelta(days=30)
        end = before or first + timedelta(days=31 if start is None else 30)
        if not timedelta(0) <= end - first <= timedelta(days=90):
            message = "beforeDate must be at most 90 days after startDate"
            raise answers.invalid_body([answers.issue("custom", ["beforeDate"], message)])
        return views.usage_view(self.till.days(key.account), first, end)

    # Back door

    def advance(self, seconds: float) -> None:
        """Push the clock forward."""
        self.ground.advance(seconds)
        self.settle()

    def reset(self) -> None:
        """Begin a new world, with new ids, at the same address."""
        url = self.ground.public_url
        self._journal.forget()
        self._begin(())
        self.ground.public_url = url

    # What the queue calls back

    def _limit(self, lane: Lane) -> int | None:
        account, name = lane
        return self.ground.limits(self.state.accounts[account], name).concurrent

    def _start(self, task_id: str, at: float) -> float:
        task = evolve(self.state.tasks[task_id], start_at=at)
        self.state.put(task)
        return at + task.generation_s

    def _end(self, task_id: str, at: float) -> None:
        task = evolve(self.state.tasks[task_id], ended=True)
        self.state.put(task)
        self.till.end(task)
        if task.failure:
            keeps = task.keeps_charge
            is_back = failures.is_refunded(task.failure_code) if keeps is None else not keeps
            self.till.give_back(task, task.estimate if is_back else 0, at)
        elif not task.deleted:
            self.till.give_back(task, task.estimate - task.final, at)
