"""Every price of the catalogue: bands in order, and never less for more."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.core.catalog import ModelInfo
from runner.core.credits import CostBand
from runner.core.estimate import CONFIDENCES, estimate, priced_inputs
from runner.manifest.bodies import check_body
from runner.manifest.catalog_file import load_catalog
from tests.unit.test_bodies_by_endpoint import VARIANTS, full_body, least_body

CATALOG = load_catalog()
Raw = dict[str, Any]
KNOWN = [each for each in VARIANTS if each.values[0].price.is_known]
UNKNOWN = [each for each in VARIANTS if not each.values[0].price.is_known]
#: fields that ask for more of the same
AMOUNTS = ("duration", "outputCount")
MEASURES = {"seconds": 6.0, "frames": 144.0, "fps": 24.0, "megapixels": 2.0,
            "longest_side_px": 1920.0}  # fmt: skip


def check_band(band: CostBand) -> None:
    assert 0 <= band.low <= band.expected
    assert band.worst is None or band.expected <= band.worst
    assert band.confidence in CONFIDENCES
    for figure in (band.low, band.expected, band.worst):
        assert figure is None or type(figure) is int


def upper(band: CostBand) -> float:
    return float("inf") if band.worst is None else band.worst


def numbers(schema: Mapping[str, Any]) -> list[float]:
    """Some numbers that a field takes, in order."""
    if "anyOf" in schema:
        return sorted({n for branch in schema["anyOf"] for n in numbers(branch)})
    if "enum" in schema:
        return sorted(n for n in schema["enum"] if isinstance(n, int) and not isinstance(n, bool))
    if schema.get("type") not in {"integer", "number"} or "maximum" not in schema:
        return []
    low, high = schema.get("minimum", 1), schema["maximum"]
    step = 1 if schema["type"] == "integer" else 0.5
    return [low + step * n for n in range(min(60, int((high - low) / step) + 1))]


def bodies(info: ModelInfo) -> list[Raw]:
    """The least body, the full one, and the least with each single choice of each field."""
    found = [least_body(info), full_body(info)]
    for name, schema in info.fields.items():
        found += [{**least_body(info), name: choice} for choice in schema.get("enum", ())]
    return found


@pytest.mark.parametrize("info", VARIANTS)
def test_bands_are_in_order_for_every_choice_of_every_field(info: ModelInfo) -> None:
    for body in bodies(info):
        check_band(estimate(info, body))
        check_band(estimate(info, body, MEASURES))


@pytest.mark.parametrize("info", VARIANTS)
def test_absent_choice_is_never_budgeted_below_the_default_of_the_service(info: ModelInfo) -> None:
    """Leaving a field out must not reserve less than writing its documented default."""
    for name, schema in info.fields.items():
        if "default" in schema and name not in info.required:
            absent = estimate(info, least_body(info), MEASURES)
            written = estimate(info, {**least_body(info), name: schema["default"]}, MEASURES)
            assert absent == written


@pytest.mark.parametrize("field", AMOUNTS)
@pytest.mark.parametrize("info", VARIANTS)
def test_more_never_costs_less(info: ModelInfo, field: str) -> None:
    amounts = numbers(info.fields.get(field, {}))
    for base in (least_body(info), full_body(info)):
        bands = [estimate(info, {**base, field: amount}, MEASURES) for amount in amounts]
        for less, more in pairwise(bands):
            assert less.low <= more.low
            assert less.expected <= more.expected
            assert upper(less) <= upper(more)


@pytest.mark.parametrize("field", AMOUNTS)
@pytest.mark.parametrize("info", KNOWN)
def test_amount_that_is_left_out_is_budgeted_at_any_that_the_service_may_choose(
    info: ModelInfo, field: str
) -> None:
    """Unless the catalogue knows what an absent field means, the dearest of all counts."""
    quantity = info.price.quantity
    schema = info.fields.get(field, {})
    knows = "default" in schema or quantity.flat is not None or quantity.fallback is not None
    if field in info.required or knows or quantity.field != field:
        return
    absent = estimate(info, least_body(info), MEASURES)
    for amount in numbers(schema):
        written = estimate(info, {**least_body(info), field: amount}, MEASURES)
        assert upper(written) <= upper(absent)
        assert absent.low <= written.low


@pytest.mark.parametrize("info", [each for each in KNOWN if priced_inputs(each.values[0])])
def test_longer_input_never_costs_less(info: ModelInfo) -> None:
    body = full_body(info)
    bands = [
        estimate(info, body, {**MEASURES, "seconds": seconds, "frames": seconds * 24})
        for seconds in (0.1, 0.9, 1, 1.01, 2, 3, 5, 5.083, 10, 29.9, 30, 31, 59, 60, 61, 600)
    ]
    for less, more in pairwise(bands):
        assert (less.low, less.expected) <= (more.low, more.expected)
        assert upper(less) <= upper(more)


@pytest.mark.parametrize("info", KNOWN)
def test_knowing_more_of_the_inputs_never_widens_the_band(info: ModelInfo) -> None:
    for body in bodies(info):
        vague, exact = estimate(info, body), estimate(info, body, MEASURES)
        assert exact.low >= vague.low or not priced_inputs(info)
        assert upper(exact) <= upper(vague)


@pytest.mark.parametrize("info", UNKNOWN)
def test_unpublished_price_has_no_worst_case_and_says_so(info: ModelInfo) -> None:
    for body in bodies(info):
        band = estimate(info, body, MEASURES)
        assert (band.low, band.expected, band.worst) == (0, 0, None)
        assert band.confidence == "none"
        assert band.note


@pytest.mark.parametrize("info", KNOWN)
def test_known_price_is_more_than_nothing(info: ModelInfo) -> None:
    for body in bodies(info):
        band = estimate(info, body, MEASURES)
        assert band.worst is None or band.worst > 0


COUNTED = [each for each in KNOWN if "outputCount" in each.values[0].fields]


@pytest.mark.parametrize("count", [0, -5])
@pytest.mark.parametrize("info", COUNTED)
def test_count_below_one_is_refused_or_costs_as_much_as_one(info: ModelInfo, count: int) -> None:
    """A reserve of nothing passes every cap, whatever the service then makes of the number."""
    body = least_body(info)
    endpoint = info.endpoint
    found = check_body(CATALOG, endpoint, {**body, "outputCount": count})
    refused = any(item.severity == "error" for item in found)
    one = estimate(info, {**body, "outputCount": 1}, MEASURES)
    assert refused or upper(estimate(info, {**body, "outputCount": count}, MEASURES)) >= upper(one)


@pytest.mark.parametrize("info", KNOWN)
def test_each_row_of_a_table_of_prices_can_be_reached(info: ModelInfo) -> None:
    """A row that no body reaches is a slip in the catalogue: its price would never be used."""
    by = info.price.by
    if not hasattr(by, "rates"):
        return
    for cell in by.rates:
        for name, part in zip(by.fields, cell, strict=True):
            schema = info.fields[name]
            branches = (schema, *schema.get("anyOf", ()))
            choices = {str(word) for branch in branches for word in branch.get("enum", ())}
            choices |= {"true", "false"} if schema.get("type") == "boolean" else set()
            tiers = {by.tiers.get(word) for word in choices}
            assert part in choices | tiers, (name, part)


@pytest.mark.parametrize("info", KNOWN)
def test_price_says_where_it_comes_from(info: ModelInfo) -> None:
    price = info.price
    if price.confidence == "none":
        return
    assert price.sources
    assert price.as_of[:2] == "20"
    assert price.formula


@pytest.mark.parametrize("info", VARIANTS)
def test_same_question_has_the_same_answer(info: ModelInfo) -> None:
    body = full_body(info)
    before = repr(body)
    assert estimate(info, body, MEASURES) == estimate(info, dict(body), dict(MEASURES))
    assert repr(body) == before


def test_extra_items_are_charged_one_by_one() -> None:
    """Where the catalogue has a charge per item, each further one costs as much as the last."""
    found = 0
    for param in KNOWN:
        (info,) = param.values
        for add in info.price.add:
            for name in add.items_of:
                schema = info.fields.get(name, {})
                most = schema.get("maxItems", 1)
                if add.credits is None or most < 3 or schema.get("type") != "array":
                    continue
                uris = [{"uri": f"https://example.com/{n}"} for n in range(3)]
                costs = [
                    upper(estimate(info, {**least_body(info), name: uris[:n]}, MEASURES))
                    for n in (1, 2, 3)
                ]
                assert costs[2] - costs[1] == costs[1] - costs[0] >= 0
                found += 1
    assert found


SECONDS = st.floats(0.05, 3600, allow_nan=False)


@settings(deadline=None, max_examples=150)
@given(param=st.sampled_from(KNOWN), one=SECONDS, other=SECONDS, extra=st.floats(0.5, 40))
def test_any_two_inputs_are_charged_in_the_order_of_their_length(
    param: Any, one: float, other: float, extra: float
) -> None:
    (info,) = param.values
    low, high = sorted((one, other))
    measures = [{"seconds": s, "frames": s * 24, "megapixels": extra} for s in (low, high)]
    shorter, longer = (estimate(info, full_body(info), each) for each in measures)
    check_band(shorter)
    assert upper(shorter) <= upper(longer)


@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_any_valid_combination_of_choices_has_a_band_in_order(data: st.DataObject) -> None:
    (info,) = data.draw(st.sampled_from(VARIANTS)).values
    body = least_body(info)
    for name, schema in info.fields.items():
        choices = [*schema.get("enum", ()), *numbers(schema)]
        if choices and data.draw(st.booleans()):
            body[name] = data.draw(st.sampled_from(choices))
    kept = data.draw(st.sets(st.sampled_from(list(MEASURES))))
    band = estimate(info, body, {name: MEASURES[name] for name in kept})
    check_band(band)
    assert upper(band) >= estimate(info, body, MEASURES).expected


@pytest.mark.parametrize("info", VARIANTS)
def test_every_price_says_where_it_comes_from_and_as_of_when(info: ModelInfo) -> None:
    """Or that nobody knows it, and what is known instead."""
    price = info.price
    if price.confidence == "none":
        assert price.note
        assert not price.as_of
        return
    assert price.sources
    assert set(price.sources) <= set(CATALOG.facts["sources"])
    dated = date.fromisoformat(price.as_of)
    assert date(2025, 1, 1) <= dated <= date.fromisoformat(CATALOG.facts["as_of"])
