"""Who has the content that jobs ask for: what is taken over, waited for, or paid for twice.

A job of the state file is *asked for* where the manifest wants the content that it has. Whether it
is, is known of jobs of the same batch only when the last id of the manifest was seen.
"""

from __future__ import annotations

from collections.abc import Sequence

from runner.core.deciding import Elsewhere
from runner.core.job import ACTIVE, JobStatus
from runner.core.plan import Holder, KnownJob, Verdict
from runner.core.spec import JobSpec

#: statuses of a job that the jobs which need it cannot go on from
DOOMING = frozenset({JobStatus.FAILED, JobStatus.SKIPPED, JobStatus.CANCELLED})
_MAKING = ACTIVE | {JobStatus.IN_DOUBT}
#: an orphan in one of these takes a new id also where a result could be taken over
_MADE = _MAKING | {JobStatus.DONE}
#: statuses in which nothing that other jobs have is looked for
_INDIFFERENT = _MAKING | {JobStatus.CANCELLED}
_60_BITS = (1 << 60) - 1  # the largest number that Python keeps in 32 bytes
_RANK = {kind: rank for rank, kind in enumerate(Elsewhere)}
#: nobody else has it
NOTHING = Verdict()


def digest(text: str) -> int:
    """A hash that takes little room."""
    return hash(text) & _60_BITS


def asks(spec: JobSpec, known: KnownJob | None) -> bool:
    """Whether it matters who else has the job's content: it might be paid for otherwise."""
    if known is None:
        return True
    if known.status in _INDIFFERENT:
        return False
    return known.status is not JobStatus.DONE or known.key != spec.key


class Rows:
    """A set of row numbers, a bit each."""

    def __init__(self) -> None:
        self._bits = bytearray()

    def add(self, number: int) -> None:
        place = number >> 3
        if place >= len(self._bits):
            self._bits.extend(bytes(place + 1024 - len(self._bits)))
        self._bits[place] |= 1 << (number & 7)

    def __contains__(self, number: int) -> bool:
        place = number >> 3
        return place < len(self._bits) and bool(self._bits[place] >> (number & 7) & 1)


class Claims:
    """Which jobs of the state file are asked for, and which results are given away."""

    def __init__(self, batch: str) -> None:
        self._batch = batch
        #: jobs of the batch that the manifest has; a renamed orphan is one of them
        self.matched = 0
        self.seen = Rows()
        self._same = Rows()  # with the content that the row has
        self._wants: dict[int, int] = {}  # another content: the hash of its key
        self._taken: set[tuple[int, str]] = set()  # with a key: that result goes to another job

    def match(self, spec: JobSpec, known: KnownJob) -> None:
        """The manifest has a job of the state file."""
        self.matched += 1
        self.seen.add(known.number)
        if known.key == spec.key:
            self._same.add(known.number)
        else:
            self._wants[known.number] = digest(spec.key)

    def may_matter(self, holder: Holder, known: KnownJob | None) -> bool:
        """Whether it is of the same batch, and its content might be taken over, or waited for."""
        if holder.batch != self._batch or (known is not None and holder.number == known.number):
            return False
        return holder.has_result or holder.status in _MAKING or known is None

    def now(self, spec: JobSpec, known: KnownJob | None, holders: Sequence[Holder]) -> Verdict:
        """What the job's own past and other batches tell."""
        elsewhere, source = Elsewhere.NOWHERE, None
        for holder in sorted(holders, key=lambda found: found.id != spec.id):
            if known is not None and holder.number == known.number:
                if holder.has_result and known.key != spec.key:
                    return Verdict(elsewhere=Elsewhere.RESULT, source=holder.number)
            elif holder.batch != self._batch:
                found = self._of_other_batch(holder, spec.key)
                if _RANK[found] > _RANK[elsewhere]:
                    elsewhere, source = found, holder.number
        if elsewhere is not Elsewhere.RESULT or source is None:
            return Verdict(elsewhere=elsewhere)
        self._taken.add((source, spec.key))
        return Verdict(elsewhere=elsewhere, source=source)

    def _of_other_batch(self, holder: Holder, key: str) -> Elsewhere:
        if not holder.is_gone:
            is_asked = holder.is_present and holder.status not in DOOMING
            return Elsewhere.DUPLICATE if is_asked else Elsewhere.NOWHERE
        if holder.has_result:
            is_free = (holder.number, key) not in self._taken
            return Elsewhere.RESULT if is_free else Elsewhere.DUPLICATE
        return _of_files_gone(holder)

    def settle(
        self, key: str, verdict: Verdict, others: Sequence[Holder], *, is_new: bool
    ) -> Verdict:
        """The verdict with what the batch's other jobs tell, all ids being seen.

        Args:
            key: of the content.
            verdict: what is known already.
            others: that may matter.
            is_new: whether the state file has nothing under the job's id.
        """
        best = verdict
        orphan = self._orphan_for(key, others) if is_new else None
        if orphan is not None and (orphan.status in _MADE or best.source is None):
            self.matched += 1
            self.seen.add(orphan.number)
            self._same.add(orphan.number)
            return Verdict(renamed=orphan.number)
        if best.elsewhere is Elsewhere.RESULT:
            return best
        for holder in others:
            found = self._of_this_batch(holder, key)
            if _RANK[found] > _RANK[best.elsewhere]:
                source = holder.number if found is Elsewhere.RESULT else None
                best = Verdict(elsewhere=found, source=source)
        if best.source is not None:
            self._taken.add((best.source, key))
        return best

    def _orphan_for(self, key: str, others: Sequence[Holder]) -> Holder | None:
        """The job that takes the new id: one with a result before one without."""
        found = [
            holder
            for holder in others
            if holder.is_present
            and holder.number not in self.seen
            and (holder.number, key) not in self._taken
            and holder.status is not JobStatus.CANCELLED  # which a person does not want
        ]
        return min(found, key=_by_worth, default=None)

    def _of_this_batch(self, holder: Holder, key: str) -> Elsewhere:
        if self._is_asked_for(holder, key) or (holder.number, key) in self._taken:
            return Elsewhere.DUPLICATE
        if holder.has_result:
            return Elsewhere.RESULT
        return _of_files_gone(holder)

    def _is_asked_for(self, holder: Holder, key: str) -> bool:
        """Whether the manifest wants this content of that job."""
        if holder.is_present and holder.number in self._same:
            return True
        return self._wants.get(holder.number) == digest(key)


def _by_worth(holder: Holder) -> tuple[bool, bool, int]:
    return (holder.status is not JobStatus.DONE, holder.status not in _MADE, holder.number)


def _of_files_gone(holder: Holder) -> Elsewhere:
    """Without a result: being made, or made once and its files are not there: paid for again."""
    if holder.is_present and holder.status in _MAKING:
        return Elsewhere.UNDER_WAY
    was_made = not holder.is_present or holder.status is JobStatus.DONE
    return Elsewhere.DUPLICATE if was_made else Elsewhere.NOWHERE
