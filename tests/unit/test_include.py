"""`include`: further files with jobs, defaults and variables."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.core.spec import refs_in
from runner.manifest.including import MAX_FILES
from tests.language_rig import PNG, STILL, Folder

JOB = "jobs:\n- id: %s\n  " + STILL % "'${{ vars.look }}'" + "\n"


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def test_jobs_of_included_files_come_first(folder):
    folder.write("more.yaml", "version: 1\n" + JOB % "other")
    jobs = folder.jobs("include: [more.yaml]\nvars: {look: dusk}\n" + JOB % "own")
    assert list(jobs) == ["other", "own"]
    assert jobs["other"].body["promptText"] == "dusk"
    assert jobs["other"].line == 3


def test_the_manifest_goes_over_what_it_includes_and_later_files_over_earlier(folder):
    folder.write("a.yaml", "version: 1\nvars: {look: a, only: a}\n")
    folder.write("b.yaml", "version: 1\nvars: {look: b}\ndefaults: {job: {tags: [b]}}\n")
    jobs = folder.jobs("include: [a.yaml, b.yaml]\n" + JOB % "own")
    assert (jobs["own"].body["promptText"], jobs["own"].tags) == ("b", ("b",))
    jobs = folder.jobs("include: [a.yaml, b.yaml]\nvars: {look: mine}\n" + JOB % "own")
    assert jobs["own"].body["promptText"] == "mine"


def test_defaults_of_files_merge_and_models_go_over_endpoints(folder):
    folder.write("a.yaml", "version: 1\ndefaults: {models: {gen4_image: {seed: 5}}}\n")
    text = (
        "include: [a.yaml]\nvars: {look: x}\n"
        "defaults: {text_to_image: {seed: 4}}\n" + JOB % "own"
    )  # fmt: skip
    assert folder.jobs(text)["own"].body["seed"] == 5


def test_paths_of_an_included_file_are_relative_to_it(folder):
    folder.write("sub/a.png", PNG)
    folder.write("sub/rows.csv", "id,plate\nx,a.png\n")
    folder.write("sub/more.yaml", (
        "version: 1\njobs:\n- id: m\n  foreach: rows.csv\n  image_to_video: {model: gen4_turbo,"
        " ratio: '1280:720', duration: 5, promptImage: '${{ row.plate }}'}\n"
    ))  # fmt: skip
    jobs = folder.jobs("include: [sub/more.yaml]\njobs:\n- id: own\n  " + STILL % "x" + "\n")
    [ref] = refs_in(jobs["m-x"].body)
    assert ref.path == str(folder.path / "sub/a.png")
    assert jobs["m-x"].row == "sub/rows.csv:2"


def test_a_file_that_is_named_twice_counts_once(folder):
    folder.write("a.yaml", "version: 1\ninclude: [b.yaml]\n")
    folder.write("b.yaml", "version: 1\nvars: {look: x}\n" + JOB % "b")
    assert list(folder.jobs("include: [a.yaml, b.yaml]\n" + JOB % "own")) == ["b", "own"]


def test_mistakes_of_an_included_file_are_told_where_they_stand(folder):
    path = folder.write("more.yaml", "version: 1\n" + (JOB % "other").replace("look", "lok"))
    [problem] = folder.problems("include: [more.yaml]\nvars: {look: x}\n" + JOB % "own")
    assert (problem.file, problem.line) == (str(path), 4)
    assert problem.hint == "did you mean `look`?"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("version: 1\nbudget: 5\n", "unknown key `budget`"),
        ("jobs: []\n", "`version` is missing"),
        ("version: 1\ninclude: [m.yaml]\n", "`m.yaml` includes itself"),
        ("version: 1\ninclude: [more.yaml]\n", "`more.yaml` includes itself"),
        ("version: 1\ninclude: [../x.yaml]\n", "lies outside the manifest's folder"),
        ("version: 1\ninclude: [gone.yaml]\n", "does not exist"),
        ("version: [\n", ""),
        ("", "the manifest is empty"),
        ("version: 1\njobs:\n- id: a\n  foreach: {csv: a.csv, jobs: b}\n  sound_effect: {}\n",
         "`foreach` goes through one thing"),
    ],
)  # fmt: skip
def test_what_cannot_be_included_is_refused(folder, content, message):
    folder.write("more.yaml", content)
    found = folder.messages("include: [more.yaml]\nvars: {look: x}\n" + JOB % "own")
    assert any(message in text for text in found)
    assert found


def test_a_link_out_of_the_folder_is_not_followed(folder, tmp_path_factory):
    secret = Path(tmp_path_factory.mktemp("other")) / "secret.yaml"
    secret.write_text("version: 1\nvars: {look: stolen}\n")
    (folder.path / "more.yaml").symlink_to(secret)
    [message] = folder.messages("include: [more.yaml]\n" + JOB % "own")
    assert "lies outside the manifest's folder" in message
    assert "stolen" not in message


def test_files_without_end_are_refused(folder):
    for number in range(MAX_FILES + 5):
        folder.write(f"f{number}.yaml", f"version: 1\ninclude: [f{number + 1}.yaml]\n")
    found = folder.messages("include: [f0.yaml]\nvars: {look: x}\n" + JOB % "own")
    assert f"more than {MAX_FILES} files are included" in found
