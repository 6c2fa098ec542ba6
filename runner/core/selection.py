"""Which jobs a person means: `-s` of every command that takes some of a batch's jobs.

A selection is a list of words. Commas within a word mean *and*, several words mean *or*; no word
at all means every job.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from runner.core.job import Job, JobStatus
from runner.errors import UsageError

#: job and why it waits: whether it is meant
_Test = Callable[[Job, str], bool]

#: the forms, for messages and help
FORMS = "ID, GLOB, tag:T, model:M, template:T, state:S, error:CODE, reason:WORDS or take:N"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Term:
    """One word of `-s`: all of its parts have to hold."""

    text: str
    tests: tuple[_Test, ...]

    def matches(self, job: Job, reason: str) -> bool:
        return all(test(job, reason) for test in self.tests)


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """What was asked for."""

    terms: tuple[_Term, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything was asked for at all."""
        return bool(self.terms)

    def of(self, jobs: Iterable[Job], reasons: Mapping[str, str] | None = None) -> list[Job]:
        """The jobs that are meant, in their own order.

        Args:
            jobs: of the batch.
            reasons: why a job waits, by its id; for `reason:`.

        Raises:
            UsageError: a word means no job.
        """
        all_jobs, reasons = list(jobs), reasons or {}
        if not self.terms:
            return all_jobs
        found: set[str] = set()
        for term in self.terms:
            matching = {j.id for j in all_jobs if term.matches(j, reasons.get(j.id, ""))}
            if not matching:
                raise UsageError(f"no job is meant by: {term.text}", hint=_near(term, all_jobs))
            found |= matching
        return [job for job in all_jobs if job.id in found]


def parse_selection(words: Sequence[str]) -> Selection:
    """The words of `-s`.

    Raises:
        UsageError: a form that does not exist.
    """
    return Selection(terms=tuple(_term(word) for word in words))


def _term(text: str) -> _Term:
    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        raise UsageError(f"an empty part in: `{text}`", hint=f"the forms are {FORMS}")
    return _Term(text=text, tests=tuple(_test(part) for part in parts))


def _test(part: str) -> _Test:
    kind, colon, value = part.partition(":")  # ids hold no colon
    if not colon:
        return lambda job, _reason: fnmatchcase(job.id, part)
    if kind not in _KINDS or not value:
        close = difflib.get_close_matches(kind, _KINDS, n=1)
        hint = f"did you mean `{close[0]}:`?" if close and value else f"the forms are {FORMS}"
        raise UsageError(f"not a way to select jobs: `{part}`", hint=hint)
    return _KINDS[kind](value)


def _by_tag(value: str) -> _Test:
    return lambda job, _reason: any(fnmatchcase(tag, value) for tag in job.spec.tags)


def _by_model(value: str) -> _Test:
    return lambda job, _reason: fnmatchcase(job.lane, value)


def _by_template(value: str) -> _Test:
    return lambda job, _reason: fnmatchcase(job.spec.template, value)


def _by_state(value: str) -> _Test:
    word = value.replace("-", "_").replace(" ", "_")
    states = [status.value for status in JobStatus]
    if word not in states:
        close = difflib.get_close_matches(word, states, n=1)
        hint = f"did you mean `{close[0]}`?" if close else f"one of {', '.join(states)}"
        raise UsageError(f"no such state: `{value}`", hint=hint)
    return lambda job, _reason: job.status.value == word


def _by_error(value: str) -> _Test:
    return lambda job, _reason: job.error is not None and fnmatchcase(job.error.code, value)


def _by_reason(value: str) -> _Test:
    """Words anywhere in why it waits or failed: nobody types out a whole sentence."""
    pattern = f"*{value.casefold()}*"

    def test(job: Job, reason: str) -> bool:
        said = (reason, job.error.message if job.error else "")
        return any(fnmatchcase(text.casefold(), pattern) for text in said if text)

    return test


def _by_take(value: str) -> _Test:
    if not value.isdecimal() or not int(value):
        raise UsageError(f"not the number of a take: `{value}`", hint="the first one is `take:1`")
    return lambda job, _reason: job.spec.take == int(value)


_KINDS: Mapping[str, Callable[[str], _Test]] = {
    "tag": _by_tag,
    "model": _by_model,
    "template": _by_template,
    "state": _by_state,
    "error": _by_error,
    "reason": _by_reason,
    "take": _by_take,
}


def _near(term: _Term, jobs: Sequence[Job]) -> str:
    close = difflib.get_close_matches(term.text, [job.id for job in jobs], n=1)
    return f"did you mean `{close[0]}`?" if close else "`runway-batch status` lists the jobs"
