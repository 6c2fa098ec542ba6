"""Jobs of one manifest never share a file or an id, on any file system, whatever their names."""

from __future__ import annotations

import itertools
import unicodedata
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from runner.core.naming import (
    MAX_ID_BYTES,
    MAX_NAME_BYTES,
    UnsafeName,
    check_id,
    output_path,
    same_file,
    same_id,
    sidecar_path,
)
from tests.unit.test_expand import Raw, expanded, jobs_of, problems_of, still


def sound(job_id: str, **keys: Any) -> Raw:
    body = {"model": "eleven_text_to_sound_v2", "promptText": "rain"}
    return {"id": job_id, **keys, "sound_effect": body}


COLLIDING = [
    # two patterns that name one file, or one sidecar, somewhere
    ("a.{ext}", "a.{ext}"),
    ("a.{ext}", "A.{ext}"),
    ("Straße.{ext}", "STRASSE.{ext}"),
    ("é.{ext}", "e\u0301.{ext}"),
    ("a.{ext}", "a"),
    ("a.png", "a.mp4"),  # the sidecar is a.json for both
    ("a{part}.{ext}", "a.{ext}"),
    ("x/a.{ext}", "x//a.{ext}"),
    ("x/a.{ext}", "./x/a.{ext}"),
    ("x/a.{ext}", "X/a.{ext}"),
    ("a?.{ext}", "a*.{ext}"),
    ("a<.{ext}", "a_.{ext}"),
    ("1:2.{ext}", "1x2.{ext}"),
    ("con.{ext}", "con_.{ext}"),
    ("x /a.{ext}", "x/a.{ext}"),
    ("x./a.{ext}", "x/a.{ext}"),
    (" a.{ext}", "a.{ext}"),
    ("a_v{version}.{ext}", "A_V{version}.{ext}"),
]
DIFFERENT = [
    ("a.{ext}", "b.{ext}"),
    ("x/a.{ext}", "y/a.{ext}"),
    ("a.{ext}", "a-t2.{ext}"),
    ("x/y/a.{ext}", "x/y-a.{ext}"),
    ("gen4.5{part}.{ext}", "gen4{part}.{ext}"),
    ("ü" * 300 + "a.{ext}", "ü" * 300 + "b.{ext}"),
    ("a_v{version}.{ext}", "b_v{version}.{ext}"),
]


@pytest.mark.parametrize(("one", "other"), COLLIDING)
def test_patterns_that_name_one_file_somewhere_are_the_same(one: str, other: str) -> None:
    assert same_file(one) == same_file(other)
    assert same_file(other) == same_file(one)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_patterns_of_different_files_are_different(one: str, other: str) -> None:
    assert same_file(one) != same_file(other)


@pytest.mark.parametrize(
    ("one", "other"), [pair for pair in COLLIDING if "{version}" not in "".join(pair)]
)
def test_manifest_refuses_two_jobs_with_one_file_and_names_both(one: str, other: str) -> None:
    written = [text.replace("{", "${{ ").replace("}", " }}") for text in (one, other)]
    (problem,) = problems_of(still("first", output=written[0]), sound("second", output=written[1]))
    assert problem.startswith("`first` and `second` would write the same file: ")


def test_same_file_is_told_at_the_output_that_repeats_it() -> None:
    expansion = expanded(still("a", output="x"), still("b"), still("c", output="X"))
    (problem,) = expansion.problems
    assert problem.path == "jobs[2].output"
    assert problem.hint == "put `${{ job }}` into the name"


def test_takes_of_one_template_with_one_name_are_told_once() -> None:
    assert len(problems_of(still("a", takes=5, output="x"))) == 1


@pytest.mark.parametrize(
    "name", ["${{ take }}", "${{ job }}", "x${{ take | pad(3) }}", "${{ seed | default(0) }}"]
)
def test_name_that_differs_by_take_is_enough(name: str) -> None:
    assert problems_of(still("a", takes=3, output=name)) == []


def test_version_in_a_name_does_not_tell_jobs_apart() -> None:
    written = "x_v${{ version }}.${{ ext }}"
    (problem,) = problems_of(still("a", output=written), still("b", output=written))
    assert "would write the same file" in problem


def test_folder_in_the_way_of_a_file_is_no_collision_of_names() -> None:
    assert len(jobs_of(still("a", output="x/y"), still("b", output="x"))) == 2


# Ids


SAME_IDS = [
    ("a", "A"), ("é", "e\u0301"), ("Straße", "STRASSE"), ("ﬁlm", "film"), ("x1", "x１"),
    ("16:9", "16x9"), ("ａ", "a"), (" a", "a"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), SAME_IDS)
def test_ids_that_some_file_system_takes_for_one_are_refused(one: str, other: str) -> None:
    (problem,) = problems_of(still(one), still(other))
    assert problem.startswith("the job id `")
    assert "is taken by" in problem


@pytest.mark.parametrize(
    ("one", "other"),
    [("a", "b"), ("a-1", "a_1"), ("a.1", "a-1"), ("1280:720", "720:1280"), ("ö", "o")],
)
def test_ids_that_differ_stay_two_jobs(one: str, other: str) -> None:
    assert len(jobs_of(still(one), still(other))) == 2


def test_id_that_grows_over_the_limit_by_its_takes_is_still_a_legal_file_name() -> None:
    longest = "a" * MAX_ID_BYTES
    jobs = jobs_of(still(longest, takes=1000))
    last = jobs[f"{longest}-t1000"]
    path = output_path(last.output, ext="mp4", part=12, version=100)
    assert len(path.name.encode()) <= MAX_NAME_BYTES


@pytest.mark.parametrize(
    "job_id", ["a/b", "..", ".hidden", "-x", "a b", "con", "nul.txt", "a\tb", "a.", "x" * 121]
)
def test_id_that_is_no_file_name_is_refused_in_a_manifest(job_id: str) -> None:
    (problem,) = expanded(still(job_id)).problems
    assert problem.path == "jobs[0].id"


# Over time: versions, parts, sidecars


@pytest.mark.parametrize("pattern", ["a.{ext}", "a{part}.{ext}", "a", "x/a_v{version}{part}.{ext}"])
def test_versions_and_parts_of_one_job_are_different_files(pattern: str) -> None:
    paths = {
        output_path(pattern, ext=ext, part=part, version=version)
        for ext, part, version in itertools.product(("png", "mp4"), (1, 2, 3), (1, 2, 3))
    }
    assert len(paths) == 18


def test_sidecar_is_none_of_the_outputs() -> None:
    for ext in ("png", "mp4", "json", "zip"):
        path = output_path("a{part}.{ext}", ext=ext)
        assert sidecar_path(path).suffix == ".json"
        if ext != "json":
            assert sidecar_path(path) != path


NAMES = st.text(
    st.sampled_from("abAB.-_ éßﬁK1:?*<%\u0301\u200d漢") | st.characters(codec="utf-8"),
    min_size=1, max_size=12,
)  # fmt: skip


def as_seen_by(path: PurePosixPath) -> str:
    """What a file system compares that is blind to case and to the form of characters."""
    return unicodedata.normalize("NFC", path.with_suffix("").as_posix().casefold())


@settings(deadline=None, max_examples=300)
@given(one=NAMES, other=NAMES)
@example(one="K", other="\u212a")  # the sign of kelvin
def test_names_told_apart_are_told_apart_by_a_case_blind_file_system(one: str, other: str) -> None:
    try:
        first, second = (output_path(f"{name}{{part}}.{{ext}}", ext="png") for name in (one, other))
    except UnsafeName:
        assume(False)
    if same_file(f"{one}{{part}}.{{ext}}") != same_file(f"{other}{{part}}.{{ext}}"):
        assert first != second
        assert as_seen_by(first) != as_seen_by(second)


@settings(deadline=None, max_examples=200)
@given(st.lists(NAMES, min_size=1, max_size=6, unique=True))
def test_ids_that_are_all_different_give_files_that_are_all_different(names: list[str]) -> None:
    ids = []
    for name in names:
        try:
            ids.append(check_id(name))
        except UnsafeName:
            continue
    different = {same_id(job_id): job_id for job_id in ids}
    files = {same_file(f"night/{job_id}{{part}}.{{ext}}") for job_id in different.values()}
    assert len(files) == len(different)


@settings(deadline=None, max_examples=200)
@given(NAMES, st.integers(1, 30), st.integers(1, 30))
def test_checked_pattern_never_fails_when_the_file_is_there(
    name: str, part: int, version: int
) -> None:
    """By then the result is paid for: what `same_file` lets through must be usable."""
    pattern = name.replace("{", "{{").replace("}", "}}") + "{part}.{ext}"
    try:
        same_file(pattern)
    except UnsafeName:
        return
    path = output_path(pattern, ext="mp4", part=part, version=version)
    assert path.suffix == ".mp4"
    assert len(sidecar_path(path).name.encode()) <= MAX_NAME_BYTES + 1
