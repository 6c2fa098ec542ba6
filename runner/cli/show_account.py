"""The account and its tasks for people and for scripts. Links are secrets: counted, not shown."""

from __future__ import annotations

from typing import Any

from runner.app.account import Account
from runner.core.credits import format_credits
from runner.core.task import ModelLimits, Task, TaskStatus

from .output import Output


def account_json(account: Account) -> dict[str, Any]:
    organization = account.organization
    return {
        "balance": organization.credit_balance,
        "max_monthly_credit_spend": organization.max_monthly_credit_spend,
        "day": account.day.isoformat(),
        "used": [{"model": use.model, "credits": use.credits} for use in account.used],
        "models": [
            {
                "model": model,
                "max_concurrent": limits.max_concurrent,
                "max_daily": limits.max_daily,
                "daily_used": limits.daily_used,
            }
            for model, limits in organization.models.items()
        ],
    }


def show_account(account: Account, out: Output) -> None:
    organization = account.organization
    used = {use.model: use.credits for use in account.used}
    out.data(f"balance  {format_credits(organization.credit_balance)}")
    if organization.max_monthly_credit_spend is not None:
        out.data(f"monthly  at most {format_credits(organization.max_monthly_credit_spend)}")
    out.data(f"today    {format_credits(sum(used.values()))} used ({account.day}, UTC)")
    limits = organization.models
    names = [*limits, *(model for model in used if model not in limits)]
    if names:
        out.data()
        rows = [_limits_row(name, limits.get(name), used.get(name, 0)) for name in names]
        headers = ("model", ">at once", ">in 24 h", ">sent in 24 h", ">credits today")
        out.table(headers, rows)


def _limits_row(model: str, limits: ModelLimits | None, used: int) -> tuple[str, ...]:
    if limits is None:
        return model, "?", "?", "?", f"{used:,}"
    return (
        model,
        _most(limits.max_concurrent),
        _most(limits.max_daily),
        f"{limits.daily_used:,}",
        f"{used:,}",
    )


def _most(limit: int | None) -> str:
    return "unlimited" if limit is None else f"{limit:,}"


def task_json(task: Task) -> dict[str, Any]:
    return {
        "id": task.id,
        "status": task.status.value,
        "created_at": task.created_at.isoformat() if task.created_at else None,
        "progress": task.progress,
        "outputs": len(task.output),
        "failure": task.failure,
        "failure_code": task.failure_code,
        "credits": {"estimated": task.estimated_credits, "charged": task.cost_credits},
    }


def show_task(task: Task, out: Output) -> None:
    facts = {
        "status": task.status.value,
        "created": f"{task.created_at.astimezone():%Y-%m-%d %H:%M:%S}" if task.created_at else "",
        "progress": f"{task.progress:.0%}" if task.progress is not None else "",
        "outputs": str(len(task.output)) if task.output else "",
        "failure": " ".join(filter(None, (task.failure_code, task.failure))),
        "estimate": _credits(task.estimated_credits),
        "charged": _credits(task.cost_credits),
    }
    out.data(f"task      {task.id}")
    for name, text in facts.items():
        if text:
            out.data(f"{name:<10}{text}")


def _credits(credits: int | None) -> str:
    return "" if credits is None else format_credits(credits)


def show_cancelled(task: Task, out: Output) -> None:
    """What was asked for, and what cannot be known."""
    out.data(f"cancelled {task.id}")
    cost = _credits(task.estimated_credits) or "its credits"
    if task.status is TaskStatus.RUNNING:
        out.warning(f"it was running: {cost} are lost")
    else:
        out.say(f"it was {task.status.value}; had it begun meanwhile, {cost} are charged")
