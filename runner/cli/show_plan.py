"""A plan for people and for scripts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runner.app.capcheck import CapCheck
from runner.app.forecast import QuotaForecast
from runner.core.credits import format_credits
from runner.core.job import ACTIVE
from runner.core.plan import Action, Plan, PlanEntry
from runner.core.summary import jobs_word
from runner.errors import Problem

from .caps import cap_words
from .output import Output
from .quotas import iso, local_time, quota_json, quota_words

#: ids named in one line
MOST_IDS = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class TemplateRow:
    """The jobs of one template that use one model."""

    template: str
    endpoint: str
    model: str | None
    jobs: int
    actions: Mapping[str, int]  # new, changed, stale, orphaned, or the status of a kept job
    starts: int
    worst: int  # credits, of the jobs that start

    @property
    def words(self) -> str:
        return ", ".join(f"{count} {word}" for word, count in self.actions.items())


def template_rows(plan: Plan) -> list[TemplateRow]:
    """In manifest order."""
    groups: dict[tuple[str, str, str | None], list[PlanEntry]] = {}
    for entry in plan.entries:
        spec = entry.spec
        groups.setdefault((spec.template, spec.endpoint, spec.model), []).append(entry)
    return [
        TemplateRow(
            template=template,
            endpoint=endpoint,
            model=model,
            jobs=len(entries),
            actions=Counter(_word(entry) for entry in entries),
            starts=sum(entry.starts for entry in entries),
            worst=sum(entry.spec.reserve for entry in entries if entry.starts),
        )
        for (template, endpoint, model), entries in groups.items()
    ]


def _word(entry: PlanEntry) -> str:
    words = {Action.EDIT: "changed", Action.ORPHAN: "orphaned", Action.KEEP: entry.status.value}
    return words.get(entry.action, entry.action.value)


def unpriced(plan: Plan) -> list[str]:
    """Jobs about to be sent whose worst case nobody knows."""
    return [entry.spec.id for entry in plan.starting if entry.spec.estimate.worst is None]


def plan_json(
    plan: Plan,
    caps: Sequence[CapCheck],
    warnings: Iterable[Problem],
    quotas: Sequence[QuotaForecast] = (),
) -> dict[str, Any]:
    cost = plan.cost
    return {
        "jobs": len(plan.entries),
        "starting": len(plan.starting),
        "templates": [
            {
                "template": row.template, "endpoint": row.endpoint, "model": row.model,
                "jobs": row.jobs, "actions": dict(row.actions), "starting": row.starts,
                "worst": row.worst,
            }
            for row in template_rows(plan)
        ],
        "cost": {"low": cost.low, "expected": cost.expected, "worst": cost.worst},
        "caps": [
            {"name": cap.name, "limit": cap.limit, "used": cap.used, "worst": cap.worst,
             "passes": cap.passes}
            for cap in caps
        ],
        "quotas": [
            quota_json(found.quota)
            | {"starting": found.starting, "last_start": iso(found.last_start)}
            for found in quotas
        ],
        "duplicates": _priced(plan.duplicates),
        "renamed": _priced(plan.renamed),
        "stale": _priced(_of(plan, Action.STALE)),
        "orphaned": [entry.spec.id for entry in _of(plan, Action.ORPHAN)],
        "unpriced": unpriced(plan),
        "warnings": [problem_json(problem) for problem in warnings],
    }  # fmt: skip


def problem_json(problem: Problem) -> dict[str, str]:
    return {
        "message": problem.message,
        "hint": problem.hint,
        "where": problem.where,
        "path": problem.path,
    }


def _priced(entries: Iterable[PlanEntry]) -> list[dict[str, Any]]:
    return [{"id": entry.spec.id, "credits": entry.spec.reserve} for entry in entries]


def _of(plan: Plan, action: Action) -> list[PlanEntry]:
    return [entry for entry in plan.entries if entry.action is action]


def show_plan(
    plan: Plan, caps: Sequence[CapCheck], out: Output, quotas: Sequence[QuotaForecast] = ()
) -> None:
    """The table on stdout, notes below it."""
    rows = [
        (
            row.template, f"{row.jobs:,}", row.model or row.endpoint, row.words,
            format_credits(row.worst) if row.starts else "-",
        )
        for row in template_rows(plan)
    ]  # fmt: skip
    out.table(("template", ">jobs", "model", "action", ">at worst"), rows)
    out.data()
    lines = [*_cost_lines(plan), *map(_cap_line, caps), *map(_quota_line, quotas), *_notes(plan)]
    for line in lines:
        out.data(line)


def _cost_lines(plan: Plan) -> list[str]:
    if not plan.starting:
        return ["nothing new to make"]
    cost, worst = plan.cost, plan.cost.worst or 0
    text = format_credits(cost.expected)
    if not cost.low == cost.expected == worst:
        text += f" expected, {format_credits(cost.low)} at best, {format_credits(worst)} at worst"
    jobs = f"{len(plan.starting):,} of {jobs_word(len(plan.entries))}"
    return [f"to make   {jobs}", f"cost      {text}"]


def _cap_line(cap: CapCheck) -> str:
    verdict = "the worst case passes it" if cap.passes else "holds"
    used = f", {format_credits(cap.used)} used" if cap.used else ""
    return f"cap       {cap_words(cap.name)}: {format_credits(cap.limit)}{used}: {verdict}"


def _quota_line(found: QuotaForecast) -> str:
    """Only a forecast: what others create, and tasks that fail, make it later."""
    text = f"quota     {found.quota.lane}: {quota_words(found.quota)}"
    if found.last_start is None:
        return text
    return (
        f"{text}; the last of {found.starting:,} jobs starts about {local_time(found.last_start)}"
    )


def _notes(plan: Plan) -> Iterable[str]:
    active = [e for e in plan.entries if e.status in ACTIVE]
    if active:
        yield f"going on  {len(active):,} at Runway or downloading: collecting them costs nothing"
    if plan.duplicates:
        price = sum(entry.spec.reserve for entry in plan.duplicates)
        yield f"equal     {_named(plan.duplicates)} make what others make: {format_credits(price)}"
    if plan.renamed:
        price = sum(entry.spec.reserve for entry in plan.renamed)
        same = "have what an orphaned job made; under its id they cost nothing"
        yield f"renamed?  {_named(plan.renamed)} {same}, else {format_credits(price)}"
    stale, orphaned = _of(plan, Action.STALE), _of(plan, Action.ORPHAN)
    if stale:
        price = sum(entry.spec.reserve for entry in stale)
        yield f"stale     {_named(stale)}: kept as made; again would cost {format_credits(price)}"
    if orphaned:
        yield f"orphaned  {_named(orphaned)}: no longer in the manifest, kept"
    if names := unpriced(plan):
        yield f"unpriced  {names_of(names)}: `max_credits` bounds what is set aside, not the price"


def _named(entries: Sequence[PlanEntry]) -> str:
    return names_of([entry.spec.id for entry in entries])


def names_of(names: Sequence[str], most: int = MOST_IDS) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
