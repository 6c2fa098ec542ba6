"""What becomes of a job of the manifest or of the state file: one pure function, `decide`.

The id is a job's name, the key its content. Nothing that was paid for is ever lost by an edit, and
no content is paid for again unless somebody asks for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from runner.core.job import JobStatus


class Action(StrEnum):
    """What becomes of a job."""

    NEW = "new"
    KEEP = "keep"  # as stored
    EDIT = "edit"  # judged afresh: the stored job had nothing to lose; a cancelled one stays so
    REQUEUE = "requeue"  # was skipped for a job that is on its way again
    RENAME = "rename"  # the manifest has its content under another id: it takes that id
    ADOPT = "adopt"  # its content was made before: that result is taken over, at no cost
    HOLD = "hold"  # its content is being made for a job that nobody asks for any more
    STALE = "stale"  # kept as it is, or collected as submitted; the new content is not made
    REFRESH = "refresh"  # stale, and made again because somebody asked for it
    ORPHAN = "orphan"  # no longer in the manifest; in-flight ones are still collected


class Parents(StrEnum):
    """How the jobs stand that a job needs, once the plan is applied; the last that fits counts."""

    FINE = "fine"
    REFRESHED = "refreshed"  # the output of one that it consumes is made again
    STALE = "stale"  # one stays stale, or waits for one that does
    DOOMED = "doomed"  # one failed, was skipped or cancelled


class Elsewhere(StrEnum):
    """Whether other jobs of the state file have, or make, the content that a job asks for."""

    NOWHERE = "nowhere"
    DUPLICATE = "duplicate"  # a job that is still asked for has it, or makes it
    UNDER_WAY = "under_way"  # being made for a job that nobody asks for any more
    RESULT = (
        "result"  # a verified result that nobody asks for any more, or an earlier one of its own
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """All that decides what becomes of a job."""

    wanted: bool  # the manifest has it
    status: JobStatus | None = None  # as stored; None: the state file does not have it
    renamed: bool = False  # what is stored is an orphan of this content, under another id
    same_key: bool = False
    same_spec: bool = False  # everything else of it too: priority, tags, file name …
    for_another: bool = False  # held because its content was being made for another job
    orphaned: bool = False  # the last plan did not find it in the manifest
    outdated: bool = False  # what it consumed is no longer what its parents have
    parents: Parents = Parents.FINE
    refresh: bool = False  # somebody asks for stale content to be made again
    elsewhere: Elsewhere = Elsewhere.NOWHERE


#: nothing of a job in one of these is paid or under way; `failed` may have cost, and is over
_OPEN = frozenset({JobStatus.PENDING, JobStatus.HELD, JobStatus.SKIPPED, JobStatus.FAILED})


def decide(case: Case) -> Action:
    """What becomes of the job."""
    if not case.wanted:
        return Action.ORPHAN
    if case.status is None:
        return _sent(case, Action.NEW)
    if case.renamed:
        return Action.RENAME
    if case.status in _OPEN:
        return _of_open(case)
    if case.status is JobStatus.DONE:
        return _of_done(case)
    if case.same_key:
        return Action.KEEP
    return Action.EDIT if case.status is JobStatus.CANCELLED else Action.STALE


def _of_open(case: Case) -> Action:
    waited = case.status is JobStatus.HELD and case.for_another
    if not case.same_key or (waited and case.elsewhere is not Elsewhere.UNDER_WAY):
        return _sent(case, Action.EDIT)
    if case.elsewhere is Elsewhere.RESULT:
        return Action.ADOPT
    # what is being made elsewhere holds only what is new: whoever released such a job wants it
    if case.status is JobStatus.PENDING:
        return Action.KEEP if case.same_spec and not case.orphaned else Action.EDIT
    goes_on = case.status is JobStatus.SKIPPED and case.parents is not Parents.DOOMED
    return Action.REQUEUE if goes_on else Action.KEEP


def _sent(case: Case, action: Action) -> Action:
    """A job that a run would send, unless its content exists already or is on its way."""
    if case.elsewhere is Elsewhere.RESULT:
        return Action.ADOPT
    return Action.HOLD if case.elsewhere is Elsewhere.UNDER_WAY else action


def _of_done(case: Case) -> Action:
    if not case.same_key and case.elsewhere is Elsewhere.RESULT:
        return Action.ADOPT
    is_old = not case.same_key or case.outdated
    is_asked = case.refresh and case.parents in {Parents.FINE, Parents.REFRESHED}
    is_coming = not case.same_key and case.elsewhere is Elsewhere.UNDER_WAY
    if is_asked and not is_coming and (is_old or case.parents is Parents.REFRESHED):
        return Action.REFRESH
    return Action.STALE if is_old else Action.KEEP
