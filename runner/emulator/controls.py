"""What can be done to a live world from outside of the API: limits, money, keys, other users.

All of it is what happens to a real account while a run is under way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from runner.emulator import answers
from runner.emulator.backend import Backend
from runner.emulator.options import DEFAULT_KEY
from runner.emulator.records import Account, KeyEntry, TaskRecord, evolve
from runner.emulator.tiers import lane_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Creates:
    """Tasks that other users of an account make."""

    count: int = 1
    endpoint: str = "image_to_video"
    model: str = "gen4_turbo"
    credits: int = 25  # of each
    seconds: float = 60.0  # of each, from its start to its end
    age_s: float = 0.0  # how long ago they were made


class Controls:
    """Changes take effect at once, also for tasks that wait."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def set_knobs(self, changes: Mapping[str, float | bool]) -> None:
        """Change fields of `Knobs`."""
        backend = self._backend
        backend.settle()
        backend.state.put(evolve(backend.ground.knobs, **changes))
        backend.state.flush()

    def set_tier(self, tier: int, *, key: str = DEFAULT_KEY) -> None:
        self._change(evolve(self._account(key), tier=tier))

    def set_limits(
        self, lane: str, limits: Mapping[str, int | None], *, key: str = DEFAULT_KEY
    ) -> None:
        """Limits of a lane, or of all (`*`), in place of the tier's; none given: the tier's again.

        Args:
            lane: a model, a recipe's name or `*`.
            limits: `concurrent`, `daily` or both; None is unlimited.
            key: of the account.
        """
        account = self._account(key)
        others = {name: value for name, value in account.limits.items() if name != lane}
        self._change(evolve(account, limits=others | ({lane: dict(limits)} if limits else {})))

    def set_balance(self, credits: int, *, key: str = DEFAULT_KEY) -> None:
        self._change(evolve(self._account(key), balance=credits))

    def add_credits(self, credits: int, *, key: str = DEFAULT_KEY) -> None:
        """Credits were bought, or with a negative number used elsewhere."""
        account = self._account(key)
        self._change(evolve(account, balance=account.balance + credits))

    def recharge(self, below: int, to: int, *, key: str = DEFAULT_KEY) -> None:
        """Buy credits up to `to` whenever an hourly look finds less than `below`; 0: never."""
        account = self._account(key)
        self._change(evolve(account, recharge_below=below, recharge_to=to, recharge_look_at=0.0))

    def set_disabled(self, disabled: bool, *, key: str = DEFAULT_KEY) -> None:
        """Revoke or restore a key."""
        backend = self._backend
        backend.state.put(evolve(self._entry(key), disabled=disabled))
        backend.state.flush()

    def create_by_others(self, creates: Creates, *, key: str = DEFAULT_KEY) -> list[TaskRecord]:
        """Others use up balance, slots and daily quota. Their tasks cannot be read by us."""
        backend = self._backend
        now = backend.settle()
        return [
            backend.add(self._foreign(creates, key, now - creates.age_s), 0.0)
            for _ in range(creates.count)
        ]

    def _foreign(self, creates: Creates, key: str, at: float) -> TaskRecord:
        ground = self._backend.ground
        index = len(ground.state.tasks)
        return TaskRecord(
            id=ground.new_id("task", index),
            index=index,
            account=self._account(key).id,
            key="",
            endpoint=creates.endpoint,
            model=creates.model,
            lane=lane_of(creates.endpoint, creates.model),
            body={},
            created_at=at,
            estimate=creates.credits,
            final=creates.credits,
            generation_s=creates.seconds,
            is_others=True,
        )

    def _entry(self, key: str) -> KeyEntry:
        entry = self._backend.state.keys.get(key)
        if entry is None:
            raise answers.not_found("key")
        return entry

    def _account(self, key: str) -> Account:
        self._backend.settle()
        return self._backend.state.accounts[self._entry(key).account]

    def _change(self, account: Account) -> None:
        self._backend.state.put(account)
        self._backend.limits_changed()
