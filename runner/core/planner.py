"""Decides what becomes of every job, in the order of the manifest, without holding all of them.

A first pass decides and is summed up (`tally.py`). What cannot be known before the last id of the
manifest was seen, whether a job of the state file is still asked for, is left open until `finish`,
and handed to the second pass as verdicts. The second pass gives every entry in order, to be written
or listed one by one. Of a job that is decided nothing is kept but a hash where others need it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from runner.core.claims import DOOMING, NOTHING, Claims, asks, digest
from runner.core.deciding import Action, Case, Elsewhere, Parents, decide
from runner.core.plan import Holder, KnownJob, PlanEntry, Verdict
from runner.core.spec import JobSpec, OutputRef, refs_in

_NO_HOLDERS: Mapping[str, Sequence[Holder]] = {}


@dataclass(slots=True)
class _Open:
    """A job that is decided at the end of the pass; without its body where that decides nothing."""

    spec: JobSpec
    known: KnownJob | None
    position: int
    verdict: Verdict  # as far as other batches and its own past tell
    others: Sequence[Holder]  # of its batch
    is_twin: bool


class Planner:
    """One pass over the jobs of a batch."""

    def __init__(
        self,
        batch: str,
        *,
        refresh: bool = False,
        accept_stale: bool = False,
        verdicts: Mapping[str, Verdict] | None = None,
    ) -> None:
        """
        Args:
            batch: its name.
            refresh: make stale jobs again, and those that consume what is made again.
            accept_stale: let jobs start on stale parents.
            verdicts: of the first pass; None: this is the first.
        """
        self.refresh, self.accept_stale = refresh, accept_stale
        self._given = verdicts
        #: of the jobs that were left open, by id
        self.verdicts: dict[str, Verdict] = {}
        self._claims = Claims(batch)
        self._position = 0
        self._digest = hashlib.blake2b(digest_size=16)
        self._keys: set[int] = set()
        # hashes of ids
        self._doomed: set[int] = set()
        self._stuck: set[int] = set()  # stale, or waiting for one that is
        self._refreshed: set[int] = set()
        self._undecided: set[int] = set()
        self._open: list[_Open] = []

    @property
    def digest(self) -> bytes:
        """Of id and key of every job so far: two passes over one input have the same."""
        return self._digest.digest()

    @property
    def matched(self) -> int:
        """Jobs of the state file that the manifest has; a renamed orphan is one of them."""
        return self._claims.matched

    def page(
        self,
        specs: Iterable[JobSpec],
        known: Mapping[str, KnownJob],
        holders: Mapping[str, Sequence[Holder]] = _NO_HOLDERS,
    ) -> Iterator[PlanEntry]:
        """The next jobs; those that are left open come with `finish`.

        Args:
            specs: parents before the jobs that need them.
            known: by id; in the second pass under a new id the orphan that takes it.
            holders: by key, at least for the jobs that `claims.asks`.
        """
        for spec in specs:
            entry = self._next(spec, known.get(spec.id), holders.get(spec.key, ()))
            if entry is not None:
                yield entry

    def finish(self) -> Iterator[PlanEntry]:
        """Those left open, now that every id of the manifest was seen."""
        for job in self._open:
            is_new = job.known is None
            verdict = self._claims.settle(job.spec.key, job.verdict, job.others, is_new=is_new)
            self.verdicts[job.spec.id] = verdict
            known = job.known
            if verdict.renamed is not None:
                known = _orphan_of(job, verdict.renamed)
            parents = self._parents(job.spec)
            yield self._decided(job.spec, known, job.position, verdict, parents, job.is_twin)
        self._open.clear()

    def is_orphan(self, number: int) -> bool:
        """Whether a row of the batch belongs to no job of the manifest; asked after `finish`."""
        return number not in self._claims.seen

    @staticmethod
    def orphan(spec: JobSpec, known: KnownJob, position: int) -> PlanEntry:
        """The entry of a job that the manifest does not have."""
        action = decide(Case(wanted=False, status=known.status))
        return PlanEntry(action=action, spec=spec, stored=known, position=position)

    def _next(
        self, spec: JobSpec, known: KnownJob | None, holders: Sequence[Holder]
    ) -> PlanEntry | None:
        position, self._position = self._position, self._position + 1
        self._digest.update(f"{spec.id}\0{spec.key}\n".encode())
        key = digest(spec.key)
        is_twin = key in self._keys
        self._keys.add(key)
        if known is not None:
            self._claims.match(spec, known)
        verdict = NOTHING
        others: Sequence[Holder] = ()
        if holders and asks(spec, known):
            verdict = self._claims.now(spec, known, holders)
            others = [holder for holder in holders if self._claims.may_matter(holder, known)]
        if self._given is not None:
            verdict = self._given.get(spec.id, verdict)
        elif others or (self._undecided and self._needs_undecided(spec)):
            self._leave_open(spec, known, position, verdict, others, is_twin)
            return None
        parents = self._parents(spec)
        return self._decided(spec, known, position, verdict, parents, is_twin)

    def _decided(
        self, spec: JobSpec, known: KnownJob | None, position: int, verdict: Verdict,
        parents: Parents, is_twin: bool,
    ) -> PlanEntry:  # fmt: skip
        if known is None:
            case = Case(wanted=True, parents=parents, elsewhere=verdict.elsewhere)
        else:
            case = Case(
                wanted=True,
                status=known.status,
                renamed=known.id != spec.id,
                same_key=known.key == spec.key,
                same_spec=known.same_spec,
                for_another=known.for_another,
                orphaned=known.orphaned,
                outdated=known.outdated,
                parents=parents,
                refresh=self.refresh,
                elsewhere=verdict.elsewhere,
            )
        entry = PlanEntry(
            action=decide(case),
            spec=spec,
            stored=known,
            position=position,
            parents=parents,
            source=verdict.source,
            is_twin=is_twin or verdict.elsewhere is Elsewhere.DUPLICATE,
        )
        self._remember(entry)
        return entry

    def _remember(self, entry: PlanEntry) -> None:
        """What the jobs that need this one have to know of it."""
        pending, parents = entry.is_pending, entry.parents
        if entry.status in DOOMING or (pending and parents is Parents.DOOMED):
            self._doomed.add(hash(entry.spec.id))
        elif (entry.is_stale and not self.accept_stale) or (pending and parents is Parents.STALE):
            self._stuck.add(hash(entry.spec.id))
        elif entry.action is Action.REFRESH:
            self._refreshed.add(hash(entry.spec.id))

    def _parents(self, spec: JobSpec) -> Parents:
        if not spec.needs or not (self._doomed or self._stuck or self._refreshed):
            return Parents.FINE
        needs = [hash(need) for need in spec.needs]
        if not self._doomed.isdisjoint(needs):
            return Parents.DOOMED
        if not self._stuck.isdisjoint(needs):
            return Parents.STALE
        if self._refreshed.isdisjoint(needs):
            return Parents.FINE
        is_consumed = any(hash(job_id) in self._refreshed for job_id in _consumed(spec))
        return Parents.REFRESHED if is_consumed else Parents.FINE

    def _needs_undecided(self, spec: JobSpec) -> bool:
        return any(hash(need) in self._undecided for need in spec.needs)

    def _leave_open(
        self, spec: JobSpec, known: KnownJob | None, position: int, verdict: Verdict,
        others: Sequence[Holder], is_twin: bool,
    ) -> None:  # fmt: skip
        self._undecided.add(hash(spec.id))
        self._open.append(
            _Open(
                spec=spec if spec.needs else replace(spec, body={}),
                known=known,
                position=position,
                verdict=verdict,
                others=others,
                is_twin=is_twin,
            )
        )


def _consumed(spec: JobSpec) -> Iterator[str]:
    """Ids of the jobs whose outputs go into the body."""
    return (ref.job for ref in refs_in(spec.body) if isinstance(ref, OutputRef))


def _orphan_of(job: _Open, number: int) -> KnownJob:
    [holder] = [holder for holder in job.others if holder.number == number]
    return KnownJob(
        number=number,
        id=holder.id,
        key=job.spec.key,
        status=holder.status,
        hold=holder.hold,
        charged=holder.charged,
    )
