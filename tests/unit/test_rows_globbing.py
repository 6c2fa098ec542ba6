from __future__ import annotations

import glob
import inspect
import os
import sys
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.manifest.rows import globbing
from runner.manifest.rows.opening import open_table, source_kind
from runner.manifest.rows.table import FileName, Row, RowProblem, RowSource

NO_LINKS = pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")


@pytest.fixture
def base(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    for path in (
        "plates/b.png", "plates/a.png", "plates/.hidden.png", "plates/c.JPG", "plates/sub/d.png",
        "plates/sub/deep/e.png", ".git/f.png", "top.png", "notes.txt",
    ):  # fmt: skip
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()
    (folder / "plates" / "folder.png").mkdir()
    return folder


def files(base: Path, pattern: str, *, allow: tuple[Path, ...] = ()) -> list[str]:
    found = open_table(RowSource(kind="glob", path=pattern), base=base, allow=allow)
    return [str(row.values["file"]) for row in found]


def problem(base: Path, pattern: str) -> RowProblem:
    with pytest.raises(RowProblem) as caught:
        files(base, pattern)
    return caught.value


# What matches


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("plates/*.png", ["plates/a.png", "plates/b.png"]),
        ("./plates/*.png", ["plates/a.png", "plates/b.png"]),
        ("plates/?.png", ["plates/a.png", "plates/b.png"]),
        ("plates/[bc].*", ["plates/b.png", "plates/c.JPG"]),
        ("plates/[!b].png", ["plates/a.png"]),
        ("*.png", ["top.png"]),
        ("*/*.png", ["plates/a.png", "plates/b.png"]),
        ("*/sub/*.png", ["plates/sub/d.png"]),
        ("plates/.*.png", ["plates/.hidden.png"]),
        (".git/*.png", [".git/f.png"]),
        (".g*/*.png", [".git/f.png"]),
        ("plates/sub/**", ["plates/sub/d.png", "plates/sub/deep/e.png"]),
        ("plates/**/*.png",
         ["plates/a.png", "plates/b.png", "plates/sub/d.png", "plates/sub/deep/e.png"]),
        ("**/deep/**/*.png", ["plates/sub/deep/e.png"]),
        ("**/**/[de].png", ["plates/sub/d.png", "plates/sub/deep/e.png"]),
        ("plates/../*.txt", ["plates/../notes.txt"]),
        ("plates/a.png", ["plates/a.png"]),
    ],
)  # fmt: skip
def test_a_pattern_finds_files_in_the_order_of_their_paths(
    base: Path, pattern: str, found: list[str]
) -> None:
    assert files(base, pattern) == found


def test_each_file_is_a_row_that_stands_at_the_file(base: Path) -> None:
    table = open_table(RowSource(kind="glob", path="*.png"), base=base, allow=())
    assert list(table) == list(table) == [Row({"file": "top.png"}, "top.png")]
    assert (table.columns, table.is_text, table.folder) == (("file",), False, "")


def test_a_file_tells_its_parts(base: Path) -> None:
    table = open_table(RowSource(kind="glob", path="plates/sub/*.png"), base=base, allow=())
    file = next(iter(table)).values["file"]
    assert isinstance(file, FileName)
    assert (file.stem, file.name, file.suffix, file.folder) == ("d", "d.png", ".png", "plates/sub")
    assert FileName("top.png").folder == ""


def test_an_absolute_pattern_inside_the_folder_gives_relative_files(base: Path) -> None:
    assert files(base, f"{base}/plates/a*") == ["plates/a.png"]
    assert files(base, f"{base}/*.png") == ["top.png"]


def test_new_files_are_found_by_the_next_reading(base: Path) -> None:
    table = open_table(RowSource(kind="glob", path="*.png"), base=base, allow=())
    (base / "zz.png").touch()
    assert [row.place for row in table] == ["top.png", "zz.png"]


@NO_LINKS
def test_any_folders_are_not_looked_for_behind_links(base: Path) -> None:
    (base / "plates" / "sub" / "loop").symlink_to(base / "plates")
    (base / "plates" / "sub" / "other").symlink_to(base / "plates" / "sub")
    assert len(files(base, "plates/**/*.png")) == 4
    assert files(base, "plates/sub/l*/b.png") == ["plates/sub/loop/b.png"]


@NO_LINKS
def test_a_link_to_itself_is_no_file(base: Path) -> None:
    (base / "self.png").symlink_to(base / "self.png")
    (base / "dangling.png").symlink_to(base / "nowhere.png")
    assert files(base, "*.png") == ["top.png"]


def test_deep_folders_need_no_deep_calls(base: Path) -> None:
    file = base / Path(*["d"] * 300) / "x.png"
    file.parent.mkdir(parents=True)
    file.touch()
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + 150)
    try:
        found = files(base, "d/**/x.png")
    finally:
        sys.setrecursionlimit(limit)
    assert found == [file.relative_to(base).as_posix()]


# What is refused


def test_no_match_names_the_ending_that_was_probably_meant(base: Path) -> None:
    error = problem(base, "plates/*.jpg")
    assert error.message == "`plates/*.jpg` matches no file"
    assert error.hint == "`plates` has files that end in `.JPG`"


def test_no_match_names_the_endings_that_are_there(base: Path) -> None:
    assert problem(base, "plates/*.mov").hint == "in `plates` it finds `.png`, `.JPG`"
    assert problem(base, "x*.mov").hint == "in the manifest's folder it finds `.txt`, `.png`"
    assert problem(base, "plates/folder.png/*").hint == (
        "looked in `plates/folder.png`: no files there"
    )


def test_a_missing_folder_is_named_with_its_neighbour(base: Path) -> None:
    error = problem(base, "plate/*.png")
    assert error.message == "`plate/*.png` matches no file: there is no folder `plate`"
    assert error.hint == "did you mean `plates`?"


def test_a_folder_that_no_file_system_takes_is_missing(base: Path) -> None:
    assert "there is no folder" in problem(base, "a" * 300 + "/*.png").message


@pytest.mark.parametrize("pattern", ["../*.png", "plates/../../*.png", "/*.png", "/**/*.png"])
def test_a_pattern_that_leads_out_of_the_folder_is_refused(base: Path, pattern: str) -> None:
    assert "lies outside the manifest's folder" in problem(base, pattern).message


def test_the_fix_for_a_pattern_allows_its_folder_and_no_more(base: Path) -> None:
    error = problem(base, "../shared/*.png")
    assert error.message == "`../shared` lies outside the manifest's folder"
    assert f"allow: [{base.parent.resolve() / 'shared'}]" in error.hint


def test_an_allowed_folder_is_searched(base: Path) -> None:
    (base.parent / "shared").mkdir()
    (base.parent / "shared" / "x.png").touch()
    allow = (base.parent / "shared",)
    assert files(base, "../shared/*.png", allow=allow) == ["../shared/x.png"]


@NO_LINKS
@pytest.mark.parametrize("pattern", ["l*.png", "out*/x.png"])
def test_a_link_that_leads_out_of_the_folder_is_refused(base: Path, pattern: str) -> None:
    (base.parent / "shared").mkdir()
    (base.parent / "shared" / "x.png").touch()
    (base / "link.png").symlink_to(base.parent / "shared" / "x.png")
    (base / "out").symlink_to(base.parent / "shared")
    error = problem(base, pattern)
    assert "lies outside the manifest's folder" in error.message
    assert "allow" in error.hint
    assert len(files(base, pattern, allow=(base.parent / "shared",))) == 1


@pytest.mark.parametrize("pattern", ["", ".", "*/../*.png", "x" * 5000 + "*", "a\0b/*", "~/*.png"])
def test_what_is_no_pattern_is_refused(base: Path, pattern: str) -> None:
    assert len(problem(base, pattern).message) < 120


@pytest.mark.skipif(sys.platform in {"win32", "darwin"}, reason="names are Unicode there")
def test_a_name_that_is_no_unicode_is_refused(base: Path) -> None:
    Path(os.fsdecode(os.fsencode(base) + b"/caf\xe9.png")).touch()
    assert "is not UTF-8" in problem(base, "*.png").message


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all")
def test_a_folder_without_permission_is_said(base: Path) -> None:
    (base / "plates" / "sub").chmod(0)
    try:
        assert "cannot be read" in problem(base, "plates/sub/*.png").message
    finally:
        (base / "plates" / "sub").chmod(0o700)


def test_more_files_than_any_batch_has_are_refused(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(globbing, "MAX_FILES", 3)
    assert problem(base, "**/*.png").message == "`**/*.png` matches more than 3 files"


# Whatever is written


NAMES = st.sampled_from(["a", "b", ".h", "a.b", "ab", "b.a"])
PARTS = st.sampled_from(["**", "*", "a*", "?", "[ab]", "[!a]*", "*.b", ".*", "a", "b", ".h", "*b"])


@given(
    tree=st.lists(st.lists(NAMES, min_size=1, max_size=4), max_size=12),
    parts=st.lists(PARTS, min_size=1, max_size=4).filter(lambda parts: parts[-1] != "**"),
)
def test_patterns_mean_what_they_mean_in_the_standard_library(
    tree: list[list[str]], parts: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    base = tmp_path_factory.mktemp("tree")
    for path in tree:
        if not any((base / Path(*path[:n])).is_file() for n in range(1, len(path))):
            (base / Path(*path)).parent.mkdir(parents=True, exist_ok=True)
            if not (base / Path(*path)).exists():
                (base / Path(*path)).touch()
    pattern = "/".join(parts)
    wanted = {
        path
        for path in glob.glob(pattern, root_dir=base, recursive=True)  # noqa: PTH207
        if (base / path).is_file()
    }
    try:
        found = files(base, pattern)
    except RowProblem:
        found = []
    assert set(found) == wanted
    assert len(found) == len(wanted)
    assert found == sorted(found, key=lambda path: PurePosixPath(path).parts)


@given(st.text("ab*?[]!./~{}-\0 é", max_size=12))
def test_any_pattern_gives_files_or_one_problem(
    tmp_path_factory: pytest.TempPathFactory, pattern: str
) -> None:
    base = tmp_path_factory.getbasetemp() / "some"
    base.mkdir(exist_ok=True)
    (base / "a.b").touch()
    try:
        found = files(base, pattern)
    except RowProblem as error:
        found = [error.message]
    assert found


def test_kinds_follow_from_endings_and_wildcards() -> None:
    kinds = {
        "a.csv": "csv", "A.CSV": "csv", "a.tsv": "tsv", "a.jsonl": "jsonl", "a.ndjson": "jsonl",
        "data/a.xlsx": "xlsx", "a/*.png": "glob", "a?.csv": "glob", "[ab].csv": "glob",
        "a.json": None, "a": None, "": None, ".csv": None, "-": None,
    }  # fmt: skip
    assert {path: source_kind(path) for path in kinds} == kinds
