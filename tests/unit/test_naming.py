"""File names: legal everywhere, never outside the folder, never two jobs in one file."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.core.naming import (
    MAX_NAME_BYTES,
    Pattern,
    Placeholder,
    UnsafeName,
    check_id,
    output_path,
    same_file,
    same_id,
    sidecar_path,
)


@pytest.mark.parametrize(
    ("pattern", "part", "version", "path"),
    [
        ("night/shot{part}.{ext}", 1, 1, "night/shot.mp4"),
        ("night/shot{part}.{ext}", 2, 1, "night/shot-2.mp4"),
        ("night/shot{part}.{ext}", 1, 2, "night/shot_v2.mp4"),
        ("night/shot{part}.{ext}", 3, 2, "night/shot-3_v2.mp4"),
        ("shot_v{version:3}{part}.{ext}", 2, 12, "shot_v012-2.mp4"),
        ("v{version}/shot.{ext}", 2, 2, "v2/shot-2.mp4"),
        ("shot", 1, 1, "shot.mp4"),
        ("shot", 2, 3, "shot-2_v3.mp4"),
        ("gen4.5-test", 1, 1, "gen4.5-test.mp4"),
        ("shot.MOV", 2, 1, "shot-2.MOV"),
        ("{ext}/shot", 1, 1, "mp4/shot.mp4"),
        ("a//./b/shot.{ext}", 1, 1, "a/b/shot.mp4"),
        ("{{raw}}.{ext}", 1, 1, "{raw}.mp4"),
        ("1280:720 what?.{ext}", 1, 1, "1280x720 what_.mp4"),
        ("con{part}.{ext}", 1, 1, "con_.mp4"),
        ("LPT1/aux.{ext}", 1, 1, "LPT1_/aux_.mp4"),
        ("a. /b .{ext}", 1, 1, "a/b .mp4"),
        (".../.hidden", 1, 1, "_/.hidden.mp4"),
        ("e\u0301.{ext}", 1, 1, "é.mp4"),
    ],
)
def test_output_path(pattern: str, part: int, version: int, path: str) -> None:
    assert output_path(pattern, ext="mp4", part=part, version=version) == PurePosixPath(path)


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("../x", "would leave `output.dir`"), ("a/../../x", "would leave `output.dir`"),
        ("a/ .. /x", "would leave `output.dir`"), ("/etc/passwd", "absolute path"),
        ("C:/x", "absolute path"), ("c:x", "absolute path"), ("a\\b", "write folders with `/`"),
        ("a/", "ends with a folder"), ("", "ends with a folder"), ("a/..", "would leave"),
        ("a/.", "ends with a folder"), ("a\0b", "control characters"),
        ("a\nb", "control characters"),
        ("a/" * 20 + "b", "more than 16 folders"), ("a" * 10_001, "more than 10,000 characters"),
        ("a{x}", "alone in a name pattern"),
    ],
)  # fmt: skip
def test_unsafe_pattern_is_refused(pattern: str, why: str) -> None:
    with pytest.raises(UnsafeName, match=re.escape(why)):
        same_file(pattern)


def test_long_names_are_cut_and_stay_different() -> None:
    first = output_path("ü" * 300 + "a{part}.{ext}", ext="mp4")
    second = output_path("ü" * 300 + "b{part}.{ext}", ext="mp4")
    assert first != second
    assert first.suffix == second.suffix == ".mp4"
    assert len(first.name.encode()) <= MAX_NAME_BYTES


@pytest.mark.parametrize(("ext", "suffix"), [("MP4", ".mp4"), ("../x", ".x"), ("", ".bin"),
                                             ("a" * 99, "." + "a" * 10)])  # fmt: skip
def test_ending_from_a_server_is_not_trusted(ext: str, suffix: str) -> None:
    assert output_path("a.{ext}", ext=ext).suffix == suffix


def test_sidecar_stands_beside_the_first_output() -> None:
    path = output_path("night/gen4.5{part}.{ext}", ext="mp4")
    assert sidecar_path(path) == PurePosixPath("night/gen4.5.json")


def test_names_that_one_file_system_takes_for_one_are_found() -> None:
    assert same_file("Night/Shot.{ext}") == same_file("night/shot{part}.mp4")
    assert same_file("é.{ext}") == same_file("e\u0301.{ext}")
    assert same_file("a{part}.{ext}") != same_file("b{part}.{ext}")


def test_pattern_is_read_back_as_written() -> None:
    parts = ("a{b}/", Placeholder("version", 3), Placeholder("part"), ".", Placeholder("ext"))
    text = Pattern(parts).text
    assert text == "a{{b}}/{version:3}{part}.{ext}"
    assert Pattern.parse(text).fill({"version": "7", "part": "", "ext": "png"}) == "a{b}/007.png"


@pytest.mark.parametrize(
    ("text", "job_id"),
    [("shot-1", "shot-1"), ("1280:720", "1280x720"), (" a ", "a"), ("Küste_2.b", "Küste_2.b"),
     ("e\u0301", "é"), ("コップ", "コップ")],
)  # fmt: skip
def test_id_is_taken(text: str, job_id: str) -> None:
    assert check_id(text) == job_id


@pytest.mark.parametrize("text", ["", " ", "-a", ".a", "a.", "a/b", "a b", "a\\b", "con", "NUL.x",
                                  "a\0", "a,b", "@a", "+a", "*", "x" * 121, "ü" * 61])  # fmt: skip
def test_id_is_refused(text: str) -> None:
    with pytest.raises(UnsafeName):
        check_id(text)


def test_ids_are_the_same_without_regard_to_case_and_unicode_form() -> None:
    assert same_id("Straße") == same_id("STRASSE")
    assert same_id("ﬁlm") == same_id("film")


NASTY = st.text(alphabet="ab/.\\:{}~ \0\n<>|?*$%éü\u202e\ud7ffCONnul1", max_size=60)


@settings(deadline=None)
@given(
    pattern=NASTY | st.text(max_size=300),
    ext=st.text(max_size=8),
    part=st.integers(1, 20),
    version=st.integers(1, 99),
)
def test_no_pattern_leaves_the_folder(pattern: str, ext: str, part: int, version: int) -> None:
    try:
        path = output_path(pattern, ext=ext, part=part, version=version)
    except UnsafeName:
        return
    assert not path.is_absolute()
    assert ".." not in path.parts
    assert (Path("/out") / path).resolve().is_relative_to("/out")
    assert not PureWindowsPath(str(path)).drive
    for name in path.parts:
        assert 0 < len(name.encode()) <= MAX_NAME_BYTES
        assert not re.search(r'[\x00-\x1f<>:"|?*\\]', name)
        assert not name.endswith((".", " "))
        assert name.partition(".")[0].strip().upper() not in {"CON", "PRN", "AUX", "NUL", "LPT1"}


PLACEHOLDERS = [Placeholder("part"), Placeholder("ext"), Placeholder("version", 3)]


@settings(deadline=None)
@given(st.lists(st.text(max_size=8) | st.sampled_from(PLACEHOLDERS), max_size=6))
def test_every_pattern_can_be_written_and_read(parts: list[str | Placeholder]) -> None:
    values = {"version": "1", "part": "-2", "ext": "png"}
    pattern = Pattern(tuple(parts))
    assert Pattern.parse(pattern.text).fill(values) == pattern.fill(values)


@settings(deadline=None)
@given(st.text(max_size=40))
def test_ids_are_stable_and_legal_file_names(text: str) -> None:
    try:
        job_id = check_id(text)
    except UnsafeName:
        return
    assert check_id(job_id) == job_id
    assert output_path(f"{job_id}{{part}}.{{ext}}", ext="png").name == f"{job_id}.png"
