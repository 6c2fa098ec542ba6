"""What is worth knowing of a plan's jobs and prices, a remark each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from runner.core.credits import format_credits
from runner.core.job import JobStatus
from runner.core.plan import Listing, Plan
from runner.core.summary import jobs_word

from .plan_table import lane_of
from .remarks import Remark

#: a price that the table only guesses
_GUESSED = "low"
#: ids named in one line
MOST_IDS = 5
#: notes on prices of one kind
MOST_NOTES = 5


def job_remarks(plan: Plan) -> Iterator[Remark]:
    """Of jobs that need a word: what becomes of them, what it costs, and what changes it."""
    if plan.under_way:
        text = f"{len(plan.under_way):,} at Runway or downloading: collecting them costs nothing"
        yield Remark(label="going on", text=text)
    yield from _free(plan)
    yield from _costly(plan)
    yield from _waiting(plan)
    if found := plan.orphaned:
        text = f"{_named(found)}: no longer in the manifest, kept"
        yield Remark(label="orphaned", text=text)


def price_remarks(plan: Plan) -> Iterator[Remark]:
    """What the prices of the jobs that start rest on."""
    if found := plan.unpriced:
        text = f"{_named(found)}: `max_credits` bounds what is set aside, not the price"
        yield Remark(label="unpriced", text=text, colour="yellow")
    unsure = [row for row in plan.rows if row.starting and row.confidence == _GUESSED]
    if unsure:
        names = names_of(list(dict.fromkeys(map(lane_of, unsure))))
        worst = format_credits(sum(row.worst for row in unsure))
        text = f"{names}: the price table is not sure of {worst}; what Runway asks is remembered"
        yield Remark(label="unsure", text=text, colour="yellow")
    for note in plan.price_notes[:MOST_NOTES]:
        yield Remark(label="prices", text=note.message, colour="yellow")
    if more := plan.price_notes[MOST_NOTES:]:
        yield Remark(label="prices", text=f"and {len(more):,} more that Runway does not keep to")
    for told, jobs in sorted(plan.notes.items(), key=_most_jobs)[:MOST_NOTES]:
        yield Remark(label="assumed", text=f"{told} ({jobs_word(jobs)})")


def _free(plan: Plan) -> Iterator[Remark]:
    if found := plan.renamed:
        text = f"{_named(found)}: the same as before under another id, costs nothing"
        yield Remark(label="renamed", text=text)
    if found := plan.adopted:
        text = f"{_named(found)}: made before, {format_credits(found.credits)} not spent"
        yield Remark(label="adopted", text=text)


def _costly(plan: Plan) -> Iterator[Remark]:
    if found := plan.duplicates:
        text = f"{_named(found)} make what others make: {format_credits(found.credits)}"
        yield Remark(label="equal", text=text, colour="yellow")
    if found := plan.refreshed:
        text = f"{_named(found)}: stale, {format_credits(found.credits)}"
        yield Remark(label="again", text=text)
    if plan.stale:
        yield Remark(label="stale", text=stale_words(plan.stale), colour="yellow")


def stale_words(stale: Listing) -> str:
    """`hero, wide: kept as made; `run --refresh stale` would cost 16 cr ($0.16)`."""
    price = format_credits(stale.credits)
    return f"{_named(stale)}: kept as made; `run --refresh stale` would cost {price}"


def _waiting(plan: Plan) -> Iterator[Remark]:
    """Jobs that a run does not send, and the command that changes that."""
    if found := plan.in_doubt:
        text = f"{_named(found)}: may have been charged; `runway-batch resolve` settles them"
        yield Remark(label="in doubt", text=text, colour="red")
    if found := plan.held:
        text = f"{_named(found)}: `runway-batch resume` releases them"
        yield Remark(label="held", text=text, colour="yellow")
    if failed := sum(row.words.get(JobStatus.FAILED, 0) for row in plan.rows):
        text = f"{jobs_word(failed)}, not made again by themselves: `runway-batch retry`"
        yield Remark(label="failed", text=text, colour="red")
    if found := plan.blocked:
        text = f"{_named(found)}: a parent is stale; `run --accept-stale` goes on with it"
        yield Remark(label="waiting", text=text, colour="yellow")
    if found := plan.doomed:
        text = f"{_named(found)}: a job that they need failed, was skipped or cancelled"
        yield Remark(label="waiting", text=text, colour="yellow")


def _most_jobs(note: tuple[str, int]) -> tuple[int, str]:
    return -note[1], note[0]


def _named(listing: Listing) -> str:
    return names_of(listing.ids, count=listing.count)


def names_of(names: Sequence[str], most: int = MOST_IDS, *, count: int | None = None) -> str:
    """The first few names, and how many more there are; `count` where not all are named."""
    more = (len(names) if count is None else count) - min(most, len(names))
    return ", ".join(names[:most]) + (f" and {more:,} more" if more else "")
