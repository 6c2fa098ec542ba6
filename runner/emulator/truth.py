"""The account of truth, for tests: what was made, charged and given back.

`totals` looks at sums only, `creates` at the tasks that are asked for.
"""

from __future__ import annotations

from dataclasses import asdict
from itertools import islice
from typing import Any

from runner.emulator import views
from runner.emulator.backend import Backend
from runner.emulator.records import TaskRecord

Json = Any


def totals(backend: Backend) -> dict[str, Json]:
    """Per account, by the name of each key: balance, limits and sums. Times are Unix seconds."""
    now = backend.settle()
    accounts: dict[str, Json] = {}
    for key in backend.state.keys.values():
        account = backend.state.accounts[key.account]
        found = backend.till.totals(account.id)
        sums = {name: value for name, value in asdict(found).items() if name != "id"}
        accounts[key.id] = {
            "account": account.id,
            "balance": account.balance,
            "tier": account.tier,
            "disabled": key.disabled,
            **sums,
            "charged": found.charged,
            "equal": backend.till.equal(account.id),
        }
    return {"now": now, "tasks": len(backend.state.tasks), "accounts": accounts}


def creates(backend: Backend, since: int = 0) -> list[Json]:
    """The creates that made a task, in order, from that index on; not those of other users."""
    now = backend.settle()
    tasks = islice(backend.state.tasks.values(), since, None)
    return [_line(task, now) for task in tasks if not task.is_others]


def _line(task: TaskRecord, now: float) -> Json:
    status = "DELETED" if task.deleted else views.status_of(task, now)
    return {
        "index": task.index,
        "id": task.id,
        "key": task.key,
        "endpoint": task.endpoint,
        "model": task.lane,
        "digest": task.digest,
        "at": task.created_at,
        "startAt": task.start_at,
        "endAt": task.end_at,
        "status": status,
        "failureCode": task.failure_code,
        "fault": task.fault,
        "estimate": task.estimate,
        "refunded": task.refunded,
        "owed": task.owed,
        "charged": task.charged,
        "cost": task.charged if task.ended else None,
    }
