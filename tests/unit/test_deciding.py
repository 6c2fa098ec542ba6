"""What becomes of a job: every combination of what decides it, against a table of rules.

A rule of the table leaves open what does not matter to it. Every combination has exactly one rule.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import pytest

from runner.core.deciding import Action, Case, Elsewhere, Parents, decide
from runner.core.job import ACTIVE, JobStatus

A, S = Action, JobStatus
FINE, AGAIN, OLD, LOST = Parents
NOWHERE, TWIN, COMING, MADE = Elsewhere
YES, NO = [True], [False]
UNDER_WAY = sorted(ACTIVE | {S.IN_DOUBT})
#: nobody else is making it, and nobody has it to give away
OURS = [NOWHERE, TWIN]

VALUES: dict[str, Sequence[Any]] = {
    "wanted": [True, False],
    "status": [None, *JobStatus],
    "renamed": [True, False],
    "same_key": [True, False],
    "same_spec": [True, False],
    "for_another": [True, False],
    "orphaned": [True, False],
    "outdated": [True, False],
    "parents": list(Parents),
    "refresh": [True, False],
    "elsewhere": list(Elsewhere),
}


@dataclass(frozen=True)
class Rule:
    """In words, what becomes of it, and which values of a case it is about; others may be any."""

    words: str
    action: Action
    about: dict[str, Sequence[Any]]

    def covers(self, case: Case) -> bool:
        return all(getattr(case, name) in values for name, values in self.about.items())


def rule(words: str, action: Action, **about: Any) -> Rule:
    return Rule(
        words,
        action,
        {name: value if isinstance(value, list) else [value] for name, value in about.items()},
    )


def stored(words: str, status: Any, action: Action, **about: Any) -> Rule:
    """Of a job that the manifest and the state file have under one id."""
    return rule(words, action, wanted=True, renamed=False, status=status, **about)


RULES = [
    rule("no longer in the manifest: kept", A.ORPHAN, wanted=False),
    # the state file does not have it
    rule("new", A.NEW, wanted=True, status=None, elsewhere=OURS),
    rule("new, but made before", A.ADOPT, wanted=True, status=None, elsewhere=MADE),
    rule("new, but being made", A.HOLD, wanted=True, status=None, elsewhere=COMING),
    # an orphan has its content
    rule("under a new id", A.RENAME, wanted=True, renamed=True, status=list(JobStatus)),
    # waits to be sent
    stored("unchanged", S.PENDING, A.KEEP, same_key=True, same_spec=True, orphaned=False,
           elsewhere=[*OURS, COMING]),
    stored("priority or tags edited", S.PENDING, A.EDIT, same_key=True, same_spec=False,
           elsewhere=[*OURS, COMING]),
    stored("was gone for a while", S.PENDING, A.EDIT, same_key=True, same_spec=True, orphaned=True,
           elsewhere=[*OURS, COMING]),
    stored("edited", S.PENDING, A.EDIT, same_key=False, elsewhere=OURS),
    stored("made before", S.PENDING, A.ADOPT, elsewhere=MADE),
    stored("edited, but being made", S.PENDING, A.HOLD, same_key=False, elsewhere=COMING),
    # rests, and nothing of it is paid or under way
    stored("held stays held", S.HELD, A.KEEP, same_key=True, for_another=False,
           elsewhere=[*OURS, COMING]),
    stored("held for what is still being made", S.HELD, A.KEEP, same_key=True, for_another=True,
           elsewhere=COMING),
    stored("held for what nobody makes any more", S.HELD, A.EDIT, same_key=True,
           for_another=True, elsewhere=OURS),
    stored("failed until `retry`", S.FAILED, A.KEEP, same_key=True, elsewhere=[*OURS, COMING]),
    stored("made before", [S.HELD, S.FAILED], A.ADOPT, same_key=True, elsewhere=MADE),
    stored("a parent goes on", S.SKIPPED, A.REQUEUE, same_key=True, parents=[FINE, AGAIN, OLD],
           elsewhere=[*OURS, COMING]),
    stored("no parent goes on", S.SKIPPED, A.KEEP, same_key=True, parents=LOST,
           elsewhere=[*OURS, COMING]),
    stored("made before", S.SKIPPED, A.ADOPT, same_key=True, elsewhere=MADE),
    stored("edited: judged afresh", [S.HELD, S.SKIPPED, S.FAILED], A.EDIT, same_key=False,
           elsewhere=OURS),
    stored("edited, but made before", [S.HELD, S.SKIPPED, S.FAILED], A.ADOPT, same_key=False,
           elsewhere=MADE),
    stored("edited, but being made", [S.HELD, S.SKIPPED, S.FAILED], A.HOLD, same_key=False,
           elsewhere=COMING),
    stored("cancelled until `retry`", S.CANCELLED, A.KEEP, same_key=True),
    stored("cancelled, with new content", S.CANCELLED, A.EDIT, same_key=False),
    # under way
    stored("goes on", UNDER_WAY, A.KEEP, same_key=True),
    stored("collected as submitted", UNDER_WAY, A.STALE, same_key=False),
    # finished, with the content that the manifest asks for
    stored("finished", S.DONE, A.KEEP, same_key=True, outdated=False, parents=[FINE, OLD, LOST]),
    stored("finished, a parent is made again", S.DONE, A.KEEP, same_key=True, outdated=False,
           parents=AGAIN, refresh=False),
    stored("the closure of what is made again", S.DONE, A.REFRESH, same_key=True, parents=AGAIN,
           refresh=True),
    stored("made of something else", S.DONE, A.STALE, same_key=True, outdated=True,
           refresh=False),
    stored("made of something else, and asked for", S.DONE, A.REFRESH, same_key=True,
           outdated=True, parents=FINE, refresh=True),
    stored("made of something else, no new input", S.DONE, A.STALE, same_key=True, outdated=True,
           parents=[OLD, LOST], refresh=True),
    # finished, and edited since
    stored("edited, but made before", S.DONE, A.ADOPT, same_key=False, elsewhere=MADE),
    stored("edited: kept", S.DONE, A.STALE, same_key=False, refresh=False,
           elsewhere=[*OURS, COMING]),
    stored("edited, and asked for", S.DONE, A.REFRESH, same_key=False, refresh=True,
           parents=[FINE, AGAIN], elsewhere=OURS),
    stored("edited, no new input", S.DONE, A.STALE, same_key=False, refresh=True,
           parents=[OLD, LOST], elsewhere=[*OURS, COMING]),
    stored("edited, but being made", S.DONE, A.STALE, same_key=False, refresh=True,
           parents=[FINE, AGAIN], elsewhere=COMING),
]  # fmt: skip


def every_case() -> Iterator[Case]:
    for values in itertools.product(*VALUES.values()):
        yield Case(**dict(zip(VALUES, values, strict=True)))


def test_the_table_names_everything_that_decides() -> None:
    assert set(VALUES) == {field.name for field in fields(Case)}


def test_every_combination_has_one_rule_and_is_decided_by_it() -> None:
    wrong, used = [], Counter[str]()
    for case in every_case():
        [found] = [rule for rule in RULES if rule.covers(case)] or [None]  # more than one: a bug
        assert found is not None, case
        used[found.words] += 1
        if decide(case) is not found.action:
            wrong.append((case, found))
    assert wrong == []
    assert set(used) == {rule.words for rule in RULES}


@pytest.mark.parametrize("action", Action)
def test_every_action_has_a_rule(action: Action) -> None:
    assert any(rule.action is action for rule in RULES)


def test_nothing_finished_is_made_again_unless_somebody_asks() -> None:
    paying = {A.NEW, A.EDIT, A.REQUEUE, A.REFRESH}
    for case in every_case():
        if case.status is S.DONE and not case.refresh:
            assert decide(case) not in paying


def test_nothing_is_paid_for_that_exists_or_is_on_its_way() -> None:
    paying = {A.NEW, A.EDIT, A.REQUEUE}
    for case in every_case():
        if case.elsewhere is MADE and case.status is not S.CANCELLED:
            assert decide(case) not in paying
        if case.elsewhere is COMING and case.status is not S.CANCELLED and not case.same_key:
            assert decide(case) not in paying
