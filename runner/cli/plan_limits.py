"""What the money and the account allow of a plan, a remark each."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from runner.app.capcheck import CapCheck
from runner.app.forecast import Forecast, QuotaForecast
from runner.core.credits import format_credits
from runner.core.outlook import Outlook
from runner.core.plan import Plan
from runner.core.summary import jobs_word

from .caps import cap_words, limit_words
from .plan_table import by_model, slots_words
from .quotas import local_time, quota_words
from .remarks import Remark

_MINUTE, _HOUR = timedelta(minutes=1), timedelta(hours=1)


def limit_remarks(plan: Plan, forecast: Forecast) -> Iterator[Remark]:
    """Caps, balance, slots, quotas, and what they come to together."""
    for cap in forecast.caps:
        yield _cap(cap, forecast.outlook)
    if not plan.starting:
        return
    yield _balance(forecast)
    lanes = list(by_model(plan))
    if len(lanes) == 1 and lanes[0] in forecast.slots:
        yield Remark(label="slots", text=f"{lanes[0]}: {slots_words(forecast, lanes[0])} at once")
    if forecast.total_slots is not None and forecast.slots:
        most = f"{forecast.total_slots:,} tasks at once, as the manifest says"
        yield Remark(label="slots", text=f"all models together: {most}")
    for found in forecast.quotas:
        if len(lanes) == 1 or found.last_start is not None:
            yield _quota(found)
    yield _tonight(forecast)


def _cap(cap: CapCheck, outlook: Outlook) -> Remark:
    used = f", {format_credits(cap.used)} used" if cap.used else ""
    verdict = "the worst case exceeds it" if cap.passes else "holds"
    if cap.passes:
        verdict += _fitting(outlook, cap.name)
    text = f"{cap_words(cap.name)}: {format_credits(cap.limit)}{used}: {verdict}"
    return Remark(label="cap", text=text, colour="yellow" if cap.passes else None)


def _fitting(outlook: Outlook, name: str) -> str:
    """`, 57 of 400 jobs fit`; nothing where all do."""
    found = outlook.allowance(name)
    if found is None or found.jobs == found.of:
        return ""
    return f", {found.jobs:,} of {jobs_word(found.of)} fit"


def _balance(forecast: Forecast) -> Remark:
    standing = forecast.standing
    if standing.reading is None or standing.balance is None:
        text = "not looked at: `--account` reads balance, slots and quotas for free"
        return Remark(label="account", text=text)
    age = forecast.now - standing.reading.asked_at
    parts = [f"{format_credits(standing.reading.organization.credit_balance)} when read {ago(age)}"]
    if standing.unread:
        parts.append(f"less {format_credits(standing.unread)} for jobs sent since then")
    if forecast.kept:
        parts.append(f"{format_credits(forecast.kept)} to be kept")
    few = _fitting(forecast.outlook, "balance")
    verdict = few.removeprefix(", ") or "enough for the worst case"
    text = f"{', '.join(parts)}: {verdict}"
    return Remark(label="balance", text=text, colour="yellow" if few else None)


def ago(age: timedelta) -> str:
    """`just now`, `12 min ago`, `3 h ago`, `2 days ago`."""
    if age < _MINUTE:
        return "just now"
    if age < _HOUR:
        return f"{age // _MINUTE} min ago"
    if age < timedelta(hours=48):
        return f"{age // _HOUR} h ago"
    return f"{age.days:,} days ago"


def _quota(found: QuotaForecast) -> Remark:
    """Only a forecast: what others create, and tasks that fail, make it later."""
    text = f"{found.quota.lane}: {quota_words(found.quota)}"
    if found.last_start is None:
        return Remark(label="quota", text=text)
    last = f"the last of {jobs_word(found.starting)} starts about {local_time(found.last_start)}"
    return Remark(label="quota", text=f"{text}; {last}", colour="yellow")


def _tonight(forecast: Forecast) -> Remark:
    """What can start now and in the next 24 hours, and what allows no more."""
    outlook, at_once = forecast.outlook, forecast.at_once
    if at_once.jobs < outlook.jobs:
        return Remark(label="tonight", text=_in_parts(forecast), colour="yellow")
    if not outlook.tight:
        known = "" if forecast.standing.reading else ", as far as the caps go"
        which = "the job" if outlook.starting == 1 else f"all {jobs_word(outlook.starting)}"
        return Remark(label="tonight", text=f"{which} can start{known}", colour="green")
    text = f"{_some(outlook.jobs)} of {jobs_word(outlook.starting)}{_at_expected(outlook)}"
    text += f": {limit_words(outlook.tight[0])} allows no more"
    return Remark(label="tonight", text=text, colour="yellow")


def _in_parts(forecast: Forecast) -> str:
    """`now none of 5 jobs, more from 2026-01-02 21:42; within 24 h about 3: the cap …`."""
    outlook, at_once = forecast.outlook, forecast.at_once
    text = f"now {_some(at_once.jobs)} of {jobs_word(outlook.starting)}"
    if forecast.room_at is not None:
        text += f", more from {local_time(forecast.room_at)}"
    later = _some(outlook.jobs) if outlook.tight else "all"
    tightest = (outlook.tight or at_once.tight)[0]
    text += f"; within 24 h {later}{_at_expected(outlook)}"
    return f"{text}: {limit_words(tightest)} allows no more" + ("" if outlook.tight else " now")


def _some(jobs: int) -> str:
    return f"about {jobs:,}" if jobs else "none"


def _at_expected(outlook: Outlook) -> str:
    if outlook.expected == outlook.jobs:
        return ""
    return f", {outlook.expected:,} at expected prices"
