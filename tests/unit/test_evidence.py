"""Evidence: a create in doubt that did arrive is never declared not to have arrived."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.core.events import Added, Imported, Verdict
from runner.core.evidence import APART, Evidence, evidence_of, explain
from runner.core.job import OutputFile
from runner.core.ledger import EntryState, ledger_move
from runner.core.lifecycle import create, transition
from runner.testing import make_spec
from tests.account_rig import DAY_S, Read, Sent, applied, at

APART_S = APART.total_seconds()
#: the doubt of the examples: sent at 1000, given up at 1060
LOST = Sent(sent_s=1000, arrives_s=None, answered_s=1060, is_lost=True)
ARRIVED = replace(LOST, arrives_s=1001)
SETTLED_BEFORE = Sent(sent_s=10, arrives_s=11, answered_s=12, ends_s=40, seen_s=45)


def read_at(seconds: float, *, for_s: float = 1) -> Read:
    return Read(asked_s=seconds, made_s=seconds + for_s / 2, answered_s=seconds + for_s)


BEFORE, AFTER, LATER = read_at(900), read_at(1100), read_at(1100 + APART_S)


def evidence(
    *sent: Sent, reads: Sequence[Read] = (BEFORE, AFTER, LATER), now_s: float | None = None
) -> Evidence:
    """The evidence on lane `m`, from what is known at that time: by default after the last read."""
    now_s = reads[-1].answered_s if now_s is None else now_s
    entries = [entry for one in sent if (entry := one.entry_by(now_s)) is not None]
    readings = [read.reading(sent) for read in reads if read.answered_s <= now_s]
    return evidence_of("m", entries, readings)


def test_two_readings_apart_prove_that_nothing_arrived() -> None:
    found = evidence(LOST, SETTLED_BEFORE)
    assert found.not_arrived
    assert not found.counted
    assert found.again_at is None


def test_one_reading_proves_nothing_yet_and_says_when_the_next_would() -> None:
    found = evidence(LOST, reads=[BEFORE, AFTER])
    assert not found.not_arrived
    assert found.again_at == at(AFTER.asked_s) + APART
    soon = read_at(AFTER.asked_s + APART_S - 1)
    assert not evidence(LOST, reads=[BEFORE, AFTER, soon]).not_arrived


def test_a_create_that_arrived_is_counted() -> None:
    found = evidence(ARRIVED)
    assert not found.not_arrived
    assert found.counted
    assert found.again_at is None


def test_one_of_several_that_arrived_leaves_all_of_them_in_doubt() -> None:
    assert not evidence(LOST, ARRIVED, LOST).not_arrived
    assert evidence(LOST, LOST, LOST).not_arrived


def test_a_refund_of_the_doubtful_task_hides_it_from_the_balance_but_not_from_the_count() -> None:
    refunded = replace(ARRIVED, ends_s=1050, cost=0)
    found = evidence(refunded)
    assert found.compared[0].balance_expected == found.compared[0].balance
    assert not found.not_arrived


@pytest.mark.parametrize(
    ("reads", "words"),
    [
        ([AFTER, LATER], "no reading of the account from before"),
        ([BEFORE], "was not read since"),
        ([read_at(1000), AFTER, LATER], "no reading"),  # during the create
        ([BEFORE, read_at(1030), read_at(1059)], "was not read since"),  # before it was given up
    ],
)
def test_without_a_reading_before_and_after_there_is_no_evidence(
    reads: Sequence[Read], words: str
) -> None:
    found = evidence(LOST, reads=reads, now_s=5000)
    assert not found.not_arrived
    assert words in explain(found)[0]


def test_a_lane_that_runway_does_not_count_is_never_proven() -> None:
    lost = replace(LOST, lane="generate/image")
    readings = [read.reading([]) for read in (BEFORE, AFTER, LATER)]
    found = evidence_of("generate/image", [lost.entry_by(5000)], readings)
    assert not found.not_arrived
    assert "does not count" in explain(found)[0]


def test_without_doubts_there_is_nothing_to_say() -> None:
    found = evidence(SETTLED_BEFORE)
    assert not found.not_arrived
    assert explain(found) == []


# what our own record is not sure of


def test_a_create_under_way_during_a_reading_does_not_stand_for_the_lost_one() -> None:
    """It was sent before the reading and arrived after it: the count is of the lost one."""
    under_way = [
        Sent(sent_s=read.asked_s - 1, arrives_s=read.answered_s + 1, answered_s=read.answered_s + 2,
             ends_s=9000, seen_s=9000)
        for read in (AFTER, LATER)
    ]  # fmt: skip
    found = evidence(ARRIVED, *under_way, now_s=9001)
    assert not found.not_arrived


def test_a_create_that_a_person_gave_up_as_lost_does_not_stand_for_the_other() -> None:
    given_up = replace(LOST, verdict=(1070, Verdict.LOST))
    assert not evidence(ARRIVED, given_up).not_arrived
    sent_again = replace(LOST, verdict=(1070, Verdict.RESUBMIT))
    assert not evidence(ARRIVED, sent_again).not_arrived


def test_a_wrong_word_of_a_person_does_not_hide_another_create() -> None:
    wrong = replace(ARRIVED, verdict=(1070, Verdict.NOT_ARRIVED))
    assert not evidence(ARRIVED, wrong).not_arrived


def test_a_file_found_on_disk_does_not_stand_for_the_lost_create() -> None:
    job = create("b", Added(at=at(0), spec=make_spec("a", model="m"), position=0))
    output = OutputFile(index=0, path="a.mp4", bytes=1, sha256="x", media_type="video/mp4")
    event = Imported(at=at(950), task_id="t", outputs=(output,), credits=25)
    found = applied(None, ledger_move(job, event), transition(job, event), at(950))
    readings = [read.reading([ARRIVED]) for read in (BEFORE, AFTER, LATER)]
    assert not evidence_of("m", [found, ARRIVED.entry_by(5000)], readings).not_arrived


def test_a_refund_that_we_have_not_seen_does_not_stand_for_the_charge() -> None:
    other = Sent(lane="n", sent_s=800, arrives_s=801, answered_s=802, ends_s=1010, cost=0)
    found = evidence(ARRIVED, other)
    assert found.compared[-1].balance_expected is None
    assert not found.not_arrived


def test_a_task_that_runs_makes_a_reading_say_nothing_until_its_charge_is_settled() -> None:
    """A busy account: at each reading something runs, and the proof comes a reading later."""
    third = read_at(LATER.asked_s + APART_S)
    busy = [
        Sent(lane="n", sent_s=s - 30, arrives_s=s - 29, answered_s=s - 28,
             ends_s=s + 60, seen_s=s + 65)
        for s in (AFTER.asked_s, LATER.asked_s, third.asked_s)
    ]  # fmt: skip
    assert not evidence(LOST, *busy).not_arrived
    found = evidence(LOST, *busy, reads=[BEFORE, AFTER, LATER, third])
    assert found.compared[-1].balance_expected is None
    assert found.not_arrived


def test_a_later_reading_that_objects_outweighs_those_that_agree() -> None:
    late = replace(LOST, arrives_s=LATER.answered_s + 1)  # held up on its way for half an hour
    third = read_at(LATER.asked_s + APART_S)
    found = evidence(late, reads=[BEFORE, AFTER, LATER, third])
    assert not found.not_arrived


def test_credits_bought_in_between_leave_it_to_a_person() -> None:
    readings = [read.reading([LOST]) for read in (BEFORE, AFTER, LATER)]
    more = replace(readings[1].organization, credit_balance=200_000)
    readings[1:] = [replace(reading, organization=more) for reading in readings[1:]]
    found = evidence_of("m", [LOST.entry_by(5000)], readings)
    assert not found.not_arrived
    assert "the balance is 200,000 cr" in explain(found)[1]


# doubts of other lanes


def test_doubts_of_several_lanes_are_proven_together() -> None:
    assert evidence(LOST, replace(LOST, lane="n", sent_s=990)).not_arrived


def test_a_doubt_of_another_lane_that_arrived_shows_in_the_balance() -> None:
    assert not evidence(LOST, replace(ARRIVED, lane="n", sent_s=990)).not_arrived


def test_an_older_doubt_of_another_lane_may_have_been_refunded_since() -> None:
    older = Sent(
        lane="n", sent_s=100, arrives_s=101, answered_s=160, is_lost=True, ends_s=950, cost=0
    )
    assert evidence(ARRIVED, older).compared[0].balance_expected is None
    assert not evidence(LOST, older).not_arrived


# the rolling 24 hours


def test_a_create_that_leaves_the_window_does_not_make_room_for_the_lost_one() -> None:
    old = Sent(sent_s=1005 - DAY_S, arrives_s=1006 - DAY_S, answered_s=1007 - DAY_S,
               ends_s=1100 - DAY_S, seen_s=1100 - DAY_S)  # fmt: skip
    found = evidence(replace(ARRIVED, ends_s=1050, cost=0), old)
    assert found.compared[0].creates == 0
    assert found.compared[0].window_moved
    assert not found.not_arrived


def test_the_lost_create_itself_leaves_the_window_after_a_day() -> None:
    refunded = replace(ARRIVED, ends_s=1050, cost=0)
    reads = [BEFORE, read_at(1002 + DAY_S), read_at(1002 + DAY_S + APART_S)]
    found = evidence(refunded, reads=reads)
    assert found.compared[0].creates == 0
    assert not found.not_arrived


def test_the_age_of_what_others_have_created_is_not_known() -> None:
    readings = [
        read.reading([LOST, replace(SETTLED_BEFORE, cost=0)]) for read in (BEFORE, AFTER, LATER)
    ]
    found = evidence_of("m", [LOST.entry_by(5000)], readings)
    assert found.compared[0].window_moved
    assert not found.not_arrived
    assert "proves nothing" in " ".join(explain(found))


def test_the_evidence_is_told_in_figures() -> None:
    lines = explain(evidence(ARRIVED))
    assert lines[0] == (
        "m: creates since the reading before, as Runway counts: 1; known: 0; in doubt: 1"
    )
    assert "without the creates in doubt it would be 100,000 cr" in lines[1]
    assert "does not prove" in lines[-1]
    assert "nobody else spends" in explain(evidence(LOST))[-1]
    open_charge = Sent(lane="n", sent_s=800, arrives_s=801, answered_s=802)
    assert "not known to the credit" in explain(evidence(LOST, open_charge))[1]
    under_way = Sent(sent_s=1100, arrives_s=None, answered_s=9000)
    assert "not certain" in explain(evidence(LOST, under_way))[0]


# any history


SECONDS = st.integers(0, 40) | st.integers(0, 2400)
LAG = st.integers(0, 5) | st.integers(0, 700)
PRICES = st.sampled_from([5, 10])


@st.composite
def creates(draw: st.DrawFn, *, doubtful: bool) -> Sent:
    """A create around the doubts, or a day before them."""
    sent_s = draw(SECONDS) + 800 - draw(st.sampled_from([0, 0, 0, DAY_S]))
    answered_s = sent_s + draw(LAG)
    arrives_s = sent_s + draw(st.integers(0, answered_s - sent_s))
    ends_s = draw(st.none() | LAG.map(lambda lag: answered_s + lag))
    price = draw(PRICES)
    is_lost = doubtful or draw(st.integers(0, 3)) == 0
    verdict = None
    if is_lost and not doubtful and draw(st.booleans()):
        said = draw(st.sampled_from([Verdict.LOST, Verdict.RESUBMIT, Verdict.NOT_ARRIVED]))
        verdict = (answered_s + draw(LAG), said)
    if is_lost and verdict is None and draw(st.booleans()):
        arrives_s += draw(st.integers(0, int(APART_S) - 60))  # held up on its way
    return Sent(
        lane="m" if doubtful else draw(st.sampled_from("mn")),
        sent_s=sent_s,
        arrives_s=draw(st.none() | st.just(arrives_s)),
        answered_s=answered_s,
        is_lost=is_lost,
        price=price,
        is_told=draw(st.booleans()) or draw(st.booleans()),
        ends_s=ends_s,
        # a refund of what a person has given up is the one thing that the balance does not tell
        cost=price if verdict else draw(st.sampled_from([price, price, 0])),
        seen_s=None if ends_s is None else ends_s + draw(LAG),
        verdict=verdict,
    )


@st.composite
def reads(draw: st.DrawFn) -> list[Read]:
    """Readings: one before, and some after, with creates under way during some of them."""
    begins = [draw(st.integers(700, 900))]
    for _ in range(draw(st.integers(2, 4))):
        begins.append(begins[-1] + draw(st.integers(600, 1300)))
    found = []
    for begin_s in begins:
        made_s = begin_s + draw(st.integers(0, 20))
        answered_s = made_s + draw(st.integers(0, 20))
        found.append(Read(asked_s=begin_s, made_s=made_s, answered_s=answered_s))
    return found


def unknown_to_us(sent: Sequence[Sent], now_s: float) -> list[Sent]:
    """Creates that arrived, and are in doubt, or were declared not to have arrived."""
    found = []
    for one in sent:
        entry = one.entry_by(now_s)
        is_open = entry is not None and entry.state is EntryState.IN_DOUBT
        if one.arrives_s is not None and entry and (is_open or entry.arrived is False):
            found.append(one)
    return found


@settings(max_examples=250, deadline=None)
@given(
    doubts=st.lists(creates(doubtful=True), min_size=1, max_size=2),
    others=st.lists(creates(doubtful=False), max_size=4),
    readings=reads(),
    late_s=st.sampled_from([0, 0, 1000, 10_000]),
)
def test_a_create_that_arrived_is_never_declared_not_to_have_arrived(
    doubts: list[Sent], others: list[Sent], readings: list[Read], late_s: int
) -> None:
    sent = [*doubts, *others]
    now_s = readings[-1].answered_s + late_s
    found = evidence(*sent, reads=readings, now_s=now_s)
    unknown = unknown_to_us(sent, now_s)
    doubtful = [one for one in unknown if one.lane == "m" and one.verdict is None]
    assert not (found.not_arrived and doubtful)
    # each of the witnesses is right by itself, where it says anything
    base = next((r for r in readings if found.before and at(r.asked_s) == found.before.asked_at), 0)
    for one in found.compared:
        read = next(r for r in readings if at(r.asked_s) == one.at)
        if one.surplus is not None and not one.window_moved:
            lane = [s for s in unknown if s.lane == "m"]
            assert one.surplus == sum(
                s.is_counted(read.made_s) - s.is_counted(base.made_s) for s in lane
            )
        if one.balance_expected is not None:
            missing = sum(s.taken_by(read.made_s) - s.taken_by(base.made_s) for s in unknown)
            assert one.balance_expected - one.balance == missing


@given(
    lost=st.lists(st.integers(1000, 1900), min_size=1, max_size=4),
    done=st.lists(st.integers(0, 700), max_size=4),
    prices=st.lists(st.integers(1, 50), min_size=4, max_size=4),
)
def test_where_nothing_arrived_and_all_is_settled_it_is_always_proven(
    lost: list[int], done: list[int], prices: list[int]
) -> None:
    sent = [
        replace(LOST, sent_s=sent_s, answered_s=sent_s + 60, price=price, lane=lane)
        for sent_s, price, lane in zip(lost, prices, "mnmm", strict=False)
    ]
    sent[0] = replace(sent[0], lane="m")
    sent += [
        replace(SETTLED_BEFORE, sent_s=sent_s, arrives_s=sent_s + 1, answered_s=sent_s + 2,
                ends_s=sent_s + 60, seen_s=sent_s + 65, price=price, cost=price, lane=lane)
        for sent_s, price, lane in zip(done, prices, "mnnm", strict=False)
    ]  # fmt: skip
    after = [read_at(2000 + n * (APART_S + 30)) for n in range(2)]
    assert evidence(*sent, reads=[read_at(950), *after]).not_arrived


def test_days_of_readings_are_not_all_compared_where_the_newest_decide() -> None:
    days = [read_at(1100 + n * 300) for n in range(80)]
    proven = evidence(LOST, reads=[BEFORE, *days])
    assert proven.not_arrived
    assert len(proven.compared) == 3  # ten minutes of them
    assert len(evidence(ARRIVED, reads=[BEFORE, *days]).compared) == 1


def test_readings_that_agreed_prove_nothing_once_a_later_one_contradicts() -> None:
    late = replace(ARRIVED, arrives_s=2500)  # the answer was lost, and the request was slow
    assert not evidence(late, reads=[BEFORE, AFTER, LATER, read_at(2600)]).not_arrived
    assert evidence(late, reads=[BEFORE, AFTER, LATER]).not_arrived
