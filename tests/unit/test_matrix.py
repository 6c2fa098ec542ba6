"""`matrix`: every combination of values, some taken away, some added."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.manifest.matrix import MAX_CELLS, Matrix, MatrixProblem, cells
from tests.language_rig import STILL, Folder


def made(raw: dict[str, Any], **variables: Any) -> list[dict[str, Any]]:
    return [dict(cell) for cell in cells(Matrix(path=(), raw=raw), {"vars": variables})]


def refused(raw: dict[str, Any]) -> MatrixProblem:
    with pytest.raises(MatrixProblem) as caught:
        made(raw)
    return caught.value


def test_the_last_axis_changes_fastest():
    assert made({"a": [1, 2], "b": ["x", "y"]}) == [
        {"a": 1, "b": "x"}, {"a": 1, "b": "y"}, {"a": 2, "b": "x"}, {"a": 2, "b": "y"},
    ]  # fmt: skip


def test_a_range_holds_both_ends_and_may_have_a_step():
    assert [cell["n"] for cell in made({"n": {"range": "1-3"}})] == [1, 2, 3]
    assert [cell["n"] for cell in made({"n": {"range": "0-100/50"}})] == [0, 50, 100]
    assert [cell["n"] for cell in made({"n": {"range": "-2-1"}})] == [-2, -1, 0, 1]


def test_axes_in_step_go_together():
    found = made({"zip": {"r": ["a", "b"], "l": [1, 2]}, "s": [0]})
    assert found == [{"r": "a", "l": 1, "s": 0}, {"r": "b", "l": 2, "s": 0}]
    two = made({"zip": [{"a": [1, 2], "b": [3, 4]}, {"c": [5, 6], "d": [7, 8]}]})
    assert len(two) == 4
    assert {(cell["a"], cell["b"]) for cell in two} == {(1, 3), (2, 4)}


def test_exclude_matches_any_value_of_an_axis_that_it_does_not_name():
    found = made({"a": [1, 2], "b": [1, 2], "exclude": [{"a": 2}]})
    assert found == [{"a": 1, "b": 1}, {"a": 1, "b": 2}]


def test_exclude_tells_a_number_from_a_truth_and_from_text():
    assert made({"a": [1, True, "1"], "exclude": [{"a": True}]}) == [{"a": 1}, {"a": "1"}]


def test_include_adds_cells_at_the_end_in_the_order_of_the_axes():
    found = made({"a": [1], "b": [2], "include": [{"b": 9, "a": 8}]})
    assert found == [{"a": 1, "b": 2}, {"a": 8, "b": 9}]
    assert list(found[1]) == ["a", "b"]


def test_a_matrix_may_be_nothing_but_cells():
    assert made({"include": [{"a": 1, "b": 2}, {"a": 3, "b": 4}]}) == [
        {"a": 1, "b": 2}, {"a": 3, "b": 4},
    ]  # fmt: skip


def test_values_may_come_from_variables_and_keep_their_type():
    assert made({"a": "${{ vars.n }}"}, n=[1, "x", None]) == [{"a": 1}, {"a": "x"}, {"a": None}]
    assert made({"a": ["${{ vars.n }}"]}, n=5) == [{"a": 5}]


@pytest.mark.parametrize(
    ("raw", "path", "message"),
    [
        ({"a": []}, ("a",), "no list of values"),
        ({"a": "${{ vars.gone }}"}, ("a",), "`gone` is not known here"),
        ({"a": {"range": "3-1"}}, ("a", "range"), "`3-1` is no range"),
        ({"a": {"range": "1-9/0"}}, ("a", "range"), "is no range"),
        ({"a": {"range": "0-999999999"}}, ("a", "range"), f"more than {MAX_CELLS:,} values"),
        ({"zip": {"a": [1, 2], "b": [1]}}, ("zip",), "`a` has 2, `b` has 1"),
        ({"a": [1], "exclude": [{"a": 2}]}, ("exclude", 0), "no such cell"),
        ({"a": [1], "exclude": [{"b": 1}]}, ("exclude", 0, "b"), "no axis `b`"),
        ({"a": [1], "exclude": [{"a": 1}]}, (), "the matrix has no cell"),
        ({"a": [1], "b": [1], "include": [{"a": 2}]}, ("include", 0), "has no `b`"),
        ({"exclude": []}, (), "the matrix has no cell"),
        ({"a": list(range(400)), "b": list(range(400))}, (), f"more than {MAX_CELLS:,} cells"),
    ],
)
def test_what_cannot_be_is_explained_at_its_place(raw, path, message):
    problem = refused(raw)
    assert problem.path == path
    assert message in problem.message


@given(st.dictionaries(
    st.sampled_from("abcd"), st.lists(st.integers(0, 9), min_size=1, max_size=4, unique=True),
    min_size=1,
))  # fmt: skip
def test_every_combination_is_there_once(axes):
    found = [json.dumps(cell, sort_keys=True) for cell in made(axes)]
    expected = 1
    for values in axes.values():
        expected *= len(values)
    assert len(set(found)) == len(found) == expected


def test_jobs_are_named_by_the_values_of_their_cells(tmp_path):
    text = (
        "jobs:\n- id: looks\n"
        "  matrix: {style: [noir, 35mm film], ratio: ['1920:1080', '720:720']}\n"
        "  text_to_image: {model: gen4_image, ratio: '${{ matrix.ratio }}',"
        " promptText: '${{ matrix.style }}'}\n"
    )
    jobs = Folder(tmp_path).jobs(text)
    assert list(jobs) == [
        "looks-noir-1920x1080", "looks-noir-720x720",
        "looks-35mm-film-1920x1080", "looks-35mm-film-720x720",
    ]  # fmt: skip
    assert jobs["looks-35mm-film-720x720"].body["promptText"] == "35mm film"


def test_the_order_of_values_decides_neither_ids_nor_keys(tmp_path):
    folder = Folder(tmp_path)
    template = "jobs:\n- id: l\n  matrix: {n: %s}\n  " + STILL % "'${{ matrix.n }}'" + "\n"
    first, second = folder.jobs(template % "[a, b, c]"), folder.jobs(template % "[c, a, b]")
    assert {job: spec.key for job, spec in first.items()} == {
        job: spec.key for job, spec in second.items()
    }


def test_an_axis_that_is_there_twice_is_refused(tmp_path):
    text = "jobs:\n- id: l\n  matrix: {a: [1], zip: {a: [2], b: [3]}}\n  " + STILL % "x" + "\n"
    [problem] = Folder(tmp_path).problems(text)
    assert problem.message == "the axis `a` is here twice"
    assert (problem.line, problem.path) == (6, "jobs[0].matrix.zip.a")


def test_values_that_leave_nothing_for_an_id_are_refused(tmp_path):
    text = "jobs:\n- id: l\n  matrix: {a: ['???']}\n  " + STILL % "x" + "\n"
    [message] = Folder(tmp_path).messages(text)
    assert message == "`???` leaves nothing for an id"


def test_values_that_look_alike_in_an_id_are_told_apart_by_an_error(tmp_path):
    text = "jobs:\n- id: l\n  matrix: {a: [a b, a-b]}\n  " + STILL % "x" + "\n"
    [message] = Folder(tmp_path).messages(text)
    assert message == "the job id `l-a-b` is taken by `l-a-b`"
