"""Takes and seeds: what each take asks for, and what it must never pay for twice."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.core.catalog import ModelInfo
from runner.core.spec import job_key
from runner.manifest.catalog_file import load_catalog
from runner.manifest.takes import with_seed
from tests.unit.test_expand import Raw, expanded, jobs_of, move, problems_of, still

CATALOG = load_catalog()
GREATEST = 4294967295
EVERY_MODEL = [
    pytest.param(info, id=f"{endpoint.name}-{info.model}")
    for endpoint in CATALOG.endpoints.values()
    for info in endpoint.models.values()
]
IMAGE = "https://example.com/a.png"


def seeds(*jobs: Raw, **top: Any) -> list[Any]:
    return [spec.body.get("seed") for spec in jobs_of(*jobs, **top).values()]


@pytest.mark.parametrize(
    ("seed", "takes", "found"),
    [
        (0, 1, [0]),
        (0, 3, [0, 1, 2]),
        (41, 4, [41, 42, 43, 44]),
        (GREATEST, 1, [GREATEST]),
        (GREATEST, 2, [GREATEST, 0]),
        (GREATEST - 1, 4, [GREATEST - 1, GREATEST, 0, 1]),
    ],
)
def test_take_n_of_a_seeded_body_has_seed_s_plus_n_less_one(
    seed: int, takes: int, found: list[int]
) -> None:
    assert seeds(still("a", {"seed": seed}, takes=takes)) == found


def test_seed_from_a_default_counts_up_like_one_of_the_job() -> None:
    defaults = {"text_to_image": {"seed": 10}}
    assert seeds(still("a", takes=3), defaults=defaults) == [10, 11, 12]


def test_seed_from_a_variable_counts_up_like_a_written_one() -> None:
    job = still("a", {"seed": "${{ vars.s }}"}, takes=3)
    assert seeds(job, vars={"s": 10}) == [10, 11, 12]


def test_seed_that_is_text_is_reported_once_for_all_takes() -> None:
    (problem,) = problems_of(still("a", {"seed": "7"}, takes=4))
    assert problem.startswith("`seed` must be a whole number from 0 to 4294967295")


@pytest.mark.parametrize("seed", [-1, GREATEST + 1, 1.5, True])
def test_seed_out_of_range_is_refused_before_takes_could_wrap_it_into_range(seed: Any) -> None:
    (problem,) = problems_of(still("a", {"seed": seed}, takes=3))
    assert problem.startswith("`seed` must be a whole number")


def test_number_of_takes_may_come_from_a_variable() -> None:
    assert list(jobs_of(still("a", takes="${{ vars.n }}"), vars={"n": 3})) == ["a", "a-t2", "a-t3"]


@pytest.mark.parametrize("value", ["three", 0, -1, 1001, 2.0, True, [1]])
def test_number_of_takes_from_a_variable_is_checked_like_a_written_one(value: Any) -> None:
    (problem,) = problems_of(still("a", takes="${{ vars.n }}"), vars={"n": value})
    assert problem.startswith("`takes` is a whole number from 1 to 1000")


class TestGrowing:
    """From n to m takes the first n keep id, key and body: only m-n are paid for."""

    @pytest.mark.parametrize("fields", [{}, {"seed": 5}], ids=["unseeded", "seeded"])
    @pytest.mark.parametrize("before", [1, 2, 3])
    def test_more_takes_keep_what_is_there(self, fields: Raw, before: int) -> None:
        few = jobs_of(still("a", fields, takes=before))
        many = jobs_of(still("a", fields, takes=before + 2))
        assert list(many)[:before] == list(few)
        assert {name: many[name] for name in few} == few

    def test_every_model_keeps_its_takes(self) -> None:
        for param in EVERY_MODEL:
            (info,) = param.values
            body = {"model": info.model, "promptText": "x"}
            first, second = (with_seed(body, take, info.endpoint, info) for take in (1, 2))
            assert first == body
            assert job_key(info.endpoint, first, 1) != job_key(info.endpoint, second, 2)

    def test_take_one_of_a_template_without_takes_is_the_same_job(self) -> None:
        assert jobs_of(still("a"))["a"] == jobs_of(still("a", takes=1))["a"]


class TestDerivedSeeds:
    def test_each_take_has_its_own_and_the_first_has_none(self) -> None:
        found = seeds(still("a", takes=40))
        assert found[0] is None
        assert len(set(found)) == 40
        assert all(0 <= seed <= GREATEST for seed in found[1:])

    def test_they_follow_from_the_body_and_not_from_the_name_or_the_neighbours(self) -> None:
        alone = seeds(still("a", takes=3))
        among = jobs_of(still("z"), still("renamed", takes=3), still("y", {"seed": 1}))
        assert [among[f"renamed{tail}"].body.get("seed") for tail in ("", "-t2", "-t3")] == alone

    def test_another_prompt_has_other_seeds(self) -> None:
        assert seeds(still("a", takes=2))[1] != seeds(still("a", {"promptText": "b"}, takes=2))[1]

    def test_child_of_an_edited_parent_has_other_seeds(self) -> None:
        jobs = (still("p", {"seed": 1}), move("c", "${{ jobs.p.output }}", takes=2))
        edited = (still("p", {"seed": 2}), move("c", "${{ jobs.p.output }}", takes=2))
        assert jobs_of(*jobs)["c-t2"].body["seed"] != jobs_of(*edited)["c-t2"].body["seed"]

    def test_renamed_parent_leaves_the_seeds_of_its_child_alone(self) -> None:
        one = jobs_of(still("p"), move("c", "${{ jobs.p.output }}", takes=3))
        other = jobs_of(still("q"), move("c", "${{ jobs.q.output }}", takes=3))
        assert [one[name].body.get("seed") for name in ("c", "c-t2", "c-t3")] == [
            other[name].body.get("seed") for name in ("c", "c-t2", "c-t3")
        ]

    def test_they_are_the_same_in_another_process(self) -> None:
        """Python's own `hash` differs from process to process; a seed must not."""
        program = (
            "from runner.manifest.catalog_file import load_catalog\n"
            "from runner.manifest.takes import with_seed\n"
            "info = load_catalog().find('text_to_image', 'gen4_image')\n"
            "body = {'model': 'gen4_image', 'promptText': 'a', 'ratio': '1920:1080'}\n"
            "print(with_seed(body, 2, 'text_to_image', info)['seed'])\n"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
        assert int(done.stdout) == seeds(still("a", takes=2))[1]

    def test_they_are_the_same_in_every_version(self) -> None:
        """A seed that changed would make the takes of every running batch stale, and paid anew."""
        assert seeds(still("a", takes=3)) == PINNED


@pytest.mark.parametrize("info", EVERY_MODEL)
def test_derived_seed_fits_the_model_and_no_model_gets_a_field_it_lacks(info: ModelInfo) -> None:
    body = {"model": info.model, "promptText": "x"}
    for take in (2, 3, 1000):
        made = with_seed(body, take, info.endpoint, info)
        if "seed" not in info.fields:
            assert made == body
        else:
            schema = info.fields["seed"]
            assert schema.get("minimum", 0) <= made["seed"] <= schema.get("maximum", GREATEST)


def test_takes_of_a_model_without_seed_are_jobs_of_their_own() -> None:
    body = {"model": "gpt_image_2", "promptText": "x", "ratio": "1920:1920", "quality": "low"}
    jobs = jobs_of({"id": "a", "takes": 3, "text_to_image": body})
    assert all(dict(job.body) == body for job in jobs.values())
    assert len({job.key for job in jobs.values()}) == 3
    assert [job.take for job in jobs.values()] == [1, 2, 3]


def test_expressions_know_which_take_they_are_in_by_the_job() -> None:
    jobs = jobs_of(still("a", {"promptText": "${{ job }}"}, takes=2))
    assert [job.body["promptText"] for job in jobs.values()] == ["a", "a-t2"]


def test_takes_share_template_tags_priority_and_needs() -> None:
    jobs = jobs_of(still("p"), still("a", takes=3, tags=["t"], priority=4, needs=["p"]))
    for name in ("a", "a-t2", "a-t3"):
        job = jobs[name]
        assert (job.template, job.tags, job.priority, job.needs) == ("a", ("t",), 4, ("p",))


def test_takes_write_different_files() -> None:
    outputs = [job.output for job in jobs_of(still("a", takes=3)).values()]
    assert outputs == ["night/a{part}.{ext}", "night/a-t2{part}.{ext}", "night/a-t3{part}.{ext}"]


def test_id_of_a_take_can_be_taken_by_another_job() -> None:
    for jobs in ((still("a", takes=2), still("a-t2")), (still("A-T2"), still("a", takes=2))):
        (problem,) = problems_of(*jobs)
        assert "is taken by" in problem


def test_seeded_take_and_written_seed_are_not_the_same_job() -> None:
    """Take 2 of seed 5 and take 1 of seed 6 ask for the same: the take is part of the content."""
    jobs = jobs_of(still("a", {"seed": 5}, takes=2), still("b", {"seed": 6}))
    assert jobs["a-t2"].body == jobs["b"].body
    assert jobs["a-t2"].key != jobs["b"].key


@settings(deadline=None, max_examples=60)
@given(seed=st.none() | st.integers(0, GREATEST), few=st.integers(1, 6), more=st.integers(0, 6))
def test_growing_never_changes_what_was_there(seed: int | None, few: int, more: int) -> None:
    fields = {} if seed is None else {"seed": seed}
    before = {spec.id: spec.key for spec in expanded(still("a", fields, takes=few)).specs}
    after = {spec.id: spec.key for spec in expanded(still("a", fields, takes=few + more)).specs}
    assert before.items() <= after.items()
    assert len(after) == len(set(after.values())) == few + more


@settings(deadline=None, max_examples=60)
@given(st.permutations(["a", "b", "c", "d"]))
def test_order_of_templates_changes_neither_ids_nor_keys(order: list[str]) -> None:
    templates = {
        "a": still("a", takes=2),
        "b": move("b", "${{ jobs['a-t2'].output }}", takes=2),
        "c": move("c", "${{ jobs.a.outputs[0] }}", needs=["b"]),
        "d": still("d", {"seed": 9}, takes=3),
    }
    found = {spec.id: spec.key for spec in expanded(*(templates[name] for name in order)).specs}
    usual = {spec.id: spec.key for spec in expanded(*templates.values()).specs}
    assert json.dumps(found, sort_keys=True) == json.dumps(usual, sort_keys=True)


#: of take 1, 2 and 3 of `still("a")`
PINNED = [None, 3175196271, 3013660217]
