"""What Runway asked before: the next price, never a smaller reserve than was asked."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.credits import CostBand
from runner.core.events import Event, Running, TaskAccepted, TaskSucceeded
from runner.core.price_memory import (
    KEPT,
    REFRESHED,
    PriceMemory,
    SeenPrice,
    learn,
    remembered,
)
from runner.testing import START, make_spec

HOUR = timedelta(hours=1)


def asked(credits: int | None, at: datetime = START) -> Event:
    return TaskAccepted(at=at, task_id="t", estimated=credits)


def charged(credits: int | None, at: datetime = START) -> Event:
    return TaskSucceeded(at=at, credits=credits)


def after(*events: Event) -> SeenPrice:
    seen: SeenPrice | None = None
    for event in events:
        seen = learn(seen, event)
    assert seen is not None
    return seen


def seen(newest: int, most: int | None = None, at: datetime = START) -> SeenPrice:
    return SeenPrice(
        model="m", asked=most or newest, charged=newest, at=at, most=most or newest, most_at=at
    )


def band(low: int, expected: int, worst: int | None, confidence: str = "high") -> CostBand:
    return CostBand(
        low=low, expected=expected, worst=worst, confidence=confidence, note="as said", shape="s"
    )


# what is learnt


@pytest.mark.parametrize(
    ("events", "expected"),
    [  # asked, charged, most, newest
        ([asked(40)], (40, None, 40, 40)),
        ([asked(40), charged(25)], (40, 25, 40, 25)),
        ([asked(40), charged(25), asked(40)], (40, 25, 40, 25)),
        ([asked(40), charged(25), asked(60)], (60, None, 60, 60)),
        ([asked(60), charged(50), asked(40)], (40, None, 60, 40)),
        ([charged(25)], (None, 25, 25, 25)),
        ([charged(25), charged(70)], (None, 70, 70, 70)),
        ([asked(40), charged(None), asked(None)], (40, None, 40, 40)),
        ([asked(40), charged(0)], (40, 0, 40, 0)),
    ],
)
def test_the_newest_answers_and_the_most_of_them_are_kept(
    events: list[Event], expected: tuple[int | None, ...]
) -> None:
    found = after(*events)
    assert (found.asked, found.charged, found.most, found.newest) == expected


def test_an_answer_without_a_price_and_any_other_event_teach_nothing() -> None:
    assert learn(None, asked(None)) is None
    assert learn(None, Running(at=START)) is None
    known = after(asked(40))
    assert learn(known, Running(at=START + HOUR)) is known


def test_the_same_answer_again_changes_nothing_so_that_nothing_is_written() -> None:
    known = after(asked(40), charged(25))
    assert learn(known, asked(40, START + HOUR)) == known
    assert learn(known, charged(25, START + HOUR)) == known


def test_the_date_is_when_the_price_was_first_told() -> None:
    later = START + REFRESHED + HOUR
    assert after(asked(40), asked(40, later)).at == START
    assert after(asked(40), asked(41, later)).at == later


def test_the_most_is_forgotten_when_it_was_not_asked_for_a_month() -> None:
    high = after(asked(90), asked(40, START + HOUR))
    assert learn(high, asked(40, START + KEPT)) == high
    found = learn(high, asked(40, START + KEPT + HOUR))
    assert found is not None
    assert found.most == 40


def test_the_most_that_is_still_asked_is_never_forgotten() -> None:
    found = after(*(asked(90, START + n * (REFRESHED + HOUR)) for n in range(40)))
    at = START + 40 * (REFRESHED + HOUR)
    last = learn(found, asked(50, at))
    assert last is not None
    assert last.most == 90


# how it is used


@pytest.mark.parametrize(
    ("table", "memory", "expected"),
    [  # low, expected, worst, confidence, asked
        # a guess, or nothing: what Runway said takes its place
        (band(0, 0, None, "none"), seen(40), (40, 40, 40, "medium", 40)),
        (band(0, 0, None, "none"), seen(25, 40), (25, 25, 40, "medium", 40)),
        (band(9, 20, 80, "low"), seen(40), (40, 40, 40, "medium", 40)),
        # the price is sure, the length was not
        (band(1, 1, None, "high"), seen(40), (40, 40, 40, "high", 40)),
        # sure: the table's worst case stays
        (band(10, 50, 50), seen(25), (10, 25, 50, "high", 25)),
        (band(25, 25, 25), seen(45), (25, 45, 45, "high", 45)),
        (band(25, 25, 25), seen(20), (20, 20, 25, "high", 20)),
        (band(25, 25, 25), seen(20, 60), (20, 20, 60, "high", 60)),
        # a person's own price is expected, but as much is set aside as Runway asks
        (band(5, 5, 5, "user"), seen(45), (5, 5, 5, "user", 45)),
    ],
)
def test_what_runway_said_goes_into_the_estimate(
    table: CostBand, memory: SeenPrice, expected: tuple[int | str, ...]
) -> None:
    found = remembered(table, memory)
    assert (found.low, found.expected, found.worst, found.confidence, found.asked) == expected
    assert found.shape == "s"


@pytest.mark.parametrize("table", [band(25, 25, 25), band(10, 25, 50), band(25, 25, 25, "user")])
def test_what_was_expected_anyway_changes_nothing(table: CostBand) -> None:
    assert remembered(table, seen(25)) is table


def test_a_note_says_what_runway_did_and_since_when() -> None:
    day = datetime(2026, 11, 20, 13, tzinfo=START.tzinfo)
    unknown = band(0, 0, None, "none")
    assert remembered(unknown, after(asked(40, day))).note == "as Runway asked on 2026-11-20"
    assert remembered(unknown, seen(40, at=day)).note == "as Runway charged on 2026-11-20"
    known = remembered(band(10, 50, 50), seen(25, at=day))
    assert known.note == "as Runway charged on 2026-11-20; as said"


def test_a_remembered_price_needs_no_cap_and_no_probe() -> None:
    unknown = band(0, 0, None, "none")
    spec = replace(make_spec("a"), estimate=remembered(unknown, seen(25, 40)))
    assert spec.reserve == 40
    assert spec.estimate.confidence not in {"none", "low"}


CREDITS = st.integers(0, 10_000)
EVENTS = st.lists(
    st.tuples(st.booleans(), CREDITS, st.integers(0, 24 * 29)), min_size=1, max_size=12
)
BANDS = st.builds(
    lambda low, more, most, confidence: band(
        low, low + more, None if most is None else low + more + most, confidence
    ),
    CREDITS, CREDITS, st.none() | CREDITS,
    st.sampled_from(["none", "low", "medium", "high", "user"]),
)  # fmt: skip


@given(table=BANDS, events=EVENTS, bound=st.none() | CREDITS)
def test_no_reserve_is_smaller_than_what_runway_asked(
    table: CostBand, events: list[tuple[bool, int, int]], bound: int | None
) -> None:
    hours = sorted(hour for _, _, hour in events)
    happened = [
        (asked if is_asked else charged)(credits, START + timedelta(hours=hour))
        for (is_asked, credits, _), hour in zip(events, hours, strict=True)
    ]
    found = remembered(table, after(*happened))
    expected = table.expected if table.confidence not in {"none", "low"} else 0
    if bound is None or bound >= expected:  # else the manifest is refused
        spec = replace(make_spec("a"), estimate=found, max_credits=bound)
        assert spec.reserve >= max(credits for _, credits, _ in events)


@given(table=BANDS, events=EVENTS)
def test_a_remembered_band_is_in_order_and_a_sure_worst_case_never_sinks(
    table: CostBand, events: list[tuple[bool, int, int]]
) -> None:
    happened = [(asked if is_asked else charged)(credits) for is_asked, credits, _ in events]
    found = remembered(table, after(*happened))
    assert found.worst is not None
    assert 0 <= found.low <= found.expected <= found.worst or found.confidence == "user"
    if table.worst is not None and table.confidence in {"medium", "high", "user"}:
        assert found.worst >= table.worst


# one plan


def test_a_memory_speaks_of_its_own_shape_at_its_own_endpoint() -> None:
    memory = PriceMemory(seen={("text_to_video", "s"): seen(40)})
    unknown = band(0, 0, None, "none")
    assert memory.adjusted("text_to_video", unknown).worst == 40
    assert memory.adjusted("image_to_video", unknown) is unknown
    assert memory.adjusted("text_to_video", replace(unknown, shape="t")).worst is None
    nameless = replace(unknown, shape="")
    assert PriceMemory(seen={("e", ""): seen(40)}).adjusted("e", nameless) is nameless


def test_where_runway_does_not_keep_to_the_table_is_told_once_for_each_model() -> None:
    memory = PriceMemory(
        seen={("e", "s"): seen(45), ("e", "t"): seen(90), ("e", "u"): seen(30), ("f", "s"): seen(7)}
    )
    for _ in range(3):
        for endpoint, shape, low, worst in (
            ("e", "s", 25, 25),
            ("e", "t", 50, 50),
            ("e", "u", 10, 50),  # within what the table says
            ("f", "s", 7, 7),
        ):
            memory.adjusted(endpoint, replace(band(low, worst, worst), shape=shape))
    [note] = memory.notes
    assert (note.endpoint, note.model, note.expected, note.seen) == ("e", "m", 25, 45)
    assert note.message == (
        "Runway asked 45 cr ($0.45) for a job of `m` on 2026-01-01, the price table says"
        " 25 cr ($0.25), and 1 more like it"
    )


def test_a_price_of_the_manifest_that_is_wrong_is_told_as_such() -> None:
    memory = PriceMemory(seen={("e", "s"): seen(45)})
    memory.adjusted("e", band(5, 5, 5, "user"))
    assert "the manifest says 5 cr" in memory.notes[0].message


def test_there_is_no_note_where_no_table_said_anything() -> None:
    memory = PriceMemory(seen={("e", "s"): seen(45)})
    memory.adjusted("e", band(0, 0, None, "none"))
    assert memory.notes == ()
