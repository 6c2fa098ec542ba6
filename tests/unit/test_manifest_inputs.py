"""Local files in a manifest on disk: where they may lie, what they are, what they do to keys."""

from __future__ import annotations

import hashlib
import struct
import sys
from pathlib import Path

import pytest

from runner.core.spec import AssetRef, JobSpec, refs_in
from runner.errors import ManifestError, Problem
from runner.manifest.assets import MAX_BYTES, MIN_BYTES
from runner.manifest.catalog_file import load_catalog
from runner.manifest.read import read_manifest

CATALOG = load_catalog()
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + struct.pack(">II", 640, 360) + b"\x08" * 600
OTHER_PNG = PNG + b"one more row of pixels"
MP4 = b"\0\0\0\x18ftypisom" + bytes(600)
WAV = b"RIFF\xff\xff\0\0WAVEfmt " + bytes(600)
HEAD = "version: 1\njobs:\n"
needs_links = pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")


def move(job_id: str, image: str) -> str:
    return (
        f"  - id: {job_id}\n    image_to_video:\n      model: gen4_turbo\n"
        f"      promptImage: {image}\n      ratio: 1280:720\n      duration: 5\n"
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project: night/night.yaml will lie here, plates/ beside it in the same folder."""
    (tmp_path / "night" / "plates").mkdir(parents=True)
    (tmp_path / "shared").mkdir()
    (tmp_path / "night" / "plates" / "a.png").write_bytes(PNG)
    (tmp_path / "shared" / "far.png").write_bytes(PNG)
    return tmp_path / "night"


def read(folder: Path, jobs: str, head: str = HEAD) -> dict[str, JobSpec]:
    path = folder / "night.yaml"
    path.write_text(head + jobs, encoding="utf-8")
    _, expansion = read_manifest(path, CATALOG)
    return {spec.id: spec for spec in expansion.specs}


def refused(folder: Path, jobs: str, head: str = HEAD) -> list[Problem]:
    with pytest.raises(ManifestError) as caught:
        read(folder, jobs, head)
    return list(caught.value.problems)


def asset(spec: JobSpec) -> AssetRef:
    (ref,) = refs_in(spec.body)
    assert isinstance(ref, AssetRef)
    return ref


# What decides the key


def test_same_content_under_another_name_or_folder_is_the_same_key(folder: Path) -> None:
    (folder / "other name.PNG").write_bytes(PNG)
    jobs = read(folder, move("a", "plates/a.png") + move("b", "'other name.PNG'"))
    assert jobs["a"].key == jobs["b"].key
    assert asset(jobs["a"]).path != asset(jobs["b"]).path


def test_changed_content_under_the_same_name_is_another_key(folder: Path) -> None:
    before = read(folder, move("a", "plates/a.png"))["a"]
    (folder / "plates" / "a.png").write_bytes(OTHER_PNG)
    after = read(folder, move("a", "plates/a.png"))["a"]
    assert before.key != after.key
    assert asset(after).sha256 == hashlib.sha256(OTHER_PNG).hexdigest()
    assert asset(after).bytes == len(OTHER_PNG)


def test_changed_time_alone_is_the_same_key(folder: Path) -> None:
    before = read(folder, move("a", "plates/a.png"))["a"]
    (folder / "plates" / "a.png").touch()
    assert read(folder, move("a", "plates/a.png"))["a"].key == before.key


def test_moving_the_whole_project_changes_no_key(folder: Path) -> None:
    before = read(folder, move("a", "plates/a.png"))["a"]
    moved = folder.rename(folder.parent / "moved")
    assert read(moved, move("a", "plates/a.png"))["a"].key == before.key


@pytest.mark.parametrize("written", ["./plates/a.png", "plates//a.png", "plates/../plates/a.png"])
def test_ways_to_write_a_path_give_one_key(folder: Path, written: str) -> None:
    jobs = read(folder, move("a", "plates/a.png") + move("b", written))
    assert jobs["a"].key == jobs["b"].key
    assert asset(jobs["a"]).path == asset(jobs["b"]).path


def test_file_and_its_https_twin_are_different_content(folder: Path) -> None:
    jobs = read(folder, move("a", "plates/a.png") + move("b", "https://example.com/a.png"))
    assert jobs["a"].key != jobs["b"].key
    assert jobs["b"].body["promptImage"] == "https://example.com/a.png"


def test_edited_file_changes_the_keys_of_all_descendants(folder: Path) -> None:
    child = (
        "  - id: up\n    max_credits: 90\n    video_upscale:\n      model: upscale_v1\n"
        "      videoUri: ${{ jobs.a.output }}\n"
    )
    before = read(folder, move("a", "plates/a.png") + child)
    (folder / "plates" / "a.png").write_bytes(OTHER_PNG)
    after = read(folder, move("a", "plates/a.png") + child)
    assert before["up"].key != after["up"].key


def test_path_may_come_from_a_variable(folder: Path) -> None:
    head = "version: 1\nvars: {plate: a}\njobs:\n"
    spec = read(folder, move("a", "plates/${{ vars.plate }}.png"), head)["a"]
    assert asset(spec).path == str((folder / "plates" / "a.png").resolve())


# Where a file may lie


@pytest.mark.parametrize("allow", ["../shared", "..", "../night/../shared", "{shared}"])
def test_allowed_folder_opens_what_lies_in_it(folder: Path, allow: str) -> None:
    place = allow.replace("{shared}", str(folder.parent / "shared"))
    head = f"version: 1\ninputs: {{allow: ['{place}']}}\njobs:\n"
    assert asset(read(folder, move("a", "../shared/far.png"), head)["a"]).bytes == len(PNG)


@pytest.mark.parametrize("allow", ["../share", "../shared/far", "plates", "../shared/sub"])
def test_allowing_another_folder_opens_nothing(folder: Path, allow: str) -> None:
    head = f"version: 1\ninputs: {{allow: ['{allow}']}}\njobs:\n"
    (problem,) = refused(folder, move("a", "../shared/far.png"), head)
    assert problem.message == "`../shared/far.png` lies outside the manifest's folder"
    assert (problem.line, problem.column) == (7, 20)


def test_hint_for_a_file_outside_works_when_followed(folder: Path) -> None:
    (problem,) = refused(folder, move("a", "../shared/far.png"))
    line = problem.hint.partition("`")[2].partition("`")[0]
    assert read(folder, move("a", "../shared/far.png"), f"version: 1\n{line}\njobs:\n")


@needs_links
def test_link_out_of_the_folder_is_refused_and_can_be_allowed(folder: Path) -> None:
    (folder / "plates" / "link.png").symlink_to(folder.parent / "shared" / "far.png")
    (problem,) = refused(folder, move("a", "plates/link.png"))
    assert "lies outside" in problem.message
    head = "version: 1\ninputs: {allow: [../shared]}\njobs:\n"
    assert read(folder, move("a", "plates/link.png"), head)


@needs_links
def test_linked_folder_out_of_the_folder_is_refused(folder: Path) -> None:
    (folder / "linked").symlink_to(folder.parent / "shared", target_is_directory=True)
    (problem,) = refused(folder, move("a", "linked/far.png"))
    assert "lies outside" in problem.message


@needs_links
def test_link_inside_the_folder_is_its_target(folder: Path) -> None:
    (folder / "link.png").symlink_to("plates/a.png")
    jobs = read(folder, move("a", "link.png") + move("b", "plates/a.png"))
    assert jobs["a"].key == jobs["b"].key


@needs_links
def test_project_reached_through_a_link_works(folder: Path) -> None:
    (folder.parent / "alias").symlink_to(folder, target_is_directory=True)
    assert read(folder.parent / "alias", move("a", "plates/a.png"))


@needs_links
def test_dangling_link_is_a_missing_file(folder: Path) -> None:
    (folder / "gone.png").symlink_to("plates/none.png")
    (problem,) = refused(folder, move("a", "gone.png"))
    assert problem.message == "`gone.png` does not exist"


# What a file must be


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.png", MP4, "is named .png, but its content looks like mp4"),
        ("a.jpg", PNG, "is named .jpg, but its content looks like png"),
        ("a.webp", WAV, "is named .webp, but its content looks like wav"),
        ("a.png", bytes(600), "is named .png, but its content is of no known type"),
        ("a.mp4", MP4, "is no image that Runway takes"),
        ("a.txt", b"text" * 200, "is no image that Runway takes"),
        ("a", PNG, "is no image that Runway takes"),
        ("a.png", PNG[: MIN_BYTES - 1], "has 511 bytes"),
        ("a.png", b"", "has 0 bytes"),
    ],
)
def test_file_that_does_not_fit_is_refused_at_its_place(
    folder: Path, name: str, content: bytes, message: str
) -> None:
    (folder / name).write_bytes(content)
    (problem,) = refused(folder, move("a", name))
    assert problem.message == f"`{name}` {message}"
    assert problem.hint
    assert (problem.line, problem.column) == (6, 20)
    assert problem.path == "jobs[0].image_to_video.promptImage"


def test_file_too_large_is_refused_and_the_largest_is_taken(folder: Path) -> None:
    """Sparse files: nothing of that size is written."""
    for name, size in (("fits.png", MAX_BYTES), ("large.png", MAX_BYTES + 1)):
        with (folder / name).open("wb") as file:
            file.write(PNG)
            file.truncate(size)
    (problem,) = refused(folder, move("a", "fits.png") + move("b", "large.png"))
    assert problem.message == "`large.png` has 209,715,201 bytes"


def test_several_bad_files_come_at_once_with_other_problems(folder: Path) -> None:
    (folder / "fake.png").write_bytes(MP4)
    jobs = (
        move("a", "fake.png") + move("b", "none.png") + move("c", "../shared/far.png")
        + move("d", "http://example.com/a.png") + move("e", "~/a.png")
        + move("f", "plates").replace("duration: 5", "duration: 50")
    )  # fmt: skip
    found = [(problem.line, problem.message) for problem in refused(folder, jobs)]
    assert found == [
        (6, "`fake.png` is named .png, but its content looks like mp4"),
        (12, "`none.png` does not exist"),
        (18, "`../shared/far.png` lies outside the manifest's folder"),
        (24, "`promptImage` cannot be a `http:` URL"),
        (30, "`promptImage` starts with `~`, which is not expanded"),
        (36, "`plates` is a folder"),
        (38, "`duration` must be a whole number from 2 to 10 for `gen4_turbo`, got 50"),
    ]


def test_files_in_lists_and_nested_objects_are_found(folder: Path) -> None:
    job = (
        "  - id: a\n    text_to_image:\n      model: gen4_image\n      promptText: like @one\n"
        "      ratio: 1920:1080\n      referenceImages:\n"
        "        - {tag: one, uri: plates/a.png}\n        - {tag: two, uri: plates/none.png}\n"
        "        - uri: plates/a.mp4\n"
    )
    found = [(p.line, p.column, p.path.rpartition("s[")[2]) for p in refused(folder, job)]
    assert found == [(10, 27, "1].uri"), (11, 16, "2].uri")]


def test_text_fields_that_look_like_files_stay_text(folder: Path) -> None:
    job = (
        "  - id: a\n    text_to_image: {model: gen4_image, promptText: plates/a.png, "
        "ratio: 1920:1080}\n"
    )
    assert read(folder, job)["a"].body["promptText"] == "plates/a.png"


def test_file_that_is_no_file_here_may_be_a_uri(folder: Path) -> None:
    for uri in ("runway://0f1a2b3c4d", "https://example.com/a.png", "data:image/png;base64,AAAA"):
        assert read(folder, move("a", f"'{uri}'"))["a"].body["promptImage"] == uri
