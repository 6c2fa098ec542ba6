"""The fuzz in small, for every change; `make fuzz` judges 20,000 cases."""

from __future__ import annotations

import pytest

from tests.fuzz.case import make_case
from tests.fuzz.hunt import Hunt, hunt
from tests.fuzz.seeds import bundles

#: the same cases each time: a change is judged, and not luck
SEED, CASES = 4, 300


@pytest.fixture(scope="module")
def found() -> Hunt:
    *_, last = hunt(SEED, range(CASES))
    return last


def test_a_damaged_manifest_is_jobs_or_problems_with_a_place(found: Hunt) -> None:
    assert found.faults == []
    assert found.cases == CASES


def test_some_damage_leaves_a_manifest_that_is_taken(found: Hunt) -> None:
    """Else nothing was said about jobs."""
    assert CASES / 20 < found.accepted < CASES / 2
    assert found.jobs > 500


def test_a_case_is_the_same_each_time() -> None:
    assert all(make_case(SEED, n) == make_case(SEED, n) for n in range(40))
    assert len({make_case(SEED, n).manifest for n in range(40)}) > 25


def test_the_seeds_are_what_they_seem_to_be() -> None:
    names = [bundle.name for bundle in bundles()]
    assert len(set(names)) == len(names) > 40
    assert {"whole-language", "quickstart", "valid-language", "invalid-cycle"} <= set(names)
