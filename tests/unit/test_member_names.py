"""Names inside archives: what is accepted stays below the folder and is legal everywhere."""

from __future__ import annotations

import unicodedata
from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.core.naming import UnsafeName, check_member

_PIECES = st.sampled_from(
    ["..", ".", "", "a", "A", "con", "aux.png", "C:", "~", "\\", "é", "e\u0301", "x" * 210, "a.",
     " a", "\0", "*", "frame_0001.exr"]
)  # fmt: skip


@pytest.mark.parametrize(
    "name",
    ["frame_0001.png", "a/b/c.exr", "é.png", "e\u0301.png", "~x.png", ".hidden/a.png", "日本.png"],
)
def test_ordinary_names_stay_as_they_are(name: str) -> None:
    assert str(check_member(name)) == name


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "/", "/a", "../a", "a/../b", "a/", "a//b", "./a", "C:a", "c:/a", "a\\b", "a:b",
     "nul", "COM1.png", "a /b", "a./b", "a\tb", "a\x7fb", "a<b", "x" * 201, "a/" * 17 + "b"],
)  # fmt: skip
def test_names_that_lead_elsewhere_or_are_illegal_somewhere_are_refused(name: str) -> None:
    with pytest.raises(UnsafeName):
        check_member(name)


@settings(deadline=None)
@given(st.text(max_size=30) | st.lists(_PIECES | st.text(max_size=5), max_size=6).map("/".join))
def test_whatever_is_accepted_is_a_path_below_on_every_system(name: str) -> None:
    try:
        path = check_member(name)
    except UnsafeName:
        return
    assert str(path) == name
    for kind in (PurePosixPath, PureWindowsPath):
        below = kind("/out") / name
        assert below.parts[: len(kind("/out").parts)] == kind("/out").parts
        assert ".." not in below.parts
        assert len(below.parts) == len(kind("/out").parts) + len(path.parts)
    for part in path.parts:
        assert part == part.strip().rstrip(".")
        assert len(unicodedata.normalize("NFC", part).encode()) <= 200
